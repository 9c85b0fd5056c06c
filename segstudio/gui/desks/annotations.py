"""The annotation desk: select, categorise, delete, order, undo."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from segstudio.core.category import Category
from segstudio.core.changes import Edit
from segstudio.core.image import ImageState
from segstudio.engine.image_session import ImageSession
from segstudio.gui.workspace import Workspace


class AnnotationDesk(QObject):
    """What the actions on annotations and categories call."""

    name_wanted = Signal()  # the categories panel should take the name of a new category

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        # Asked at Del; True where it took away something smaller, so that the annotations stay.
        self.deletes_part: Callable[[], bool] = lambda: False

    def undo(self) -> None:
        self._step(self.tr("Undone: {}"), self.tr("Nothing to undo."), ImageSession.undo)

    def redo(self) -> None:
        self._step(self.tr("Redone: {}"), self.tr("Nothing to redo."), ImageSession.redo)

    def _step(self, said: str, nothing: str, make: Callable[[ImageSession], Edit | None]) -> None:
        # Asked on the store lane, so that a step still being written counts.
        tell = self._workspace.tell
        self._workspace.edit(
            self.tr("undoing or redoing"),
            make,
            then=lambda edit: tell(said.format(edit.text)),
            otherwise=lambda: tell(nothing),
            visible=True,  # a whole import takes its time
        )

    def delete(self) -> None:
        """Delete the selected annotations; no question, as undo brings them back."""
        ids = self._workspace.selected
        if ids and not self.deletes_part():
            self._change(self.tr("deleting"), lambda session: session.delete(ids))

    def select_all(self) -> None:
        self._workspace.select(tuple(item.id for item in self._workspace.annotations))

    def bring_to_front(self) -> None:
        self._reorder(to_front=True)

    def send_to_back(self) -> None:
        self._reorder(to_front=False)

    def _reorder(self, *, to_front: bool) -> None:
        ids = self._workspace.selected
        if ids:
            self._change(self.tr("reordering"), lambda session: session.reorder(ids, to_front))

    def _change(self, text: str, make: Callable[[ImageSession], Edit | None]) -> None:
        """Edit the selected annotations; what is locked among others stays, and that is said."""
        chosen = set(self._workspace.selected)
        rows = [row for row in self._workspace.annotations if row.id in chosen]
        locked = sum(row.locked for row in rows)

        def done(_: Edit) -> None:
            if locked:
                self._workspace.tell(self.tr("{} locked stayed as they are.").format(locked))

        self._workspace.edit(text, make, then=done)

    # -- categories -----------------------------------------------------------------------------

    def choose_category(self, digit: int) -> None:
        """The category of that digit key: for the selection, and for what is accepted next."""
        for category in self._workspace.categories.values():
            if category.key == str(digit):
                self.use_category(category.id)
                return
        self._workspace.tell(
            self.tr("No category has key {}; press N to name a new one.").format(digit)
        )

    def use_category(self, category_id: int) -> None:
        ids = self._workspace.selected
        self._workspace.choose_category(category_id)
        if ids:
            self._change(
                self.tr("changing category"), lambda session: session.set_category(ids, category_id)
            )

    def swap_categories(self) -> None:
        last = self._workspace.last_category_id
        if last is not None and last in self._workspace.categories:
            self.use_category(last)

    def new_category(self) -> None:
        if self._workspace.session is None:
            self._workspace.tell(self.tr("Open an image first, then name its categories."))
        else:
            self.name_wanted.emit()

    def add_category(self, name: str) -> None:
        """Add a category and choose it; a name that exists is only chosen."""
        clean = " ".join(name.split())
        for category in self._workspace.categories.values():
            if category.name == clean:
                self.use_category(category.id)
                return
        if clean:
            self._workspace.edit(
                self.tr("adding a category"),
                lambda session: session.add_category(clean),
                then=lambda edit: self.use_category(edit.after.categories[0].id),
            )

    def change_category(self, category: Category) -> None:
        self._workspace.edit(
            self.tr("changing a category"), lambda session: session.change_category(category)
        )

    def delete_category(self, category_id: int) -> None:
        self._workspace.edit(
            self.tr("deleting a category"), lambda session: session.delete_category(category_id)
        )

    # -- state of the image ---------------------------------------------------------------------

    def mark_reviewed(self) -> None:
        self._set_state(ImageState.REVIEWED)

    def mark_rejected(self) -> None:
        self._set_state(ImageState.REJECTED)

    def _set_state(self, state: ImageState) -> None:
        self._workspace.edit(self.tr("marking"), lambda session: session.set_state(state))
