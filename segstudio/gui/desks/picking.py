"""The hand that picks: shows the picks while the pick tool is held, and accepts or dismisses them.

How an annotation came to be (its stage): accepting all that is shown is AUTOMATIC, as nobody
looked at each mask; a mask that was clicked, or taken with a rectangle, is SEMI_AUTOMATIC: the
model found it by itself, a person chose it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from PySide6.QtCore import QObject

from segstudio.core.annotation import Stage
from segstudio.core.changes import Edit
from segstudio.core.mask import Box
from segstudio.core.prompt import Candidate, Prompt
from segstudio.engine.image_session import ImageSession
from segstudio.engine.jobs import Lane
from segstudio.engine.pick_session import PickSession
from segstudio.engine.picks import Shown
from segstudio.engine.pixel_rights import without_locked
from segstudio.gui.canvas.canvas import Canvas
from segstudio.gui.canvas.layers import Place
from segstudio.gui.canvas.picks import picks_picture
from segstudio.gui.canvas.pictures import Draw
from segstudio.gui.canvas.preview import Picture, Style, picture_of
from segstudio.gui.desks.accepting import into_category
from segstudio.gui.desks.prompt import PromptDesk
from segstudio.gui.workspace import Workspace
from segstudio.tools.contract import (
    AcceptPick,
    AcceptPicksInside,
    DismissPick,
    PickResult,
    PointAtPick,
)

TOOL = "pick"  # the tool's key
MADE_BY = "everything"  # what an annotation's `tool` says
HOVERED = 0.6  # fill of the pick under the pointer


class PickingHand(QObject):
    """What the pick tool does, on the canvas and to the image."""

    def __init__(
        self, workspace: Workspace, prompts: PromptDesk, canvas: Canvas, picks: PickSession
    ) -> None:
        super().__init__()
        self._workspace, self._prompts, self._canvas = workspace, prompts, canvas
        self._tools = tools = prompts.tools
        self._picks = picks
        self._drawn: Shown | None = None
        self._hovered: int | None = None
        self._tool_before = tools.tool_key
        self.since = time.monotonic()  # what is accepted next has taken that long
        tools.takes(PickResult, self._take)
        tools.tool_changed.connect(self._tool_changed)
        prompts.gave_up.connect(self.put_away)

    # -- the tool -------------------------------------------------------------------------------

    def take_up(self) -> None:
        """The pick tool comes into the hand, and the picks show."""
        if self._tools.tool_key != TOOL:
            self._tools.use_tool(TOOL)

    def put_away(self) -> None:
        """The tool of before comes back; the picks are kept, and show again with the tool."""
        if self._tools.tool_key == TOOL:
            self._tools.use_tool(self._tool_before)

    def _tool_changed(self, key: str) -> None:
        if key != TOOL:
            self._tool_before = key
        self.show()

    # -- what is seen ---------------------------------------------------------------------------

    def show(self) -> None:
        """Draw what is shown now, if the tool is in the hand."""
        shown = self._picks.shown if self._tools.tool_key == TOOL else None
        if shown is self._drawn:
            return
        self._drawn = self._tools.picks = shown
        self._hover(self._hovered if shown is not None and self._hovered in shown else None)
        self._canvas.pictures.picks.show(None if shown is None else _drawn(shown))

    def _hover(self, index: int | None) -> None:
        seen = self._canvas.pictures.hover.draw is not None  # leaving the canvas takes it away
        if index == self._hovered and seen == (index is not None):
            return
        self._hovered = index
        if index is None or self._drawn is None:
            self._canvas.pictures.hover.show(None)
            return
        candidate, colour = self._drawn.picks.items[index], self._prompts.colour

        def draw(place: Place, ratio: float) -> Picture | None:
            return picture_of(candidate, place, Style(colour, HOVERED), ratio)

        self._canvas.pictures.hover.show(draw)

    # -- what is done ---------------------------------------------------------------------------

    def _take(self, result: object) -> None:
        if isinstance(result, PointAtPick):
            self._hover(result.index)
        elif isinstance(result, DismissPick):
            self._picks.dismiss(result.index)
        elif isinstance(result, AcceptPick):
            self._accept((result.index,), Stage.SEMI_AUTOMATIC)
        elif isinstance(result, AcceptPicksInside):
            self._accept_inside(result.box)

    def accept_all(self) -> None:
        """Accept all that is shown, as one undo step."""
        shown = self._picks.shown
        if shown is None:
            self._workspace.tell(self.tr("Press G to find everything first."))
        elif not len(shown):
            self._workspace.tell(self.tr("No mask is shown; move the sliders to see more."))
        else:
            self._accept(shown.indices.tolist(), Stage.AUTOMATIC)

    def _accept_inside(self, box: Box) -> None:
        """Which masks lie in the rectangle takes a moment to tell: not on this thread."""
        shown = self._drawn
        if shown is None:
            return

        def found(inside: tuple[int, ...]) -> None:
            if shown.picks is not self._picks.picks:
                return
            if inside:
                self._accept(inside, Stage.SEMI_AUTOMATIC)
            else:
                told = self.tr("No mask lies in that rectangle; drag it around whole masks.")
                self._workspace.tell(told)

        self._workspace.runner.submit(
            Lane.IO,
            self.tr("looking into the rectangle"),
            lambda _c, _p: shown.inside(box),
            on_done=found,
            on_error=self._workspace.tell_error,
        )

    def _accept(self, indices: Iterable[int], stage: Stage) -> None:
        shown = self._picks.shown
        if shown is None:
            return
        chosen = shown.candidates(indices)
        model_key = shown.picks.raw.candidates.model_key
        now = time.monotonic()
        seconds, self.since = now - self.since, now
        point = chosen[0].point if len(chosen) == 1 else None

        def make(session: ImageSession, category_id: int) -> Edit | None:
            fresh = _not_there_yet(chosen, session)
            if not fresh:
                return None
            return session.accept(
                fresh,
                category_id,
                tool=MADE_BY,
                model_key=model_key,
                prompt=Prompt((point,), (1,)) if point is not None else None,
                stage=stage,
                seconds=seconds,
            )

        def done(edit: Edit) -> None:
            # In partition mode, neighbours that gave pixels stand in the edit as well.
            there = {row.id for row in edit.before.annotations}
            count = sum(row.id not in there for row in edit.after.annotations)
            if count > 1:
                self._workspace.tell(self.tr("Accepted {} masks.").format(count))

        into_category(self._workspace, self.tr("accepting masks"), make, then=done)


def _drawn(shown: Shown) -> Draw:
    return lambda place, ratio: picks_picture(shown, place, ratio)


def _not_there_yet(
    candidates: tuple[Candidate, ...], session: ImageSession
) -> tuple[Candidate, ...]:
    """Without those that a quick second click has accepted already."""
    rows = session.annotations
    there = {row.mask for row in rows if row.tool == MADE_BY}
    return tuple(
        item
        for item in candidates
        if item.mask not in there and without_locked(item.mask, rows) not in there
    )
