"""How masks look over the photo, and what has to be drawn again when that changes.

Everything here may run on any thread, and uses OpenCV and numpy: a QPainter would hold Python's
lock, and with it the hand.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from segstudio.core.mask import Box, Mask
from segstudio.core.mask_difference import difference
from segstudio.gui.canvas.coverage import coverage, first_centre
from segstudio.gui.canvas.place import Pixels, Place

HATCH_STEP, HATCH_BOOST = 10.0, 0.35  # logical pixels between the lines, and their extra fill
HATCH_WIDTH = 1.5
# How strong the line is where so much of what is around a pixel is covered: strongest just inside.
LINE_MIDDLE, LINE_TOP, LINE_SLOPE = 0.58, 1.25, 3.2
MANY_CHANGES = 300  # from so many changed masks on, everything is drawn again

Bgr = tuple[int, int, int]

_share = np.abs(np.arange(256) / 255 - LINE_MIDDLE)
_LINE = np.rint(255 * np.clip(LINE_TOP - LINE_SLOPE * _share, 0.0, 1.0)).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class Look:
    """One mask as it is drawn: filled and outlined in a colour, hatched where it is locked."""

    id: int
    mask: Mask
    colour: Bgr
    hatched: bool = False


def reach(ratio: float) -> int:
    """How many device pixels around a mask's edge its outline depends on; even."""
    return 2 * max(1, round(0.75 * ratio))


@dataclass(frozen=True, eq=False)
class Looks:
    """All that is drawn over the photo, the deepest first, filled at `opacity`."""

    rows: tuple[Look, ...] = ()
    opacity: float = 0.4

    @cached_property
    def _boxes(self) -> npt.NDArray[np.float64]:
        return np.array([row.mask.box for row in self.rows], dtype=np.float64).reshape(-1, 4)

    def draw(
        self,
        pixels: Pixels,
        place: Place,
        ratio: float,
        *,
        hidden: frozenset[int] = frozenset(),
        wanted: Callable[[], bool] = lambda: True,
    ) -> bool:
        """Draw every mask in sight, but those `hidden`, on (h, w, 4) BGRA `pixels` of `place`.

        Returns False, with some of them drawn, once `wanted` says no.
        """
        slack = (reach(ratio) + 1) / place.scale
        left, top, right, bottom = place.seen
        x0, y0, x1, y1 = self._boxes.T
        near = (x0 < right + slack) & (x1 > left - slack) & (y0 < bottom + slack)
        near &= (y1 > top - slack) & (x1 > x0)
        for index in np.flatnonzero(near).tolist():
            if not wanted():
                return False
            if self.rows[index].id not in hidden:
                draw_look(pixels, place, self.rows[index], self.opacity, ratio)
        return True

    def changed(self, old: Looks) -> list[Box] | None:
        """Boxes, in image pixels, that hold all that looks another way than `old` did.

        None where that may be everything.
        """
        if self.opacity != old.opacity:
            return None
        before = {row.id: row for row in old.rows}
        after = {row.id: row for row in self.rows}
        gone = [row for row in old.rows if row.id not in after]
        fresh = [row for row in self.rows if row.id not in before]
        kept = [(before[row.id], row) for row in self.rows if row.id in before]
        other = [(one, two) for one, two in kept if one is not two and not _alike(one, two)]
        places = {row.id: place for place, row in enumerate(r for r in old.rows if r.id in after)}
        moved = [two for place, (_, two) in enumerate(kept) if places[two.id] != place]
        if len(gone) + len(fresh) + len(other) + len(moved) > MANY_CHANGES:
            return None
        boxes = [row.mask.box for row in (*gone, *fresh, *moved)]
        for one, two in other:
            same_looks = one.colour == two.colour and one.hatched == two.hatched
            same_image = one.mask.size == two.mask.size
            if same_looks and same_image:
                boxes.append(difference(one.mask, two.mask).box)
            else:
                boxes += [one.mask.box, two.mask.box]
        return [box for box in boxes if box.x1 > box.x0 and box.y1 > box.y0]


def _alike(one: Look, two: Look) -> bool:
    return one.mask is two.mask and one.colour == two.colour and one.hatched == two.hatched


# -- drawing ----------------------------------------------------------------------------------


