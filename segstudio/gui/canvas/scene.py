"""The photo and its masks as one picture, kept as tiles at the scale that is shown.

A pan draws tiles where they lie now. What is missing or has changed is drawn in the background;
until it is there, a zoom shows the tiles of the old scale, and beyond them a small picture of the
whole image that is always kept: drawing hundreds of masks takes longer than a frame.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from PySide6.QtCore import QRect, QTimer
from PySide6.QtGui import QColor, QPainter

from segstudio.core.mask import Box
from segstudio.gui.canvas.layers import MaskLayer, draw_photo
from segstudio.gui.canvas.looks import Looks
from segstudio.gui.canvas.place import Pixels, Place
from segstudio.gui.canvas.tiles import SIDE, Grid, Rect, Tiles, cut
from segstudio.gui.canvas.view import View
from segstudio.imaging.pyramid import Pyramid

OVERVIEW = 1024  # longest side of the small picture, in device pixels
AHEAD, AHEAD_MS = 2, 12  # so many tiles out of sight are drawn at a time, then a pause: no frame
# has much to do, and what comes into sight has not long to wait.
GESTURE_S, REST_MS = 0.15, 25  # a zoom that follows another one so soon is drawn when it rests
KEPT = 2 * SIDE  # tiles that lie farther than this from the screen are forgotten

Drawn = list[tuple[Rect, Pixels]]
# Runs the work elsewhere and calls back on the GUI thread, with None if it failed.
DrawLater = Callable[[Callable[[], "Drawn | None"], Callable[["Drawn | None"], None]], None]


@dataclass(frozen=True)
class Frame:
    """What a picture shows: `size` is (width, height) in logical pixels, `ratio` the device's."""

    view: View
    size: tuple[int, int]
    ratio: float
    ground: str

    def is_pan_of(self, other: Frame) -> bool:
        return self == replace(other, view=self.view) and self.view.scale == other.view.scale

    def place(self, margin: int = 0) -> Place:
        """The device pixels of the frame, and of `margin` logical pixels around it."""
        view, ratio = self.view, self.ratio
        size = (self.size[0] + 2 * margin) * ratio, (self.size[1] + 2 * margin) * ratio
        return Place(
            view.scale * ratio,
            (view.x + margin) * ratio,
            (view.y + margin) * ratio,
            (round(size[0]), round(size[1])),
        )


@dataclass(eq=False)
class _Batch:
    """What is drawn in the background at one time, and what changed since it began."""

    tiles: Tiles
    rects: list[Rect]
    ahead: bool = False
    cancelled: bool = False
    changed: list[list[Box] | None] = field(default_factory=list)


