"""Which part of a large image to give a model, so that small things are large enough for it."""

from __future__ import annotations

import math

from segstudio.core.mask import Box

MODEL_SIDE = 1024  # what the models resize an image's longer side to; a smaller crop gains nothing
_STEP = 4  # a crop lies at a multiple of a quarter of its side
_GAIN = 4 / 3  # how much larger than in the whole image things must become


def crop_for(visible: Box, image_size: tuple[int, int]) -> Box | None:
    """The half-open box of whole pixels to encode for the `visible` part; None: the whole image.

    `image_size` is (H, W). The crop holds all that is visible, is a square as far as the image
    goes, and its sides are at least 1024 where the image's are. Sides and places come from a coarse
    grid, so that small pans and zooms keep the crop and find its embedding in the cache. None where
    the crop would show things less than a third larger than the whole image does, or nothing of the
    image is visible.
    """
    height, width = image_size
    x0, x1 = max(0.0, visible.x0), min(float(width), visible.x1)
    y0, y1 = max(0.0, visible.y0), min(float(height), visible.y1)
    if x0 >= x1 or y0 >= y1:
        return None
    side = _side(max(x1 - x0, y1 - y0))
    left, right = _span((x0 + x1) / 2, side, width)
    top, bottom = _span((y0 + y1) / 2, side, height)
    if max(right - left, bottom - top) * _GAIN > max(width, height):
        return None
    return Box(left, top, right, bottom)


def _side(length: float) -> int:
    """The least of 1024, 1280, 1536, 1792, 2048, 2560, ... that holds `length` and a step."""
    wanted = max(length * _STEP / (_STEP - 1), float(MODEL_SIDE))
    unit = (MODEL_SIDE // 4) << math.floor(math.log2(wanted / MODEL_SIDE))
    return math.ceil(wanted / unit) * unit


def _span(centre: float, side: int, length: int) -> tuple[int, int]:
    """First pixel and the one after the last, around `centre`, on the grid, inside the image."""
    step = side // _STEP
    start = math.floor((centre - side / 2) / step + 0.5) * step
    start = max(0, min(start, length - side))
    return start, min(start + side, length)
