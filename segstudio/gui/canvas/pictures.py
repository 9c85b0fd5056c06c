"""Pictures over the scene that are drawn in the background: previews, results to pick from.

Between two of them the last one is shown where it would lie in the view of now: moved by a pan,
scaled by a zoom.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QRectF
from PySide6.QtGui import QPainter

from segstudio.gui.canvas.layers import Place
from segstudio.gui.canvas.preview import Picture
from segstudio.gui.canvas.scene import Frame
from segstudio.gui.canvas.view import View

MARGIN = 64  # logical pixels around the viewport that are drawn as well: room for a pan

# Draws what is to be seen on a place, on any thread; the number is the device pixels a logical
# one. None if nothing is.
Draw = Callable[[Place, float], Picture | None]
# Runs the work elsewhere and calls back on the GUI thread, with None if it failed.
DrawPicture = Callable[[Callable[[], Picture | None], Callable[[Picture | None], None]], None]


@dataclass(frozen=True, eq=False)
class _Shown:
    """What a picture was drawn from and for."""

    draw: Draw
    version: int
    frame: Frame
    place: Place


class PictureLayer:
    """One kind of picture.

    At most one drawing is under way: the next one begins when it ends, so that a hand that never
    rests still sees fresh pictures.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self.draw_later: DrawPicture | None = None
        self.from_share = 0.0  # of the canvas's width: left of it nothing is shown
        self._draw: Draw | None = None
        self._picture: Picture | None = None
        self._shown: _Shown | None = None
        self._version = 0
        self._busy = False

    @property
    def draw(self) -> Draw | None:
        """What is to be seen; None for nothing."""
        return self._draw

    @property
    def picture(self) -> Picture | None:
        """What is seen now; None before it is drawn, and where nothing is in sight."""
        return self._picture

    def show(self, draw: Draw | None) -> None:
        """Show something else; the picture of before stays until the new one is drawn."""
        if draw is not self._draw:
            self._draw = draw
            if draw is None:
                self._picture = self._shown = None
            self._changed()

    def forget(self) -> None:
        """What `draw` depends on has changed: colours, opacity, a filter."""
        self._version += 1
        if self._draw is not None:
            self._changed()

    def paint(self, painter: QPainter, frame: Frame) -> None:
        """Draw the picture for `frame`, or what comes nearest to it until it is ready."""
        if self._draw is None:
            return
        self._renew(self._draw, frame)
        if self._picture is None or self._shown is None:
            return
        if self.from_share > 0:
            painter.save()
            left, (wide, high) = round(self.from_share * frame.size[0]), frame.size
            painter.setClipRect(QRectF(left, 0, wide - left, high))
        _paint(painter, frame.view, self._picture, self._shown.place)
        if self.from_share > 0:
            painter.restore()

    def _renew(self, draw: Draw, frame: Frame) -> None:
        if self._fits(draw, frame):
            return
        place = frame.place(MARGIN)
        now = _Shown(draw, self._version, frame, place)
        if self.draw_later is None:
            self._picture, self._shown = draw(place, frame.ratio), now
        elif not self._busy:
            self._busy = True

            def done(picture: Picture | None) -> None:
                self._busy = False
                if draw is self._draw:
                    self._picture, self._shown = picture, now
                self._changed()

            self.draw_later(lambda: draw(place, frame.ratio), done)

    def _fits(self, draw: Draw, frame: Frame) -> bool:
        """Whether the picture holds everything that is to be seen in `frame`."""
        shown = self._shown
        if shown is None or shown.draw is not draw or shown.version != self._version:
            return False
        whole = self._picture is not None and self._picture.whole
        return frame == shown.frame or (whole and frame.is_pan_of(shown.frame))


class Pictures:
    """The layers of one canvas, the lowest first.

    What a semantic model says (`label_map`). Annotations that are `selected` and the one that the
    pointer is on (`hovered`); the pick-list; the mask that a click would give (`hover`); the answer
    to the prompt (`preview`); what an operation with a number would do (`operation`).
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self.label_map = PictureLayer(changed)
        self.selected = PictureLayer(changed)
        self.hovered = PictureLayer(changed)
        self.picks = PictureLayer(changed)
        self.hover = PictureLayer(changed)
        self.preview = PictureLayer(changed)
        self.operation = PictureLayer(changed)
        self._all = (
            self.label_map,
            self.selected,
            self.hovered,
            self.picks,
            self.hover,
            self.preview,
            self.operation,
        )

    def draw_with(self, draw_later: DrawPicture) -> None:
        """Draw in the background from now on."""
        for layer in self._all:
            layer.draw_later = draw_later

    def clear(self) -> None:
        """Another image: nothing of the old one shows."""
        for layer in self._all:
            layer.show(None)

    def forget(self) -> None:
        for layer in self._all:
            layer.forget()

    def paint(self, painter: QPainter, frame: Frame) -> None:
        for layer in self._all:
            layer.paint(painter, frame)


def _paint(painter: QPainter, view: View, picture: Picture, place: Place) -> None:
    """The picture, drawn for `place`, where it would lie in `view`."""
    factor = view.scale / place.scale
    left = (picture.corner[0] - place.x) * factor + view.x
    top = (picture.corner[1] - place.y) * factor + view.y
    image = picture.image
    target = QRectF(left, top, image.width() * factor, image.height() * factor)
    painter.drawImage(target, image, QRectF(image.rect()))