class Scene:
    """The picture of one canvas, and how to keep it right."""

    def __init__(self) -> None:
        self.pyramid: Pyramid | None = None
        self.masks = MaskLayer()
        self.draw_later: DrawLater | None = None
        self.drawn: Callable[[], None] = lambda: None  # something has come from the background
        # Whether what was painted last shows all masks as they are now: then the hand's strokes
        # that have become masks need not be drawn over it any more.
        self.settled = True
        self.looks = Looks()  # of the masks, as they were when `forget` was called last
        self._tiles: Tiles | None = None  # at the scale that is shown
        self._old: Tiles | None = None  # at the scale of before, until the new ones are there
        self._overview: Tiles | None = None
        self._in_sight: Rect = (0, 0, 0, 0)  # of the grid of `_tiles`
        self._batch: _Batch | None = None
        self._failed = False  # drawing failed; not again before something else is asked for
        self._begun = 0.0  # when the scale last changed
        self._resting = False  # a zoom goes on

    # -- what is shown --------------------------------------------------------------------------

    def show(self, pyramid: Pyramid | None) -> None:
        """Another photo, or none: nothing of the old picture is of use."""
        self.pyramid = pyramid
        self._tiles = self._old = self._overview = None
        self._drop_batch()

    def forget(self) -> None:
        """Masks, colours or visibility changed: what looks another way is drawn again."""
        old, self.looks = self.looks, self.masks.looks()
        boxes = self.looks.changed(old)
        for tiles in (self._tiles, self._old, self._overview):
            if tiles is not None:
                tiles.mark(boxes)
        if self._batch is not None:
            self._batch.changed.append(boxes)
        self._failed = False

    @property
    def fresh(self) -> bool:
        """Whether all that was in sight of the last frame is drawn as it is now."""
        if self.pyramid is None:
            return True
        tiles = self._tiles
        return tiles is not None and tiles.is_right(tiles.cells(self._in_sight))

    @property
    def rests(self) -> bool:
        """Whether nothing is drawn in the background, and nothing is left to draw."""
        return self._batch is None and self._next() is None

    # -- painting -------------------------------------------------------------------------------

    def paint(self, painter: QPainter, frame: Frame) -> None:
        """Draw the frame, or what comes nearest to it until it is ready."""
        place = frame.place()
        painter.save()
        painter.scale(1.0 / frame.ratio, 1.0 / frame.ratio)
        ground = QColor(frame.ground)
        if self.pyramid is None:
            painter.fillRect(QRect(0, 0, *place.size), ground)
            self.settled = True
        else:
            height, width = self.pyramid.size
            x0, y0, x1, y1 = place.seen
            if x0 < 1 or y0 < 1 or x1 > width - 1 or y1 > height - 1:
                painter.fillRect(QRect(0, 0, *place.size), ground)
            self._paint_tiles(painter, self._follow(frame, place), place)
        painter.restore()

    def _paint_tiles(self, painter: QPainter, tiles: Tiles, place: Place) -> None:
        cells = tiles.cells(self._in_sight)
        if self.draw_later is None:
            self._put(tiles, self._drawing(tiles, tiles.wanted(cells), lambda: True)())
        else:
            self._seed(tiles)
            self._ask()
        self.settled = tiles.is_up_to_date(cells)
        if not all(cell in tiles for cell in cells):
            for below in (self._overview, self._old):
                if below is not None:
                    right = below.paint_scaled(painter, place)
                    self.settled = self.settled and right
        tiles.paint(painter, cells, (-self._in_sight[0], -self._in_sight[1]))

    def _follow(self, frame: Frame, place: Place) -> Tiles:
        """The tiles at the frame's scale: those of before if it is panned, else new ones."""
        ground = QColor(frame.ground)
        bgr = ground.blue(), ground.green(), ground.red()
        offset, tiles = (place.x, place.y), self._tiles
        if tiles is None or not tiles.grid.fits(place, frame.ratio, bgr):
            phase = place.x - math.floor(place.x), place.y - math.floor(place.y)
            tiles = self._begin(Grid(place.scale, phase, frame.ratio, bgr))
        x, y = (round(at - phase) for at, phase in zip(offset, tiles.grid.phase, strict=True))
        seen = -x, -y, place.size[0] - x, place.size[1] - y
        if seen != self._in_sight:
            self._in_sight, self._failed = seen, False
        return tiles

    def _begin(self, grid: Grid) -> Tiles:
        assert self.pyramid is not None
        old = self._tiles
        if old is not None and all(cell in old for cell in old.cells(self._in_sight)):
            self._old = old
        if self._batch is not None and self._batch.tiles is old:
            self._batch.cancelled = True
        self._tiles, self._failed = Tiles(grid, self.pyramid.size), False
        now = time.monotonic()
        if old is not None and self.draw_later is not None and now - self._begun < GESTURE_S:
            self._resting = True
            QTimer.singleShot(REST_MS, lambda: self._rest(now))
        self._begun = now if old is not None else 0.0
        if self._overview is not None and self._overview.grid.ground != grid.ground:
            self._overview = self._old = None
        return self._tiles

    def _seed(self, tiles: Tiles) -> None:
        """Without anything to show yet: the photo, small, until its masks are drawn too."""
        if self._overview is not None or self.pyramid is None:
            return
        scale = min(1.0, OVERVIEW / max(self.pyramid.size))
        overview = Tiles(replace(tiles.grid, scale=scale, phase=(0.0, 0.0)), self.pyramid.size)
        for rect in overview.wanted(overview.cells(overview.whole)):
            overview.take(rect, _photo(overview.grid, self.pyramid, rect))
        if self.looks.rows:
            overview.mark(None)
        self._overview = overview

    # -- drawing --------------------------------------------------------------------------------

    def _rest(self, begun: float) -> None:
        """Draw, if the scale has not changed again."""
        if begun == self._begun:
            self._resting = False
            self._ask()

    def _ask(self) -> None:
        """Have the next things drawn, one batch at a time: the newest is what counts."""
        if self._batch is not None or self._failed or self._resting or self.draw_later is None:
            return
        batch = self._next()
        if batch is not None:
            self._batch = batch
            work = self._drawing(batch.tiles, batch.rects, lambda: not batch.cancelled)
            self.draw_later(work, lambda drawn: self._take(batch, drawn))

    def _next(self) -> _Batch | None:
        """What is in sight, then the small picture, then what lies around."""
        tiles, overview = self._tiles, self._overview
        if tiles is None:
            return None
        if rects := tiles.wanted(tiles.cells(self._in_sight)):
            return _Batch(tiles, rects)
        if overview is not None and (rects := overview.wanted(overview.cells(overview.whole))):
            return _Batch(overview, rects)
        around = tiles.cells(_larger(self._in_sight, SIDE))
        ahead = [cell for cell in around if not tiles.is_right((cell,))]
        return _Batch(tiles, tiles.wanted(ahead[:AHEAD]), ahead=True) if ahead else None

    def _drawing(
        self, tiles: Tiles, rects: list[Rect], wanted: Callable[[], bool]
    ) -> Callable[[], Drawn | None]:
        pyramid, looks, grid = self.pyramid, self.looks, tiles.grid

        def work() -> Drawn | None:
            assert pyramid is not None
            drawn = []
            for rect in rects:
                pixels = _photo(grid, pyramid, rect, wanted)
                if not looks.draw(pixels, grid.place(rect), grid.ratio, wanted=wanted):
                    return None
                drawn.append((rect, pixels))
            return drawn

        return work

    def _take(self, batch: _Batch, drawn: Drawn | None) -> None:
        if batch is not self._batch:
            return
        self._batch = None
        if drawn is None:
            self._failed = not batch.cancelled
        elif batch.tiles in (self._tiles, self._overview):
            self._put(batch.tiles, drawn)
            for boxes in batch.changed:
                batch.tiles.mark(boxes)
        if batch.ahead:
            QTimer.singleShot(AHEAD_MS, self._ask)
        else:
            self._ask()
            self.drawn()

    def _put(self, tiles: Tiles, drawn: Drawn | None) -> None:
        for rect, pixels in drawn or ():
            tiles.take(rect, pixels)
        if tiles is self._tiles:
            tiles.drop_far(_larger(self._in_sight, KEPT))
            if all(cell in tiles for cell in tiles.cells(self._in_sight)):
                self._old = None

    def _drop_batch(self) -> None:
        if self._batch is not None:
            self._batch.cancelled = True
            self._batch = None


def _photo(
    grid: Grid, pyramid: Pyramid, rect: Rect, wanted: Callable[[], bool] = lambda: True
) -> Pixels:
    """(h, w, 4) BGRA of the photo alone, put together from whole tiles while they are `wanted`.

    OpenCV rounds positions from where a piece begins: so a pixel is the same in every piece.
    """
    x0, y0, x1, y1 = rect
    pixels = np.empty((y1 - y0, x1 - x0, 4), dtype=np.uint8)
    for top in range(y0 - y0 % SIDE, y1, SIDE):
        for left in range(x0 - x0 % SIDE, x1, SIDE):
            if not wanted():
                return pixels
            tile = (left, top, left + SIDE, top + SIDE)
            drawn = draw_photo(pyramid, grid.place(tile), grid.ground)
            a, b, c, d = cut(tile, rect)
            pixels[b - y0 : d - y0, a - x0 : c - x0] = drawn[b - top : d - top, a - left : c - left]
    return pixels


def _larger(rect: Rect, by: int) -> Rect:
    return rect[0] - by, rect[1] - by, rect[2] + by, rect[3] + by
