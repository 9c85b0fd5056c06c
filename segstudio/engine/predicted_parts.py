"""The parts of many images' label maps, on disk until they become annotations."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple, Self

from segstudio.core.errors import StorageError
from segstudio.core.mask import Mask
from segstudio.core.prompt import Prompt
from segstudio.engine.label_map_parts import LabelMapPlan, Part


class Failure(NamedTuple):
    """An image that was passed over, by its path in the project, and why, in a sentence."""

    path: str
    reason: str


@dataclass(frozen=True)
class _Entry:
    start: int
    length: int
    categories: frozenset[int]


class PredictedParts:
    """What a model found on many images, until this is closed. One thread at a time.

    `predicted` counts the images that were predicted now, `known` those the cache had; `failures`
    are those passed over.
    """

    def __init__(self, plan: LabelMapPlan) -> None:
        self.plan = plan
        self.predicted = 0
        self.known = 0
        self.failures: list[Failure] = []
        self._entries: dict[int, _Entry] = {}  # by image
        self._file = tempfile.TemporaryFile(prefix="segstudio-parts-")  # noqa: SIM115 - see close

    @property
    def image_ids(self) -> list[int]:
        """The images that have parts, in their order."""
        return list(self._entries)

    def add(self, image_id: int, parts: Sequence[Part]) -> None:
        """Keep an image's parts. Raises StorageError where the disk is full."""
        if not parts:
            return
        text = json.dumps([_to_json(part) for part in parts]).encode()
        try:
            start = self._file.seek(0, 2)
            self._file.write(text)
            self._file.flush()
        except OSError as error:
            raise StorageError(
                f"The temporary folder cannot be written ({error.strerror or error}); make room, "
                "and predict again: what was predicted is kept."
            ) from error
        used = frozenset(part.category for part in parts)
        self._entries[image_id] = _Entry(start, len(text), used)

    def parts(self, image_id: int) -> list[Part]:
        """An image's parts, the largest first; none where it was passed over."""
        entry = self._entries.get(image_id)
        if entry is None:
            return []
        self._file.seek(entry.start)
        return [_from_json(row) for row in json.loads(self._file.read(entry.length))]

    def having(self, category: int) -> list[int]:
        """The images that have parts of a category (its index in the plan)."""
        return [number for number, entry in self._entries.items() if category in entry.categories]

    def close(self) -> None:
        """Delete what was kept on disk; a second call does nothing."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _to_json(part: Part) -> dict[str, Any]:
    row: dict[str, Any] = {
        "category": part.category,
        "mask": part.mask.to_coco(),
        "score": part.score,
    }
    if part.prompt_model:
        row["prompt"] = part.prompt.to_json() if part.prompt else None
        row["stability"] = part.stability
        row["prompt_model"] = part.prompt_model
    return row


def _from_json(row: dict[str, Any]) -> Part:
    prompt = row.get("prompt")
    return Part(
        category=int(row["category"]),
        mask=Mask.from_coco(row["mask"]["size"], row["mask"]["counts"]),
        score=float(row["score"]),
        prompt=Prompt.from_json(prompt) if prompt else None,
        stability=row.get("stability"),
        prompt_model=row.get("prompt_model", ""),
    )
