"""The field of an option that a format declares."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QFormLayout

from segstudio.formats.contract import DeclaredOption
from segstudio.gui.dialogs.fields import (
    Field,
    add_row,
    check_field,
    choice_field,
    text_field,
    whole_field,
)


def option_field(row: DeclaredOption) -> Field:
    """A field for the option's kind, without its value."""
    if row.kind is bool:
        return check_field(format_text(row.label))
    if row.kind is int:
        unbounded = row.minimum == row.maximum == 0
        return whole_field(row.minimum, None if unbounded else row.maximum)
    if row.choices:
        return choice_field([(choice, format_text(choice), "") for choice in row.choices])
    return text_field()


def add_option(form: QFormLayout, row: DeclaredOption, field: Field, explanation: str) -> None:
    """A row of the form; a check box has its label beside it already."""
    add_row(form, "" if row.kind is bool else format_text(row.label), field, explanation)


def format_text(text: str) -> str:
    """A format's own text in the user's language."""
    return QCoreApplication.translate("Formats", text) if text else ""
