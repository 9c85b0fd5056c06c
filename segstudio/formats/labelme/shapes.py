"""labelme's shapes as masks, and masks as its shapes.

Drawn as labelme's own exporters do (https://github.com/wkentaro/labelme, `utils.shape_to_mask`):
by Pillow, which cuts coordinates off to whole pixels; lines are 10 pixels wide, points are discs of
radius 5, and a circle is its centre and a point on its edge.
"""

from __future__ import annotations

import base64
import binascii
import math
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, PngImagePlugin

from segstudio.core.errors import BadInputError
from segstudio.core.mask import Mask
from segstudio.imaging.chain_outlines import chain_outlines, corners

LINE_WIDTH = 10
POINT_RADIUS = 5
MOST_COORDINATE = 100_000.0  # far beyond any photo; Pillow's circles break on larger ones
_MOST_CROSSINGS = 20_000_000  # of a polygon's edges with rows of pixels: a second or two
# How many points a shape has: at least, at most.
_POINTS = {
    "polygon": (3, math.inf),
    "oriented_rectangle": (4, 4),
    "rectangle": (2, 2),
    "circle": (2, 2),
    "line": (2, 2),
    "linestrip": (2, math.inf),
    "point": (1, 1),
    "points": (1, math.inf),
    "mask": (2, 2),
}

_Points = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DrawnShape:
    """One shape: its kind, points (N, 2) float64 xy, and for a mask its PNG in base64."""

    kind: str
    points: _Points
    png: str = ""

    def __post_init__(self) -> None:
        """Raises BadInputError, saying what is wrong but not where, if it cannot be drawn."""
        if self.kind not in _POINTS:
            known = ", ".join(_POINTS)
            raise BadInputError(f"There is no shape {self.kind[:50]!r}; the shapes are {known}.")
        least, most = _POINTS[self.kind]
        if not least <= len(self.points) <= most:
            raise BadInputError(f"A {self.kind} does not have {len(self.points)} points.")
        if np.any(np.abs(self.points) > MOST_COORDINATE):
            raise BadInputError("A coordinate lies further out than any image reaches.")
        if self.kind == "mask" and not self.png:
            raise BadInputError("A mask shape has no mask.")

    def mask(self, size: tuple[int, int]) -> Mask:
        """What it covers of an image of `size` (H, W). Raises BadInputError if it cannot say."""
        if self.kind == "mask":
            return self._pasted(size)
        return self._painted(size)

    def _painted(self, size: tuple[int, int]) -> Mask:
        """Drawn on the rows that it may reach: columns keep their numbers, as Pillow's slopes are
        of 32 bits and round otherwise elsewhere."""
        whole = np.trunc(self._corners())
        reach = LINE_WIDTH if self.kind in {"line", "linestrip"} else 1
        top, bottom = (int(value) for value in (whole[:, 1].min(), whole[:, 1].max()))
        top, bottom = max(0, top - reach), min(size[0], bottom + reach + 1)
        width = min(size[1], int(whole[:, 0].max()) + reach + 1)
        if top >= bottom or width <= 0:
            return Mask.empty(size)
        rows = np.clip(whole[:, 1], top, bottom)
        if np.abs(np.diff(rows, append=rows[:1])).sum() + len(rows) > _MOST_CROSSINGS:
            raise BadInputError("A shape goes up and down more often than any outline does.")
        canvas = Image.new("L", (width, bottom - top))
        self._draw(ImageDraw.Draw(canvas), whole - (0, top))
        return Mask.from_crop(np.asarray(canvas), (0, top), size)

    def _corners(self) -> _Points:
        """The points that are drawn; of round shapes, of the boxes around them."""
        if self.kind == "circle":
            radius = math.hypot(*(self.points[1] - self.points[0]))
            return np.stack((self.points[0] - radius, self.points[0] + radius))
        if self.kind in {"point", "points"}:
            pairs = (self.points - POINT_RADIUS, self.points + POINT_RADIUS)
            return np.stack(pairs, axis=1).reshape(-1, 2)
        if self.kind == "rectangle":
            return np.sort(self.points, axis=0)
        return self.points

    def _draw(self, draw: ImageDraw.ImageDraw, points: _Points) -> None:
        flat: list[float] = points.ravel().tolist()
        if self.kind in {"circle", "point", "points"}:
            for start in range(0, len(flat), 4):
                draw.ellipse(flat[start : start + 4], outline=1, fill=1)
        elif self.kind == "rectangle":
            draw.rectangle(flat, outline=1, fill=1)
        elif self.kind in {"line", "linestrip"}:
            draw.line(flat, fill=1, width=LINE_WIDTH)
        else:
            draw.polygon(flat, outline=1, fill=1)

    def _pasted(self, size: tuple[int, int]) -> Mask:
        """A mask shape: its two points are its first and its last pixel."""
        (x0, y0), (x1, y1) = self.points.astype(np.int64).tolist()
        if not (0 <= x0 <= x1 < size[1] and 0 <= y0 <= y1 < size[0]):
            raise BadInputError("A mask shape does not lie inside its image.")
        pixels = _decoded(self.png, (x1 - x0 + 1, y1 - y0 + 1))
        return Mask.from_crop(pixels, (x0, y0), size)


def _decoded(png: str, size: tuple[int, int]) -> npt.NDArray[np.generic]:
    """The (H, W) pixels of a base64 PNG, which must have `size` (W, H): seen before decoding."""
    try:
        with PngImagePlugin.PngImageFile(BytesIO(base64.b64decode(png, validate=True))) as image:
            if image.size != size:
                raise BadInputError(
                    f"A mask shape is {image.size[0]} x {image.size[1]} pixels where its points "
                    f"leave {size[0]} x {size[1]}."
                )
            pixels = np.asarray(image)
    except BadInputError:
        raise
    except (binascii.Error, ValueError):
        raise BadInputError("A mask shape is not a PNG in base64.") from None
    except Exception:  # decoders of hostile bytes raise whatever they like
        raise BadInputError("The PNG of a mask shape is damaged.") from None
    if pixels.shape != size[::-1]:
        raise BadInputError("The PNG of a mask shape has colours where it should have 0 and 1.")
    return pixels


def mask_shape(mask: Mask) -> dict[str, Any]:
    """The points, kind and mask of a shape that holds the mask exactly; it must not be empty."""
    crop, (x0, y0) = mask.box_crop()
    data = BytesIO()
    Image.fromarray(crop.view(np.uint8)).save(data, format="PNG")
    corner = [float(x0 + crop.shape[1] - 1), float(y0 + crop.shape[0] - 1)]
    return {
        "points": [[float(x0), float(y0)], corner],
        "shape_type": "mask",
        "mask": base64.b64encode(data.getvalue()).decode("ascii"),
    }


def polygon_shapes(mask: Mask) -> list[dict[str, Any]]:
    """Points and kind of a polygon a part; drawn, they give the mask with its holes filled."""
    return [
        {"points": corners(ring).astype(np.float64).tolist(), "shape_type": "polygon", "mask": None}
        for ring in chain_outlines(mask)
    ]
