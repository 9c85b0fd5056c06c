"""The semantic model desk: which models there are, and which one is asked."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.engine.jobs import Lane
from segstudio.engine.semantic_slot import LoadSemanticModel, SemanticSlot
from segstudio.gui.semantic_state import ModelRow
from segstudio.gui.workspace import Workspace
from segstudio.models import licences
from segstudio.models import weights as model_weights
from segstudio.models.semantic.card import SemanticCard
from segstudio.models.semantic.model_key import key_on_disk
from segstudio.models.semantic.registry import semantic_cards

Cards = Callable[[], tuple[SemanticCard, ...]]


class SemanticModelDesk(QObject):
    """What the panel's cards and their dialog call."""

    changed = Signal()  # rows or the chosen one
    model_changed = Signal()  # another one is asked from now on, or the same can be now
    getting = Signal(str, object)  # key of a card, Job that downloads it
    licence_wanted = Signal(object)  # SemanticCard whose licence must be accepted first
    details_wanted = Signal(object)  # ModelRow

    def __init__(
        self, workspace: Workspace, load: LoadSemanticModel, cards: Cards | None = None
    ) -> None:
        super().__init__()
        self._workspace, self._load = workspace, load
        self._cards = cards or semantic_cards
        self.rows: tuple[ModelRow, ...] = ()
        self.chosen = ""
        self._slot: SemanticSlot | None = None
        self._used_at = time.monotonic()

    # -- which there are ------------------------------------------------------------------------

    def look(self) -> None:
        """Read which models there are, and which of them have their weights here."""
        cards = self._cards

        def work(cancel: CancelToken, _: ProgressSink) -> tuple[ModelRow, ...]:
            return tuple(row_of(card, cancel) for card in cards())

        self._workspace.runner.submit(
            Lane.IO,
            self.tr("looking for semantic models"),
            work,
            on_done=self._take,
            on_error=self._workspace.tell_error,
            key="look-for-semantic-models",
        )

    def _take(self, rows: tuple[ModelRow, ...]) -> None:
        old = self.row(self.chosen)
        self.rows = rows
        keys = {row.card.key for row in rows}
        if self.chosen not in keys:
            wanted = self._workspace.settings.semantic_model
            self.chosen = wanted if wanted in keys else _first(rows)
        self.changed.emit()
        if old != self.current:
            self._leave()
            self.model_changed.emit()

    def row(self, key: str) -> ModelRow | None:
        return next((row for row in self.rows if row.card.key == key), None)

    @property
    def current(self) -> ModelRow | None:
        """The one that is asked."""
        return self.row(self.chosen)

    # -- choosing -------------------------------------------------------------------------------

    def use(self, key: str) -> None:
        """Ask this model from now on, and next time."""
        if key == self.chosen or self.row(key) is None:
            return
        self._leave()
        self.chosen = key
        self._workspace.change_settings(semantic_model=key)
        self.changed.emit()
        self.model_changed.emit()

    def use_trained(self, key: str) -> None:
        """Ask a model that has just come into the library."""
        self._workspace.change_settings(semantic_model=key)
        self.chosen = ""
        self._leave()
        self.look()

    @property
    def slot(self) -> SemanticSlot | None:
        """The chosen model, loaded when it is first asked; None where its weights are missing."""
        row = self.current
        if row is None or not row.here:
            return None
        if self._slot is None:
            self._slot = SemanticSlot(
                row.card,
                self._load,
                self._workspace.runner,
                on_loaded=lambda: None,
                on_moved=self._workspace.tell,
            )
            self._slot.model_key = row.model_key  # what the cache has can be shown at once
        self._used_at = time.monotonic()
        return self._slot

    def rest(self, minutes: float) -> None:
        """Let go of a model that nobody asked for so long; 0 keeps it."""
        slot = self._slot
        if minutes <= 0 or slot is None or slot.model is None:
            return
        if time.monotonic() - self._used_at > 60 * minutes:
            told = self.tr("unloading {}").format(slot.card.title)
            self._workspace.runner.submit(Lane.DEVICE, told, lambda _c, _p: slot.drop())

    def _leave(self) -> None:
        slot, self._slot = self._slot, None
        if slot is not None:
            told = self.tr("unloading {}").format(slot.card.title)
            self._workspace.runner.submit(Lane.DEVICE, told, lambda _c, _p: slot.drop())

    # -- getting --------------------------------------------------------------------------------

    def show_details(self, key: str) -> None:
        """All that there is to know of a model."""
        row = self.row(key)
        if row is not None:
            self.details_wanted.emit(row)

    def get(self, key: str) -> None:
        """Download a model's weights; a licence that limits their use is accepted before."""
        row = self.row(key)
        if row is None or row.here:
            return
        card = row.card

        def looked(accepted: bool) -> None:
            if accepted:
                self._download(card)
            else:
                self.licence_wanted.emit(card)

        self.look_for_licence(card, looked)

    def look_for_licence(self, card: SemanticCard, done: Callable[[bool], None]) -> None:
        """Tell `done` whether the weights may be fetched without asking anything."""
        self._workspace.runner.submit(
            Lane.IO,
            self.tr("looking for licences"),
            lambda _c, _p: licences.is_accepted(card),
            on_done=done,
            on_error=self._workspace.tell_error,
        )

    def accept_and_get(self, card: SemanticCard) -> None:
        """The licence was read and accepted: remember that, and download."""
        self._workspace.runner.submit(
            Lane.IO,
            self.tr("keeping that the licence was accepted"),
            lambda _c, _p: licences.accept(card),
            on_done=lambda _: self._download(card),
            on_error=self._workspace.tell_error,
        )

    def _download(self, card: SemanticCard) -> None:
        def work(cancel: CancelToken, report: ProgressSink) -> None:
            model_weights.ensure(card, None, download=True, report=report, cancel=cancel)

        def done(_: None) -> None:
            self._workspace.tell(self.tr("{} is here now.").format(card.title))
            self.look()

        def stopped() -> None:
            told = self.tr("Stopped; what came of {} is kept, and Get goes on from there.")
            self._workspace.tell(told.format(card.title))
            self.look()

        def failed(error: Exception) -> None:
            self._workspace.tell_error(error)
            self.look()

        job = self._workspace.runner.submit(
            Lane.IO,
            self.tr("getting {}").format(card.title),
            work,
            on_done=done,
            on_error=failed,
            on_cancelled=stopped,
            key=f"get-{card.key}",
            visible=True,
        )
        self.getting.emit(card.key, job)


def row_of(card: SemanticCard, cancel: CancelToken) -> ModelRow:
    """A card with what is on this machine of it. Reads files, so off the GUI thread."""
    key = key_on_disk(card, cancel)
    own = card.folder is not None or card.weights is None
    return ModelRow(card, own or bool(key), key)


def _first(rows: tuple[ModelRow, ...]) -> str:
    """One's own newest model, else one that is here, else any."""
    for wanted in (
        [row for row in rows if row.trained_here],
        [row for row in rows if row.here],
        rows,
    ):
        if wanted:
            return wanted[0].card.key
    return ""
