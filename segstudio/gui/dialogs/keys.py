"""Every action with its keys, and changing them."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QCoreApplication, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QHeaderView,
    QKeySequenceEdit,
    QLabel,
    QLayoutItem,
    QLineEdit,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from segstudio.gui.actions import ACTIONS, ActionRow, clashes, with_keys
from segstudio.gui.dialogs.command_palette import native_keys
from segstudio.gui.key_presets import PRESETS, overrides_of, preset_of
from segstudio.gui.theme import SPACING, current_tokens

TEXT, KEYS, MENU = range(3)
_ID = Qt.ItemDataRole.UserRole
_USUAL = {row.id: row.keys for row in ACTIONS}
_PORTABLE = QKeySequence.SequenceFormat.PortableText


class KeysDialog(QDialog):
    """Pick an action, press a key; a key that another action has is named at once."""

    changed = Signal(object)  # dict of action id and "key, key", for actions that differ

    def __init__(self, overrides: Mapping[str, str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Keys"))
        self.resize(560, 600)
        self._overrides = {id_: keys for id_, keys in overrides.items() if id_ in _USUAL}
        self._unknown = {id_: keys for id_, keys in overrides.items() if id_ not in _USUAL}
        self._rows: dict[str, ActionRow] = {}
        self._clashing: list[str] = []
        self.filter = QLineEdit(self)
        self.filter.setPlaceholderText(self.tr("Filter by action or key"))
        self.filter.setClearButtonEnabled(True)
        self.table = QTreeWidget(self)
        self._name = QLabel(self)
        self._chips = QHBoxLayout()
        self.edit = QKeySequenceEdit(self)
        self.edit.setMaximumSequenceLength(1)
        self.edit.setAccessibleName(self.tr("New key"))
        for line in self.edit.findChildren(QLineEdit):
            line.setPlaceholderText(self.tr("Press a key to add it"))
        self._clash = QLabel(self)
        self._clash.setWordWrap(True)
        self._clash.setProperty("role", "danger")
        self.take = QPushButton(self.tr("Take it from there"), self)
        self.reset = QPushButton(self.tr("Reset"), self)
        self.preset = QComboBox(self)
        self.preset.setAccessibleName(self.tr("Keys for hands that know"))
        self.preset.addItems(
            [QCoreApplication.translate("KeyPresets", preset.title) for preset in PRESETS]
        )
        self.preset.setPlaceholderText(self.tr("Keys of your own"))
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        self._lay_out()
        self._connect()
        self._fill()
        self._refresh()
        self.filter.setFocus()

    def _lay_out(self) -> None:
        self.table.setHeaderLabels([self.tr("Action"), self.tr("Keys"), self.tr("Menu")])
        self.table.setRootIsDecorated(False)
        self.table.setUniformRowHeights(True)
        header = self.table.header()
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)  # as in the menus, until sorted
        self.table.setSortingEnabled(True)
        header.setStretchLastSection(False)
        header.setSectionResizeMode(TEXT, QHeaderView.ResizeMode.Stretch)
        for column in (KEYS, MENU):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        keys = QHBoxLayout()
        keys.setSpacing(SPACING)
        self._chips.setSpacing(SPACING)
        self.edit.setMinimumWidth(140)
        keys.addLayout(self._chips)
        keys.addWidget(self.edit, 1)
        keys.addWidget(self.reset)
        trouble = QHBoxLayout()
        trouble.addWidget(self._clash, 1)
        trouble.addWidget(self.take)
        bottom = QHBoxLayout()
        bottom.addWidget(self.preset)
        bottom.addStretch(1)
        bottom.addWidget(self.buttons)
        for button in (self.take, self.reset):
            button.setAutoDefault(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*[4 * SPACING] * 4)
        layout.setSpacing(2 * SPACING)
        layout.addWidget(self.filter)
        layout.addWidget(self.table, 1)
        layout.addWidget(self._name)
        layout.addLayout(keys)
        layout.addLayout(trouble)
        layout.addSpacing(SPACING)
        layout.addLayout(bottom)

    def _connect(self) -> None:
        self.filter.textChanged.connect(lambda _: self._show_matches())
        self.table.currentItemChanged.connect(lambda *_: self._show_current())
        self.edit.keySequenceChanged.connect(self._pressed)
        self.take.clicked.connect(self._take_from_others)
        self.reset.clicked.connect(self._reset_current)
        self.preset.activated.connect(self._use_preset)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)

    # -- the table ------------------------------------------------------------------------------

    def _fill(self) -> None:
        for row in ACTIONS:
            item = QTreeWidgetItem([translated(row.text).rstrip("…"), "", menu_of(row)])
            item.setData(TEXT, _ID, row.id)
            item.setForeground(MENU, current_tokens().colour("dim"))
            self.table.addTopLevelItem(item)
        self.table.setCurrentItem(self._items()[0])

    def _items(self) -> list[QTreeWidgetItem]:
        found = [self.table.topLevelItem(row) for row in range(self.table.topLevelItemCount())]
        return [item for item in found if item is not None]

    def _refresh(self) -> None:
        """Show keys and clashes as they are now."""
        rows = with_keys(self._overrides)
        self._rows = {row.id: row for row in rows}
        found = clashes(rows)
        self._clashing = [id_ for users in found.values() for id_ in users]
        tokens = current_tokens()
        for item in self._items():
            id_ = str(item.data(TEXT, _ID))
            item.setText(KEYS, native_keys(self._rows[id_].keys))
            changed = "accent" if id_ in self._overrides else "text"
            item.setForeground(KEYS, tokens.colour("danger" if id_ in self._clashing else changed))
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(not found)
        now = preset_of(self._overrides)
        self.preset.setCurrentIndex(PRESETS.index(now) if now is not None else -1)
        self._show_matches()
        self._show_current()

    def _show_matches(self) -> None:
        words = self.filter.text().casefold().split()
        for item in self._items():
            text = " ".join(item.text(column) for column in (TEXT, KEYS, MENU)).casefold()
            item.setHidden(not all(word in text for word in words))
        current = self.table.currentItem()
        if current is None or current.isHidden():
            shown = next((item for item in self._items() if not item.isHidden()), None)
            if shown is not None:
                self.table.setCurrentItem(shown)

    # -- the current action ---------------------------------------------------------------------

    def select(self, id_: str) -> None:
        """Make an action the current one."""
        for item in self._items():
            if item.data(TEXT, _ID) == id_:
                self.table.setCurrentItem(item)
                self.table.scrollToItem(item)

    def current(self) -> ActionRow:
        item = self.table.currentItem()
        return self._rows[str(item.data(TEXT, _ID)) if item is not None else ACTIONS[0].id]

    def _show_current(self) -> None:
        if not self._rows:  # still being filled
            return
        row = self.current()
        self._name.setText(self.tr("Keys of “{}”").format(translated(row.text).rstrip("…")))
        while (old := self._chips.takeAt(0)) is not None:
            _remove(old)
        for key in row.keys:
            self._chips.addWidget(self._chip(row, key))
        self.reset.setEnabled(row.id in self._overrides)
        sentences = [
            self.tr("{} is also “{}”.").format(native_keys([key]), ", ".join(others))
            for key, others in self._others(row).items()
        ]
        if not sentences and self._clashing:
            first = translated(self._rows[self._clashing[0]].text)
            sentences = [self.tr("“{}” shares a key with another action.").format(first)]
        self._clash.setText(" ".join(sentences))
        self.take.setVisible(bool(self._others(row)))

    def _others(self, row: ActionRow) -> dict[str, list[str]]:
        """For each key of `row` that is not its own: what else it does."""
        found = clashes(tuple(self._rows.values()))
        return {
            key: [translated(self._rows[id_].text) for id_ in found[key] if id_ != row.id]
            for key in row.keys
            if row.id in found.get(key, ())
        }

    def _chip(self, row: ActionRow, key: str) -> QWidget:
        chip = QPushButton(self)
        chip.setAutoDefault(False)
        chip.setObjectName(key)
        shown = native_keys([key])
        chip.setText(f"{shown}  ✕")
        chip.setToolTip(self.tr("Take {} away").format(shown))
        left = tuple(kept for kept in row.keys if kept != key)
        chip.clicked.connect(lambda: self.set_keys(row.id, left))
        return chip

    # -- changing -------------------------------------------------------------------------------

    def overrides(self) -> dict[str, str]:
        """Keys that differ from the usual ones; those of unknown actions are kept as they were."""
        return {**self._unknown, **self._overrides}

    def set_keys(self, id_: str, keys: tuple[str, ...]) -> None:
        """Give an action these keys, in portable writing; the usual ones are no override."""
        if keys == _USUAL[id_]:
            self._overrides.pop(id_, None)
        else:
            self._overrides[id_] = ", ".join(keys)
        self._refresh()

    def _pressed(self, pressed: QKeySequence) -> None:
        key = pressed.toString(_PORTABLE)
        if not key:
            return
        QTimer.singleShot(0, self.edit, self.edit.clear)  # it is in the middle of the key press
        row = self.current()
        if key not in row.keys:
            self.set_keys(row.id, (*row.keys, key))

    def _take_from_others(self) -> None:
        row = self.current()
        found = clashes(tuple(self._rows.values()))
        for key in row.keys:
            for id_ in found.get(key, ()):
                if id_ != row.id:
                    kept = tuple(own for own in self._rows[id_].keys if own != key)
                    self.set_keys(id_, kept)

    def _reset_current(self) -> None:
        row = self.current()
        self.set_keys(row.id, _USUAL[row.id])

    def _use_preset(self, index: int) -> None:
        self._overrides = overrides_of(PRESETS[index])
        self._refresh()

    def accept(self) -> None:
        self.changed.emit(self.overrides())
        super().accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        entered = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if entered and self.filter.hasFocus():
            self.edit.setFocus()  # the filter has found its action; OK was not meant
        else:
            super().keyPressEvent(event)


def translated(text: str) -> str:
    """An action's text in the user's language."""
    return QCoreApplication.translate("Actions", text)


def menu_of(row: ActionRow) -> str:
    """The menu that an action stands in, or that its like do."""
    family = row.id.partition(".")[0]
    like = (other.menu for other in ACTIONS if other.menu and other.id.startswith(f"{family}."))
    return translated(row.menu or next(like, "")).replace("&", "")


def _remove(item: QLayoutItem) -> None:
    widget = item.widget()
    if widget is not None:
        widget.hide()
        widget.deleteLater()
