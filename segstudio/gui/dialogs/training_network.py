"""Which network is trained: its architecture, its encoder, and what it starts from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from urllib.parse import urlsplit

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from segstudio.core.errors import BadInputError
from segstudio.gui.dialogs.fields import Field, choice_field, dim_label
from segstudio.gui.dialogs.training_cards import CardList, NetworkCard
from segstudio.gui.theme import SPACING
from segstudio.models.card import WeightsFile
from segstudio.models.semantic.card import Architecture, Encoder, SemanticCard
from segstudio.models.semantic.registry import ARCHITECTURES, architecture, encoder


class NetworkChoice(QWidget):
    """Two lists of cards beside each other; the encoders are those that the architecture takes."""

    changed = Signal()

    def __init__(
        self,
        trained: Sequence[SemanticCard] = (),
        here: Collection[str] = (),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._here = frozenset(here)
        self.architectures = CardList(self.tr("Architecture"))
        self.encoders = CardList(self.tr("Encoder"))
        self.own_encoder = dim_label(self.tr("This architecture brings its own encoder."))
        self.pretrained = QCheckBox(self.tr("Start the encoder from ImageNet weights"))
        self.weights = dim_label("")
        self.start = self._start_field(trained)
        self._lay_out(bool(trained))
        self.architectures.show_cards([self._architecture_card(row) for row in ARCHITECTURES], "")
        self._show_encoders("")
        self.pretrained.setChecked(True)
        self._show_weights()
        self.architectures.chosen.connect(lambda _: self._architecture_changed())
        self.encoders.chosen.connect(lambda _: self._encoder_changed())
        self.pretrained.toggled.connect(lambda _: self._encoder_changed())
        self.start.listen(self.changed.emit)

    def _start_field(self, trained: Sequence[SemanticCard]) -> Field:
        choices = [("", self.tr("nothing"), "")]
        choices += [(card.key, card.title, card.trained_on) for card in trained]
        field = choice_field(choices)
        field.widget.setAccessibleName(self.tr("Go on from a trained model"))
        return field

    def _lay_out(self, startable: bool) -> None:
        lists = QHBoxLayout()
        lists.setSpacing(4 * SPACING)
        columns = (
            (self.tr("Architecture"), (self.architectures,), 3),
            (self.tr("Encoder"), (self.encoders, self.own_encoder), 2),
        )
        for title, widgets, share in columns:
            column = QVBoxLayout()
            column.setSpacing(SPACING)
            heading = QLabel(title)
            heading.setBuddy(widgets[0])
            column.addWidget(heading)
            for widget in widgets:
                column.addWidget(widget, 1 if isinstance(widget, CardList) else 0)
            lists.addLayout(column, share)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 2 * SPACING, 0, 0)
        layout.setSpacing(2 * SPACING)
        layout.addLayout(lists, 1)
        layout.addWidget(self.pretrained)
        layout.addWidget(self.weights)
        line = QHBoxLayout()
        label = QLabel(self.tr("Go on from"))
        label.setBuddy(self.start.widget)
        line.addWidget(label)
        line.addWidget(self.start.widget, 1)
        if startable:
            layout.addLayout(line)

    # -- cards ----------------------------------------------------------------------------------

    def _architecture_card(self, row: Architecture) -> NetworkCard:
        facts = self.tr("{} · code: {}").format(row.paper, row.licence)
        return NetworkCard(row.key, row.title, row.description, facts)

    def _encoder_card(self, row: Encoder) -> NetworkCard:
        size = self.tr("{:.1f} million parameters").format(row.parameters / 1e6)
        if row.weights is None:
            start = self.tr("no ImageNet weights")
        else:
            start = self.tr("ImageNet weights: {}").format(row.weights.licence)
        return NetworkCard(row.key, row.title, size, start)

    def _architecture_changed(self) -> None:
        self._show_encoders(self.encoders.key)
        self._encoder_changed()

    def _show_encoders(self, chosen: str) -> None:
        fitting = architecture(self.architectures.key).encoders
        cards = []
        for key in fitting:
            try:
                cards.append(self._encoder_card(encoder(key)))
            except BadInputError:  # named by an architecture, and in no table
                continue
        self.encoders.show_cards(cards, chosen)
        self.encoders.setVisible(bool(cards))
        self.own_encoder.setVisible(not cards)

    def _encoder_changed(self) -> None:
        self._show_weights()
        self.changed.emit()

    def _weights(self) -> WeightsFile | None:
        return encoder(self.encoders.key).weights if self.encoders.key else None

    def _show_weights(self) -> None:
        weights = self._weights()
        self.pretrained.setVisible(weights is not None)
        if weights is None:
            told = self.tr("There are no ImageNet weights for it: it starts from random numbers.")
            self.weights.setText(told if self.encoders.key else "")
        else:
            size = self.tr("{} MB").format(round(weights.size / 2**20)) if weights.size else ""
            licence = self.tr("licence {}").format(weights.licence)
            facts = (size or self.tr("size not published"), licence, self._proof(weights))
            self.weights.setText(self._whence(weights).format(", ".join(facts)))
        self.weights.setVisible(bool(self.weights.text()))

    def _whence(self, weights: WeightsFile) -> str:
        """Where they come from: a sentence with room for the facts."""
        if self.encoders.key in self._here:
            return self.tr("They are on this machine: {}.")
        if weights.url:
            told = self.tr("Fetched from {} when the training starts: {}.")
            return told.format(urlsplit(weights.url).netloc, "{}")
        package = weights.package.split("/", maxsplit=1)[0].replace("_", "-")
        told = self.tr("They come with the Python package {}, which is not installed: {}.")
        return told.format(package, "{}")

    def _proof(self, weights: WeightsFile) -> str:
        if weights.sha256:
            return self.tr("checked by its hash")
        return self.tr("hash not published; pinned at first use")

    # -- value ----------------------------------------------------------------------------------

    def choose(self, architecture_key: str, encoder_key: str, *, pretrained: bool) -> None:
        """Show these as chosen, or the nearest that there are."""
        keys = [card.key for card in self.architectures.cards.cards]
        if architecture_key in keys:
            row = self.architectures.cards.index(keys.index(architecture_key))
            self.architectures.setCurrentIndex(row)
        self._show_encoders(encoder_key)
        self.pretrained.setChecked(pretrained)
        self._show_weights()

    @property
    def architecture(self) -> Architecture:
        return architecture(self.architectures.key)

    @property
    def encoder_key(self) -> str:
        """ "" where the architecture has its own."""
        return self.encoders.key if self.architecture.encoders else ""

    @property
    def from_weights(self) -> bool:
        """Whether the encoder starts from weights that there are."""
        return self.pretrained.isChecked() and self._weights() is not None

    @property
    def title(self) -> str:
        """What the network is called: "U-Net on ResNet-34"."""
        if not self.encoder_key:
            return self.architecture.title
        names = self.architecture.title, encoder(self.encoder_key).title
        return self.tr("{} on {}").format(*names)
