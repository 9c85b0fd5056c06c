"""The `meta` table: named JSON values of the project."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, insert, select, update

from segstudio.core.errors import StorageError
from segstudio.store.codec import to_json
from segstudio.store.schema import meta


def get(connection: Connection, key: str, default: Any = None) -> Any:
    """The value under `key`. Raises StorageError where what is stored is not JSON."""
    text = connection.scalar(select(meta.c.value).where(meta.c.key == key))
    if text is None:
        return default
    try:
        return json.loads(text)
    except (ValueError, TypeError) as error:
        raise StorageError(f"The project file is damaged: its {key} cannot be read.") from error


def put(connection: Connection, key: str, value: Any) -> None:
    """Store `value` under `key`, in place of what was there."""
    text = to_json(value)
    query = update(meta).where(meta.c.key == key).values(value=text)
    if connection.execute(query).rowcount == 0:
        connection.execute(insert(meta).values(key=key, value=text))
