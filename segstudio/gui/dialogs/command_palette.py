"""Find any action: type a few letters of it, press Enter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtGui import QAction, QIcon, QKeyEvent, QKeySequence, QPixmap
from PySide6.QtWidgets import (
    QFrame,
    QHeaderView,
    QLabel,
    QLineEdit,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from segstudio.gui.actions import ActionRow
from segstudio.gui.theme import SPACING, current_tokens

WIDTH, ROWS, BELOW_TOP = 560, 12, 56  # px, rows shown at once, px below the window's top
TEXT, KEYS = range(2)
_ID = Qt.ItemDataRole.UserRole
_NATIVE = QKeySequence.SequenceFormat.NativeText


class CommandPalette(QFrame):
    """A popup with every action of the table; the chosen one is triggered."""

    def __init__(
        self, rows: Sequence[ActionRow], actions: Mapping[str, QAction], parent: QWidget
    ) -> None:
        # A popup goes away by itself when something else is clicked.
        super().__init__(parent, Qt.WindowType.Popup | Qt.WindowType.FramelessWindowHint)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setAttribute(Qt.WidgetAttribute.WA_NoMouseReplay)  # that click is not one for a mask
        self.setObjectName("command-palette")
        tokens = current_tokens()
        self.setStyleSheet(
            f"#command-palette {{ background: {tokens.panel}; border: 1px solid {tokens.line}; }}"
        )
        self._no_icon = _blank_icon()
        self._actions = {row.id: actions[row.id] for row in rows if row.id in actions}
        self._keys = {row.id: native_keys(row.keys) for row in rows}
        self.line = QLineEdit(self)
        self.line.setPlaceholderText(self.tr("Find any action"))
        self.line.setAccessibleName(self.tr("Find any action"))
        self.line.setClearButtonEnabled(True)
        self.list = QTreeWidget(self)
        self.list.setAccessibleName(self.tr("Actions"))
        self._nothing = QLabel(self.tr("No action is called like that."), self)
        self._nothing.setProperty("role", "dim")
        self._lay_out()
        self.line.textChanged.connect(self._filter)
        self.list.itemClicked.connect(self._run)
        self._filter("")

    def _lay_out(self) -> None:
        self.list.setColumnCount(2)
        self.list.setHeaderHidden(True)
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        self.list.setIconSize(QSize(16, 16))
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header = self.list.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(TEXT, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(KEYS, QHeaderView.ResizeMode.ResizeToContents)
        self._nothing.setContentsMargins(*[2 * SPACING] * 4)
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*[2 * SPACING] * 4)
        layout.setSpacing(2 * SPACING)
        layout.addWidget(self.line)
        layout.addWidget(self.list, 1)
        layout.addWidget(self._nothing, 1)

    def popup(self, window: QWidget) -> None:
        """Show at the top centre of `window`, ready to be typed into."""
        width = min(WIDTH, window.width() - 4 * SPACING)
        row = self.list.sizeHintForRow(0) if self.list.topLevelItemCount() else 24
        height = self.line.sizeHint().height() + ROWS * row + 7 * SPACING
        self.resize(width, min(height, max(160, window.height() - BELOW_TOP - 4 * SPACING)))
        self.move(window.mapToGlobal(QPoint((window.width() - width) // 2, BELOW_TOP)))
        self.show()
        self.line.setFocus(Qt.FocusReason.PopupFocusReason)

    # -- finding --------------------------------------------------------------------------------

    def _filter(self, typed: str) -> None:
        texts = {id_: action.text() for id_, action in self._actions.items()}
        found = sorted(
            (score, place, id_)
            for place, (id_, text) in enumerate(texts.items())
            if (score := mismatch(typed, text)) is not None
        )
        self.list.clear()
        self.list.addTopLevelItems([self._item(id_) for _, _, id_ in found])
        self._nothing.setVisible(not found)
        self.list.setVisible(bool(found))
        self._choose(-1, 1)

    def _item(self, id_: str) -> QTreeWidgetItem:
        action, tokens = self._actions[id_], current_tokens()
        item = QTreeWidgetItem([action.text(), self._keys[id_]])
        item.setData(TEXT, _ID, id_)
        item.setIcon(TEXT, action.icon() if not action.icon().isNull() else self._no_icon)
        item.setTextAlignment(KEYS, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        enabled = action.isEnabled()
        item.setForeground(TEXT, tokens.colour("text" if enabled else "disabled"))
        item.setForeground(KEYS, tokens.colour("dim" if enabled else "disabled"))
        item.setDisabled(not enabled)
        return item

    def shown(self) -> list[str]:
        """Ids of the actions in the list, best match first."""
        return [str(item.data(TEXT, _ID)) for item in self._items()]

    def _items(self) -> list[QTreeWidgetItem]:
        found = [self.list.topLevelItem(row) for row in range(self.list.topLevelItemCount())]
        return [item for item in found if item is not None]

    # -- choosing -------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """What the line leaves over: keys that it does not type with."""
        key, page = Qt.Key(event.key()), ROWS - 1
        steps = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}
        pages = {Qt.Key.Key_PageDown: page, Qt.Key.Key_PageUp: -page}
        if key in steps:
            self._choose(self._current_row(), steps[key])
        elif key in pages:
            self._choose(self._current_row(), pages[key])
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._run(self.list.currentItem())
        elif key == Qt.Key.Key_Escape:
            self.close()
        else:
            super().keyPressEvent(event)

    def _current_row(self) -> int:
        item = self.list.currentItem()
        return self.list.indexOfTopLevelItem(item) if item is not None else -1

    def _choose(self, start: int, step: int) -> None:
        """Go `step` rows on, over disabled ones; single steps go round, pages stop at the ends."""
        items = self._items()
        usable = [row for row, item in enumerate(items) if not item.isDisabled()]
        if not usable:
            return
        if step == 1:
            row = next((row for row in usable if row > start), usable[0])
        elif step == -1:
            row = next((row for row in reversed(usable) if row < start), usable[-1])
        else:
            row = min(usable, key=lambda row: abs(row - (start + step)))
        self.list.setCurrentItem(items[row])
        self.list.scrollToItem(items[row])

    def _run(self, item: QTreeWidgetItem | None) -> None:
        action = self._actions[item.data(TEXT, _ID)] if item is not None else None
        if action is not None and action.isEnabled():
            self.close()  # first, so that the action finds the window as it was
            action.trigger()


def _blank_icon() -> QIcon:
    """Keeps the texts of actions without an icon in line with the others."""
    pixmap = QPixmap(16, 16)
    pixmap.fill(Qt.GlobalColor.transparent)
    return QIcon(pixmap)


def mismatch(typed: str, text: str) -> int | None:
    """How badly `typed` fits `text`: 0 is best, None is not at all. Case does not count.

    Best where the text or a word of it starts so, then where it stands anywhere inside, then
    where every typed word does, then where the letters stand in that order with others between.
    """
    wanted, inside = " ".join(typed.casefold().split()), text.casefold()
    if inside.startswith(wanted):
        return 0
    if f" {wanted}" in inside:
        return 1
    if wanted in inside:
        return 2
    if all(word in inside for word in wanted.split()):
        return 3
    letters, place, gaps = wanted.replace(" ", ""), -1, 0
    for letter in letters:
        found = inside.find(letter, place + 1)
        if found < 0:
            return None
        gaps += found - place - 1
        place = found
    return 4 + gaps


def native_keys(keys: Sequence[str]) -> str:
    """Portable keys as this system writes them, separated by ", "."""
    return ", ".join(QKeySequence(key).toString(_NATIVE) for key in keys)
