"""What file formats may see of a project."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.image import ImageRecord


class ProjectView(Protocol):
    """A project to read from; every sequence is in a stable order (by id; annotations by depth)."""

    @property
    def name(self) -> str: ...

    def categories(self) -> Sequence[Category]: ...

    def images(self) -> Sequence[ImageRecord]: ...

    def annotations(self, image_id: int) -> Sequence[Annotation]: ...

    def image_path(self, image: ImageRecord) -> Path:
        """Where the image file is; it need not exist."""
        ...
