"""The strip desk: when and where the candidates show on the canvas."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject, QPoint, QPointF, QRect, QRectF, QTimer, Signal

from segstudio.core.prompt import Candidate
from segstudio.gui.canvas.candidate_strip import CandidateStrip, free_place
from segstudio.gui.canvas.canvas import Canvas
from segstudio.gui.canvas.layers import Place
from segstudio.gui.canvas.marks import screen_rect
from segstudio.gui.canvas.preview import part_of
from segstudio.gui.desks.prompt import PromptDesk
from segstudio.gui.workspace import Workspace

SETTLE_MS = 150  # after a pan or a zoom
COARSE = 4  # logical pixels between two looks at what a place would cover
AIR = 6  # logical pixels that stay free around the strip


class StripDesk(QObject):
    """Shows the strip beside the mask, and hides it while the hand drags, pans or zooms."""

    toggled = Signal(bool)

    def __init__(self, workspace: Workspace, prompts: PromptDesk, canvas: Canvas) -> None:
        super().__init__()
        self._workspace, self._prompts, self._canvas = workspace, prompts, canvas
        self.strip = CandidateStrip(canvas)
        self._button_down = False
        self._settled = QTimer(self)
        self._settled.setSingleShot(True)
        self._settled.setInterval(SETTLE_MS)
        self._settled.timeout.connect(self._place)
        self.strip.chosen.connect(prompts.choose_candidate)
        self.strip.stepped.connect(prompts.step_candidate)
        canvas.candidates_turned.connect(prompts.step_candidate)
        prompts.answered.connect(self._follow)
        canvas.view_changed.connect(self._moved)
        canvas.pressed.connect(self._press)
        canvas.released.connect(self._release)

    def toggle(self) -> None:
        """The strip shown or not, from now on and at the next start."""
        shown = not self._workspace.settings.candidate_strip
        self._workspace.change_settings(candidate_strip=shown)
        self.follow_settings()

    def follow_settings(self) -> None:
        self.toggled.emit(self._workspace.settings.candidate_strip)
        self._follow()

    # -- when -----------------------------------------------------------------------------------

    def _follow(self) -> None:
        answer = self._prompts.answer
        several = answer is not None and len(answer.candidates.items) > 1
        self._canvas.overlay.choosable = several
        if answer is None or not several or not self._workspace.settings.candidate_strip:
            self.strip.hide()
            return
        self.strip.show_candidates(answer.candidates, answer.pictures, self._prompts.current)
        self._place()

    def _moved(self, _: object) -> None:
        self.strip.hide()
        self._settled.start()

    def _press(self, _: object) -> None:
        self._button_down = True
        self.strip.hide()

    def _release(self, _: object) -> None:
        self._button_down = False
        self._place()

    # -- where ----------------------------------------------------------------------------------

    def _place(self) -> None:
        answer = self._prompts.answer
        if answer is None or not self._canvas.overlay.choosable:
            return
        if self._canvas.panning:
            self._settled.start()
        if self._button_down or self._settled.isActive():
            return
        if not self._workspace.settings.candidate_strip:
            return
        items = answer.candidates.items
        shown = items[self._prompts.current]
        # It stays where it is as long as it can: nothing jumps while one goes through them.
        if self.strip.isVisible() and self._hidden((shown,), self.strip.geometry()) == 0:
            return
        place = self._place_beside(items) or self._place_beside((shown,))
        if place is not None:
            self.strip.move(place)
        self.strip.setVisible(place is not None)

    def _place_beside(self, masks: Sequence[Candidate]) -> QPoint | None:
        box = QRectF()
        for one in masks:
            box = box.united(screen_rect(self._canvas.view, one.mask.box))
        return free_place(
            self.strip.size(),
            self._canvas.size(),
            box,
            self._hand(),
            lambda place: self._hidden(masks, place),
        )

    def _hand(self) -> QPointF:
        """Where the eyes are: at the last point, or in the middle of the box."""
        prompt, view = self._prompts.prompt, self._canvas.view
        if prompt.points:
            return QPointF(*view.to_screen(*prompt.points[-1]))
        if prompt.box is not None:
            return screen_rect(view, prompt.box).center()
        return QPointF(self._canvas.rect().center())

    def _hidden(self, masks: Sequence[Candidate], place: QRect) -> float:
        """How much of the masks and of the prompt's points the strip would hide there."""
        view, around = self._canvas.view, place.adjusted(-AIR, -AIR, AIR, AIR)
        points = [view.to_screen(*point) for point in self._prompts.prompt.points]
        dots = sum(around.contains(QPoint(round(x), round(y))) for x, y in points)
        here = Place(
            view.scale / COARSE,
            (view.x - around.x()) / COARSE,
            (view.y - around.y()) / COARSE,
            (around.width() // COARSE, around.height() // COARSE),
        )
        parts = [part_of(one, here) for one in masks]
        return float(dots) + sum(float(part.covered.mean()) for part in parts if part)
