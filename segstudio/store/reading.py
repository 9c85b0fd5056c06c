"""What can be read from an open project."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord
from segstudio.core.origin import Origin, OriginKind
from segstudio.store import codec, meta_values, origins, places, provenance
from segstudio.store.codec import RunRecord
from segstudio.store.open_project import OpenProject
from segstudio.store.provenance import AnnotationKind, Maker
from segstudio.store.schema import annotation, category, image, run

_ON_IMAGE = (
    select(annotation)
    .where(annotation.c.image_id == bindparam("of"))
    .order_by(annotation.c.z_order, annotation.c.id)
)


class ProjectReading(OpenProject):
    """The reading half of a project; a `core.project_view.ProjectView`."""

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

    # -- numbers --------------------------------------------------------------------------------

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

    def category_counts_by_image(self) -> dict[int, dict[int, int]]:
        """Number of annotations by image id, then category id, where there are any."""
        columns = (annotation.c.image_id, annotation.c.category_id)
        query = select(*columns, func.count()).group_by(*columns)
        found: dict[int, dict[int, int]] = {}
        with self._reading() as connection:
            for image_id, category_id, count in connection.execute(query):
                found.setdefault(image_id, {})[category_id] = count
        return found

    # -- whose work it is -----------------------------------------------------------------------

    def annotation_kinds(self) -> list[AnnotationKind]:
        """How the annotations came to be, with their number, the most frequent first."""
        with self._reading() as connection:
            return provenance.kinds(connection)

    def annotation_makers(self, image_id: int) -> dict[int, Maker]:
        """Who drew each annotation of an image, and the run that brought it, by annotation id."""
        with self._reading() as connection:
            return provenance.makers(connection, image_id)

    def editors(self) -> list[str]:
        """Everybody who has edited an image, by name. Looks at every edit: off the GUI thread."""
        with self._reading() as connection:
            return provenance.users(connection)

    def runs_on_images(self) -> list[tuple[int, str, str, float]]:
        """Id, kind, user and beginning (s since 1970) of the runs that changed images."""
        with self._reading() as connection:
            return provenance.runs_on_images(connection)

    # -- settings, runs -------------------------------------------------------------------------

    def setting(self, key: str, default: Any = None) -> Any:
        """A value that `set_setting` stored with the project."""
        with self._reading() as connection:
            return meta_values.get(connection, f"setting:{key}", default)

    def runs(self, kind: str | None = None) -> list[RunRecord]:
        """Imports, exports, batches and trainings, oldest first; of one kind if given."""
        query = select(run).order_by(run.c.id)
        query = query if kind is None else query.where(run.c.kind == kind)
        return self._all(query, codec.run_record, "run")


def _counts(connection: Connection, query: Select[Any]) -> dict[int, int]:
    return {row[0]: row[1] for row in connection.execute(query)}
