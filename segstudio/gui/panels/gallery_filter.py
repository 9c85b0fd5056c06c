"""The controls above the gallery: text, state and category to filter by, and the order."""

from __future__ import annotations

from collections.abc import Collection

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import (
    QComboBox,
    QGridLayout,
    QLineEdit,
    QMenu,
    QPushButton,
    QToolButton,
    QWidget,
)

from segstudio.core.image import ImageState
from segstudio.gui.icons import icon
from segstudio.gui.panels.gallery_model import Filter, Order
from segstudio.gui.theme import SPACING


class GalleryFilter(QWidget):
    """Says what to show and in which order; knows no images."""

    changed = Signal(object)  # Filter
    order_changed = Signal(object)  # Order
    category_cleared = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._image_ids: frozenset[int] | None = None
        self._make_text()
        self._make_states()
        self._make_chip()
        self._make_order()
        layout = QGridLayout(self)
        layout.setContentsMargins(2 * SPACING, 2 * SPACING, 2 * SPACING, SPACING)
        layout.setSpacing(SPACING)
        layout.addWidget(self.search, 0, 0, 1, 2)
        layout.addWidget(self.states, 1, 0)
        layout.addWidget(self.order, 1, 1)
        layout.addWidget(self.chip, 2, 0, 1, 2)
        layout.setColumnStretch(0, 1)

    def _make_text(self) -> None:
        self.search = QLineEdit()
        self.search.setPlaceholderText(self.tr("Filter by name"))
        self.search.setAccessibleName(self.tr("Filter images by name"))
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._tell)

    def _make_states(self) -> None:
        self.states = QComboBox()
        self.states.setAccessibleName(self.tr("Filter images by state"))
        self.states.setMinimumContentsLength(8)
        self.states.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.states.addItem(self.tr("All images"), None)
        self.states.addItem(self.tr("Not labelled"), ImageState.TODO)
        self.states.addItem(self.tr("Labelled"), ImageState.LABELLED)
        self.states.addItem(self.tr("Reviewed"), ImageState.REVIEWED)
        self.states.addItem(self.tr("Rejected"), ImageState.REJECTED)
        self.states.currentIndexChanged.connect(self._tell)

    def _make_chip(self) -> None:
        self.chip = QPushButton()
        self.chip.setIcon(icon("cancel"))
        self.chip.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
        self.chip.setToolTip(self.tr("Show images of every category again"))
        self.chip.clicked.connect(self._clear_category)
        self.chip.hide()

    def _make_order(self) -> None:
        self.order = QToolButton()
        self.order.setIcon(icon("sort"))
        self.order.setToolTip(self.tr("Sort the images"))
        self.order.setAccessibleName(self.tr("Sort the images"))
        self.order.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu, group = QMenu(self.order), QActionGroup(self)
        for order, text in (
            (Order.ADDED, self.tr("As they were added")),
            (Order.NAME, self.tr("By name")),
            (Order.ANNOTATIONS, self.tr("Most annotations first")),
        ):
            action = QAction(text, group)
            action.setCheckable(True)
            action.setChecked(order is Order.ADDED)
            action.setData(order)
            menu.addAction(action)
        group.triggered.connect(lambda action: self.order_changed.emit(Order(action.data())))
        self.order.setMenu(menu)

    def filter(self) -> Filter:
        """What is asked for now."""
        state = self.states.currentData()
        states = None if state is None else (ImageState(state),)
        return Filter(self.search.text(), states, self._image_ids)

    def set_category(self, name: str, image_ids: Collection[int] | None) -> None:
        """Only these images, which hold the category `name`; None: images of any."""
        self._image_ids = frozenset(image_ids) if image_ids is not None else None
        self.chip.setText(name)
        self.chip.setVisible(image_ids is not None)
        self._tell()

    def _clear_category(self) -> None:
        self.set_category("", None)
        self.category_cleared.emit()

    def _tell(self) -> None:
        self.changed.emit(self.filter())
