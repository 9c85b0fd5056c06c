"""Adding images inside a transaction."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import Connection, func, insert, select

from segstudio.core.image import ImageRecord
from segstudio.store import codec
from segstudio.store.codec import NewImage
from segstudio.store.schema import image


def add(connection: Connection, records: Sequence[NewImage]) -> list[ImageRecord]:
    """Add images; returns them with their ids, in the given order.

    Their paths are known to stay inside the image folder. Raises sqlalchemy's IntegrityError for
    one that is there already.
    """
    if not records:
        return []
    first = (connection.scalar(select(func.max(image.c.id))) or 0) + 1
    now = time.time()
    rows = [
        {"id": first + index, **codec.new_image_row(record), "added_at": now}
        for index, record in enumerate(records)
    ]
    connection.execute(insert(image), rows)
    return [codec.image_record(row) for row in rows]
