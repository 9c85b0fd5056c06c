"""The prompt panel: which model answers, how far it is, and the candidates it gave."""

from __future__ import annotations

from urllib.parse import urlsplit

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from segstudio.core.prompt import Candidates
from segstudio.gui.canvas.candidate_strip import MOST, CandidateTile, show_in
from segstudio.models.card import ModelCard
from segstudio.models.registry import prompt_models


class PromptPanel(QWidget):
    """Model, device, state and candidates."""

    model_chosen = Signal(str)
    candidate_chosen = Signal(int)
    candidate_stepped = Signal(int)  # by the wheel: 1 is the next one
    everything_wanted = Signal()
    get_wanted = Signal(str)  # key of the model whose weights are to be downloaded

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = QComboBox(self)
        for card in prompt_models():
            self._model.addItem(card.title, card.key)
            self._model.setItemData(
                self._model.count() - 1, card.description, Qt.ItemDataRole.ToolTipRole
            )
        self._model.setMinimumContentsLength(8)
        self._model.setAccessibleName(self.tr("Model"))
        self._state = QLabel(self)
        self._state.setWordWrap(True)
        self._state.setProperty("role", "dim")
        self.get_button = QPushButton(self)
        self.get_button.setAccessibleName(self.tr("Get the model"))
        self.get_button.hide()
        self._offered = ""
        self._hint = QLabel(self.tr("Click an object, or drag a box around it."), self)
        self._hint.setWordWrap(True)
        self._hint.setProperty("role", "dim")
        self._everything = QPushButton(self.tr("Everything"), self)
        self._everything.setToolTip(self.tr("Find every object on this image (G)"))
        self.tiles = [CandidateTile(index, self) for index in range(MOST)]
        self._lay_out()
        self._model.activated.connect(
            lambda row: self.model_chosen.emit(str(self._model.itemData(row)))
        )
        self.get_button.clicked.connect(lambda: self.get_wanted.emit(self._offered))
        self._everything.clicked.connect(self.everything_wanted)
        for tile in self.tiles:
            tile.chosen.connect(self.candidate_chosen)
            tile.stepped.connect(self.candidate_stepped)
        self.show_candidates(None, [], 0)

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow(self.tr("Model"), self._model)
        row = QHBoxLayout()
        row.setSpacing(4)
        for tile in self.tiles:
            row.addWidget(tile)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 8)
        layout.setSpacing(4)
        layout.addLayout(form)
        layout.addWidget(self._state)
        layout.addWidget(self.get_button)
        layout.addWidget(self._everything)
        layout.addWidget(self._hint)
        layout.addLayout(row)
        layout.addStretch(1)

    def show_model(self, key: str) -> None:
        row = self._model.findData(key)
        self._model.setCurrentIndex(row)
        self._model.setToolTip(str(self._model.itemData(row, Qt.ItemDataRole.ToolTipRole) or ""))
        self.get_button.hide()

    def offer(self, card: ModelCard) -> None:
        """The chosen model is not on this machine: offer its download, with size and licence."""
        if card.weights is not None:
            self._offered = card.key
            text = self.tr("Get {} ({} MB)").format(card.title, round(card.weights.size / 2**20))
            self.get_button.setText(text)
            told = self.tr("Download its weights from {}; licence {}.")
            host = urlsplit(card.weights.url).netloc
            self.get_button.setToolTip(told.format(host, card.weights.licence))
            self.get_button.show()

    def show_state(self, text: str) -> None:
        self._state.setText(text)

    def show_candidates(
        self, candidates: Candidates | None, pictures: list[QImage], current: int
    ) -> None:
        """Up to three tiles; `pictures` belong to the candidates, and may come later."""
        show_in(self.tiles, candidates, pictures, current)
        self._hint.setVisible(not (candidates and candidates.items))
