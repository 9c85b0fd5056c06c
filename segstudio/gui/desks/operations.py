"""The operations desk: selected annotations united, split, filled, copied, as one step each."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject

from segstudio.core.changes import Edit
from segstudio.core.errors import BadInputError
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.engine import mask_operations
from segstudio.engine.image_session import ImageSession
from segstudio.engine.jobs import Lane
from segstudio.engine.mask_operations import Plan
from segstudio.engine.partition import SETTING
from segstudio.engine.superpixel_cache import Scale, SuperpixelCache
from segstudio.engine.superpixel_map import SuperpixelMap
from segstudio.gui.desks.project import ProjectDesk
from segstudio.gui.workspace import Workspace
from segstudio.imaging.mask_parts import holes_filled

SNAP_KEY = "snap-to-superpixels"


class OperationsDesk(QObject):
    """What the actions on several masks, and on whole ones, call."""

    def __init__(
        self, workspace: Workspace, project: ProjectDesk, superpixels: SuperpixelCache
    ) -> None:
        super().__init__()
        self._workspace, self._project, self._superpixels = workspace, project, superpixels

    # -- several --------------------------------------------------------------------------------

    def unite(self) -> None:
        """The first one selected gets all pixels."""
        self._combine(self.tr("uniting"), mask_operations.united)

    def subtract(self) -> None:
        """The first one selected loses the pixels of the others."""
        self._combine(self.tr("subtracting"), mask_operations.subtracted)

    def intersect(self) -> None:
        """The first one selected keeps what all share."""
        self._combine(self.tr("intersecting"), mask_operations.intersected)

    def _combine(self, text: str, make: Callable[[tuple[int, ...]], Plan]) -> None:
        ids = self._workspace.selected
        if len(ids) < 2:
            told = self.tr("Select two annotations or more; the first one gets the result.")
            self._workspace.tell(told)
            return
        self._change(text, make(ids), self.tr("That changes nothing."))

    # -- each -----------------------------------------------------------------------------------

    def split(self) -> None:
        """Each part becomes an annotation of its own; all of them are selected."""

        def chosen(edit: Edit) -> None:
            self._workspace.select(tuple(row.id for row in edit.after.annotations))
            self._workspace.tell(
                self.tr("Split into {} parts.").format(len(edit.after.annotations))
            )

        nothing = self.tr("It is all in one part; there is nothing to split.")
        self._each(self.tr("splitting"), mask_operations.split, nothing, chosen)

    def fill_holes(self) -> None:
        self._each(
            self.tr("filling holes"),
            lambda ids: mask_operations.reshaped(ids, "Fill holes", holes_filled),
            self.tr("There are no holes to fill."),
        )

    def duplicate(self) -> None:
        """The copies lie in front and are selected."""
        old = set(self._workspace.selected)

        def chosen(edit: Edit) -> None:
            made = tuple(row.id for row in edit.after.annotations if row.id not in old)
            self._workspace.select(made)

        store = self._workspace.store

        def make(session: ImageSession) -> Edit | None:
            if store is not None and store.setting(SETTING, False) is True:
                raise BadInputError(
                    "In partition mode no two annotations share a pixel, so there is no room for "
                    "a duplicate."
                )
            return session.change(mask_operations.duplicated(ids))

        ids = self._selected()
        if ids:
            self._workspace.edit(self.tr("duplicating"), make, then=chosen)

    def _each(
        self,
        text: str,
        make: Callable[[tuple[int, ...]], Plan],
        nothing: str,
        then: Callable[[Edit], None] | None = None,
    ) -> None:
        ids = self._selected()
        if ids:
            self._change(text, make(ids), nothing, then)

    def _selected(self) -> tuple[int, ...]:
        """The selection; where there is none, it is said what to do."""
        if not self._workspace.selected:
            self._workspace.tell(self.tr("Select an annotation first."))
        return self._workspace.selected

    def _change(
        self, text: str, plan: Plan, nothing: str, then: Callable[[Edit], None] | None = None
    ) -> None:
        chosen = set(self._workspace.selected)
        locked = sum(row.locked for row in self._workspace.annotations if row.id in chosen)

        def done(edit: Edit) -> None:
            if locked:
                self._workspace.tell(self.tr("{} locked stayed as they are.").format(locked))
            if then is not None:
                then(edit)

        self._workspace.edit(
            text,
            lambda session: session.change(plan),
            then=done,
            otherwise=lambda: self._workspace.tell(nothing),
        )

    # -- superpixels ----------------------------------------------------------------------------

    def snap_to_superpixels(self) -> None:
        """Trim the selected masks to whole superpixels of the scale in the hand."""
        ids, pixels = self._selected(), self._workspace.pixels
        session = self._workspace.session
        scale = Scale(self._workspace.settings.superpixel_scale)
        if not ids or pixels is None:
            return

        def find(cancel: CancelToken, report: ProgressSink) -> SuperpixelMap:
            found = self._superpixels.map(pixels, scale, cancel, report)
            _ = found.areas  # not on the store lane, where a stroke may be waiting
            return found

        def snap(found: SuperpixelMap) -> None:
            if self._workspace.session is session:
                plan = mask_operations.reshaped(
                    ids, "Snap to superpixels", lambda mask: mask_operations.snapped(mask, found)
                )
                nothing = self.tr("It follows the superpixels already.")
                self._change(self.tr("snapping to superpixels"), plan, nothing)

        self._workspace.runner.submit(
            Lane.IO,
            self.tr("finding superpixels"),
            find,
            on_done=snap,
            on_error=self._workspace.tell_error,
            key=SNAP_KEY,
            visible=True,
        )

    # -- depth ----------------------------------------------------------------------------------

    def bring_forward(self) -> None:
        self._step(self.tr("It is in front already."), forward=True)

    def send_backward(self) -> None:
        self._step(self.tr("It is behind all others already."), forward=False)

    def _step(self, nothing: str, *, forward: bool) -> None:
        ids = self._selected()
        if ids:
            self._workspace.edit(
                self.tr("reordering"),
                lambda session: session.step_in_depth(ids, forward),
                otherwise=lambda: self._workspace.tell(nothing),
            )

    def put_at_depth(self, ids: tuple[int, ...], behind: int) -> None:
        """Right in front of so many of the others; a drag in the annotations panel calls this."""
        self._workspace.edit(
            self.tr("reordering"), lambda session: session.put_at_depth(ids, behind)
        )

    # -- the next image -------------------------------------------------------------------------

    def copy_to_next(self) -> None:
        """Copy the selected annotations to the gallery's next image, which need not be open."""
        workspace, session = self._workspace, self._workspace.session
        ids = self._selected()
        if session is None or not ids:
            return
        image = session.image
        if self._project.wanted_image != image.id:
            workspace.tell(self.tr("Another image is just opening; copy again when it is there."))
            return
        target = workspace.images.get(self._project.neighbours(image.id)[1] or -1)
        if target is None:
            workspace.tell(self.tr("There is no next image to copy to."))
            return

        def done(edit: Edit) -> None:
            there = {row.id for row in edit.before.annotations}  # neighbours, in partition mode
            count = sum(row.id not in there for row in edit.after.annotations)
            told = self.tr("{} copied to {}.").format(count, target.path)
            workspace.tell(told)

        def make(other: ImageSession) -> Edit | None:
            rows = session.snapshot.chosen(ids)
            return other.change(mask_operations.copied(rows, image.size))

        workspace.edit_image(target.id, self.tr("copying to the next image"), make, then=done)
