"""The painting hand: strokes are seen with the move that makes them, and written when they end."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QObject

from segstudio.core.changes import Edit
from segstudio.core.errors import BadInputError, SegStudioError
from segstudio.engine.image_session import ImageSession
from segstudio.engine.painting import PaintedStroke, PaintTarget, fill, paint
from segstudio.gui.canvas.canvas import Canvas
from segstudio.gui.canvas.strokes import Stroke
from segstudio.gui.desks.first_category import FirstCategory
from segstudio.gui.desks.prompt import PromptDesk
from segstudio.gui.desks.seen_targets import SeenTargets
from segstudio.gui.workspace import Workspace
from segstudio.tools.contract import (
    FillAt,
    Painted,
    Painting,
    PaintingDropped,
    Point,
    PointerEvent,
)

# What Space ends: the polygon's keys are its own.
STROKE_TOOLS = frozenset({"brush", "eraser", "superpixel", "lasso", "fill"})


@dataclass(eq=False)
class _Write:
    """A stroke that is to be written: what it does, and how it is seen meanwhile."""

    stroke: PaintedStroke
    target: PaintTarget
    tool: str
    seen: Stroke
    error: Exception | None = None  # what kept it from being written


class PaintingDesk(QObject):
    """Takes what painting tools give back, shows it at once and writes it on the store lane.

    A stroke stays in sight until the scene shows what it became. One that could not be written
    stays too, and is kept for its image: Space tries again, and so does the next stroke.
    """

    def __init__(self, workspace: Workspace, prompts: PromptDesk, canvas: Canvas) -> None:
        super().__init__()
        self._workspace, self._prompts, self._canvas = workspace, prompts, canvas
        self._tools = tools = prompts.tools
        self._target = self._begun_for = PaintTarget()
        self._pressed_at: Point = (0.0, 0.0)
        self._drawing: Stroke | None = None
        self._first_category = FirstCategory(workspace)
        self._unwritten: dict[int, list[_Write]] = {}  # by image
        self._warned = False  # that leaving loses them
        self._seen = SeenTargets(workspace, prompts, canvas)
        tools.takes(Painting, self._show)
        tools.takes(Painted, self._finish)
        tools.takes(PaintingDropped, lambda _: self._drop())
        tools.takes(FillAt, self._fill)
        tools.tool_changing.connect(lambda _old, _new: self._drop())
        tools.tool_changed.connect(self._tool_changed)
        canvas.pressed.connect(self._pressed)
        prompts.gave_up.connect(self.end)
        prompts.nothing_to_accept.connect(self._done)
        workspace.selection_changed.connect(self._selected)
        workspace.project_changed.connect(self._unwritten.clear)

    def _tool_changed(self, key: str) -> None:
        self._tools.marks_hovered = key not in STROKE_TOOLS

    @property
    def unwritten(self) -> int:
        """How many strokes of the open image could not be written and are kept."""
        return len(self._kept())

    def may_close(self) -> bool:
        """Whether the window may close. Where strokes would be lost: no, and it says so once."""
        kept = sum(len(writes) for writes in self._unwritten.values())
        if not kept or self._warned:
            return True
        self._warned = True
        said = self.tr(
            "{} strokes are not saved yet. Make room and press Space, or close again to lose them."
        )
        self._workspace.tell(said.format(kept))
        return False

    # -- what the strokes go to -----------------------------------------------------------------

    def end(self) -> None:
        """What is painted next is another thing."""
        self._target = PaintTarget((), self._canvas.masks.hidden)

    def _done(self) -> None:
        """Space: write what is still unwritten; else this thing is done."""
        if self._tools.tool_key not in STROKE_TOOLS:
            return
        if self._kept():
            self._try_again()
        else:
            self._workspace.select(())
            self.end()

    def _selected(self) -> None:
        selected = frozenset(self._workspace.selected)
        if selected != self._target.selected:
            self._target = PaintTarget(selected, self._canvas.masks.hidden)

    def _pressed(self, event: PointerEvent) -> None:
        self._pressed_at = event.x, event.y
        masks = self._canvas.masks
        everything = frozenset(row.id for row in self._workspace.annotations)
        self._target.hidden = masks.hidden if masks.visible else everything

    # -- a stroke -------------------------------------------------------------------------------

    def _show(self, result: Painting) -> None:
        if result.begins:
            self._drop()
        strokes = self._canvas.strokes
        if self._drawing is None:
            self._begun_for = self._target
            target = self._seen.of(self._target, self._pressed_at, adds=result.adds)
            self._drawing = strokes.begin(target, adds=result.adds)
        strokes.extend(self._drawing, result.pieces)

    def _drop(self) -> None:
        if self._drawing is not None:
            self._canvas.strokes.drop(self._drawing)
            self._drawing = None

    def _finish(self, result: Painted) -> None:
        strokes, seen, target = self._canvas.strokes, self._drawing, self._target
        begun = self._begun_for
        if seen is not None and (
            not begun.selected or begun.among(self._workspace.annotations)  # still there
        ):
            target = begun  # as it was seen, whatever was selected meanwhile
        if seen is None:
            adds = result.add is not None
            shown = self._seen.of(target, result.start, adds=adds, only=result.target)
            seen = strokes.begin(shown, adds=adds)
        self._drawing = None
        store = self._workspace.store
        if store is not None and store.read_only:
            strokes.drop(seen)
            self._workspace.tell(
                self.tr("The project is open read-only; nothing can be painted here.")
            )
            return
        strokes.finish(seen, result.add, result.remove)
        stroke = PaintedStroke(result.add, result.remove, result.text, result.start, result.target)
        self._try_again()
        self._write(_Write(stroke, target, self._tools.tool_key, seen))

    def _fill(self, result: FillAt) -> None:
        place, target, adds = (result.x, result.y), self._target, result.adds

        def write() -> None:
            category = self._workspace.category_id or 0
            self._workspace.edit(
                self.tr("filling"),
                lambda session: fill(session, place, target, category, adds=adds),
                then=lambda edit: self._select_made(edit, target),
                otherwise=lambda: self._workspace.tell(self.tr("Nothing to fill there.")),
            )

        self._first_category.then(write, needed=adds)

    # -- writing --------------------------------------------------------------------------------

    def _write(self, write: _Write) -> None:
        session = self._workspace.session
        if session is None:
            return
        adds = write.stroke.add is not None
        self._first_category.then(lambda: self._submit(write, session), needed=adds)

    def _submit(self, write: _Write, session: ImageSession) -> None:
        missing = write.stroke.add is not None and self._workspace.category_id is None
        if missing or session is not self._workspace.session:  # no category could be made, or late
            self._keep(session.image.id, write)
            return
        category = self._workspace.category_id or 0

        def make(session: ImageSession) -> Edit | None:
            try:
                return paint(session, write.stroke, write.target, category, write.tool)
            except Exception as error:
                write.error = error
                raise

        def written(edit: Edit) -> None:
            self._canvas.strokes.land(write.seen)
            self._select_made(edit, write.target)

        def failed() -> None:
            if isinstance(write.error, BadInputError):  # it would be refused again
                self._canvas.strokes.drop(write.seen)
            else:
                self._keep(session.image.id, write)

        self._workspace.edit(
            self.tr("painting"),
            make,
            then=written,
            otherwise=lambda: self._canvas.strokes.drop(write.seen),
            failed=failed,
        )

    def _select_made(self, edit: Edit, target: PaintTarget) -> None:
        """An annotation that a stroke made is what the next ones go on with."""
        old = {row.id for row in edit.before.annotations}
        made = tuple(row.id for row in edit.after.annotations if row.id not in old)
        if made and target is self._target:
            self._workspace.select(made)

    # -- what could not be written --------------------------------------------------------------

    def _kept(self) -> list[_Write]:
        session = self._workspace.session
        return self._unwritten.get(session.image.id, []) if session is not None else []

    def _keep(self, image_id: int, write: _Write) -> None:
        self._unwritten.setdefault(image_id, []).append(write)
        self._warned = False
        if isinstance(write.error, SegStudioError):
            self._workspace.tell(
                self.tr("{} The stroke stays here unsaved; Space tries again.").format(write.error)
            )

    def _try_again(self) -> None:
        session = self._workspace.session
        if session is not None:
            for write in self._unwritten.pop(session.image.id, []):
                self._write(write)

    def follow_image(self) -> None:
        """Another image is shown: strokes on it that were not written are in sight again."""
        self._drawing = None
        self.end()
        for write in self._kept():
            stroke = write.stroke
            target = self._seen.of(self._target, stroke.start, adds=stroke.add is not None)
            write.seen = self._canvas.strokes.begin(target, adds=stroke.add is not None)
            self._canvas.strokes.finish(write.seen, stroke.add, stroke.remove)
