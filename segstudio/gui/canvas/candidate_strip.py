"""The masks of one answer as small pictures to choose from, on the canvas beside the mask."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QEnterEvent,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QWheelEvent,
)
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from segstudio.core.prompt import Candidate, Candidates
from segstudio.gui.canvas.preview import TILE
from segstudio.gui.theme import RADIUS, SPACING, numeric_font

STRIP_TILE = 72
TEXT_HEIGHT = 20
GAP = 12  # logical pixels between mask and strip
BORDER = 8  # and between strip and the canvas's edge
NOTCH = 120  # what a mouse wheel's notch turns, in Qt's units
MOST = 3  # models give no more candidates


class WheelSteps:
    """Notches of a wheel, of a touchpad's small turns too."""

    def __init__(self) -> None:
        self._turned = 0

    def take(self, event: QWheelEvent) -> int:
        """How many candidates further: down is the next one."""
        delta = event.angleDelta()
        # With Shift held, some systems turn the wheel's axis.
        self._turned += delta.y() or delta.x()
        steps = int(self._turned / NOTCH)
        self._turned -= steps * NOTCH
        return -steps


class CandidateTile(QWidget):
    """A small picture of one candidate with its predicted IoU and stability."""

    chosen = Signal(int)
    stepped = Signal(int)  # by the wheel: 1 is the next candidate, -1 the one before

    def __init__(self, index: int, parent: QWidget | None = None, *, side: int = TILE) -> None:
        super().__init__(parent)
        self._index, self._side = index, side
        self._picture: QImage | None = None
        self._candidate: Candidate | None = None
        self._current = self._under_pointer = False
        self._wheel = WheelSteps()
        self.setFont(numeric_font(self.font()))
        self.setFixedHeight(side + TEXT_HEIGHT)
        self.setMinimumWidth(64)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def show_candidate(
        self, candidate: Candidate | None, picture: QImage | None, *, current: bool
    ) -> None:
        self._candidate, self._picture, self._current = candidate, picture, current
        if candidate is not None:
            told = self.tr("Predicted IoU {:.2f}, stability {:.2f}")
            told = told.format(candidate.predicted_iou, candidate.stability)
            self.setToolTip(told)
            self.setAccessibleName(told)
        self.setVisible(candidate is not None)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        del event
        if self._candidate is None:
            return
        painter = QPainter(self)
        painter.setRenderHints(
            QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform
        )
        frame = QRectF(1.5, 1.5, self.width() - 3, self._side - 3)
        if self._picture is not None:
            painter.save()
            painter.setClipRect(frame)
            side = max(frame.width(), frame.height())
            square = QRectF(0, 0, side, side)
            square.moveCenter(frame.center())
            painter.drawImage(square, self._picture)
            painter.restore()
        palette = self.palette()
        marked = self._current or self._under_pointer
        painter.setPen(
            QPen(palette.highlight() if marked else palette.mid(), 2.5 if self._current else 1.0)
        )
        painter.drawRoundedRect(frame, RADIUS, RADIUS)
        painter.setPen(palette.windowText().color())
        text = f"{self._candidate.predicted_iou:.2f} · {self._candidate.stability:.2f}"
        below = QRectF(0, self._side, self.width(), TEXT_HEIGHT)
        painter.drawText(below, Qt.AlignmentFlag.AlignCenter, text)
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        del event
        self.chosen.emit(self._index)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if steps := self._wheel.take(event):
            self.stepped.emit(steps)
        event.accept()

    def enterEvent(self, event: QEnterEvent) -> None:
        self._under_pointer = True
        self.update()
        super().enterEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        self._under_pointer = False
        self.update()
        super().leaveEvent(event)


