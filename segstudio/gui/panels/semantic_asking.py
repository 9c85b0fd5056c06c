"""How a semantic model is asked: scales, mirror image, window, CRF, temperature."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from segstudio.gui.icons import icon
from segstudio.gui.panels.status import ElidedLabel
from segstudio.gui.semantic_words import asked_in_words
from segstudio.gui.theme import SPACING, numeric_font
from segstudio.models.semantic.contract import CrfSettings, PredictSettings

SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
LARGEST_TILE, TILE_STEP = 8192, 64
ACROSS = 3  # boxes of scales in a row


class Disclosure(QWidget):
    """A heading that opens and shuts what is below it; while that is shut, a summary of it."""

    opened = Signal(bool)

    def __init__(self, title: str, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.content = content
        self.button = QToolButton(self)
        self.button.setText(title)
        self.button.setCheckable(True)
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.setProperty("role", "disclosure")
        self.summary = ElidedLabel(self)
        self.summary.setProperty("role", "dim")
        heading = QHBoxLayout()
        heading.setSpacing(SPACING)
        heading.addWidget(self.button, 0, Qt.AlignmentFlag.AlignLeft)
        heading.addWidget(self.summary, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING)
        layout.addLayout(heading)
        layout.addWidget(content)
        self.button.toggled.connect(self._show)
        self._show(False)

    def _show(self, is_open: bool) -> None:
        self.content.setVisible(is_open)
        self.summary.setVisible(not is_open)
        self.button.setIcon(icon("down" if is_open else "next"))
        self.opened.emit(is_open)


class PredictFields(QWidget):
    """The fields; `value` is what they say."""

    changed = Signal(object)  # PredictSettings
    summed_up = Signal(str)  # what is otherwise than usual, in words; "" for nothing

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._overlap = PredictSettings().overlap
        self.scales = {scale: QCheckBox(f"× {scale:g}", self) for scale in SCALES}
        self.flip = QCheckBox(self.tr("and their mirror images"), self)
        self.flip.setToolTip(self.tr("Twice as long, a little better"))
        self.tile = QSpinBox(self)
        self.tile.setRange(0, LARGEST_TILE)
        self.tile.setSingleStep(TILE_STEP)
        self.tile.setSuffix(" px")
        self.tile.setSpecialValueText(self.tr("the model's"))
        self.tile.setToolTip(self.tr("Side of the window that passes over larger images"))
        self.crf = QCheckBox(self.tr("Follow edges of the photo (CRF)"), self)
        self.crf.setToolTip(
            self.tr("A fully connected CRF: neighbours that look alike get the same category")
        )
        self.temperature = QDoubleSpinBox(self)
        self.temperature.setRange(0.0, 10.0)
        self.temperature.setSingleStep(0.1)
        self.temperature.setSpecialValueText(self.tr("the model's"))
        self.temperature.setToolTip(
            self.tr("Above 1, the model is less sure of everything; below, surer")
        )
        self.usual = QPushButton(self.tr("As usual"), self)
        self.usual.setToolTip(self.tr("All of these as they were at first"))
        for number in (self.tile, self.temperature):
            number.setFont(numeric_font(number.font()))
            number.setKeyboardTracking(False)
        self._lay_out()
        for box in (*self.scales.values(), self.flip, self.crf):
            box.toggled.connect(self._tell)
        self.tile.valueChanged.connect(self._tell)
        self.temperature.valueChanged.connect(self._tell)
        self.usual.clicked.connect(self._take_usual)
        self.show_settings(PredictSettings())

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(4 * SPACING, 0, 0, SPACING)
        grid.setHorizontalSpacing(2 * SPACING)
        grid.setVerticalSpacing(SPACING)
        scales = QLabel(self.tr("Mean over the image at these scales"), self)
        scales.setWordWrap(True)
        grid.addWidget(scales, 0, 0, 1, ACROSS)
        for place, box in enumerate(self.scales.values()):
            box.setAccessibleName(self.tr("Scale {}").format(box.text()))
            grid.addWidget(box, 1 + place // ACROSS, place % ACROSS)
        row = 1 + -(-len(self.scales) // ACROSS)
        grid.addWidget(self.flip, row, 0, 1, ACROSS)
        grid.addWidget(self.crf, row + 1, 0, 1, ACROSS)
        for step, (text, field) in enumerate(
            ((self.tr("Window"), self.tile), (self.tr("Temperature"), self.temperature)), 2
        ):
            label = QLabel(text, self)
            label.setBuddy(field)
            field.setAccessibleName(text)
            grid.addWidget(label, row + step, 0)
            grid.addWidget(field, row + step, 1, 1, ACROSS - 1)
        grid.addWidget(self.usual, row + 4, 1, 1, ACROSS - 1)

    @property
    def value(self) -> PredictSettings:
        scales = tuple(scale for scale, box in self.scales.items() if box.isChecked())
        return PredictSettings(
            tile=self.tile.value(),
            overlap=self._overlap,
            scales=scales or (1.0,),
            flip=self.flip.isChecked(),
            temperature=self.temperature.value(),
            crf=CrfSettings() if self.crf.isChecked() else None,
        )

    def show_settings(self, settings: PredictSettings) -> None:
        """Show these; tells nobody."""
        parts = (*self.scales.values(), self.flip, self.crf, self.tile, self.temperature)
        blockers = [QSignalBlocker(part) for part in parts]
        for scale, box in self.scales.items():
            box.setChecked(scale in settings.scales)
        self.flip.setChecked(settings.flip)
        self.crf.setChecked(settings.crf is not None)
        self.tile.setValue(settings.tile)
        self.temperature.setValue(settings.temperature)
        self._overlap = settings.overlap
        del blockers
        self.usual.setEnabled(settings != PredictSettings())
        self.summed_up.emit(asked_in_words(settings))

    def _take_usual(self) -> None:
        self.show_settings(PredictSettings())
        self.changed.emit(PredictSettings())

    def _tell(self) -> None:
        value = self.value
        self.show_settings(value)  # without any scale it is the image's own
        self.changed.emit(value)
