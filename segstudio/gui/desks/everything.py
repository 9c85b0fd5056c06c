"""The everything desk: what the model finds by itself, and which of it is shown."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QObject, QTimer, Signal

from segstudio.core.errors import SegStudioError
from segstudio.engine.everything_results import ResultsStore, raw_settings
from segstudio.engine.pick_session import PickSession
from segstudio.engine.picks import LEAST_OVERLAP, PickFilters
from segstudio.engine.prompt_session import PromptSession
from segstudio.gui.canvas.canvas import Canvas
from segstudio.gui.desks.picking import TOOL, PickingHand
from segstudio.gui.desks.prompt import PromptDesk
from segstudio.gui.pick_state import PickState
from segstudio.gui.workspace import Workspace
from segstudio.models.prompt.contract import EverythingSettings

REMEMBER_MS = 800  # after the last change of a slider


class EverythingDesk(QObject):
    """What the actions on everything call."""

    changed = Signal()  # `state` did
    begun = Signal()  # a search: its panel should be seen

    def __init__(
        self,
        workspace: Workspace,
        session: PromptSession,
        prompts: PromptDesk,
        canvas: Canvas,
        store: ResultsStore,
    ) -> None:
        super().__init__()
        self._workspace, self._session, self._prompts = workspace, session, prompts
        self._store, self._card = store, session.card
        self._picks = PickSession(workspace.runner, session, store)
        self._picks.on_change = self._show
        self._picks.on_found = self._found
        self._picks.on_error = workspace.tell_error
        self._hand = PickingHand(workspace, prompts, canvas, self._picks)
        self._remember = QTimer(self)
        self._remember.setSingleShot(True)
        self._remember.setInterval(REMEMBER_MS)
        self._remember.timeout.connect(self.remember)
        settings = workspace.settings
        self._wanted = PickFilters(  # predicted IoU on SAM's scale
            settings.picks_predicted_iou,
            settings.picks_stability,
            settings.picks_overlap,
            settings.picks_min_area,
            settings.picks_max_area,
            settings.picks_unlabelled_only,
        )
        prompts.tools.tool_changed.connect(self._tool_changed)
        workspace.image_changed.connect(self._image_changed)
        workspace.edited.connect(lambda _: self._picks.refresh())

    # -- finding --------------------------------------------------------------------------------

    def find(self) -> None:
        """Find every object on the open image: at hand, stored, or found by the model now."""
        self._begin(anew=False)

    def find_again(self) -> None:
        """Ask the model again, whatever is stored; dismissed masks come back."""
        self._begin(anew=True)

    def _begin(self, *, anew: bool) -> None:
        self._picks.filters = self._filters
        try:
            self._picks.find(self._asked, anew=anew)
        except SegStudioError as error:
            self._workspace.tell_error(error)
            return
        self.begun.emit()

    def cancel(self) -> None:
        """Stop the search."""
        self._picks.cancel()

    def _found(self) -> None:
        shown = len(self._picks.shown or ())
        if self._store.warning:
            self._workspace.tell(self._store.warning)
        elif not shown:
            self._workspace.tell(self.tr("Everything found nothing new here."))
        elif self._prompts.prompt:  # a mask is being made: the hand keeps its tool
            told = self.tr("Everything found {} masks; press K to pick from them.")
            self._workspace.tell(told.format(shown))
            return
        self._hand.take_up()

    def _image_changed(self) -> None:
        """What is stored for an image shows by itself while the pick tool is in the hand."""
        self._picks.open(self._workspace.pixels, lambda: self._workspace.annotations)
        self._tool_changed(self._prompts.tools.tool_key)

    def _tool_changed(self, key: str) -> None:
        if key == TOOL and self._picks.picks is None:
            self._picks.filters = self._filters
            self._picks.look(self._asked)

    def follow_model(self) -> None:
        """Another model answers from now on; what the last one found is not its own."""
        card, self._card = self._card, self._session.card
        if card != self._card:
            self._image_changed()

    # -- picking --------------------------------------------------------------------------------

    def accept_all(self) -> None:
        """Accept all that is shown into the chosen category, as one undo step."""
        self._hand.accept_all()

    def end(self) -> None:
        """Put the picks away; they are there again with G or the pick tool."""
        self._hand.put_away()

    def _show(self) -> None:
        self._hand.show()
        self.changed.emit()

    # -- how it is found and filtered -----------------------------------------------------------

    @property
    def state(self) -> PickState:
        settings, picks, shown = self._workspace.settings, self._picks.picks, self._picks.shown
        asked = picks.raw.settings if picks is not None else self._asked
        height, width = self._workspace.pyramid.size if self._workspace.pyramid else (0, 0)
        return PickState(
            filters=self._filters,
            least=PickFilters(asked.predicted_iou * self._scale, asked.stability, LEAST_OVERLAP),
            shown=len(shown) if shown is not None else None,
            found=len(picks) if picks is not None else 0,
            running=self._picks.running,
            progress=self._picks.progress,
            image_pixels=height * width,
            by_grid=self._by_grid,
            fast=settings.picks_fast,
            crop_layers=settings.picks_crop_layers,
            approximate=picks is not None and picks.raw.settings.fast,
        )

    def filter(self, filters: PickFilters) -> None:
        """Show what these leave (on the model's own scale); remembered a moment later."""
        self._wanted = replace(filters, predicted_iou=filters.predicted_iou / self._scale)
        self._picks.filter(filters)
        self._remember.start()

    def remember(self) -> None:
        """Write the filters into the settings."""
        self._remember.stop()
        wanted = self._wanted
        self._workspace.change_settings(
            picks_predicted_iou=wanted.predicted_iou,
            picks_stability=wanted.stability,
            picks_overlap=wanted.overlap,
            picks_min_area=wanted.min_area,
            picks_max_area=wanted.max_area,
            picks_unlabelled_only=wanted.unlabelled_only,
        )

    def search_with(self, crop_layers: int, fast: bool) -> None:
        """How the next search is done; its results are kept apart from others."""
        self._workspace.change_settings(picks_crop_layers=crop_layers, picks_fast=fast)
        self.changed.emit()

    @property
    def _asked(self) -> EverythingSettings:
        settings = self._workspace.settings
        if not self._by_grid:
            return raw_settings()
        return raw_settings(settings.picks_crop_layers, fast=settings.picks_fast)

    @property
    def _filters(self) -> PickFilters:
        """On the model's own scale."""
        return replace(
            self._wanted, predicted_iou=min(1.0, self._wanted.predicted_iou * self._scale)
        )

    @property
    def _scale(self) -> float:
        return self._session.card.score_scale if self._session.card else 1.0

    @property
    def _by_grid(self) -> bool:
        return self._session.card is None or self._session.card.by_grid
