"""A file of annotations on their way into a project: memory stays level, however many there are."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from segstudio.core.annotation import Stage
from segstudio.core.mask import Mask
from segstudio.core.origin import Origin
from segstudio.store.codec import stored_mask, to_json
from segstudio.store.failures import explained

_TABLE = """
CREATE TABLE annotation (number INTEGER PRIMARY KEY, image_id INTEGER NOT NULL,
  category TEXT NOT NULL, height INTEGER NOT NULL, width INTEGER NOT NULL, counts BLOB NOT NULL,
  area INTEGER NOT NULL, x REAL NOT NULL, y REAL NOT NULL, w REAL NOT NULL, h REAL NOT NULL,
  iscrowd INTEGER NOT NULL, attributes TEXT NOT NULL, stage TEXT NOT NULL, tool TEXT NOT NULL,
  model_key TEXT NOT NULL, predicted_iou REAL, stability REAL, format TEXT NOT NULL,
  key TEXT NOT NULL, record TEXT NOT NULL, mask_key TEXT NOT NULL)
"""
_INSERT = "INSERT INTO annotation VALUES (NULL" + ", ?" * 21 + ")"
_BATCH = 500


@dataclass(frozen=True)
class SpooledAnnotation:
    """An annotation that has no id yet; `category` is the key of its source's category."""

    category: str
    mask: Mask
    origin: Origin
    iscrowd: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)
    stage: Stage = Stage.ASSISTED
    tool: str = ""
    model_key: str = ""
    predicted_iou: float | None = None
    stability: float | None = None


class Spool:
    """Annotations by image, in a temporary file that is gone when the spool is closed.

    Any thread may use it; one at a time is served. Methods raise StorageError where the disk fails
    or a value cannot be stored.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Make the file in a new folder of its own in `folder` (None: the system's for such)."""
        self.count = 0
        self._lock = threading.RLock()
        self._waiting: list[tuple[object, ...]] = []
        self._by_image = False
        with explained(folder or Path(tempfile.gettempdir())):
            self._folder = Path(tempfile.mkdtemp(prefix="segstudio-spool-", dir=folder))
        self._path = self._folder / "annotations"
        try:
            with explained(self._path):
                self._connection = sqlite3.connect(
                    self._path, isolation_level=None, check_same_thread=False
                )
                # Nobody needs the file after a crash.
                self._connection.execute("PRAGMA journal_mode=OFF")
                self._connection.execute("PRAGMA synchronous=OFF")
                self._connection.execute(_TABLE)
                if os.name == "posix":  # open files live on without a name: no kill leaves them
                    self._path.unlink()
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def add(self, image_id: int, annotation: SpooledAnnotation) -> None:
        """Put an annotation in front of those that its image has here."""
        row = _row(image_id, annotation)
        with self._lock:
            self._waiting.append(row)
            self.count += 1
            if len(self._waiting) >= _BATCH:
                self._write()

    def image_ids(self) -> Iterator[int]:
        """The images that have annotations here, by id."""
        last = -(2**62)
        while True:
            with self._reading() as connection:
                query = (
                    "SELECT DISTINCT image_id FROM annotation WHERE image_id > ? "
                    "ORDER BY image_id LIMIT 1000"
                )
                found = [int(row[0]) for row in connection.execute(query, (last,))]
            yield from found
            if not found:
                return
            last = found[-1]

    def annotations(self, image_id: int) -> list[SpooledAnnotation]:
        """The annotations of an image, in the order in which they were added."""
        query = "SELECT * FROM annotation WHERE image_id = ? ORDER BY number"
        with self._reading() as connection:
            rows = connection.execute(query, (image_id,)).fetchall()
        return [_annotation(row) for row in rows]

    def close(self) -> None:
        """Remove the file; a second call does nothing."""
        with self._lock:
            self._waiting.clear()
            self._connection.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _write(self) -> None:
        with explained(self._path):
            self._connection.execute("BEGIN")
            self._connection.executemany(_INSERT, self._waiting)
            self._connection.execute("COMMIT")
        self._waiting.clear()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, explained(self._path):
            if self._waiting:
                self._write()
            if not self._by_image:  # made once there is much to sort, which is quicker
                self._connection.execute("CREATE INDEX by_image ON annotation (image_id)")
                self._by_image = True
            yield self._connection


def _row(image_id: int, annotation: SpooledAnnotation) -> tuple[object, ...]:
    mask, origin = annotation.mask, annotation.origin
    return (
        *(int(image_id), annotation.category, *mask.size, mask.counts, mask.area, *mask.bbox),
        *(bool(annotation.iscrowd), to_json(dict(annotation.attributes))),
        *(str(annotation.stage), annotation.tool, annotation.model_key),
        *(annotation.predicted_iou, annotation.stability),
        *(origin.format, origin.key, to_json(dict(origin.record)), origin.mask),
    )


def _annotation(row: tuple[Any, ...]) -> SpooledAnnotation:
    _, _, category, height, width, counts, area, x, y, w, h, *rest = row
    iscrowd, attributes, stage, tool, model_key, predicted_iou, stability, *source = rest
    form, key, record, mask = source
    return SpooledAnnotation(
        category,
        stored_mask((height, width), counts, area, (x, y, w, h)),
        Origin(form, key, json.loads(record), mask),
        bool(iscrowd),
        json.loads(attributes),
        Stage(stage),
        tool,
        model_key,
        predicted_iou,
        stability,
    )
