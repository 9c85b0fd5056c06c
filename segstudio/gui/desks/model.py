"""The model desk: which model answers."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from segstudio.engine.jobs import Lane
from segstudio.engine.model_loading import choose_card, has_weights
from segstudio.engine.prompt_session import PromptSession
from segstudio.gui.workspace import Workspace
from segstudio.models.card import ModelCard
from segstudio.models.registry import BOX_MODEL, EMBEDDED_MODEL, prompt_model
from segstudio.models.weights import missing_weights


class ModelDesk(QObject):
    """What the model actions call."""

    model_changed = Signal(str)
    missing = Signal(object)  # ModelCard whose weights are not on this machine

    def __init__(self, workspace: Workspace, session: PromptSession) -> None:
        super().__init__()
        self._workspace, self._session = workspace, session
        self.may_download: set[str] = set()  # keys of the models that the user asked for

    def start(self) -> None:
        """Take the model of the settings; "auto" is the best one that is on this machine.

        Looking for weights reads files, so it is done on the IO lane.
        """
        wanted = self._workspace.settings.model

        self._workspace.runner.submit(
            Lane.IO,
            self.tr("looking for models"),
            lambda _c, _p: choose_card(wanted),
            on_done=self._take,
            on_error=self._workspace.tell_error,
        )

    def use(self, key: str) -> None:
        """Answer with another model from now on, and next time, if its weights are here.

        Where they are not, the model in use stays, and `missing` says whose are wanted if there is
        somewhere to get them from.
        """
        card = prompt_model(key)

        def looked(here: bool) -> None:
            if here or key in self.may_download:
                self._take(card)
                if self._workspace.settings.model != key:
                    self._workspace.change_settings(model=key)
            else:
                self._show_current()
                if card.weights is not None and card.weights.in_the_box:
                    self._workspace.tell_error(missing_weights(card))
                else:
                    self.missing.emit(card)

        self._workspace.runner.submit(
            Lane.IO,
            self.tr("looking for models"),
            lambda _c, _p: has_weights(card),
            on_done=looked,
            on_error=self._workspace.tell_error,
            key="choose-model",
        )

    def get(self, key: str) -> None:
        """Use a model and download its weights if they are not on this machine."""
        self.may_download.add(key)
        self.use(key)

    def fall_back(self) -> None:
        """The model failed: answer with the one in the box; where it is that, with the one that
        always can."""
        card = self._session.card
        if card is not None and card.key != EMBEDDED_MODEL:
            self.may_download.discard(card.key)
            self._take(prompt_model(EMBEDDED_MODEL if card.key == BOX_MODEL else BOX_MODEL))

    def _take(self, card: ModelCard) -> None:
        self._session.use_model(card)
        self._show_current()

    def _show_current(self) -> None:
        card = self._session.card
        if card is not None:
            self.model_changed.emit(card.key)
