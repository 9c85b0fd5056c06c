"""The prompt desk: from the hand to a mask, and from a mask to an annotation."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QColor, QImage

from segstudio.core.category import category_colour
from segstudio.core.changes import Edit
from segstudio.core.errors import DeviceError, WeightsError
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.core.prompt import Candidate, Candidates, Prompt
from segstudio.engine.jobs import Lane
from segstudio.engine.prompt_session import PromptSession
from segstudio.engine.refining import Refinement
from segstudio.gui.canvas.canvas import Canvas
from segstudio.gui.canvas.layers import Place
from segstudio.gui.canvas.pictures import Draw
from segstudio.gui.canvas.preview import Picture, Style, candidate_picture, picture_of
from segstudio.gui.desks.accepting import into_category
from segstudio.gui.desks.tools import ToolDesk
from segstudio.gui.workspace import Workspace
from segstudio.imaging.pyramid import Pyramid
from segstudio.tools.contract import Nothing, PromptChanged
from segstudio.tools.prompt_tool import PromptTool

PICTURES_KEY = "candidate-pictures"


@dataclass(frozen=True)
class Answer:
    """Candidates, the prompt they answer, and their small pictures as soon as they are drawn."""

    prompt: Prompt
    candidates: Candidates
    seconds: float
    pictures: tuple[QImage, ...] = ()


class PromptDesk(QObject):
    """What the mask and model actions call; keeps prompt, answer and chosen candidate."""

    asked = Signal(object)  # Prompt; empty ones too
    answered = Signal()  # the answer or the chosen candidate changed, or there will be none
    refined = Signal(object)  # Refinement: a mask with a prior is accepted
    model_failed = Signal()  # its weights or its device; said already
    gave_up = Signal()  # Esc where there was nothing to give up here
    nothing_to_accept = Signal()  # Space without a prompt
    nothing_to_take_back = Signal()  # Backspace with a tool that does not prompt

    def __init__(
        self, workspace: Workspace, session: PromptSession, canvas: Canvas, tools: ToolDesk
    ) -> None:
        super().__init__()
        self._workspace, self._session, self._canvas = workspace, session, canvas
        self.tools = tools
        self.prompt = Prompt()
        self.answer: Answer | None = None
        self.current = 0
        self._accept_when_answered = False
        self._started = time.monotonic()
        # The answer to a prompt, where it is in hand before the prompt is asked.
        self.known: Callable[[Prompt], Candidates | None] = lambda _: None
        # The category that the prompt's mask has, or will have.
        self.category_of: Callable[[], int | None] = lambda: workspace.category_id
        session.on_candidates = self._answered
        session.on_error = self._failed
        workspace.image_changed.connect(self._image_changed)
        workspace.category_chosen.connect(self._show)
        tools.takes(PromptChanged, lambda result: self.set_prompt(result.prompt))
        tools.tool_changing.connect(self._hand_over)

    # -- prompting ------------------------------------------------------------------------------

    def set_prompt(self, prompt: Prompt) -> None:
        """A new prompt: its dots show at once, its masks when they are ready."""
        if prompt == self.prompt:
            return
        if not self.prompt:
            self._started = time.monotonic()
        self.prompt = prompt
        self._accept_when_answered = False
        if not prompt:
            self._forget_answer()
        known = self.known(prompt)
        self.asked.emit(prompt)
        self._canvas.set_waiting(bool(prompt))
        self._canvas.show_prompt(prompt)
        self._session.ask(prompt, known)

    def clear(self) -> None:
        """Esc: give up the drag, drop the prompt and its masks; with none, drop the selection."""
        self._canvas.show_prompt(self.prompt, None)
        if self.prompt:
            self._reset()
            return
        dropped = self.tools.tool.cancel()
        if dropped != Nothing():
            self.tools.take(dropped)
        else:
            self.gave_up.emit()
            self._workspace.select(())

    def take_back(self) -> None:
        """Undo the prompt's last step: a point, a box, a moved handle."""
        tool = self.tools.tool
        if isinstance(tool, PromptTool):
            self.tools.take(tool.take_back())
        else:
            self.nothing_to_take_back.emit()

    def _reset(self) -> None:
        for tool in self.tools.tools.values():
            tool.cancel()
            if isinstance(tool, PromptTool):
                tool.clear()
        self.set_prompt(Prompt())

    def _hand_over(self, old_key: str, new_key: str) -> None:
        """Another tool takes the prompt over; one that does not prompt drops it."""
        old, new = self.tools.tools[old_key], self.tools.tools[new_key]
        if old is new or not isinstance(old, PromptTool):
            return
        if isinstance(new, PromptTool):
            new.restore(self.prompt)
        else:
            self._reset()

    def _image_changed(self) -> None:
        if self._accept_when_answered:
            self._workspace.tell(self.tr("The last mask was not ready, so it was not accepted."))
        self._accept_when_answered = False
        self._reset()
        if self._workspace.pixels is None:
            self._session.close()
        else:
            self._session.open(self._workspace.pixels)

    # -- answers --------------------------------------------------------------------------------

    def _answered(self, prompt: Prompt, candidates: Candidates, seconds: float) -> None:
        """Show the answer; only the newest prompt's is ever shown."""
        if not prompt or prompt != self.prompt or self._workspace.pyramid is None:
            return
        self._canvas.set_waiting(False)
        answer = Answer(prompt, candidates, seconds) if candidates.items else None
        self.answer, self.current = answer, candidates.best if answer else 0
        self._show()
        if answer is None:
            self._workspace.tell(self.tr("The model finds no mask there; try another point."))
        elif self._accept_when_answered:
            self.accept()
        else:
            self._draw_pictures(answer, self._workspace.pyramid)

    def _draw_pictures(self, answer: Answer, pyramid: Pyramid) -> None:
        colour = self.colour

        def work(cancel: CancelToken, _: ProgressSink) -> tuple[QImage, ...]:
            return _small_pictures(answer.candidates, pyramid, colour, cancel)

        def done(pictures: tuple[QImage, ...]) -> None:
            if self.answer is answer:
                self.answer = replace(answer, pictures=pictures)
                self.answered.emit()

        self._workspace.runner.submit(
            Lane.IO,
            self.tr("drawing masks"),
            work,
            on_done=done,
            on_error=self._workspace.tell_error,
            key=PICTURES_KEY,
        )

    def _failed(self, error: Exception) -> None:
        self._canvas.set_waiting(False)
        self._accept_when_answered = False
        self._workspace.tell_error(error)
        self.answered.emit()
        if isinstance(error, WeightsError | DeviceError):
            self.model_failed.emit()

    def _forget_answer(self) -> None:
        self._workspace.runner.cancel_key(PICTURES_KEY)
        self.answer, self.current = None, 0
        self._canvas.set_waiting(False)
        self._show()

    def _show(self) -> None:
        answer = self.answer
        shown = answer.candidates.items[self.current] if answer else None
        self._canvas.pictures.preview.show(self._drawn(shown) if shown else None)
        self.answered.emit()

    def _drawn(self, candidate: Candidate) -> Draw:
        masks, colour = self._canvas.masks, self.colour

        def draw(place: Place, ratio: float) -> Picture | None:
            return picture_of(candidate, place, Style(colour, masks.opacity), ratio)

        return draw

    @property
    def colour(self) -> QColor:
        """What masks are drawn in now: the colour of the category that they will have."""
        category = self._workspace.categories.get(self.category_of() or -1)
        return QColor(category.colour if category else category_colour(0))

    # -- candidates -----------------------------------------------------------------------------

    def step_candidate(self, by: int) -> None:
        """The next candidate (1) or the one before (-1), round and round."""
        if self.answer is not None:
            self.choose_candidate((self.current + by) % len(self.answer.candidates.items))

    def choose_candidate(self, index: int) -> None:
        if self.answer is not None and 0 <= index < len(self.answer.candidates.items):
            self.current = index
            self._show()

    # -- accepting ------------------------------------------------------------------------------

    def accept(self) -> None:
        """Accept the shown mask, into the chosen category or as what an annotation is refined to;
        before the answer: as soon as it is there."""
        if not self.prompt:
            self.nothing_to_accept.emit()
            return
        if self.answer is None or self.answer.prompt != self.prompt:
            self._accept_when_answered = True
            return
        self._accept_when_answered = False
        answer, chosen = self.answer, self.answer.candidates.items[self.current]
        attributes = _choice(answer.candidates, self.current)
        seconds = time.monotonic() - self._started
        if answer.prompt.prior is not None:
            key = answer.candidates.model_key
            self.refined.emit(Refinement(chosen, answer.prompt, key, seconds, attributes))
            return
        self.commit(
            self.tr("accepting the mask"),
            (chosen,),
            tool="box" if answer.prompt.box is not None and not answer.prompt.points else "point",
            prompt=answer.prompt,
            attributes=attributes,
            model_key=answer.candidates.model_key,
            seconds=seconds,
        )

    def commit(self, text: str, candidates: tuple[Candidate, ...], **how: Any) -> None:
        """Write masks into the chosen category; where there is none yet, make one first."""
        prompt = self.prompt

        def done(_: Edit) -> None:
            if self.prompt == prompt:
                self._reset()

        into_category(
            self._workspace,
            text,
            lambda session, category_id: session.accept(candidates, category_id, **how),
            then=done,
        )


def _choice(candidates: Candidates, chosen: int) -> dict[str, Any]:
    """What is kept of a choice: which one, and predicted IoU and stability of all there were."""
    scores = [[round(item.predicted_iou, 4), round(item.stability, 4)] for item in candidates.items]
    return {"candidate": chosen, "candidates": scores}


def _small_pictures(
    candidates: Candidates, pyramid: Pyramid, colour: QColor, cancel: CancelToken
) -> tuple[QImage, ...]:
    pictures = []
    for candidate in candidates.items:
        cancel.check()
        pictures.append(candidate_picture(pyramid, candidate, colour))
    return tuple(pictures)