class CandidateStrip(QWidget):
    """Up to three tiles over the canvas. Never takes the focus; the pointer on it is not on the
    canvas."""

    chosen = Signal(int)
    stepped = Signal(int)

    def __init__(self, canvas: QWidget) -> None:
        super().__init__(canvas)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_NoMousePropagation)
        self.setAccessibleName(self.tr("Candidates"))
        self.setCursor(Qt.CursorShape.ArrowCursor)
        self._wheel = WheelSteps()
        self.tiles = [CandidateTile(index, self, side=STRIP_TILE) for index in range(MOST)]
        row = QHBoxLayout(self)
        row.setContentsMargins(SPACING, SPACING, SPACING, 0)
        row.setSpacing(SPACING)
        for tile in self.tiles:
            tile.setFixedWidth(max(STRIP_TILE, _text_width(tile)))
            tile.chosen.connect(self.chosen)
            tile.stepped.connect(self.stepped)
            row.addWidget(tile)
        self.hide()

    def show_candidates(
        self, candidates: Candidates, pictures: Sequence[QImage], current: int
    ) -> None:
        """What the tiles hold; the strip stays hidden or where it is."""
        show_in(self.tiles, candidates, pictures, current)
        self.adjustSize()

    def paintEvent(self, event: QPaintEvent) -> None:
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ground = QColor(self.palette().window().color())
        ground.setAlpha(238)
        painter.setBrush(ground)
        painter.setPen(QPen(self.palette().mid(), 1.0))
        painter.drawRoundedRect(
            QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), RADIUS + 2, RADIUS + 2
        )
        painter.end()

    def wheelEvent(self, event: QWheelEvent) -> None:
        if steps := self._wheel.take(event):
            self.stepped.emit(steps)
        event.accept()


def show_in(
    tiles: Sequence[CandidateTile],
    candidates: Candidates | None,
    pictures: Sequence[QImage],
    current: int,
) -> None:
    """One candidate a tile; `pictures` belong to them in the same order, and may come later."""
    items = candidates.items if candidates else ()
    for index, tile in enumerate(tiles):
        known = index < len(items)
        tile.show_candidate(
            items[index] if known else None,
            pictures[index] if index < len(pictures) else None,
            current=index == current,
        )


def _text_width(tile: QWidget) -> int:
    return tile.fontMetrics().horizontalAdvance("0.00 · 0.00") + SPACING


# -- where it fits ----------------------------------------------------------------------------


def free_place(
    strip: QSize, viewport: QSize, box: QRectF, near: QPointF, hidden: Callable[[QRect], float]
) -> QPoint | None:
    """Where a strip of that size lies over nothing that is looked at; None where it cannot.

    `box` holds the mask on the screen, `near` is where the hand is, and `hidden` tells how much
    of what matters a rectangle would cover (0 for nothing). Of the places that cover nothing the
    nearest to the hand is taken.
    """
    room = QRect(QPoint(0, 0), viewport).adjusted(BORDER, BORDER, -BORDER, -BORDER)
    places = [
        QRect(corner, strip)
        for corner in _corners(strip, room, box, near)
        if room.contains(QRect(corner, strip))
    ]
    free = [place for place in places if hidden(place) == 0]
    if not free:
        return None
    nearest = min(free, key=lambda place: _distance(place, near))
    return nearest.topLeft()


def _corners(strip: QSize, room: QRect, box: QRectF, near: QPointF) -> Iterator[QPoint]:
    """Top left corners to try: on the four sides of the box, then along the edges of the room."""
    wide, high = strip.width(), strip.height()
    right, bottom = room.right() + 1 - wide, room.bottom() + 1 - high
    x = max(room.left(), min(right, round(near.x() - wide / 2)))
    y = max(room.top(), min(bottom, round(near.y() - high / 2)))
    yield QPoint(int(box.right()) + GAP, y)
    yield QPoint(int(box.left()) - GAP - wide, y)
    yield QPoint(x, int(box.bottom()) + GAP)
    yield QPoint(x, int(box.top()) - GAP - high)
    for left in (room.left(), x, right):
        for top in (room.top(), y, bottom):
            if (left, top) != (x, y):
                yield QPoint(left, top)


def _distance(place: QRect, near: QPointF) -> float:
    middle = QRectF(place).center()
    return float((middle.x() - near.x()) ** 2 + (middle.y() - near.y()) ** 2)
