"""The worst validation images: each one's photo, truth and prediction side by side."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from segstudio.gui.dialogs.fields import dim_label
from segstudio.gui.theme import RADIUS, SPACING, current_tokens, numeric_font
from segstudio.gui.training_pictures import ExamplePictures

MOST = 6
LINE = 20  # px of the caption
_OPENING = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)


class ExampleRow(QWidget):
    """Three pictures of equal width and a caption above; a click or Enter opens the image."""

    opened = Signal(object)  # Example

    def __init__(self, shown: ExamplePictures, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.shown = shown
        example = shown.example
        self.caption = self.tr("{}: mIoU {:.1f} %").format(example.name, 100 * example.miou)
        self.setFont(numeric_font(self.font()))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(self.caption)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        tip = self.tr("Photo, truth, prediction.")
        if example.image_id:
            self.setCursor(Qt.CursorShape.PointingHandCursor)
            tip += " " + self.tr("Click to open the image.")
        self.setToolTip(f"{self.caption}\n{tip}")

    @property
    def pictures(self) -> tuple[QImage, QImage, QImage]:
        return self.shown.photo, self.shown.truth, self.shown.predicted

    def _picture_size(self) -> tuple[float, float]:
        photo = self.shown.photo
        wide = (self.width() - 2 * SPACING) / 3
        return wide, wide * photo.height() / max(1, photo.width())

    def sizeHint(self) -> QSize:
        return QSize(240, LINE + round(self._picture_size()[1]))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.setFixedHeight(LINE + round(self._picture_size()[1]))

    def paintEvent(self, event: QPaintEvent) -> None:
        del event
        painter, tokens = QPainter(self), current_tokens()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setPen(tokens.colour("text"))
        line = QRectF(0, 0, self.width(), LINE)
        mode = Qt.TextElideMode.ElideMiddle
        text = self.fontMetrics().elidedText(self.caption, mode, self.width())
        painter.drawText(line, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, text)
        wide, high = self._picture_size()
        for column, picture in enumerate(self.pictures):
            painter.drawImage(QRectF(column * (wide + SPACING), LINE, wide, high), picture)
        if self.hasFocus():
            painter.setPen(QPen(tokens.colour("accent"), 2))
            frame = QRectF(1, LINE + 1, self.width() - 2, high - 2)
            painter.drawRoundedRect(frame, RADIUS, RADIUS)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        inside = self.rect().contains(event.position().toPoint())
        if event.button() is Qt.MouseButton.LeftButton and inside:
            self.opened.emit(self.shown.example)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in _OPENING:
            self.opened.emit(self.shown.example)
        else:
            super().keyPressEvent(event)


class WorstImages(QWidget):
    """The rows, the worst first; what is said where there are none."""

    opened = Signal(object)  # Example

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: list[ExampleRow] = []
        self._heads = dim_label(self.tr("Photo · truth · prediction; a click opens the image."))
        self._none = QLabel()
        self._none.setWordWrap(True)
        self._none.setProperty("role", "dim")
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(2 * SPACING)
        self._column.addWidget(self._heads)
        self._column.addWidget(self._none)
        self.show_examples([])

    def show_examples(self, shown: Sequence[ExamplePictures], *, looked: bool = False) -> None:
        """Show these instead; `looked` says that all that there are were looked for."""
        soon = self.tr("After the first validation, the worst images stand here.")
        gone = self.tr("The files of the worst images are not there any more.")
        self._none.setText(gone if looked else soon)
        for row in self.rows:
            self._column.removeWidget(row)
            row.deleteLater()
        self.rows = [ExampleRow(one, self) for one in shown[:MOST]]
        for row in self.rows:
            row.opened.connect(self.opened)
            self._column.addWidget(row)
        self._none.setVisible(not self.rows)
        self._heads.setVisible(bool(self.rows))
