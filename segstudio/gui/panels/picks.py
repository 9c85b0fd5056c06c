"""The panel of everything: how much was found, which of it is shown, and what becomes of it."""

from __future__ import annotations

import math
from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from segstudio.gui.pick_state import PickState
from segstudio.gui.theme import numeric_font

STEPS = 1000  # of a slider
LEAST_PERCENT = 0.001  # the low end of the sliders of area


class ShareBox(QDoubleSpinBox):
    """A number over many decades, shown with three digits."""

    def textFromValue(self, value: float) -> str:
        return self.locale().toString(value, "g", 3)


class SliderRow(QWidget):
    """A slider and its number, which can be typed; `decades` makes it logarithmic."""

    changed = Signal(float)

    def __init__(self, name: str, tip: str, *, decades: bool = False, unit: str = "") -> None:
        super().__init__()
        self._decades = decades
        self.slider = QSlider(Qt.Orientation.Horizontal, self)
        self.slider.setRange(0, STEPS)
        self.slider.setPageStep(STEPS // 20)
        self.slider.setFocusPolicy(
            Qt.FocusPolicy.TabFocus
        )  # a click leaves the keys where they are
        self.number = (ShareBox if decades else QDoubleSpinBox)(self)
        self.number.setDecimals(3 if decades else 2)
        self.number.setSingleStep(0.01)
        self.number.setSuffix(unit)
        self.number.setFont(numeric_font(self.number.font()))
        self.number.setKeyboardTracking(False)
        self.number.setFixedWidth(92)
        for part in (self.slider, self.number):
            part.setToolTip(tip)
            part.setAccessibleName(name)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self.slider, 1)
        layout.addWidget(self.number)
        self.slider.valueChanged.connect(self._slid)
        self.number.valueChanged.connect(self._typed)

    @property
    def value(self) -> float:
        return self.number.value()

    def show_value(self, value: float, low: float, high: float) -> None:
        """Show a value between these ends; tells nobody."""
        with QSignalBlocker(self.number), QSignalBlocker(self.slider):
            self.number.setRange(low, high)
            self.number.setValue(value)
            if not self.slider.isSliderDown():
                self.slider.setValue(self._place(self.number.value()))

    def _slid(self, place: int) -> None:
        low, high, share = self.number.minimum(), self.number.maximum(), place / STEPS
        value = low + (high - low) * share
        if self._decades:
            value = math.exp(math.log(low) + (math.log(high) - math.log(low)) * share)
        with QSignalBlocker(self.number):
            self.number.setValue(value)
        self.changed.emit(self.number.value())

    def _typed(self, value: float) -> None:
        with QSignalBlocker(self.slider):
            self.slider.setValue(self._place(value))
        self.changed.emit(value)

    def _place(self, value: float) -> int:
        low, high = self.number.minimum(), self.number.maximum()
        if self._decades:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return round(STEPS * (value - low) / (high - low)) if high > low else 0