def draw_look(pixels: Pixels, place: Place, look: Look, opacity: float, ratio: float) -> None:
    """Fill and outline one mask on (h, w, 4) BGRA `pixels` of `place`; hatch it if it is locked.

    What is drawn on a device pixel does not depend on where the place begins and ends.
    """
    around = reach(ratio)
    box, scale = look.mask.box, place.scale
    left, right = (first_centre(edge * scale + place.x) for edge in (box.x0, box.x1))
    top, bottom = (first_centre(edge * scale + place.y) for edge in (box.y0, box.y1))
    # A mask of less than a device pixel is seen as one.
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    tiny = (right - left) * (bottom - top) == 1
    x0, y0 = max(0, left - around), max(0, top - around)
    x1, y1 = min(place.size[0], right + around), min(place.size[1], bottom + around)
    if x0 >= x1 or y0 >= y1:
        return
    from_x, to_x = max(left, x0 - around), min(right, x1 + around)
    from_y, to_y = max(top, y0 - around), min(bottom, y1 + around)
    here = Place(scale, place.x - from_x, place.y - from_y, (to_x - from_x, to_y - from_y))
    covered = np.ones((1, 1), dtype=np.uint8) if tiny else coverage(look.mask, here)
    margins = from_y - y0 + around, y1 + around - to_y, from_x - x0 + around, x1 + around - to_x
    covered = np.asarray(cv2.copyMakeBorder(covered, *margins, cv2.BORDER_CONSTANT), np.uint8)
    covered *= 255
    part = pixels[y0:y1, x0:x1]
    hatch = _hatch(part.shape, (place.x - x0, place.y - y0), ratio) if look.hatched else None
    tint(part, covered, look.colour, opacity, ratio=ratio, hatch=hatch)


def tint(
    pixels: Pixels,
    covered: Pixels,
    colour: Bgr,
    opacity: float,
    *,
    ratio: float,
    hatch: Pixels | None = None,
) -> None:
    """Fill and outline `covered` on (h, w, 4) BGRA `pixels`, in place.

    `covered` is uint8 of 0 and 255, `reach(ratio)` pixels larger on every side. `hatch` is (h, w),
    255 where a locked mask has lines.
    """
    around = reach(ratio)
    inner = slice(around, -around), slice(around, -around)
    inside, kernel = covered[inner], (around + 1, around + 1)
    packed = np.full(pixels.shape[:2], _packed(colour), dtype=np.uint32)
    full = packed.view(np.uint8).reshape(pixels.shape)
    _lay(pixels, full, opacity, inside)
    if hatch is not None:
        strong = min(1.0, opacity + HATCH_BOOST) - opacity
        _lay(pixels, full, strong / max(1e-6, 1.0 - opacity), cv2.bitwise_and(inside, hatch))
    # Blurred twice, the edge becomes a slope: the line is drawn around its middle.
    blurred = cv2.blur(cv2.blur(covered, kernel), kernel)
    line = np.ascontiguousarray(cv2.LUT(blurred, _LINE)[inner]).ravel()
    on_line = np.flatnonzero(line.view(np.bool_))
    if len(on_line):
        strength = line[on_line].astype(np.uint16)[:, np.newaxis]
        where = np.divmod(on_line, pixels.shape[1])
        below = pixels[where] * (255 - strength)
        over = np.array((*colour, 255), dtype=np.uint16) * strength
        pixels[where] = (below + over + 127) // 255


def _lay(pixels: Pixels, full: Pixels, opacity: float, where: npt.ArrayLike) -> None:
    mixed = cv2.addWeighted(pixels, 1.0 - opacity, full, opacity, 0.0)
    cv2.copyTo(mixed, np.asarray(where, dtype=np.uint8), pixels)


def _packed(colour: Bgr) -> int:
    blue, green, red = colour
    return 255 << 24 | red << 16 | green << 8 | blue


def _hatch(size: tuple[int, ...], origin: tuple[float, float], ratio: float) -> Pixels:
    """(h, w) uint8, 255 on slanted lines, of a part that has the image's corner at `origin`.

    The lines lie still on the image while it is panned, and keep their width at every zoom.
    """
    step, width = round(HATCH_STEP * ratio), max(1, round(HATCH_WIDTH * ratio))
    start = math.floor(origin[0] + origin[1])
    rows, columns = np.arange(size[0]), np.arange(size[1])
    along = (rows[:, np.newaxis] + columns - start) % step
    return np.where(along < width, np.uint8(255), np.uint8(0))
