"""Export: which format, where to, and what the format can be asked."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from shiboken6 import isValid

from segstudio.formats.contract import DeclaredOption, ExportOptions, declared_options
from segstudio.formats.registry import EXPORT_FORMATS, export_format
from segstudio.gui.dialogs.fields import (
    Field,
    choice_field,
    dim_label,
    explained,
    fit_height,
    make_form,
)
from segstudio.gui.dialogs.losses import LossesPanel
from segstudio.gui.dialogs.option_fields import add_option, format_text, option_field
from segstudio.gui.theme import SPACING

OBJECTS = "objects"  # the option that names annotations; here they are the selected ones
FIXED_ROWS = 2  # of the form: format with its description, folder with what is wrong with it
FORM_WIDTH, LOSSES_WIDTH = 460, 540  # px, at least
LOOK_MS = 250  # options that change one after the other are looked at once

T = TypeVar("T")


class ExportDialog(QDialog):
    """Asks for an export of the project `name`; folders are offered beside `base`'s others.

    `splits` are the splits that the project's images are in, `selected` the ids of the annotations
    that may be meant alone, where a format can do that.
    """

    wanted = Signal(str, object, object)  # format key, Path of the target, options record
    losses_wanted = Signal(str, object)  # format key, options record: what would be lost?

    def __init__(
        self,
        name: str,
        base: Path,
        splits: Sequence[str] = (),
        selected: Sequence[int] = (),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Export"))
        self._name, self._base = name, base
        self._splits = tuple(splits)
        self._selected = ",".join(str(number) for number in selected)
        self._offered = ""  # what stands in the target line unless it was typed or browsed
        self._answers: dict[str, Any] = {}
        self.fields: dict[str, Field] = {}
        self.format = QComboBox(self)
        for member in EXPORT_FORMATS:
            self.format.addItem(format_text(member.title), member.key)
        self._description = dim_label("")
        self.target = QLineEdit(self)
        self.target.setPlaceholderText(self.tr("Folder that the export makes"))
        self._browse = QPushButton(self.tr("Browse…"), self)
        self._browse.setAutoDefault(False)
        self._warning = QLabel(self)
        self._warning.setWordWrap(True)
        self._warning.setProperty("role", "warning")
        self.losses = LossesPanel(self)
        self._look = QTimer(self)
        self._look.setSingleShot(True)
        self._look.setInterval(LOOK_MS)
        self._form = make_form()
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.button = self._buttons.addButton(
            self.tr("Export"), QDialogButtonBox.ButtonRole.AcceptRole
        )
        self.button.setDefault(True)
        self._lay_out()
        self.format.currentIndexChanged.connect(lambda _: self._show_format())
        self.target.textChanged.connect(lambda _: self._check())
        self._browse.clicked.connect(self._ask_folder)
        self._look.timeout.connect(self._ask_losses)
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)
        self._show_format()

    def _lay_out(self) -> None:
        named = QWidget()
        line = QHBoxLayout(named)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(SPACING)
        line.addWidget(self.target, 1)
        line.addWidget(self._browse)
        form = self._form
        form.addRow(self.tr("Format"), explained(self.format, self._description))
        form.addRow(self.tr("Folder"), explained(named, self._warning))
        left = QVBoxLayout()
        left.addLayout(form)
        left.addStretch(1)
        frame = QWidget()
        frame.setMinimumWidth(FORM_WIDTH)
        frame.setLayout(left)
        left.setContentsMargins(0, 0, 0, 0)
        self.losses.setMinimumWidth(LOSSES_WIDTH)
        columns = QHBoxLayout()
        columns.setSpacing(6 * SPACING)
        columns.addWidget(frame, 3)
        columns.addWidget(self.losses, 4)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*[4 * SPACING] * 4)
        layout.setSpacing(3 * SPACING)
        layout.addLayout(columns, 1)
        layout.addWidget(self._buttons)

    # -- format and its options -----------------------------------------------------------------

    @property
    def format_key(self) -> str:
        return str(self.format.currentData())

    def _show_format(self) -> None:
        self._answers.update({name: field.value() for name, field in self.fields.items()})
        member = export_format(self.format_key)
        self._description.setText(format_text(member.description))
        self.fields.clear()
        while self._form.rowCount() > FIXED_ROWS:
            self._form.removeRow(FIXED_ROWS)
        for row in declared_options(member.options):
            if self._can_be_asked(row):
                self._add_option(row)
        if self.target.text() in ("", self._offered):
            self._offered = str(self._base / f"{self._name}-{member.key}")
            self.target.setText(self._offered)
        self._check()
        self.look_again()

    def use_format(self, key: str, *, selected: bool = False) -> None:
        """Show that format; with `selected`, for the selected annotations if there are any."""
        if selected and self._selected:
            self._answers[OBJECTS] = self._selected
            self.fields.pop(OBJECTS, None)  # what it said counts no more
        self.format.setCurrentIndex(self.format.findData(key))
        self._show_format()

    def _can_be_asked(self, row: DeclaredOption) -> bool:
        """Whether there is anything to choose from."""
        return {"split": bool(self._splits), OBJECTS: bool(self._selected)}.get(row.name, True)

    def _add_option(self, row: DeclaredOption) -> None:
        explanation = format_text(row.help)
        if row.name == OBJECTS:  # nobody names numbers here
            explanation = self.tr("All of the project, or what was selected on the open image.")
        field = self._field(row)
        add_option(self._form, row, field, explanation)
        field.set_value(self._answers.get(row.name, row.default))
        field.listen(self._check)
        field.listen(self.look_again)
        self.fields[row.name] = field

    def _field(self, row: DeclaredOption) -> Field:
        if row.name == "split":
            every = ("", self.tr("All images"), "")
            return choice_field([every, *((split, split, "") for split in self._splits)])
        if row.name == OBJECTS:
            count = self._selected.count(",") + 1
            several = self.tr("The {} selected ones").format(count)
            shown = self.tr("The selected one") if count == 1 else several
            return choice_field([("", self.tr("All"), ""), (self._selected, shown, "")])
        return option_field(row)

    def options(self) -> ExportOptions:
        """The record that the fields describe."""
        answers: Mapping[str, Any] = {name: field.value() for name, field in self.fields.items()}
        return export_format(self.format_key).options(**answers)

    # -- what would be lost ---------------------------------------------------------------------

    def look_again(self, _: object = None) -> None:
        """Ask in a moment what an export as it is asked for now would lose."""
        self.losses.show_looking(None)
        self._look.start()

    def _ask_losses(self) -> None:
        self.losses_wanted.emit(self.format_key, self.options())

    def if_open(self, show: Callable[[T], None]) -> Callable[[T], None]:
        """`show`, for answers that may come when the dialog is gone, or asks something else."""

        def answer(value: T) -> None:
            if isValid(self) and not self._look.isActive():
                show(value)

        return answer

    # -- target ---------------------------------------------------------------------------------

    def folder(self) -> Path | None:
        """The target; a relative one lies beside the folder that was offered."""
        text = self.target.text().strip()
        if not text:
            return None
        try:
            return self._base / Path(text).expanduser()
        except RuntimeError:  # "~nobody"
            return self._base / text

    def _check(self) -> None:
        folder = self.folder()
        trouble = self._trouble(folder) if folder is not None else ""
        self._warning.setText(trouble)
        self._warning.setVisible(bool(trouble))
        self.button.setEnabled(folder is not None and not trouble)
        # Later, because Qt shows what was just added to a layout later, too.
        QTimer.singleShot(0, self, self._fit)

    def _fit(self) -> None:
        fit_height(self)

    def _trouble(self, folder: Path) -> str:
        try:
            if not folder.exists():
                return ""
            if not folder.is_dir():
                return self.tr("This is a file; name a folder.")
            with os.scandir(folder) as entries:
                empty = next(entries, None) is None
        except (OSError, ValueError):
            return self.tr("This folder cannot be read; name another.")
        if empty or self.options().replace:
            return ""
        return self.tr("This folder is not empty; name another, or replace the earlier export.")

    def _ask_folder(self) -> None:
        dialog = QFileDialog(self, self.tr("Export into"), str(self._base))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.fileSelected.connect(self.take_folder)
        dialog.open()

    def take_folder(self, chosen: str) -> None:
        """An empty folder is the target itself; in another one the export gets its own."""
        folder = Path(chosen)
        if folder.is_dir() and any(folder.iterdir()):
            self._base = folder
            folder = folder / f"{self._name}-{self.format_key}"
            self._offered = str(folder)
        self.target.setText(str(folder))

    def accept(self) -> None:
        folder = self.folder()
        if folder is not None and self.button.isEnabled():
            self.wanted.emit(self.format_key, folder, self.options())
            super().accept()


def export_base(images_dir: Path) -> Path:
    """The folder to offer exports in: beside the images, or at home where that is read-only."""
    beside = images_dir.parent
    return beside if os.access(beside, os.W_OK) else Path.home()
