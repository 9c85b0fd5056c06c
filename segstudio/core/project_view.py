"""What file formats may see of a project."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.image import ImageRecord
from segstudio.core.origin import Origin, OriginKind


class ProjectView(Protocol):
    """A project to read from; every sequence is in a stable order (by id; annotations by depth)."""

    @property
    def name(self) -> str: ...

    def categories(self) -> Sequence[Category]: ...

    def images(self) -> Sequence[ImageRecord]: ...

    def annotations(self, image_id: int) -> Sequence[Annotation]: ...

    def image_ids_of(self, annotation_ids: Collection[int]) -> Mapping[int, int]:
        """The id of the image that each of these annotations is on; without those not there."""
        ...

    def image_path(self, image: ImageRecord) -> Path:
        """Where the image file is; it need not exist."""
        ...

    def origins(
        self, kind: OriginKind, ids: Collection[int], format_key: str
    ) -> Mapping[int, Origin]:
        """What these records were in a source of that format, by id; without those that were not.

        Where one was imported more than once, the latest. The project's own id is 0.
        """
        ...