class PicksPanel(QWidget):
    """Counts, filters, how to search, and the buttons."""

    filtered = Signal(object)  # PickFilters
    search_changed = Signal(int, bool)  # crop layers, fast
    find_wanted = Signal()
    again_wanted = Signal()
    accept_all_wanted = Signal()
    clear_wanted = Signal()
    cancel_wanted = Signal()
    left = Signal()  # the hand is done here: keys go to the canvas again

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state: PickState | None = None
        self.count = QLabel(self)
        self.count.setWordWrap(True)
        self.count.setFont(numeric_font(self.count.font()))
        self._make_rows()
        self.unlabelled = QCheckBox(self.tr("Only what is not labelled yet"), self)
        self.layers = QComboBox(self)
        self.layers.addItems([self.tr("whole image"), self.tr("1 layer"), self.tr("2 layers")])
        self.layers.setToolTip(
            self.tr("Layers of crops: finds smaller things, and takes 5 or 21 times as long.")
        )
        self.fast = QCheckBox(self.tr("Fast (approximate)"), self)
        self.fast.setToolTip(
            self.tr("Skips points inside masks that were found already; misses some small things.")
        )
        self.search = QPushButton(self.tr("Find"), self)
        self.accept_all = QPushButton(self.tr("Accept all"), self)
        self.accept_all.setToolTip(self.tr("Accept all that is shown (Shift+G)"))
        self.clear = QPushButton(self.tr("Clear"), self)
        self.clear.setToolTip(self.tr("Put the picks away; G brings them back"))
        self.again = QPushButton(self.tr("Run again"), self)
        self.again.setToolTip(self.tr("Ask the model again, and bring dismissed masks back"))
        self.cancel = QPushButton(self.tr("Cancel"), self)
        self._lay_out()
        self._connect()

    def _make_rows(self) -> None:
        self.iou = SliderRow(
            self.tr("Predicted IoU"),
            self.tr("How good the model believes a mask to be, on its own scale"),
        )
        self.stability = SliderRow(
            self.tr("Stability"), self.tr("How little a mask changes with the model's threshold")
        )
        self.overlap = SliderRow(
            self.tr("Overlap"),
            self.tr("Of two masks whose boxes overlap more than this, the better one is shown"),
        )
        self.smallest = SliderRow(
            self.tr("Smallest"), self.tr("Least share of the image"), decades=True, unit=" %"
        )
        self.smallest.number.setSpecialValueText(self.tr("any"))
        self.largest = SliderRow(
            self.tr("Largest"), self.tr("Largest share of the image"), decades=True, unit=" %"
        )
        self._rows = (
            (self.tr("Predicted IoU"), self.iou),
            (self.tr("Stability"), self.stability),
            (self.tr("Overlap"), self.overlap),
            (self.tr("Smallest"), self.smallest),
            (self.tr("Largest"), self.largest),
        )

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(4)
        for number, (name, row) in enumerate(self._rows):
            label = QLabel(name, self)
            label.setBuddy(row.number)
            grid.addWidget(label, number, 0)
            grid.addWidget(row, number, 1)
        searching, buttons = QHBoxLayout(), QHBoxLayout()
        searching.addWidget(self.fast)
        searching.addStretch(1)
        searching.addWidget(self.layers)
        for button in (self.search, self.accept_all, self.clear, self.again, self.cancel):
            buttons.addWidget(button)
        for line in (searching, buttons):
            line.setSpacing(4)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 8)
        layout.setSpacing(4)
        layout.addWidget(self.count)
        layout.addLayout(grid)
        layout.addWidget(self.unlabelled)
        layout.addLayout(searching)
        layout.addLayout(buttons)
        layout.addStretch(1)

    def _connect(self) -> None:
        for _, row in self._rows:
            row.changed.connect(self._tell_filters)
            row.number.lineEdit().returnPressed.connect(self.left)
        self.unlabelled.toggled.connect(self._tell_filters)
        self.layers.activated.connect(self._tell_search)
        self.fast.clicked.connect(self._tell_search)
        self.search.clicked.connect(self.find_wanted)
        self.accept_all.clicked.connect(self.accept_all_wanted)
        self.clear.clicked.connect(self.clear_wanted)
        self.again.clicked.connect(self.again_wanted)
        self.cancel.clicked.connect(self.cancel_wanted)
        for part in (
            self.search,
            self.accept_all,
            self.clear,
            self.again,
            self.cancel,
            self.fast,
            self.unlabelled,
        ):
            part.clicked.connect(self.left)
        self.layers.activated.connect(self.left)

    # -- what is shown --------------------------------------------------------------------------

    def show_state(self, state: PickState) -> None:
        """Counts, sliders and buttons as things are now."""
        self._state = state
        filters, least = state.filters, state.least
        self.count.setText(self._in_words(state))
        self.iou.show_value(filters.predicted_iou, least.predicted_iou, 1.0)
        self.stability.show_value(filters.stability, least.stability, 1.0)
        self.overlap.show_value(filters.overlap, least.overlap, 1.0)
        self.smallest.show_value(max(LEAST_PERCENT, 100 * filters.min_area), LEAST_PERCENT, 100.0)
        self.largest.show_value(max(LEAST_PERCENT, 100 * filters.max_area), LEAST_PERCENT, 100.0)
        for row, share in ((self.smallest, filters.min_area), (self.largest, filters.max_area)):
            pixels = self.tr("{} pixels").format(round(share * state.image_pixels))
            row.number.setToolTip(pixels)
        with QSignalBlocker(self.unlabelled):
            self.unlabelled.setChecked(filters.unlabelled_only)
        self.layers.setCurrentIndex(state.crop_layers)
        self.fast.setChecked(state.fast)
        for part in (self.layers, self.fast):
            part.setVisible(state.by_grid)
        known = state.shown is not None
        self.search.setVisible(not known and not state.running)
        self.cancel.setVisible(state.running)
        for button in (self.accept_all, self.clear, self.again):
            button.setVisible(known and not state.running)
        self.accept_all.setEnabled(bool(state.shown))

    def _in_words(self, state: PickState) -> str:
        if state.running:
            progress = state.progress
            if progress is None:
                return self.tr("Finding everything…")
            if progress.total <= 0:
                return progress.text or self.tr("Finding everything…")
            told = self.tr("{}: {} of {}")
            return told.format(progress.text, progress.done, progress.total)
        if state.shown is None:
            return self.tr("Press G to find every object on this image.")
        told = (
            self.tr("{} of {} shown, approximate")
            if state.approximate
            else self.tr("{} of {} shown")
        )
        return told.format(state.shown, state.found)

    # -- what is wanted -------------------------------------------------------------------------

    def _tell_filters(self, _: object = None) -> None:
        if self._state is None:
            return
        smallest = self.smallest.value
        self.filtered.emit(
            replace(
                self._state.filters,
                predicted_iou=self.iou.value,
                stability=self.stability.value,
                overlap=self.overlap.value,
                # At its low end the slider sets no limit.
                min_area=smallest / 100 if smallest > LEAST_PERCENT else 0.0,
                max_area=self.largest.value / 100,
                unlabelled_only=self.unlabelled.isChecked(),
            )
        )

    def _tell_search(self, _: object = None) -> None:
        self.search_changed.emit(self.layers.currentIndex(), self.fast.isChecked())
