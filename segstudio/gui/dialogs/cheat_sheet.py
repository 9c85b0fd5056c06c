"""All keys and what the mouse does, on one sheet over the window."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QCoreApplication, QPoint, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from segstudio.gui.actions import ActionRow
from segstudio.gui.dialogs.command_palette import native_keys
from segstudio.gui.dialogs.keys import menu_of, translated
from segstudio.gui.theme import RADIUS, SPACING, current_tokens
from segstudio.tools.registry import TOOLS

COLUMNS, MARGIN = 3, 40  # px around the sheet at least

Line = tuple[str, str]  # what is done, and by which keys
Block = tuple[str, list[Line]]


class CheatSheet(QFrame):
    """A popup that goes away with any click beside it, Esc, or the key that opened it."""

    keys_wanted = Signal()  # the user wants to change them

    def __init__(self, rows: Sequence[ActionRow], parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup | Qt.WindowType.FramelessWindowHint)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setAttribute(Qt.WidgetAttribute.WA_NoMouseReplay)
        self.setObjectName("cheat-sheet")
        self.setAccessibleName(self.tr("Cheat sheet"))
        tokens = current_tokens()
        self.setStyleSheet(
            f"#cheat-sheet {{ background: {tokens.panel}; border: 1px solid {tokens.line};"
            f" border-radius: {RADIUS}px; }}"
            "#cheat-sheet QScrollArea { background: transparent; }"
        )
        self._closing_keys = {
            key for row in rows if row.id == "help.cheat_sheet" for key in row.keys
        }
        self.blocks = [*_by_menu(rows), (self.tr("With the mouse"), self._gestures())]
        self.area = QScrollArea(self)
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setAccessibleName(self.tr("Keys by menu"))
        self.sheet = self._sheet()
        self.area.setWidget(self.sheet)
        for ground in (self.sheet, self.area.viewport()):
            ground.setAutoFillBackground(False)  # the sheet's own shows
        self.change = QPushButton(self.tr("Change keys…"), self)
        self.change.clicked.connect(self._change)
        bottom = QHBoxLayout()
        bottom.addStretch(1)
        bottom.addWidget(self.change)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*[4 * SPACING] * 4)
        layout.setSpacing(2 * SPACING)
        layout.addWidget(self.area, 1)
        layout.addLayout(bottom)

    def _gestures(self) -> list[Line]:
        """What is done with the mouse whatever the tool, and with each of them."""
        return [
            (self.tr("Zoom"), self.tr("wheel")),
            (self.tr("Pan"), self.tr("Space + drag, middle drag")),
            (self.tr("Next candidate"), self.tr("Shift + wheel")),
            (self.tr("Brush size, superpixel scale"), self.tr("Alt + wheel")),
            (self.tr("Refine an annotation"), self.tr("double click")),
        ]

    def _sheet(self) -> QWidget:
        sheet = QWidget()
        columns = QHBoxLayout(sheet)
        columns.setContentsMargins(0, 0, 0, 0)
        columns.setSpacing(8 * SPACING)
        for blocks in _in_columns([*self.blocks, _tool_hints(self.tr("Tools"))], COLUMNS):
            column = QVBoxLayout()
            column.setSpacing(4 * SPACING)
            for title, lines in blocks:
                column.addLayout(_block(title, lines))
            column.addStretch(1)
            columns.addLayout(column, 1)
        return sheet

    def popup(self, window: QWidget) -> None:
        """Show in the middle of `window`, as large as its text needs and the window allows."""
        wanted = self.sheet.sizeHint()
        width = min(wanted.width() + 12 * SPACING, window.width() - MARGIN)
        height = min(wanted.height() + 24 * SPACING, window.height() - MARGIN)
        self.resize(width, height)
        corner = QPoint((window.width() - width) // 2, (window.height() - height) // 2)
        self.move(window.mapToGlobal(corner))
        self.show()
        self.area.setFocus(Qt.FocusReason.PopupFocusReason)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape or event.text() in self._closing_keys:
            self.close()
        else:
            super().keyPressEvent(event)

    def _change(self) -> None:
        self.close()
        self.keys_wanted.emit()


def _by_menu(rows: Sequence[ActionRow]) -> list[Block]:
    """The actions that have keys, menu by menu; the digits of the categories are one line."""
    blocks: dict[str, list[Line]] = {}
    for row in rows:
        digits = row.id.startswith("edit.category_")
        if not row.keys or (digits and row.argument != 1):
            continue
        text = translated(row.text).rstrip("…")
        keys = native_keys(row.keys)
        if digits:
            text, keys = text.replace("1", "1–9"), keys.replace("1", "1–9")
        blocks.setdefault(menu_of(row), []).append((text, keys))
    return list(blocks.items())


def _tool_hints(title: str) -> Block:
    translate = QCoreApplication.translate
    return title, [
        (translate("Actions", row.title) + ": " + translate("Tools", row.hint), "") for row in TOOLS
    ]


def _in_columns(blocks: Sequence[Block], columns: int) -> list[list[Block]]:
    """The blocks in reading order, the columns about equally long."""
    sizes = [len(lines) + 2 for _, lines in blocks]
    share, filled = sum(sizes) / columns, 0.0
    found: list[list[Block]] = [[] for _ in range(columns)]
    for block, size in zip(blocks, sizes, strict=True):
        found[min(columns - 1, int((filled + size / 2) / share))].append(block)
        filled += size
    return found


def _block(title: str, lines: Sequence[Line]) -> QGridLayout:
    grid = QGridLayout()
    grid.setHorizontalSpacing(3 * SPACING)
    grid.setVerticalSpacing(SPACING // 2)
    head = QLabel(title)
    font = head.font()
    font.setBold(True)
    head.setFont(font)
    grid.addWidget(head, 0, 0, 1, 2)
    for row, (text, keys) in enumerate(lines, start=1):
        label = QLabel(text)
        label.setWordWrap(not keys)
        if keys:
            pressed = QLabel(keys)
            pressed.setProperty("role", "dim")
            grid.addWidget(pressed, row, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(label, row, 1)
        else:
            grid.addWidget(label, row, 0, 1, 2)
    grid.setColumnStretch(1, 1)
    return grid
