"""Strokes of the hand over the scene: seen with the move that makes them, and until the scene
shows what they have become.

They are drawn into one picture of the viewport, only where something changed; it is made anew when
the view changes. A stroke looks as the mask will: tint and outline where it adds, and where it
removes what lies under the mask.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QRect, QRectF
from PySide6.QtGui import QColor, QImage, QPainter

from segstudio.core.mask import Mask
from segstudio.core.patch import Patch
from segstudio.core.prompt import Candidate
from segstudio.gui.canvas.layers import OUTLINE_WIDTH, Pixels, Place, draw_photo
from segstudio.gui.canvas.preview import part_of
from segstudio.gui.canvas.scene import Frame, Scene
from segstudio.gui.canvas.touched import TouchedPixels

MOST_SHOWN = 64  # strokes that the scene shows already and that later ones still lie on

BAND = 64  # device pixels: a piece is drawn in bands, as what is new of it is often a crescent

_Rect = tuple[int, int, int, int]  # half-open x0, y0, x1, y1 in device pixels
_Cells = npt.NDArray[np.uint32]


class MaskGroup:
    """Masks of one image, to be looked at together."""

    def __init__(self, masks: Iterable[Mask] = ()) -> None:
        self._masks = tuple(masks)
        boxes = [mask.box for mask in self._masks]
        self._boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)

    def covered(self, place: Place) -> Pixels:
        """(h, w) uint8 of 0 and 1: the device pixels of `place` that any of them covers."""
        seen = np.zeros((place.size[1], place.size[0]), dtype=np.uint8)
        left, top = -place.x / place.scale, -place.y / place.scale
        right, bottom = left + place.size[0] / place.scale, top + place.size[1] / place.scale
        x0, y0, x1, y1 = self._boxes.T
        for index in np.flatnonzero((x0 < right) & (x1 > left) & (y0 < bottom) & (y1 > top)):
            part = part_of(Candidate(self._masks[index], 1.0, 1.0), place)
            if part is not None:
                (x, y), (height, width) = part.corner, part.covered.shape
                seen[y : y + height, x : x + width] |= part.covered
        return seen


@dataclass(frozen=True, eq=False)
class StrokeTarget:
    """What a stroke changes: the annotations `ids`, whose pixels are `masks`; () for a new one.

    `blocked` keeps its pixels whatever is painted. `colour` and `opacity` are the new pixels'.
    """

    ids: frozenset[int] = frozenset()
    masks: MaskGroup = field(default_factory=MaskGroup)
    blocked: MaskGroup = field(default_factory=MaskGroup)
    colour: QColor = field(default_factory=lambda: QColor("#9aa0a6"))
    opacity: float = 0.4


@dataclass(eq=False)
class Stroke:
    """One stroke in sight: `pieces` came with the moves, `add` and `remove` at its end."""

    target: StrokeTarget
    adds: bool = True
    pieces: TouchedPixels = field(default_factory=TouchedPixels)
    add: Mask | None = None
    remove: Mask | None = None
    landed: bool = False  # it is an edit now, which the scene may not show yet
    shown: bool = False  # the scene shows it: only later strokes are drawn

    def boxes(self) -> list[tuple[int, int, int, int]]:
        """Half-open xyxy in image pixels, that hold all of it."""
        if self.pieces:
            return list(self.pieces.boxes())
        masks = [mask for mask in (self.add, self.remove) if mask is not None and mask.area]
        whole = [tuple(int(value) for value in mask.box) for mask in masks]
        return [(x0, y0, x1, y1) for x0, y0, x1, y1 in whole]

    def change(self, seen: Pixels, place: Place, blocked: Pixels) -> Pixels:
        """(h, w) of 0 and 1: what `seen` becomes."""
        # Pieces, where there are any, are all of it: its masks need not be read here then, which
        # takes long for a large stroke and is done where they are written.
        add, remove = self.add, self.remove
        if self.pieces:
            covered = self.pieces.covered(place)
            return seen | (covered & ~blocked) if self.adds else seen & ~covered
        if add is not None:
            seen = seen | (MaskGroup((add,)).covered(place) & ~blocked)
        if remove is not None:
            seen = seen & ~MaskGroup((remove,)).covered(place)
        return seen


class Strokes:
    """The strokes of one canvas, in the order in which they were painted."""

    def __init__(self, scene: Scene, update: Callable[[QRect], None]) -> None:
        """`update` has a part of the canvas (logical pixels) painted again; a null one: all."""
        self._scene, self._update = scene, update
        self._strokes: list[Stroke] = []
        self._pixels: Pixels | None = None
        self._cells = np.zeros((0, 0), dtype=np.uint32)  # the same, a number for each pixel
        self._image = QImage()
        self._place: Place | None = None
        self._ratio, self._ground = 1.0, "#000000"
        self._drawn: _Rect | None = None  # nothing lies beside it

    def __len__(self) -> int:
        """How many are drawn over the scene."""
        return sum(not stroke.shown for stroke in self._strokes)

    # -- painting -------------------------------------------------------------------------------

    def begin(self, target: StrokeTarget, *, adds: bool) -> Stroke:
        """A new stroke, on top of all others."""
        self._strokes.append(Stroke(target, adds))
        return self._strokes[-1]

    def extend(self, stroke: Stroke, pieces: Sequence[Patch]) -> None:
        """More pixels belong to it."""
        for piece in pieces:
            stroke.pieces.add(piece)
        scale = self._place.scale if self._place is not None else 1.0
        self._draw(box for piece in pieces for box in _bands(piece, scale))

    def finish(self, stroke: Stroke, add: Mask | None, remove: Mask | None) -> None:
        """It is done: these pixels in all, of which its pieces are a part."""
        fresh = not stroke.pieces
        stroke.add, stroke.remove = add, remove
        if fresh:
            self._draw(stroke.boxes())

    def land(self, stroke: Stroke) -> None:
        """Its edit is made: it goes as soon as the scene shows the masks of now."""
        stroke.landed = True
        self._update(QRect())

    def drop(self, stroke: Stroke) -> None:
        """It is no more: what lies under it shows again."""
        if stroke in self._strokes:
            self._strokes.remove(stroke)
            self._draw(stroke.boxes())

    def clear(self) -> None:
        """Another image: none of these is on it."""
        self._strokes.clear()
        self._forget_picture()

    # -- the picture ----------------------------------------------------------------------------

    def paint(self, painter: QPainter, frame: Frame, *, settled: bool) -> None:
        """Draw them for `frame`; `settled`: the scene below shows all edits made so far."""
        if settled:
            self._hand_over()
        if not self._strokes:
            return
        place = frame.place()
        if place != self._place or frame.ratio != self._ratio:
            self._ground = frame.ground
            self._renew(place, frame.ratio)
        if self._drawn is not None:
            x0, y0, x1, y1 = self._drawn
            source = QRectF(x0, y0, x1 - x0, y1 - y0)
            ratio = self._ratio
            target = QRectF(x0 / ratio, y0 / ratio, (x1 - x0) / ratio, (y1 - y0) / ratio)
            painter.drawImage(target, self._image, source)

    def _hand_over(self) -> None:
        """Strokes that the scene shows are drawn no more."""
        gone = [stroke for stroke in self._strokes if stroke.landed and not stroke.shown]
        for stroke in gone:
            stroke.shown = True
        past = [stroke for stroke in self._strokes if stroke.shown]
        for stroke in past[: max(0, len(past) - MOST_SHOWN)]:
            self._strokes.remove(stroke)
        for stroke in gone:
            self._draw(stroke.boxes())
        if len(past) == len(self._strokes):
            self._strokes.clear()
            self._drawn = None

    def _renew(self, place: Place, ratio: float) -> None:
        """Make the picture anew, for another view."""
        width, height = place.size
        if self._pixels is None or self._pixels.shape[:2] != (height, width):
            self._pixels = np.zeros((height, width, 4), dtype=np.uint8)
            layout = QImage.Format.Format_ARGB32_Premultiplied
            self._image = QImage(self._pixels.data, width, height, 4 * width, layout)
            self._cells = self._pixels.view(np.uint32)[..., 0]
        elif self._drawn is not None:
            x0, y0, x1, y1 = self._drawn
            self._pixels[y0:y1, x0:x1] = 0
        self._place, self._ratio, self._drawn = place, ratio, None
        self._draw(box for stroke in self._strokes if not stroke.shown for box in stroke.boxes())

    def _forget_picture(self) -> None:
        self._pixels, self._place, self._drawn = None, None, None

    def _draw(self, boxes: Iterable[tuple[int, int, int, int]]) -> None:
        """Draw the parts of the picture that show these boxes (image pixels) again."""
        if self._place is None or self._pixels is None:
            self._update(QRect())
            return
        edge = _line_width(self._ratio) + 1
        rects = [rect for box in boxes if (rect := _on(self._place, box, edge)) is not None]
        for rect in _joined(rects):
            self._render(rect, edge)
            self._drawn = rect if self._drawn is None else _around(self._drawn, rect)
            self._update(_logical(rect, self._ratio))

    def _render(self, rect: _Rect, edge: int) -> None:
        """Draw a part of the picture: all strokes, those on one target together."""
        assert self._place is not None
        x0, y0, x1, y1 = rect
        # A little around it as well, so that outlines see their neighbours.
        place = replace(
            self._place,
            x=self._place.x - x0 + edge,
            y=self._place.y - y0 + edge,
            size=(x1 - x0 + 2 * edge, y1 - y0 + 2 * edge),
        )
        cells = self._cells[y0:y1, x0:x1]
        cells[...] = 0
        for _, group in itertools.groupby(self._strokes, key=lambda one: one.target.ids):
            self._lay(list(group), place, cells, edge)

    def _lay(self, strokes: list[Stroke], place: Place, cells: _Cells, edge: int) -> None:
        """Draw what strokes on one target make of it, as the scene would show it.

        `cells` are the pixels of `place`, but for `edge` of them on every side.
        """
        drawn = [stroke for stroke in strokes if not stroke.shown]
        if not drawn:
            return
        target, last = strokes[0].target, drawn[-1].target
        blocked = last.blocked.covered(place)
        before = target.masks.covered(place)
        for stroke in strokes:
            if stroke.shown:
                before = stroke.change(before, place, blocked)
        after = before
        for stroke in drawn:
            after = stroke.change(after, place, blocked)
        changed = before ^ after
        if not cv2.countNonZero(changed):
            return
        inner = slice(edge, -edge), slice(edge, -edge)
        fill = _premultiplied(last.colour, last.opacity)
        _tint(cells, (changed & after)[inner], fill)
        gone = (changed & before)[inner]
        if gone.any():
            under = self._without(place, target.ids).view(np.uint32)[..., 0]
            np.copyto(cells, under[inner], where=gone.view(np.bool_))
        line = _outline(after, changed, self._ratio)[inner]
        cells[line.view(np.bool_)] = _premultiplied(last.colour, 1.0)

    def _without(self, place: Place, ids: frozenset[int]) -> Pixels:
        """(h, w, 4) uint8 BGRA: what the scene would show on `place` without these annotations."""
        scene, ground = self._scene, QColor(self._ground)
        if scene.pyramid is None:
            return np.zeros((place.size[1], place.size[0], 4), dtype=np.uint8)
        pixels = draw_photo(scene.pyramid, place, (ground.blue(), ground.green(), ground.red()))
        scene.looks.draw(pixels, place, self._ratio, hidden=ids)
        return pixels


def _outline(after: Pixels, changed: Pixels, ratio: float) -> Pixels:
    """(h, w) of 0 and 1: where the edge of `after` runs through what changed."""
    side = 2 * _line_width(ratio) + 1
    near = np.ones((side, side), dtype=np.uint8)
    inner = cv2.erode(after, np.ones((side, side), dtype=np.uint8), borderValue=1)
    edge = cv2.bitwise_and(cv2.subtract(after, inner), cv2.dilate(changed, near))
    return np.asarray(edge, dtype=np.uint8)


def _line_width(ratio: float) -> int:
    return max(1, int(OUTLINE_WIDTH * ratio))


def _premultiplied(colour: QColor, opacity: float) -> np.uint32:
    """A pixel of BGRA."""
    parts = (colour.blue(), colour.green(), colour.red(), 255)
    packed = np.array([round(part * opacity) for part in parts], dtype=np.uint8)
    return np.uint32(packed.view(np.uint32)[0])


def _tint(cells: _Cells, where: Pixels, fill: np.uint32) -> None:
    """Lay `fill` over the premultiplied pixels `cells`, in place."""
    at = where.view(np.bool_)
    below = cells[at]
    if not below.any():  # nearly always
        cells[at] = fill
        return
    over = np.array([fill], dtype=np.uint32).view(np.uint8).astype(np.uint16)
    kept = below.view(np.uint8).reshape(-1, 4) * (255 - over[3])
    cells[at] = (over + (kept + 127) // 255).astype(np.uint8).view(np.uint32)[:, 0]


# -- places -----------------------------------------------------------------------------------


def _on(place: Place, box: tuple[int, int, int, int], edge: int) -> _Rect | None:
    """The device pixels of `place` that show `box` and `edge` around it; None if out of sight."""
    x0 = max(0, math.floor(box[0] * place.scale + place.x) - edge)
    y0 = max(0, math.floor(box[1] * place.scale + place.y) - edge)
    x1 = min(place.size[0], math.ceil(box[2] * place.scale + place.x) + edge)
    y1 = min(place.size[1], math.ceil(box[3] * place.scale + place.y) + edge)
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def _bands(piece: Patch, scale: float) -> Iterator[tuple[int, int, int, int]]:
    """Half-open xyxy in image pixels, that hold the pixels of `piece` and little else."""
    (x0, y0), height = piece.origin, len(piece.pixels)
    step = max(4, math.ceil(BAND / scale))
    for top in range(0, height, step):
        band = piece.pixels[top : top + step]
        columns = np.flatnonzero(band.any(axis=0))
        if len(columns):
            left, right = int(columns[0]), int(columns[-1]) + 1
            yield x0 + left, y0 + top, x0 + right, y0 + top + len(band)


def _around(one: _Rect, other: _Rect) -> _Rect:
    return (
        min(one[0], other[0]),
        min(one[1], other[1]),
        max(one[2], other[2]),
        max(one[3], other[3]),
    )


def _area(rect: _Rect) -> int:
    return (rect[2] - rect[0]) * (rect[3] - rect[1])


def _joined(rects: Iterable[_Rect]) -> list[_Rect]:
    """Fewer rectangles that hold the same, where two of them take no less than one around both."""
    found: list[_Rect] = []
    for rect in rects:
        for index, other in enumerate(found):
            both = _around(rect, other)
            if _area(both) <= 1.25 * (_area(rect) + _area(other)):
                found[index] = both
                break
        else:
            found.append(rect)
    return found


def _logical(rect: _Rect, ratio: float) -> QRect:
    left, top = math.floor(rect[0] / ratio), math.floor(rect[1] / ratio)
    return QRect(
        left, top, math.ceil(rect[2] / ratio) - left + 1, math.ceil(rect[3] / ratio) - top + 1
    )
