"""How a prediction is shown: what of it, how strongly, its legend, and each category's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import QRectF, QSignalBlocker, QSize, Signal
from PySide6.QtGui import QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from segstudio.gui.canvas.label_map_levels import Share
from segstudio.gui.canvas.label_map_look import LabelMapLook, Shows, ramp
from segstudio.gui.panels.picks import SliderRow
from segstudio.gui.panels.semantic_legend import Legend
from segstudio.gui.theme import SPACING, numeric_font

BAR_HEIGHT = 10


class RampBar(QWidget):
    """The colours of confidence or entropy, from none on the left to all on the right."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shows = Shows.CONFIDENCE
        self.setFixedHeight(BAR_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_ramp(self, shows: Shows) -> None:
        self._shows = shows
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(96, BAR_HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:
        del event
        colours = ramp(self._shows).copy()
        image = QImage(colours.data, 256, 1, 1024, QImage.Format.Format_RGB32)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(QRectF(self.rect()), image, QRectF(0, 0, 256, 1))
        painter.end()


class ShowingView(QWidget):
    """Tells the look that is wanted; shows the one that is."""

    look_wanted = Signal(object)  # LabelMapLook
    compare_wanted = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = LabelMapLook()
        self._shares: Sequence[Share] = ()
        self.shows = QComboBox(self)
        self.shows.setAccessibleName(self.tr("Show"))
        for value, text in (
            (Shows.LABELS, self.tr("Label map")),
            (Shows.CONFIDENCE, self.tr("Confidence")),
            (Shows.ENTROPY, self.tr("Entropy")),
            (Shows.NOTHING, self.tr("None")),
        ):
            self.shows.addItem(text, value.value)
        self.compare = QPushButton(self.tr("Compare"), self)
        self.compare.setCheckable(True)
        self.compare.setToolTip(
            self.tr("A line to drag on the canvas: left without, right with what is predicted")
        )
        self.opacity = SliderRow(
            self.tr("Opacity"), self.tr("How much of the photo the prediction covers")
        )
        self.ramp = RampBar(self)
        self.low, self.high = QLabel("0 %", self), QLabel("100 %", self)
        self.legend = Legend(self)
        self.summary = QLabel(self)
        self.summary.setProperty("role", "dim")
        self.summary.setFont(numeric_font(self.summary.font()))
        self.of = QLabel(self)
        self.own_opacity = SliderRow(
            self.tr("Opacity of the category"), self.tr("On top of the opacity of all")
        )
        self.threshold = SliderRow(
            self.tr("Threshold"), self.tr("Pixels that the model is less sure of count as nothing")
        )
        self._lay_out()
        self._connect()
        self.show_look(self._look)

    def _lay_out(self) -> None:
        top, bar = QHBoxLayout(), QHBoxLayout()
        top.setSpacing(SPACING)
        top.addWidget(self.shows, 1)
        top.addWidget(self.compare)
        bar.setSpacing(SPACING)
        for part in (self.low, self.ramp, self.high):
            bar.addWidget(part)
        for label in (self.low, self.high):
            label.setProperty("role", "dim")
            label.setFont(numeric_font(label.font()))
        overall, own = QGridLayout(), QGridLayout()
        self._row(overall, 0, self.tr("Opacity"), self.opacity)
        self._own_name = self._row(own, 0, self.tr("Opacity"), self.own_opacity)
        self._row(own, 1, self.tr("Threshold"), self.threshold)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING)
        layout.addLayout(top)
        layout.addLayout(overall)
        layout.addLayout(bar)
        layout.addWidget(self.legend, 1)
        layout.addWidget(self.summary)
        layout.addWidget(self.of)
        layout.addLayout(own)

    def _row(self, grid: QGridLayout, row: int, text: str, field: SliderRow) -> QLabel:
        grid.setHorizontalSpacing(2 * SPACING)
        grid.setVerticalSpacing(SPACING)
        name = QLabel(text, self)
        name.setBuddy(field.number)
        grid.addWidget(name, row, 0)
        grid.addWidget(field, row, 1)
        return name

    def _connect(self) -> None:
        self.shows.activated.connect(
            lambda _: self._want(replace(self._look, shows=Shows(self.shows.currentData())))
        )
        self.compare.toggled.connect(self.compare_wanted)
        self.opacity.changed.connect(lambda value: self._want(replace(self._look, opacity=value)))
        self.own_opacity.changed.connect(self._want_own_opacity)
        self.threshold.changed.connect(self._want_threshold)
        self.legend.legend.eye_pressed.connect(self._press_eye)
        self.legend.chosen.connect(self._show_own)

    # -- wanted ---------------------------------------------------------------------------------

    def _want(self, look: LabelMapLook) -> None:
        self.look_wanted.emit(look)

    def _names(self) -> tuple[str, ...]:
        """The categories that the lower sliders are about: the selected ones, or all."""
        return self.legend.names() or tuple(share.category.name for share in self._shares)

    def _want_own_opacity(self, value: float) -> None:
        mixed = {**self._look.opacities, **dict.fromkeys(self._names(), value)}
        kept = {name: one for name, one in mixed.items() if one < 1.0}
        self._want(replace(self._look, opacities=kept))

    def _want_threshold(self, value: float) -> None:
        mixed = {**self._look.thresholds, **dict.fromkeys(self._names(), value)}
        kept = {name: one for name, one in mixed.items() if one > 0.0}
        self._want(replace(self._look, thresholds=kept))

    def _press_eye(self, name: str) -> None:
        rows = [share.category for share in self._shares if share.category.name == name]
        if not rows:
            return
        if rows[0].background:
            self._want(replace(self._look, shown=self._look.shown ^ {name}))
        else:
            self._want(replace(self._look, hidden=self._look.hidden ^ {name}))

    # -- shown ----------------------------------------------------------------------------------

    def show_prediction(self, shares: Sequence[Share], look: LabelMapLook, area: int) -> None:
        """Another prediction, of an image of `area` pixels."""
        self._shares = shares
        self.legend.legend.look = look
        self.legend.legend.show(shares, area)
        self.follow(shares, look)

    def follow(self, shares: Sequence[Share], look: LabelMapLook) -> None:
        """The same prediction, shown otherwise."""
        self._shares = shares
        self.legend.legend.follow(shares, look)
        self.show_look(look)
        here = [share for share in shares if share.pixels]
        area = max(1, self.legend.legend.area)
        covered = 100 * sum(share.pixels for share in here) / area
        self.summary.setText(
            self.tr("{} of {} categories, {:.1f} % of the image").format(
                len(here), len(shares), covered
            )
        )

    def show_compare(self, comparing: bool) -> None:
        with QSignalBlocker(self.compare):
            self.compare.setChecked(comparing)

    def show_look(self, look: LabelMapLook) -> None:
        """The controls as `look` says; tells nobody."""
        self._look = look
        self.shows.setCurrentIndex(self.shows.findData(look.shows.value))
        self.opacity.show_value(look.opacity, 0.0, 1.0)
        ramped = look.shows in (Shows.CONFIDENCE, Shows.ENTROPY)
        for part in (self.low, self.ramp, self.high):
            part.setVisible(ramped)
        if ramped:
            self.ramp.show_ramp(look.shows)
        self._show_own()

    def _show_own(self) -> None:
        names, selected = self._names(), self.legend.names()
        if len(selected) == 1:
            pixels = sum(one.pixels for one in self._shares if one.category.name == selected[0])
            self.of.setText(self.tr("{}: {:,} px").format(selected[0], pixels))
        elif selected:
            self.of.setText(self.tr("{} categories").format(len(selected)))
        else:
            self.of.setText(self.tr("All categories"))
        for part in (self._own_name, self.own_opacity):
            part.setVisible(bool(selected))
        first = names[0] if names else ""
        self.own_opacity.show_value(self._look.opacities.get(first, 1.0), 0.0, 1.0)
        thresholds = {self._look.thresholds.get(name, 0.0) for name in names} or {0.0}
        self.threshold.show_value(min(thresholds), 0.0, 1.0)
