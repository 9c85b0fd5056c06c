"""The photo and its masks as one picture, kept for the view that it was drawn for.

A pan shifts the picture's pixels and draws only the strip that comes into sight. A zoom or a
change shows the old picture, moved and scaled, until the new one has been drawn in the background:
drawing hundreds of masks takes longer than a frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from PySide6.QtCore import QPointF, QRect, QRectF, QSize
from PySide6.QtGui import QColor, QImage, QPainter, QPixmap, QRegion

from segstudio.gui.canvas.layers import MaskLayer, Place, draw_photo
from segstudio.gui.canvas.view import View
from segstudio.imaging.pyramid import Pyramid

# Runs the work elsewhere and calls back on the GUI thread; newer work replaces older.
DrawLater = Callable[[Callable[[], QImage], Callable[[QImage], None]], None]


@dataclass(frozen=True)
class Frame:
    """What a picture shows: `size` is (width, height) in logical pixels, `ratio` the device's."""

    view: View
    size: tuple[int, int]
    ratio: float
    ground: str
    version: int = 0

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


class Scene:
    """The picture of one canvas, and how to keep it right."""

    def __init__(self) -> None:
        self.pyramid: Pyramid | None = None
        self.masks = MaskLayer()
        self.draw_later: DrawLater | None = None
        self.drawn: Callable[[], None] = lambda: None  # a picture has come from the background
        # Whether what was painted last shows all masks as they are now: then the hand's strokes
        # that have become masks need not be drawn over it any more.
        self.settled = True
        self._version = 0
        self._picture: QPixmap | None = None
        self._shown: Frame | None = None
        self._wanted: Frame | None = None

    def show(self, pyramid: Pyramid | None) -> None:
        """Another photo, or none: nothing of the old picture is of use."""
        self.pyramid = pyramid
        self._picture = self._shown = self._wanted = None

    def forget(self) -> None:
        """Masks, colours or visibility changed."""
        self._version += 1

    def paint(self, painter: QPainter, frame: Frame) -> None:
        """Draw the frame, or what comes nearest to it until it is ready."""
        frame = replace(frame, version=self._version)
        if self._shown != frame:
            self._renew(frame)
        self.settled = self._shown is not None and self._shown.version == frame.version
        if self._picture is None or self._shown is None:
            painter.fillRect(QRectF(0, 0, *frame.size), QColor(frame.ground))
        elif self._shown.view == frame.view and self._shown.size == frame.size:
            painter.drawPixmap(0, 0, self._picture)
        else:
            self._paint_scaled(painter, frame, self._picture, self._shown)

    def _renew(self, frame: Frame) -> None:
        if self._shown is not None and self._picture is not None and frame.is_pan_of(self._shown):
            self._shift(self._picture, self._shown, frame)
            return
        if self.draw_later is None:
            self._take(frame, _drawn(frame, self.pyramid, self.masks))
            return
        if self._picture is None:  # the photo at once, its masks when they are drawn
            self._take(frame, _drawn(frame, self.pyramid, MaskLayer()))
            if self.pyramid is None:
                return
            self._shown = replace(frame, version=-1)
        if frame != self._wanted:
            self._wanted = frame
            pyramid = self.pyramid
            masks = replace(self.masks, shapes=dict(self.masks.shapes))
            self.draw_later(
                lambda: _drawn(frame, pyramid, masks),
                lambda image: self._take_later(frame, pyramid, image),
            )

    def _take(self, frame: Frame, image: QImage) -> None:
        self._picture, self._shown = QPixmap.fromImage(image), frame

    def _take_later(self, frame: Frame, pyramid: Pyramid | None, image: QImage) -> None:
        if pyramid is self.pyramid:
            self._take(frame, image)
            self.drawn()

    def _shift(self, picture: QPixmap, old: Frame, new: Frame) -> None:
        dx = (new.view.x - old.view.x) * new.ratio
        dy = (new.view.y - old.view.y) * new.ratio
        step_x, step_y = round(dx), round(dy)
        if abs(step_x - dx) + abs(step_y - dy) > 0.01:  # parts of a device pixel cannot be shifted
            self._take(new, _drawn(new, self.pyramid, self.masks))
            return
        whole = picture.rect()
        picture.scroll(step_x, step_y, whole)
        exposed = QRegion(whole).subtracted(QRegion(whole.translated(step_x, step_y)))
        painter = QPainter(picture)
        for strip in iter(exposed):  # type: ignore[call-overload]
            corner = QPointF(strip.x() / new.ratio, strip.y() / new.ratio)
            painter.drawImage(corner, _draw(new, strip, self.pyramid, self.masks))
        painter.end()
        self._shown = new

    def _paint_scaled(
        self, painter: QPainter, frame: Frame, picture: QPixmap, shown: Frame
    ) -> None:
        """The old picture where it would lie in the new view; around it the photo."""
        factor = frame.view.scale / shown.view.scale
        left = frame.view.x - shown.view.x * factor
        top = frame.view.y - shown.view.y * factor
        target = QRectF(left, top, shown.size[0] * factor, shown.size[1] * factor)
        whole = QRectF(0, 0, *frame.size)
        if not target.contains(whole):
            painter.drawImage(0, 0, _drawn(frame, self.pyramid, MaskLayer()))
        painter.drawPixmap(target, picture, QRectF(picture.rect()))


def _drawn(frame: Frame, pyramid: Pyramid | None, masks: MaskLayer) -> QImage:
    """The whole frame, drawn anew; on any thread."""
    size = (QSize(*frame.size).toSizeF() * frame.ratio).toSize()
    return _draw(frame, QRect(0, 0, size.width(), size.height()), pyramid, masks)


def _draw(frame: Frame, part: QRect, pyramid: Pyramid | None, masks: MaskLayer) -> QImage:
    """`part` (device pixels) of the frame."""
    ground = QColor(frame.ground)
    if pyramid is None:
        image = QImage(part.size(), QImage.Format.Format_RGB32)
        image.fill(ground)
    else:
        whole = frame.place()
        x, y, size = whole.x - part.x(), whole.y - part.y(), (part.width(), part.height())
        place = replace(whole, x=x, y=y, size=size)
        pixels = draw_photo(pyramid, place, (ground.blue(), ground.green(), ground.red()))
        masks.draw(pixels, place, frame.ratio)
        stride, layout = 4 * part.width(), QImage.Format.Format_RGB32
        image = QImage(pixels.data, part.width(), part.height(), stride, layout).copy()
    image.setDevicePixelRatio(frame.ratio)
    return image
