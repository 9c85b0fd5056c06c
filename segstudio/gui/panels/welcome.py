"""What shows while no project is open: one large target, the last projects, sample photos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from segstudio.gui.icons import icon_image
from segstudio.gui.theme import current_tokens

SHOWN_PROJECTS = 5


class DropTarget(QPushButton):
    """A large button that also takes a dropped folder, project or image."""

    dropped = Signal(object)  # Path

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAcceptDrops(True)
        self.setFlat(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setText(self.tr("Open a folder of images"))
        self.setAccessibleName(self.tr("Open a folder of images"))
        self.hovered = False  # something is being dragged over it

    def sizeHint(self) -> QSize:
        return QSize(440, 200)  # the style sheet's own size for buttons is too small

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if dropped_path(event) is not None:
            event.acceptProposedAction()
            self._mark(True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._mark(False)
        event.accept()

    def dropEvent(self, event: QDropEvent) -> None:
        path = dropped_path(event)
        self._mark(False)
        if path is not None:
            event.acceptProposedAction()
            self.dropped.emit(path)

    def _mark(self, hovered: bool) -> None:
        self.hovered = hovered
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        del event
        tokens = current_tokens()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        lit = self.hovered or self.underMouse() or self.hasFocus()
        colour = tokens.colour("accent" if lit else "line")
        painter.setPen(QPen(colour, 2 if lit else 1.5, Qt.PenStyle.DashLine))
        painter.setBrush(tokens.colour("hover" if self.hovered else "panel"))
        frame = QRectF(self.rect()).adjusted(2, 2, -2, -2)
        painter.drawRoundedRect(frame, 8, 8)
        middle = self.rect().center()
        image = icon_image("open-folder", 40, tokens.text, self.devicePixelRatioF())
        painter.drawImage(QRectF(middle.x() - 20, middle.y() - 60, 40, 40), image)
        font = self.font()
        font.setPointSizeF(font.pointSizeF() * 1.3)
        painter.setFont(font)
        painter.setPen(tokens.colour("text"))
        below = self.rect().adjusted(12, 24, -12, 0)
        painter.drawText(below, Qt.AlignmentFlag.AlignCenter, self.text())
        painter.setFont(self.font())
        painter.setPen(tokens.colour("dim"))
        hint = self.tr("or drop it here")
        painter.drawText(below.adjusted(0, 52, 0, 0), Qt.AlignmentFlag.AlignCenter, hint)
        painter.end()


class WelcomePanel(QWidget):
    """The empty state of the window."""

    open_requested = Signal()
    folder_dropped = Signal(object)  # Path
    recent_chosen = Signal(object)  # Path
    samples_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.target = DropTarget()
        self.target.clicked.connect(self.open_requested)
        self.target.dropped.connect(self.folder_dropped)
        self.samples = QPushButton(self.tr("Try with sample photos"))
        self.samples.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.samples.clicked.connect(self.samples_requested)
        self._title = QLabel(self.tr("Last projects"))
        self._title.setProperty("role", "dim")
        self.recent: list[QPushButton] = []
        self._column = QVBoxLayout()
        self._column.setSpacing(4)
        self._column.addWidget(self.target, 0, Qt.AlignmentFlag.AlignHCenter)
        self._column.addSpacing(8)
        self._column.addWidget(self.samples, 0, Qt.AlignmentFlag.AlignHCenter)
        self._column.addSpacing(16)
        self._column.addWidget(self._title)
        outer = QVBoxLayout(self)
        outer.addStretch(1)
        outer.addLayout(self._column)
        outer.addStretch(1)
        outer.setAlignment(self._column, Qt.AlignmentFlag.AlignHCenter)
        self.set_recent(())

    def set_recent(self, projects: Sequence[str]) -> None:
        """Paths of the last projects, newest first; the first few are shown."""
        for button in self.recent:
            self._column.removeWidget(button)
            button.deleteLater()
        self.recent = []
        for text in projects[:SHOWN_PROJECTS]:
            path = Path(text)
            button = QPushButton(f"{path.stem}    {path.parent}")
            button.setFlat(True)
            button.setToolTip(text)
            button.setMaximumWidth(520)
            button.setStyleSheet("text-align: left;")
            button.clicked.connect(lambda _=False, chosen=path: self.recent_chosen.emit(chosen))
            self._column.addWidget(button)
            self.recent.append(button)
        self._title.setVisible(bool(self.recent))


def dropped_path(event: QDropEvent) -> Path | None:
    """The first local file or folder of a drop, if there is one."""
    for url in event.mimeData().urls():
        if url.isLocalFile():
            return Path(url.toLocalFile())
    return None
