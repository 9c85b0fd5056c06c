"""A project in memory: a real `ProjectView` over real photos, for tests of exports."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

from segstudio.core.annotation import Annotation, Stage
from segstudio.core.category import Category, category_colour
from segstudio.core.image import ImageRecord, ImageState
from segstudio.core.mask import Mask
from segstudio.core.origin import Origin, OriginKind

ORIENTATION = 274


@dataclass
class MemoryProject:
    """Implements `core.project_view.ProjectView`; lists may be changed freely."""

    folder: Path
    name: str = "photos"
    all_categories: list[Category] = field(default_factory=list)
    all_images: list[ImageRecord] = field(default_factory=list)
    all_annotations: list[Annotation] = field(default_factory=list)
    all_origins: dict[tuple[OriginKind, int], Origin] = field(default_factory=dict)

    def categories(self) -> Sequence[Category]:
        return self.all_categories

    def images(self) -> Sequence[ImageRecord]:
        return self.all_images

    def annotations(self, image_id: int) -> Sequence[Annotation]:
        own = [item for item in self.all_annotations if item.image_id == image_id]
        return sorted(own, key=lambda item: (item.z_order, item.id))

    def image_ids_of(self, annotation_ids: Collection[int]) -> Mapping[int, int]:
        return {row.id: row.image_id for row in self.all_annotations if row.id in annotation_ids}

    def image_path(self, image: ImageRecord) -> Path:
        return self.folder / image.path

    def origins(
        self, kind: OriginKind, ids: Collection[int], format_key: str
    ) -> Mapping[int, Origin]:
        found = {number: self.all_origins.get((kind, number)) for number in ids}
        return {
            number: origin
            for number, origin in found.items()
            if origin is not None and origin.format == format_key
        }

    def add_category(self, name: str, **more: object) -> Category:
        index = len(self.all_categories)
        category = Category(index + 1, name, category_colour(index), **more)  # type: ignore[arg-type]
        self.all_categories.append(category)
        return category

    def add_photo(
        self, path: str, pixels: np.ndarray, *, orientation: int = 1, **more: object
    ) -> ImageRecord:
        """Write the pixels as stored (before EXIF turns them) and record the upright size."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        if orientation != 1:
            exif[ORIENTATION] = orientation
        Image.fromarray(pixels).save(file, exif=exif)
        height, width = pixels.shape[:2]
        if orientation >= 5:
            height, width = width, height
        digest = sha256(file.read_bytes()).hexdigest()
        more = {"state": ImageState.LABELLED, **more}
        record = ImageRecord(len(self.all_images) + 1, path, width, height, digest, **more)  # type: ignore[arg-type]
        self.all_images.append(record)
        return record

    def annotate(
        self, image: ImageRecord, category: Category, mask: np.ndarray | Mask, **more: object
    ) -> Annotation:
        if not isinstance(mask, Mask):
            mask = Mask.from_array(mask)
        number = 10 + len(self.all_annotations)
        annotation = Annotation(number, image.id, category.id, mask, **more)  # type: ignore[arg-type]
        self.all_annotations.append(annotation)
        return annotation

    def change_image(self, image: ImageRecord, **more: object) -> None:
        index = self.all_images.index(image)
        self.all_images[index] = replace(image, **more)  # type: ignore[arg-type]


def disc(size: tuple[int, int], x: float, y: float, radius: float) -> np.ndarray:
    """(H, W) bool of a disc."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    inside: np.ndarray = (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
    return inside


def photo_project(folder: Path) -> MemoryProject:
    """Three categories, five photos (a turned one, a PNG, an empty one), overlapping masks."""
    project = MemoryProject(folder)
    cat = project.add_category("cat", supercategory="animal")
    person = project.add_category("person")
    table = project.add_category('table <wood> & "cloth"', isthing=False)

    chelsea = skimage.data.chelsea()[::2, ::2]
    photo = project.add_photo("cats/chelsea.jpg", chelsea, split="train")
    warm = chelsea[:, :, 0].astype(int) - chelsea[:, :, 2] > 45  # ragged, with holes
    ring = disc(photo.size, 70, 60, 40) & ~disc(photo.size, 75, 62, 15)
    project.annotate(photo, cat, warm, z_order=0, predicted_iou=0.9, stability=0.95, tool="point")
    project.annotate(photo, cat, ring, z_order=2, model_key="graph_cut", stage=Stage.AUTOMATIC)
    project.annotate(photo, table, disc(photo.size, 90, 80, 30), z_order=1)

    photo = project.add_photo("astronaut.png", skimage.data.astronaut()[::3, ::3], split="val")
    project.annotate(photo, person, disc(photo.size, 60, 50, 45), attributes={"truncated": True})
    project.annotate(photo, person, disc(photo.size, 120, 50, 9), iscrowd=True)

    stored = skimage.data.coffee()[::4, ::4]
    turned = project.add_photo("desk/turned.jpg", stored, orientation=6, split="train")
    mask = disc(turned.size, 50, 80, 30)
    project.annotate(turned, table, mask, attributes={"difficult": 1, "pose": "Left"})

    project.add_photo("desk/nothing.jpg", stored, state=ImageState.REVIEWED, split="train")
    project.add_photo("later.jpg", stored, state=ImageState.TODO)
    return project
