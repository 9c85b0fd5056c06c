"""Settings, drawn from what the settings record says of itself."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QCoreApplication, Qt, Signal
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFrame,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from segstudio.config.settings import Option, Settings, options
from segstudio.gui.dialogs.fields import (
    Field,
    add_row,
    check_field,
    choice_field,
    make_form,
    real_field,
    text_field,
    whole_field,
)
from segstudio.gui.theme import SPACING
from segstudio.models.registry import prompt_models

DEVICES = ("auto", "cpu", "cuda", "mps")
ELSEWHERE = frozenset({"shortcuts"})  # has a dialog of its own
_SCREEN_SHARE = 0.85  # of the screen's height, at most; what is more is scrolled


class SettingsDialog(QDialog):
    """One row for each setting that is shown; OK says what was changed and nothing else."""

    changed = Signal(object)  # dict of name and new value
    theme_tried = Signal(str)  # shown at once; the old one again if the dialog is left

    def __init__(self, settings: Settings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Settings"))
        self.setMinimumWidth(540)
        self.fields: dict[str, Field] = {}
        form = make_form()
        for name, option in options().items():
            if option.shown and name not in ELSEWHERE:
                self.fields[name] = field = self._field(name, option, getattr(settings, name))
                add_row(form, _translated(option.label), field, _translated(option.help))
        self._before = self.values()
        self._theme = settings.theme
        self.fields["theme"].listen(lambda: self.theme_tried.emit(self.fields["theme"].value()))
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*[4 * SPACING] * 4)
        layout.setSpacing(4 * SPACING)
        rows = QWidget()
        rows.setLayout(form)
        self.area = QScrollArea()
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setWidget(rows)
        layout.addWidget(self.area, 1)
        layout.addWidget(buttons)
        self._fit(rows)

    def _fit(self, rows: QWidget) -> None:
        """Tall enough for all rows, where the screen is."""
        bar = self.area.verticalScrollBar().sizeHint().width()
        width = max(self.minimumWidth(), rows.minimumSizeHint().width() + bar + 8 * SPACING)
        layout = rows.layout()
        assert layout is not None
        tall = layout.heightForWidth(width - bar - 8 * SPACING)
        around = self.sizeHint().height() - self.area.sizeHint().height()
        screen = self.screen().availableGeometry().height()
        self.resize(
            width, min(max(tall, rows.sizeHint().height()) + around, round(screen * _SCREEN_SHARE))
        )

    def _field(self, name: str, option: Option, value: object) -> Field:
        choices = self._choices(name, option)
        if choices:
            field = choice_field(choices)
        elif isinstance(value, bool):
            field = check_field("")
        elif isinstance(value, int):
            field = whole_field(option.low, option.high, option.unit)
        elif isinstance(value, float):
            field = real_field(option.low, option.high, option.unit)
        else:
            field = text_field()
        field.set_value(value)
        return field

    def _choices(self, name: str, option: Option) -> list[tuple[str, str, str]]:
        automatic = ("auto", self.tr("Automatic"), "")
        if name == "model":
            cards = [(card.key, card.title, card.description) for card in prompt_models()]
            return [automatic, *cards]
        if name == "device":
            return [automatic, *((key, _device_name(key), "") for key in DEVICES[1:])]
        return [(choice, _translated(choice.capitalize()), "") for choice in option.choices]

    def values(self) -> dict[str, Any]:
        """What the fields say now, by setting."""
        return {name: field.value() for name, field in self.fields.items()}

    def done(self, result: int) -> None:
        """Called for OK, Cancel, Esc and the window's close button alike."""
        now = self.values()
        if result == QDialog.DialogCode.Accepted:
            changes = {name: now[name] for name in now if now[name] != self._before[name]}
            if changes:
                self.changed.emit(changes)
        elif now["theme"] != self._theme:
            self.theme_tried.emit(self._theme)
        super().done(result)


def _device_name(key: str) -> str:
    return {"cpu": "CPU", "cuda": "NVIDIA GPU (CUDA)", "mps": "Apple GPU (MPS)"}[key]


def _translated(text: str) -> str:
    return QCoreApplication.translate("Settings", text) if text else ""
