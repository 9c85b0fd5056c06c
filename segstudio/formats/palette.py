"""The Pascal VOC colour map, and index images that carry it."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

BORDER = 255
BORDER_16_BIT = 65535
MOST_INDICES = 254  # 0 is background, 255 is the border

IndexMap = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


@cache
def voc_palette() -> tuple[tuple[int, int, int], ...]:
    """256 RGB colours; index 0 black, 255 the cream of borders (VOC development kit).

    Three bits of the index at a time, lowest first, go to red, green and blue, highest first.
    """
    colours = []
    for index in range(256):
        red = green = blue = 0
        rest = index
        for place in range(7, -1, -1):
            red |= (rest & 1) << place
            green |= (rest >> 1 & 1) << place
            blue |= (rest >> 2 & 1) << place
            rest >>= 3
        colours.append((red, green, blue))
    return tuple(colours)


def save_index_map(indices: IndexMap, target: Path) -> None:
    """Write (H, W) uint8 as a palette PNG, uint16 (more than 254 objects) as a 16-bit grey PNG."""
    image = Image.fromarray(indices)
    if indices.dtype == np.uint8:
        image.putpalette([value for colour in voc_palette() for value in colour])
    data = BytesIO()
    image.save(data, format="PNG")
    target.write_bytes(data.getbuffer())
