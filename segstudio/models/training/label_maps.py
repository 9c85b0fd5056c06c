"""Label maps on disk: PNG of one byte a pixel."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from segstudio.core.errors import BadInputError
from segstudio.core.prediction import IGNORE, LabelMap
from segstudio.core.whole_files import put

_MODES = ("L", "P", "1")  # a palette's indices are the labels; of 1 bit they are 0 and 1


def read_labels(path: Path, size: tuple[int, int], categories: int) -> LabelMap:
    """(H, W) uint8 of a PNG. Raises BadInputError if it is not of `size`, or not of `categories`.

    Its values are 0 to `categories` - 1, or 255 for what is ignored.
    """
    try:
        with path.open("rb") as file, PngImagePlugin.PngImageFile(file) as image:
            if image.size != size[::-1]:
                raise BadInputError(
                    f"The label map “{path.name}” has {image.width} x {image.height} pixels and "
                    f"its image {size[1]} x {size[0]}; replace one of them."
                )
            if image.mode not in _MODES:
                raise BadInputError(
                    f"The label map “{path.name}” has colours (mode {image.mode}); "
                    "save it as PNG with one byte a pixel, the category's number."
                )
            labels: LabelMap = np.array(image, dtype=np.uint8)
    except BadInputError:
        raise
    except Exception as error:  # decoders of hostile bytes raise whatever they like
        raise BadInputError(
            f"The label map “{path}” cannot be read ({error}); start the training anew."
        ) from error
    strange = [value for value in np.unique(labels) if categories <= value < IGNORE]
    if strange:
        raise BadInputError(
            f"The label map “{path.name}” has the value {strange[0]}, but there are {categories} "
            "categories (from 0 on); give such pixels 255."
        )
    return labels


def write_labels(path: Path, labels: LabelMap) -> None:
    """Write (H, W) uint8 as PNG, whole or not at all. Raises OSError."""
    data = io.BytesIO()
    Image.fromarray(labels).save(data, "PNG", compress_level=3)
    put(path, data.getvalue())
