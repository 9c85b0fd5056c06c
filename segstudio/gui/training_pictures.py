"""Small pictures of a validation image: the photo, its truth, and what was predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from PySide6.QtGui import QImage

from segstudio.core.category import parse_colour
from segstudio.core.prediction import IGNORE, ModelCategory
from segstudio.core.progress import CancelToken
from segstudio.imaging.read import DEFAULT_MAX_PIXELS, opened, thumbnail
from segstudio.models.training.events import Example

SIDE = 384  # pixels of the longest side: sharp where the panel is wide, or the screen has many
SOLID = 0.7  # of a label over the photo, so that one sees what it lies on

_Rgb = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class ExamplePictures:
    """One example as it is shown."""

    example: Example
    photo: QImage
    truth: QImage
    predicted: QImage


def example_pictures(
    example: Example, folder: Path, categories: Sequence[ModelCategory], cancel: CancelToken
) -> ExamplePictures:
    """Read and colour them; any thread may. `folder` is the run's, which paths are relative to.

    Raises BadInputError where a file is gone or damaged.
    """
    photo = thumbnail(folder / example.image, SIDE)
    cancel.check()
    colours = _colours(categories)
    truth = _over(photo, folder / example.truth, colours)
    cancel.check()
    predicted = _over(photo, folder / example.labels, colours)
    return ExamplePictures(example, _picture(photo), _picture(truth), _picture(predicted))


def _colours(categories: Sequence[ModelCategory]) -> npt.NDArray[np.float32]:
    """(256, 3) RGB by label; what has no category is black."""
    table = np.zeros((256, 3), dtype=np.float32)
    for index, category in enumerate(categories[:IGNORE]):
        table[index] = parse_colour(category.colour)
    return table


def _over(photo: _Rgb, path: Path, colours: npt.NDArray[np.float32]) -> _Rgb:
    """The label map of a PNG in colours over the photo; ignored pixels stay the photo, darker."""
    height, width = photo.shape[:2]
    with opened(path, DEFAULT_MAX_PIXELS) as image:
        labels = np.asarray(image.resize((width, height), Image.Resampling.NEAREST))
    labels = labels.astype(np.uint8) if labels.ndim == 2 else labels[..., 0].astype(np.uint8)
    solid = np.where(labels == IGNORE, 0.5, SOLID)[..., None].astype(np.float32)
    mixed: _Rgb = np.rint((1 - solid) * photo + solid * colours[labels]).astype(np.uint8)
    return mixed


def _picture(pixels: _Rgb) -> QImage:
    height, width = pixels.shape[:2]
    pixels = np.ascontiguousarray(pixels)
    return QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()
