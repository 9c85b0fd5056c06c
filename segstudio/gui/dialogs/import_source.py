"""Where to import from: a file or a folder, its format, and what that can be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from segstudio.formats.contract import declared_options
from segstudio.formats.import_contract import ImportOptions
from segstudio.formats.registry import IMPORT_FORMATS, import_format
from segstudio.gui.dialogs.fields import Field, dim_label, explained, make_form
from segstudio.gui.dialogs.option_fields import add_option, format_text, option_field
from segstudio.gui.theme import SPACING

FIXED_ROWS = 2  # of the form: source with what is said of it, format with its description
ASKED_LATER = "leave_out_faults"  # once it is known whether there are any
TYPING_MS = 300


class ImportSource(QWidget):
    """The form. Which formats a source looks like is asked by `source_named` and told back."""

    source_named = Signal(object)  # Path
    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._answers: dict[str, Any] = {}
        self._picked = False  # by the user: what is recognised changes it no more
        self.fields: dict[str, Field] = {}
        self.source = QLineEdit()
        self.source.setAccessibleName(self.tr("Source"))
        self.source.setPlaceholderText(self.tr("File or folder to import"))
        self._file = QPushButton(self.tr("File…"))
        self._folder = QPushButton(self.tr("Folder…"))
        self.told = dim_label("")
        self.format = QComboBox()
        self.format.setAccessibleName(self.tr("Format"))
        for member in IMPORT_FORMATS:
            self.format.addItem(format_text(member.title), member.key)
        self._description = dim_label("")
        self._form = make_form()
        self._typing = QTimer(self)
        self._typing.setSingleShot(True)
        self._typing.setInterval(TYPING_MS)
        self._lay_out()
        self._typing.timeout.connect(self._name_source)
        self.source.textChanged.connect(lambda _: self._source_changed())
        self.format.activated.connect(lambda _: setattr(self, "_picked", True))
        self.format.currentIndexChanged.connect(lambda _: self._show_format())
        self._file.clicked.connect(self._ask_file)
        self._folder.clicked.connect(self._ask_folder)
        self._show_format()

    def _lay_out(self) -> None:
        named = QWidget()
        line = QHBoxLayout(named)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(SPACING)
        line.addWidget(self.source, 1)
        for button in (self._file, self._folder):
            button.setAutoDefault(False)
            line.addWidget(button)
        form = self._form
        form.addRow(self.tr("Source"), explained(named, self.told))
        form.addRow(self.tr("Format"), explained(self.format, self._description))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addStretch(1)

    # -- source ---------------------------------------------------------------------------------

    def path(self) -> Path | None:
        text = self.source.text().strip()
        try:
            return Path(text).expanduser() if text else None
        except RuntimeError:  # "~nobody"
            return Path(text)

    def _source_changed(self) -> None:
        self._picked = False
        self.told.clear()
        self._typing.start()
        self.changed.emit()

    def _name_source(self) -> None:
        path = self.path()
        if path is not None:
            self.source_named.emit(path)

    def show_recognised(self, source: Path, keys: Sequence[str]) -> None:
        """The formats that a source looks like, the likeliest first; of another source: nothing."""
        if source != self.path():
            return
        titles = [format_text(import_format(key).title) for key in keys]
        if titles:
            said = self.tr("This looks like {}.").format(self.tr(" or ").join(titles))
        else:
            said = self.tr("This looks like none of the formats; choose the one it is meant to be.")
        self.told.setText(said)
        if keys and not self._picked:
            self.format.setCurrentIndex(self.format.findData(keys[0]))
        self.changed.emit()

    def _ask_file(self) -> None:
        self._ask(QFileDialog.FileMode.ExistingFile)

    def _ask_folder(self) -> None:
        self._ask(QFileDialog.FileMode.Directory)

    def _ask(self, mode: QFileDialog.FileMode) -> None:
        path = self.path()
        dialog = QFileDialog(self, self.tr("Import from"), str(path.parent) if path else "")
        dialog.setFileMode(mode)
        dialog.fileSelected.connect(self.source.setText)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    # -- format and its options -----------------------------------------------------------------

    @property
    def format_key(self) -> str:
        return str(self.format.currentData())

    def _show_format(self) -> None:
        self._answers.update({name: field.value() for name, field in self.fields.items()})
        self.fields.clear()
        while self._form.rowCount() > FIXED_ROWS:
            self._form.removeRow(FIXED_ROWS)
        member = import_format(self.format_key)
        self._description.setText(format_text(member.description))
        for row in declared_options(member.options):
            if row.name == ASKED_LATER:
                continue
            field = option_field(row)
            add_option(self._form, row, field, format_text(row.help))
            field.set_value(self._answers.get(row.name, row.default))
            self.fields[row.name] = field
        self.changed.emit()

    def options(self) -> ImportOptions:
        """The record that the fields describe."""
        answers: Mapping[str, Any] = {name: field.value() for name, field in self.fields.items()}
        return import_format(self.format_key).options(**answers)
