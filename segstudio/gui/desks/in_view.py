"""The in-view desk: the model looks at what the eyes look at."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal

from segstudio.core.mask import Box
from segstudio.engine.crops import crop_for
from segstudio.engine.prompt_session import EmbeddingState, PromptSession
from segstudio.gui.canvas.canvas import Canvas
from segstudio.gui.workspace import Workspace

REST_MS = 250  # so long the view stays as it is before the model follows


class InViewDesk(QObject):
    """Has the visible part prompted at its own resolution, once the view rests."""

    toggled = Signal(bool)
    looked = Signal()  # at another part, or at the whole image

    def __init__(self, workspace: Workspace, session: PromptSession, canvas: Canvas) -> None:
        super().__init__()
        self._workspace, self._session, self._canvas = workspace, session, canvas
        self.part: Box | None = None  # what is looked at; None is the whole image
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.timeout.connect(self._look)
        canvas.view_changed.connect(lambda _: self._moved())
        workspace.image_changed.connect(self._another_image)

    def toggle(self) -> None:
        """Prompt in view or on the whole image, from now on and at the next start."""
        wanted = not self._workspace.settings.prompt_in_view
        self._workspace.change_settings(prompt_in_view=wanted)
        self.follow_settings()

    def follow_settings(self) -> None:
        self.toggled.emit(self._workspace.settings.prompt_in_view)
        self._look()

    def follow(self, state: EmbeddingState) -> None:
        """Show which part answers, and whether it is ready to."""
        part = self.part
        if state is EmbeddingState.READY:
            answerer = self._session.answerer
            if answerer is not None:  # a part that could not be encoded is not what answers
                part = answerer.crop.box if answerer.crop else None
        overlay = self._canvas.overlay
        overlay.part, overlay.part_ready = part, state is EmbeddingState.READY
        self._canvas.update()

    # -- looking --------------------------------------------------------------------------------

    def _moved(self) -> None:
        if self._workspace.settings.prompt_in_view:
            self._rest.start()

    def _another_image(self) -> None:
        self.part = None  # the session looks at the whole of it
        self._moved()

    def _look(self) -> None:
        pyramid = self._workspace.pyramid
        if pyramid is None:
            return
        if self._canvas.panning and self._workspace.settings.prompt_in_view:
            self._rest.start()
            return
        part = None
        if self._workspace.settings.prompt_in_view:
            part = crop_for(Box(*self._canvas.view.visible), pyramid.size)
        if part != self.part:
            self.part = part
            self._session.look_at(part)
            self.looked.emit()
