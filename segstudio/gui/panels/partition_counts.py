"""What partition mode counts: two numbers that lead to the next place, and an offer to resolve."""

from __future__ import annotations

from PySide6.QtCore import QLocale, Signal
from PySide6.QtWidgets import QHBoxLayout, QToolButton, QWidget

from segstudio.engine.overlaps import Flaws
from segstudio.gui.theme import numeric_font


class PartitionCounts(QWidget):
    """Stands in the status strip while the mode is on; hidden otherwise."""

    unlabelled_wanted = Signal()
    doubly_wanted = Signal()
    resolve_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.unlabelled = self._button(self.tr("Show the next place without a label"))
        self.doubly = self._button(self.tr("Show the next place with two labels or more"))
        self.resolve = self._button(self.tr("Give doubly labelled pixels to the front annotation"))
        self.resolve.setText(self.tr("Resolve overlaps"))
        self.unlabelled.clicked.connect(self.unlabelled_wanted)
        self.doubly.clicked.connect(self.doubly_wanted)
        self.resolve.clicked.connect(self.resolve_wanted)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for button in (self.unlabelled, self.doubly, self.resolve):
            layout.addWidget(button)
        self.show_flaws(None, mode=False)

    def _button(self, tip: str) -> QToolButton:
        button = QToolButton(self)
        button.setFont(numeric_font(button.font()))
        button.setAutoRaise(True)
        button.setToolTip(tip)
        return button

    def show_flaws(self, flaws: Flaws | None, *, mode: bool) -> None:
        """The numbers; None while they are being counted."""
        self.setVisible(mode)
        counted = flaws or Flaws()
        number = QLocale().toString
        told = ("…", "…") if flaws is None else (number(counted.unlabelled), number(counted.doubly))
        self.unlabelled.setText(self.tr("unlabelled {} px").format(told[0]))
        self.doubly.setText(self.tr("doubly labelled {} px").format(told[1]))
        self.unlabelled.setEnabled(counted.unlabelled > 0)
        self.doubly.setEnabled(counted.doubly > 0)
        self.resolve.setVisible(counted.doubly > 0)
        for button in (self.unlabelled, self.doubly):
            button.setAccessibleName(f"{button.text()}. {button.toolTip()}")
