"""The hover desk: the mask under the pointer, before the first click."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal

from segstudio.core.prompt import Candidate, Candidates, Prompt
from segstudio.engine.hover import Hover
from segstudio.engine.prompt_session import PromptSession
from segstudio.gui.canvas.canvas import Canvas
from segstudio.gui.canvas.layers import Place
from segstudio.gui.canvas.pointer import place_under
from segstudio.gui.canvas.preview import Picture, Style, picture_of
from segstudio.gui.desks.prompt import PromptDesk
from segstudio.gui.workspace import Workspace

REST_MS = 160  # so long a pointer stays where it is before it counts as resting
LIGHTER = 0.55  # share of a mask's fill that a hovered one has
HOVERING_TOOL = "point"


class HoverDesk(QObject):
    """Follows the pointer while there is no prompt; a click takes over what it shows."""

    toggled = Signal(bool)

    def __init__(
        self, workspace: Workspace, session: PromptSession, prompts: PromptDesk, canvas: Canvas
    ) -> None:
        super().__init__()
        self._workspace, self._session = workspace, session
        self._prompts, self._canvas = prompts, canvas
        self._tools = tools = prompts.tools
        self._hover = Hover(workspace.runner, session)
        self._hover.on_preview = self._show
        self._hover.on_end = self._hide
        self._at: tuple[float, float] | None = None
        self._shown: Candidate | None = None
        self._button_down = False
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.timeout.connect(self._rested)
        prompts.known = self._hover.answer
        prompts.asked.connect(self._prompted)
        prompts.answered.connect(self._answered)
        tools.tool_changed.connect(lambda _: self._stop())
        workspace.image_changed.connect(self._stop)
        canvas.pointed_at.connect(self._pointed)
        canvas.view_changed.connect(lambda _: self.look_again())
        canvas.pressed.connect(self._press)
        canvas.released.connect(self._release)

    def toggle(self) -> None:
        """Hovering on or off, from now on and at the next start."""
        self._workspace.change_settings(hover_preview=not self._workspace.settings.hover_preview)
        self.follow_settings()

    def follow_settings(self) -> None:
        if not self._workspace.settings.hover_preview:
            self._stop()
        self.toggled.emit(self._workspace.settings.hover_preview)

    def look_again(self) -> None:
        """The embedding is ready, or the view has moved: what lies under the pointer now?"""
        cursor = self._canvas.overlay.cursor
        if cursor is not None and not self._canvas.panning:
            self._pointed(place_under(self._canvas.view, cursor))

    # -- the pointer ----------------------------------------------------------------------------

    @property
    def _wanted(self) -> bool:
        return (
            self._workspace.settings.hover_preview
            and self._tools.tool_key == HOVERING_TOOL
            and not self._prompts.prompt
            and not self._button_down
            and not self._canvas.hand_mode
            and self._canvas.masks.visible
            and not self._covered
        )

    @property
    def _covered(self) -> bool:
        """Whether a semantic prediction lies over the photo: two colours are not told apart."""
        return self._canvas.pictures.label_map.picture is not None

    def _pointed(self, where: tuple[float, float] | None) -> None:
        self._at = where
        if where is None or self._canvas.overlay.rubber_band is not None or self._covered:
            self._stop()
        elif self._wanted:
            self._rest.start()
            self._hover.at(*where)
            if self._hover.slow and self._shown and not self._shown.mask.contains(*where):
                self._hide()

    def _rested(self) -> None:
        if self._at is not None and self._wanted:
            self._hover.at(*self._at, resting=True)

    def _press(self, _: object) -> None:
        self._button_down = True
        self._rest.stop()

    def _release(self, _: object) -> None:
        self._button_down = False

    def _stop(self) -> None:
        self._rest.stop()
        self._hover.leave()
        self._hide()

    # -- the preview ----------------------------------------------------------------------------

    def _show(self, prompt: Prompt, candidates: Candidates) -> None:
        answer = self._prompts.answer
        if prompt == self._prompts.prompt and (answer is None or answer.prompt != prompt):
            self._session.ask(prompt, candidates)  # the click came while this was under way
        if not self._wanted:
            return
        self._shown = candidates.items[candidates.best] if candidates.items else None
        if self._shown is None:
            self._hide()
            return
        self._draw(self._shown)

    def _draw(self, shown: Candidate) -> None:
        masks, colour = self._canvas.masks, self._prompts.colour

        def draw(place: Place, ratio: float) -> Picture | None:
            style = Style(colour, LIGHTER * masks.opacity, dashed=True)
            return picture_of(shown, place, style, ratio)

        self._canvas.pictures.hover.show(draw)

    def _hide(self) -> None:
        self._shown = None
        self._canvas.pictures.hover.show(None)

    def _prompted(self, prompt: Prompt) -> None:
        """A click came: what is shown stays until its answer is there."""
        self._rest.stop()
        self._hover.leave(but_for=prompt or None)
        if not prompt:
            self._hide()

    def _answered(self) -> None:
        if self._prompts.prompt:
            if not self._canvas.overlay.waiting:
                self._hide()
        elif self._shown is not None:  # another category: another colour
            self._draw(self._shown)
