"""The refine desk: an annotation becomes a prompt again, whoever made it."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from segstudio.core.annotation import Annotation
from segstudio.core.changes import Edit
from segstudio.core.prompt import Prompt
from segstudio.engine.refining import Refinement
from segstudio.gui.canvas.canvas import Canvas
from segstudio.gui.desks.prompt import PromptDesk
from segstudio.gui.workspace import Workspace
from segstudio.tools.contract import Button, Modifier, PointerEvent
from segstudio.tools.prompt_tool import PromptTool
from segstudio.tools.registry import FIRST_TOOL

SELECT_TOOL = "select"


class RefineDesk(QObject):
    """Opens an annotation as the prior of the prompt, and writes back what is accepted.

    While one is open, its own mask is lifted from the canvas and the preview stands for it. Giving
    the prompt up, another image or another tool leaves the annotation as it was.
    """

    lifted_changed = Signal()

    def __init__(self, workspace: Workspace, prompts: PromptDesk, canvas: Canvas) -> None:
        super().__init__()
        self._workspace, self._prompts, self._canvas = workspace, prompts, canvas
        self._tools = prompts.tools
        self._opened: Annotation | None = None
        prompts.asked.connect(self._prompted)
        prompts.refined.connect(self._keep)
        prompts.category_of = self._category
        workspace.edited.connect(self._edited)

    @property
    def lifted(self) -> frozenset[int]:
        """The annotation that is being refined, whose own mask is not to be drawn."""
        return frozenset() if self._opened is None else frozenset((self._opened.id,))

    # -- opening --------------------------------------------------------------------------------

    def refine_selected(self) -> None:
        selected = self._workspace.selected
        if len(selected) == 1:
            self.open(selected[0])
        elif selected:
            self._workspace.tell(self.tr("Select only one annotation to refine it."))
        else:
            self._workspace.tell(self.tr("Select an annotation to refine it, or double click it."))

    def open_at(self, event: PointerEvent) -> bool:
        """A double click: opens the annotation in front there; whether there was one to open.

        While a prompt is under way, two quick clicks are two clicks. A locked annotation is opened
        only where no other lies, and then says that it is locked.
        """
        tool = self._tools.tool
        plain = not event.held(Modifier.SHIFT, Modifier.CONTROL) and event.button is Button.LEFT
        selects = self._tools.tool_key == SELECT_TOOL or isinstance(tool, PromptTool)
        if not (plain and selects and _at_most_one_click(self._prompts.prompt)):
            return False
        masks = self._canvas.masks
        hits = [
            row
            for row in reversed(self._workspace.annotations if masks.visible else ())
            if row.id not in masks.hidden and row.mask.contains(event.x, event.y)
        ]
        free = [row for row in hits if not row.locked]
        if not hits:
            return False
        self.open((free or hits)[0].id)
        return True

    def open(self, annotation_id: int) -> None:
        """Start refining; a locked annotation stays shut and says so."""
        store, tell = self._workspace.store, self._workspace.tell
        row = self._current(annotation_id)
        if row is None or (self._opened is not None and self._opened.id == annotation_id):
            return
        if row.locked or (store is not None and store.read_only):
            if self._prompts.prompt:  # what the first of two clicks asked for
                self._prompts.clear()
            tell(
                self.tr("That annotation is locked; unlock it to refine it.")
                if row.locked
                else self.tr("The project is open read-only; nothing can be refined here.")
            )
            return
        self._tools.use_tool(FIRST_TOOL)  # takes clicks and boxes
        tool = self._tools.tool
        assert isinstance(tool, PromptTool)
        self._end()
        self._opened = row
        self._tools.take(tool.restore(Prompt(prior=row.mask)))
        self._workspace.select((row.id,))
        self._canvas.setFocus()
        self.lifted_changed.emit()
        tell(
            self.tr("Refining: click to add, right click to remove; Space keeps it, Esc does not.")
        )

    # -- while it is open -----------------------------------------------------------------------

    def _current(self, annotation_id: int) -> Annotation | None:
        return next((row for row in self._workspace.annotations if row.id == annotation_id), None)

    def _category(self) -> int | None:
        row = self._current(self._opened.id) if self._opened else None
        return self._workspace.category_id if row is None else row.category_id

    def _prompted(self, prompt: Prompt) -> None:
        if self._opened is not None and prompt.prior != self._opened.mask:
            self._end()

    def _edited(self, _: Edit) -> None:
        """Another category shows; a mask that changed, went or was locked meanwhile is let go."""
        if self._opened is None:
            return
        row = self._current(self._opened.id)
        if row is None or row.locked or row.mask != self._opened.mask:
            self._prompts.clear()
        else:
            self._prompts.choose_candidate(self._prompts.current)

    def _end(self) -> None:
        if self._opened is not None:
            self._opened = None
            self.lifted_changed.emit()

    # -- keeping --------------------------------------------------------------------------------

    def _keep(self, refinement: Refinement) -> None:
        """Write the accepted mask: one step, none where it is the mask that was there."""
        opened = self._opened
        if opened is None:
            return

        def close(_: Edit | None = None) -> None:
            if self._prompts.prompt == refinement.prompt:
                self._prompts.clear()

        self._workspace.edit(
            self.tr("refining the mask"),
            lambda session: session.change_mask(opened.id, refinement.candidate.mask, refinement),
            then=close,
            otherwise=close,
        )


def _at_most_one_click(prompt: Prompt) -> bool:
    """Whether there is no prompt but what the first of two quick clicks made."""
    return prompt.box is None and prompt.prior is None and prompt.labels in ((), (1,))
