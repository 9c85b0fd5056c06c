"""Which semantic model is asked, what there is to know of it, and getting its weights."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from segstudio.gui.icons import icon
from segstudio.gui.panels.status import ElidedLabel
from segstudio.gui.semantic_state import ModelRow
from segstudio.gui.semantic_words import categories_in_words, facts_of, get_text
from segstudio.gui.theme import SPACING


class ModelChoice(QWidget):
    """The models' cards in a list, and the chosen one below it."""

    chosen = Signal(str)
    get_wanted = Signal(str)
    details_wanted = Signal(str)
    train_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: dict[str, ModelRow] = {}
        self.box = QComboBox(self)
        self.box.setMinimumContentsLength(8)
        self.box.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.box.setAccessibleName(self.tr("Semantic model"))
        self.details = QToolButton(self)
        self.details.setIcon(icon("information"))
        self.details.setToolTip(self.tr("All about this model"))
        self.details.setAccessibleName(self.tr("All about this model"))
        self.description, self.facts = QLabel(self), QLabel(self)
        self.categories, self.brief = ElidedLabel(self), ElidedLabel(self)
        self.warning = QLabel(self)
        self.warning.setText(self.tr("Research only: no commercial use."))
        self.warning.setProperty("role", "warning")
        for label in (self.description, self.facts, self.warning):
            label.setWordWrap(True)
        for label in (self.description, self.facts, self.categories, self.brief):
            label.setProperty("role", "dim")
        self.get_button = QPushButton(self)
        self.train = QPushButton(self.tr("Train one on your own labels"), self)
        self.train.setToolTip(self.tr("Opens the Training tab"))
        self.none_yet = QLabel(self.tr("No model of your own yet."), self)
        self.none_yet.setProperty("role", "dim")
        self._lay_out()
        self.box.activated.connect(lambda row: self.chosen.emit(str(self.box.itemData(row))))
        self.get_button.clicked.connect(lambda: self.get_wanted.emit(self.key))
        self.details.clicked.connect(lambda: self.details_wanted.emit(self.key))
        self.train.clicked.connect(self.train_wanted)
        self.show_models((), "")

    def _lay_out(self) -> None:
        line = QHBoxLayout()
        line.setSpacing(SPACING)
        name = QLabel(self.tr("Model"), self)
        name.setBuddy(self.box)
        line.addWidget(name)
        line.addSpacing(SPACING)
        line.addWidget(self.box, 1)
        line.addWidget(self.details)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING)
        layout.addLayout(line)
        for part in (
            self.brief,
            self.description,
            self.categories,
            self.facts,
            self.warning,
            self.get_button,
            self.none_yet,
            self.train,
        ):
            layout.addWidget(part)

    @property
    def key(self) -> str:
        return str(self.box.currentData() or "")

    def show_models(self, rows: Sequence[ModelRow], chosen: str) -> None:
        """All cards, those trained here first; `chosen` is the key of the one that is asked."""
        self._rows = {row.card.key: row for row in rows}
        self.box.clear()
        own = [row for row in rows if row.trained_here]
        others = [row for row in rows if not row.trained_here]
        for row in own:
            self._add(row)
        if own and others:
            self.box.insertSeparator(self.box.count())
        for row in others:
            self._add(row)
        self.box.setEnabled(bool(rows))
        place = self.box.findData(chosen)
        self.box.setCurrentIndex(place)
        usable = chosen in self._rows and self._rows[chosen].here
        for part in (self.none_yet, self.train):
            part.setVisible(not own and not usable)
        self._show_card(self._rows.get(chosen))

    def _add(self, row: ModelRow) -> None:
        self.box.addItem(icon("model" if row.here else "import"), row.card.title, row.card.key)
        tip = row.card.description
        if not row.here:
            tip += "\n" + get_text(row.card)
        self.box.setItemData(self.box.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)

    def _show_card(self, row: ModelRow | None) -> None:
        """In three lines where it is in use; in full where it is still to be fetched."""
        for part in (self.details, self.categories, self.brief, self.description, self.facts):
            part.setVisible(row is not None)
        self.warning.setVisible(row is not None and row.card.noncommercial)
        self.get_button.setVisible(row is not None and not row.here)
        if row is None:
            return
        card, facts = row.card, " · ".join(facts_of(row.card))
        self.brief.setVisible(row.here)
        self.description.setVisible(not row.here)
        self.facts.setVisible(not row.here)
        self.description.setText(card.description)
        self.facts.setText(facts)
        self.brief.show_text(facts)
        self.brief.setToolTip(f"{card.description}\n{facts}")
        self.categories.show_text(categories_in_words(card))
        self.get_button.setText(get_text(card))
