"""What a stroke will change, as far as one can see before it is written."""

from __future__ import annotations

from segstudio.core.annotation import Annotation
from segstudio.engine.painting import PaintTarget
from segstudio.gui.canvas.canvas import Canvas
from segstudio.gui.canvas.strokes import MaskGroup, StrokeTarget
from segstudio.gui.desks.prompt import PromptDesk
from segstudio.gui.workspace import Workspace
from segstudio.tools.contract import Point


class SeenTargets:
    """Finds targets among the annotations that are shown now."""

    def __init__(self, workspace: Workspace, prompts: PromptDesk, canvas: Canvas) -> None:
        self._workspace, self._prompts, self._canvas = workspace, prompts, canvas
        self._locked: tuple[tuple[Annotation, ...], MaskGroup] = ((), MaskGroup())

    def of(
        self, target: PaintTarget, start: Point, *, adds: bool, only: int | None = None
    ) -> StrokeTarget:
        """For a stroke from `start`; `only` names the one annotation that it changes."""
        masks, annotations = self._canvas.masks, self._workspace.annotations
        if only is not None:
            rows = tuple(row for row in annotations if row.id == only)
        else:
            rows = target.among(annotations)
            rows = rows[-1:] if adds else rows
        if not rows and not adds:
            under = target.under(annotations, *start)
            rows = (under,) if under is not None else ()
        return StrokeTarget(
            ids=frozenset(row.id for row in rows),
            masks=MaskGroup(row.mask for row in rows),
            blocked=self._locked_masks(annotations),
            colour=masks.colour(rows[-1]) if rows else self._prompts.colour,
            opacity=masks.opacity,
        )

    def _locked_masks(self, annotations: tuple[Annotation, ...]) -> MaskGroup:
        if self._locked[0] is not annotations:
            locked = MaskGroup(row.mask for row in annotations if row.locked)
            self._locked = annotations, locked
        return self._locked[1]
