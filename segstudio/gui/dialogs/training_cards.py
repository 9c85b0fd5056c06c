"""Networks as cards to choose from: what each is good at, how large it is, its licence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QPersistentModelIndex,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QFont, QFontMetrics, QPainter, QPen
from PySide6.QtWidgets import (
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from segstudio.gui.theme import RADIUS, SPACING, current_tokens

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
_ROLE = Qt.ItemDataRole
PAD = 2 * SPACING


@dataclass(frozen=True)
class NetworkCard:
    """What a card says: a title, a plain sentence, and a line of facts (size, licence)."""

    key: str
    title: str
    sentence: str
    facts: str


class CardModel(QAbstractListModel):
    """The cards in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.cards: tuple[NetworkCard, ...] = ()

    def show(self, cards: Sequence[NetworkCard]) -> None:
        self.beginResetModel()
        self.cards = tuple(cards)
        self.endResetModel()

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.cards)

    def data(self, index: Index, role: int = _ROLE.DisplayRole) -> object:
        card = self.cards[index.row()]
        if role == _ROLE.DisplayRole:
            return card.title
        if role in (_ROLE.AccessibleTextRole, _ROLE.ToolTipRole):
            told = (card.title, card.sentence, card.facts)
            return "\n".join(part for part in told if part)
        return None


class CardDelegate(QStyledItemDelegate):
    """A bold title, the sentence over as many lines as it needs, the facts in dim letters."""

    def _bold(self, font: QFont) -> QFont:
        bold = QFont(font)
        bold.setBold(True)
        return bold

    def _sentence(self, option: QStyleOptionViewItem, card: NetworkCard, width: int) -> QRect:
        if not card.sentence:
            return QRect()
        wrap = Qt.TextFlag.TextWordWrap
        return QFontMetrics(option.font).boundingRect(
            QRect(0, 0, width, 10_000), int(wrap), card.sentence
        )

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        card = self._card(index)
        view = option.widget
        width = view.viewport().width() if isinstance(view, QListView) else 240
        line = QFontMetrics(option.font).height()
        sentence = self._sentence(option, card, width - 2 * PAD).height()
        return QSize(120, 2 * line + sentence + 2 * PAD)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        card, tokens = self._card(index), current_tokens()
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        hovered = bool(option.state & QStyle.StateFlag.State_MouseOver)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        frame = QRectF(option.rect).adjusted(2, 2, -2, -2)
        role = "selected" if chosen else "hover" if hovered else "panel"
        painter.setBrush(tokens.colour(role))
        painter.setPen(QPen(tokens.colour("accent" if chosen else "line"), 1))
        painter.drawRoundedRect(frame, RADIUS, RADIUS)
        area = option.rect.adjusted(PAD, PAD, -PAD, -PAD)
        line = QFontMetrics(option.font).height()
        painter.setPen(tokens.colour("text"))
        painter.setFont(self._bold(option.font))
        painter.drawText(area.x(), area.y(), area.width(), line, 0, card.title)
        painter.setFont(option.font)
        sentence = self._sentence(option, card, area.width())
        where = QRect(area.x(), area.y() + line, area.width(), sentence.height())
        painter.drawText(where, int(Qt.TextFlag.TextWordWrap), card.sentence)
        painter.setPen(tokens.colour("text" if chosen else "dim"))
        facts = QFontMetrics(option.font).elidedText(
            card.facts, Qt.TextElideMode.ElideRight, area.width()
        )
        painter.drawText(area.x(), where.bottom() + 1, area.width(), line, 0, facts)
        painter.restore()

    def _card(self, index: Index) -> NetworkCard:
        model = index.model()
        assert isinstance(model, CardModel)
        return model.cards[index.row()]


class CardList(QListView):
    """Cards below one another; exactly one is chosen as soon as there are any."""

    chosen = Signal(str)  # key

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.cards = CardModel()
        self.setModel(self.cards)
        self.setItemDelegate(CardDelegate(self))
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMouseTracking(True)
        self.selectionModel().currentChanged.connect(self._tell)

    @property
    def key(self) -> str:
        """That of the chosen card; "" where there is none."""
        row = self.currentIndex().row()
        return self.cards.cards[row].key if row >= 0 else ""

    def show_cards(self, cards: Sequence[NetworkCard], chosen: str) -> None:
        """Show these; the chosen one is that of `chosen`, or the first."""
        self.cards.show(cards)
        keys = [card.key for card in cards]
        if keys:
            self.setCurrentIndex(self.cards.index(keys.index(chosen) if chosen in keys else 0))
            self.scrollTo(self.currentIndex())

    def _tell(self, now: QModelIndex, _: QModelIndex) -> None:
        if now.isValid():
            self.chosen.emit(self.key)
