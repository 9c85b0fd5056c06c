"""Input fields drawn from what an option says of itself, shared by the dialogs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from segstudio.gui.theme import SPACING

LARGEST = 2**31 - 1
WIDE_SPIN = 140  # px; numbers need no more, however wide the dialog is


@dataclass(frozen=True)
class Field:
    """A widget with its value; `listen` calls back, without arguments, when the value changes."""

    widget: QWidget
    value: Callable[[], Any]
    set_value: Callable[[Any], None]
    listen: Callable[[Callable[[], None]], None]


def check_field(label: str) -> Field:
    """A bool."""
    box = QCheckBox(label)

    def listen(callback: Callable[[], None]) -> None:
        box.toggled.connect(lambda _: callback())

    return Field(box, box.isChecked, box.setChecked, listen)


def text_field() -> Field:
    """Any text; blanks around it do not count."""
    line = QLineEdit()

    def listen(callback: Callable[[], None]) -> None:
        line.textChanged.connect(lambda _: callback())

    return Field(line, lambda: line.text().strip(), line.setText, listen)


def choice_field(choices: Sequence[tuple[str, str, str]]) -> Field:
    """One of several texts; each choice is its value, what is shown, and a tool tip.

    A value that is none of them, from a file of another version say, is added as it is: showing
    something else would change it behind the user's back.
    """
    combo = QComboBox()
    combo.setMinimumContentsLength(12)
    for value, shown, tip in choices:
        combo.addItem(shown, value)
        combo.setItemData(combo.count() - 1, tip or None, Qt.ItemDataRole.ToolTipRole)

    def set_value(value: str) -> None:
        if combo.findData(value) < 0:
            combo.addItem(value, value)
        combo.setCurrentIndex(combo.findData(value))

    def listen(callback: Callable[[], None]) -> None:
        combo.currentIndexChanged.connect(lambda _: callback())

    return Field(combo, lambda: str(combo.currentData()), set_value, listen)


def whole_field(low: float | None, high: float | None, unit: str = "") -> Field:
    """An int between `low` and `high`, both included."""
    spin = QSpinBox()
    spin.setRange(
        int(low) if low is not None else -LARGEST, int(high) if high is not None else LARGEST
    )
    spin.setGroupSeparatorShown(True)
    spin.setSuffix(f" {unit}" if unit else "")
    spin.setFixedWidth(WIDE_SPIN)

    def listen(callback: Callable[[], None]) -> None:
        spin.valueChanged.connect(lambda _: callback())

    return Field(spin, spin.value, spin.setValue, listen)


def real_field(low: float | None, high: float | None, unit: str = "") -> Field:
    """A float between `low` and `high`, both included; a share (0 to 1) is shown in percent."""
    spin = QDoubleSpinBox()
    share = (low, high, unit) == (0.0, 1.0, "")
    times = 100.0 if share else 1.0
    spin.setDecimals(0 if share else 3)
    spin.setSingleStep(5.0 if share else 0.1)
    spin.setRange(
        low * times if low is not None else -LARGEST, high * times if high is not None else LARGEST
    )
    shown = "%" if share else unit
    spin.setSuffix(f" {shown}" if shown else "")
    spin.setFixedWidth(WIDE_SPIN)

    def listen(callback: Callable[[], None]) -> None:
        spin.valueChanged.connect(lambda _: callback())

    return Field(
        spin, lambda: spin.value() / times, lambda value: spin.setValue(value * times), listen
    )


def dim_label(text: str) -> QLabel:
    """Secondary text that wraps."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setProperty("role", "dim")
    return label


def fit_height(dialog: QDialog) -> None:
    """As high as its wrapped texts need at its width; Qt's own guess is for another width."""
    layout = dialog.layout()
    if layout is not None:
        layout.activate()
        height = layout.totalHeightForWidth(dialog.width())
        dialog.setMinimumHeight(height)
        dialog.resize(dialog.width(), height)


def make_form() -> QFormLayout:
    """An empty form, spaced for rows of a field with its description below."""
    form = QFormLayout()
    form.setContentsMargins(0, 0, 0, 0)
    form.setHorizontalSpacing(4 * SPACING)
    form.setVerticalSpacing(3 * SPACING)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return form


def add_row(form: QFormLayout, label: str, field: Field, explanation: str) -> None:
    """A row of the form: the field, and in dim text below it what it does."""
    cell = explained(field.widget, dim_label(explanation) if explanation else None)
    if explanation:
        field.widget.setAccessibleDescription(explanation)
    name = QLabel(label)  # also an empty one: without, a form gives wrapped text spare height
    if label:
        name.setBuddy(field.widget)
        field.widget.setAccessibleName(label)
    form.addRow(name, cell)


def explained(field: QWidget, explanation: QLabel | None) -> QWidget:
    """A cell of the form: the field, and right below it what explains it."""
    cell = QWidget()
    column = QVBoxLayout(cell)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(SPACING // 2)
    column.addWidget(field)
    if explanation is not None:
        column.addWidget(explanation)
    column.addStretch(1)  # what is left over comes below the text, not above it
    return cell
