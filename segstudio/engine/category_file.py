"""Categories from a file: plain text, a JSON list, or the categories of a COCO file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from segstudio.core.category import Category
from segstudio.core.errors import BadInputError
from segstudio.engine.category_choice import check_category, new_category

_MAX_BYTES = 64 << 20


def read_categories(path: Path, new_id: Callable[[], int]) -> tuple[Category, ...]:
    """Read text with one name a line, or JSON: names, objects, or `{"categories": [...]}`.

    Objects have `name` and may have `color` or `colour` ("#rrggbb" or [r, g, b]), `supercategory`
    and `isthing`. Ids are new ones. Raises BadInputError, one sentence, for anything else.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise BadInputError(f"“{path.name}” is too large for a list of categories.")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInputError(
            f"The categories in “{path}” cannot be read ({error.strerror}); check the name."
        ) from error
    except UnicodeDecodeError:
        raise BadInputError(
            f"“{path.name}” is not text; write one category a line, or JSON."
        ) from None
    made: list[Category] = []
    for entry in _entries(text, path):
        made.append(_category(entry, new_id(), made, path))
    if not made:
        raise BadInputError(f"“{path.name}” holds no category; write one name a line.")
    return tuple(made)


def _entries(text: str, path: Path) -> list[Any]:
    if path.suffix.lower() != ".json" and not text.lstrip().startswith(("[", "{")):
        return [line for line in text.splitlines() if line.strip()]
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"“{path.name}” is not valid JSON ({error}).") from None
    if isinstance(data, dict):
        data = data.get("categories")
    if not isinstance(data, list):
        raise BadInputError(f"“{path.name}” holds no list of categories.")
    return data


def _category(entry: Any, category_id: int, others: list[Category], path: Path) -> Category:
    fields = {"name": entry} if isinstance(entry, str) else entry
    if not isinstance(fields, dict) or not isinstance(fields.get("name"), str):
        raise BadInputError(f"Entry {len(others) + 1} of “{path.name}” has no name.")
    try:
        category = new_category(category_id, fields["name"], others, _colour(fields))
        supercategory = fields.get("supercategory")
        return check_category(
            replace(
                category,
                supercategory=supercategory if isinstance(supercategory, str) else "",
                isthing=bool(fields.get("isthing", True)),
            ),
            others,
        )
    except BadInputError as error:
        raise BadInputError(f"Entry {len(others) + 1} of “{path.name}”: {error}") from None


def _colour(fields: dict[str, Any]) -> str | None:
    value = fields.get("colour", fields.get("color"))
    if isinstance(value, list) and len(value) == 3 and all(isinstance(v, int) for v in value):
        return "#" + "".join(f"{min(255, max(0, v)):02x}" for v in value)
    return value if isinstance(value, str) else None
