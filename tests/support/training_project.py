"""A small project on disk that can be trained: squares and discs on grey, labelled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category, category_colour
from segstudio.core.changes import Edit, Records
from segstudio.core.image import ImageState
from segstudio.core.mask import Mask
from segstudio.imaging.read import file_sha256
from segstudio.store.project import NewImage, ProjectStore

SIZE = (48, 64)


def add_category(store: ProjectStore, name: str, isthing: bool = True) -> Category:
    number = store.new_category_id()
    category = Category(number, name, category_colour(number), isthing=isthing)
    store.commit(Edit("Add", 0, Records(), Records(categories=(category,))))
    return category


def annotate(
    store: ProjectStore, image_id: int, category: Category, array: np.ndarray, **more: object
) -> Annotation:
    row = Annotation(
        store.new_annotation_id(), image_id, category.id, Mask.from_array(array), **more
    )
    store.commit(Edit("Draw", image_id, Records(), Records(annotations=(row,))))
    return row


def add_image(
    store: ProjectStore,
    name: str,
    pixels: np.ndarray,
    state: ImageState = ImageState.LABELLED,
    split: str = "",
) -> int:
    path = store.images_dir / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    height, width = pixels.shape[:2]
    return store.add_images([NewImage(name, width, height, file_sha256(path), state, split)])[0].id


def shapes(size: tuple[int, int], number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An image, and where its bright square and its dark disc are; the disc lies in front."""
    height, width = size
    rng = np.random.default_rng(number)
    y, x = np.mgrid[:height, :width]
    left, top = rng.integers(2, width // 2), rng.integers(2, height // 2)
    square = (x >= left) & (x < left + width // 3) & (y >= top) & (y < top + height // 3)
    disc = (x - rng.integers(0, width)) ** 2 + (y - rng.integers(0, height)) ** 2 < 60
    pixels = rng.integers(100, 130, (height, width, 3), dtype=np.uint8)
    pixels[square] = (230, 200, 60)
    pixels[disc] = (20, 40, 160)
    return pixels, square, disc


def training_project(
    folder: Path, count: int = 5, sizes: Sequence[tuple[int, int]] = (SIZE,)
) -> ProjectStore:
    """`count` labelled images with a "square" and a "disc" each; open for writing."""
    photos = folder / "photos"
    photos.mkdir(parents=True)
    store = ProjectStore.create(folder / "shapes.segstudio", photos)
    square, disc = add_category(store, "square"), add_category(store, "disc")
    for number in range(count):
        pixels, in_square, in_disc = shapes(sizes[number % len(sizes)], number)
        image = add_image(store, f"{number}.png", pixels)
        annotate(store, image, square, in_square, z_order=0)
        annotate(store, image, disc, in_disc, z_order=1)
    return store
