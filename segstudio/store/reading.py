"""What can be read from an open project."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy import Connection, Engine, Select, bindparam, func, select

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.errors import BadInputError, StorageError
from segstudio.core.image import ImageRecord
from segstudio.core.origin import Origin, OriginKind
from segstudio.store import checks, codec, meta_values, origins, places
from segstudio.store.codec import RunRecord
from segstudio.store.failures import explained
from segstudio.store.opening import OpenFile, copy_file
from segstudio.store.schema import annotation, category, edit, image, run

T = TypeVar("T")

_ON_IMAGE = (
    select(annotation)
    .where(annotation.c.image_id == bindparam("of"))
    .order_by(annotation.c.z_order, annotation.c.id)
)


class ProjectReading:
    """The reading half of a project; a `core.project_view.ProjectView`.

    Every method may be called from any thread; one at a time is carried out. All raise
    StorageError or BadInputError, in one sentence, when the file fails them.

    `path`: the project file. `name`: what its owner calls it. `images_dir`: absolute.
    `last_commit_at`: when the last edit was stored, seconds since 1970 (0.0: never).
    """

    def __init__(self, path: Path, file: OpenFile) -> None:
        """Take over an open file; it is closed with this."""
        self.path = path
        self.read_only = file.lock is None
        self._file = file
        self._closed = False
        self._lock = threading.RLock()
        with self._reading() as connection:
            self.name = str(meta_values.get(connection, "name", path.stem))
            self.images_dir = places.real_folder(
                path, str(meta_values.get(connection, "images_dir", "."))
            )
            self.last_commit_at = float(connection.scalar(select(func.max(edit.c.made_at))) or 0.0)

    def close(self) -> None:
        """Bring everything into the one file and free it for others; a second call does nothing."""
        with self._lock:
            if not self._closed:
                self._closed = True
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

    @contextmanager
    def _alone(self) -> Iterator[Engine]:
        """The open file for this thread alone, with its errors explained."""
        with self._lock, explained(self.path):
            if self._closed:
                raise StorageError(f"{self.path.name} is closed; open it again.")
            yield self._file.engine

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._alone() as engine, engine.connect() as connection:
            yield connection

    def _all(
        self, query: Select[Any], decode: Callable[[Mapping[Any, Any]], T], what: str
    ) -> list[T]:
        with self._reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [codec.read(decode, row, what) for row in rows]

    # -- records --------------------------------------------------------------------------------

    def categories(self) -> list[Category]:
        """All categories by id."""
        query = select(category).order_by(category.c.id)
        return self._all(query, codec.category_record, "category")

    def images(self) -> list[ImageRecord]:
        """All images by id."""
        return self._all(select(image).order_by(image.c.id), codec.image_record, "image")

    def image(self, image_id: int) -> ImageRecord:
        """One image. Raises BadInputError if there is none with this id."""
        query = select(image).where(image.c.id == image_id)
        if found := self._all(query, codec.image_record, "image"):
            return found[0]
        raise BadInputError(f"{self.path.name} has no image {image_id}.")

    def annotations(self, image_id: int) -> list[Annotation]:
        """The annotations of an image by depth, the furthest first (then by id)."""
        with self._reading() as connection:
            rows = connection.execute(_ON_IMAGE, {"of": image_id}).mappings().all()
        return [codec.read(codec.annotation_record, row, "annotation") for row in rows]

    def all_annotations(self) -> Iterator[Annotation]:
        """The annotations of every image, image by image, each read when it is its turn."""
        for record in self.images():
            yield from self.annotations(record.id)

    def image_ids_of(self, annotation_ids: Collection[int]) -> dict[int, int]:
        """The id of the image that each of these annotations is on; without those not there."""
        wanted, found = sorted(annotation_ids), {}
        with self._reading() as connection:
            for start in range(0, len(wanted), 500):
                batch = annotation.c.id.in_(wanted[start : start + 500])
                query = select(annotation.c.id, annotation.c.image_id).where(batch)
                found.update({row[0]: row[1] for row in connection.execute(query)})
        return found

    def origins(self, kind: OriginKind, ids: Collection[int], format_key: str) -> dict[int, Origin]:
        """What these records were in a source of that format, by id; without those that were not.

        Where one was imported more than once, the latest. The project's own id is 0. What came
        with an import that was undone or taken back does not count; annotations of it that were
        kept still tell where they are from.
        """
        with self._reading() as connection:
            return origins.of(connection, kind, ids, format_key)

    def image_path(self, record: ImageRecord) -> Path:
        """Where the image file is; it need not exist.

        Raises BadInputError for a path that leaves the image folder.
        """
        return places.file_beneath(self.images_dir, record.path)

    # -- numbers, settings, runs ----------------------------------------------------------------

    def annotation_counts(self) -> dict[int, int]:
        """Number of annotations by image id, with 0 for images that have none."""
        joined = image.outerjoin(annotation, annotation.c.image_id == image.c.id)
        query = select(image.c.id, func.count(annotation.c.id)).select_from(joined)
        with self._reading() as connection:
            return _counts(connection, query.group_by(image.c.id).order_by(image.c.id))

    def category_counts(self) -> dict[int, int]:
        """Number of annotations by category id, with 0 for categories that have none."""
        joined = category.outerjoin(annotation, annotation.c.category_id == category.c.id)
        query = select(category.c.id, func.count(annotation.c.id)).select_from(joined)
        with self._reading() as connection:
            return _counts(connection, query.group_by(category.c.id).order_by(category.c.id))

    def setting(self, key: str, default: Any = None) -> Any:
        """A value that `set_setting` stored with the project."""
        with self._reading() as connection:
            return meta_values.get(connection, f"setting:{key}", default)

    def runs(self, kind: str | None = None) -> list[RunRecord]:
        """Imports, exports, batches and trainings, oldest first; of one kind if given."""
        query = select(run).order_by(run.c.id)
        query = query if kind is None else query.where(run.c.kind == kind)
        return self._all(query, codec.run_record, "run")

    # -- whole file -----------------------------------------------------------------------------

    def save_copy(self, path: Path) -> None:
        """Write a consistent copy to a new file, whole or not at all, while work goes on.

        The copy finds the same image folder. Raises StorageError if `path` exists.
        """
        target = path.resolve()
        with self._alone() as engine, explained(target):
            copy_file(engine, target, places.stored_folder(target, self.images_dir))

    def integrity(self) -> list[str]:
        """What is wrong with the file, one sentence each; an empty list is a whole project."""
        with self._reading() as connection:
            return checks.faults(connection)


def _counts(connection: Connection, query: Select[Any]) -> dict[int, int]:
    return {row[0]: row[1] for row in connection.execute(query)}
