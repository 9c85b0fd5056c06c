"""What needs a category and comes before there is one waits for a first one."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QCoreApplication

from segstudio.core.changes import Edit
from segstudio.gui.workspace import Workspace


class FirstCategory:
    """Makes the category "object" once, however many strokes come meanwhile; keeps their order."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._waiting: list[Callable[[], None]] = []

    def then(self, write: Callable[[], None], *, needed: bool) -> None:
        """Call `write` now, or where a category is needed and none is chosen, once one is made.

        It is called where that failed, too.
        """
        if not self._waiting and (not needed or self._workspace.category_id is not None):
            write()
            return
        self._waiting.append(write)
        if len(self._waiting) == 1:
            name = QCoreApplication.translate("PromptDesk", "object")
            self._workspace.edit(
                QCoreApplication.translate("PaintingDesk", "adding a category"),
                lambda session: session.add_category(name),
                then=self._made,
                failed=self._go_on,
            )

    def _made(self, edit: Edit) -> None:
        self._workspace.choose_category(edit.after.categories[0].id)
        self._go_on()

    def _go_on(self) -> None:
        waiting, self._waiting = self._waiting, []
        for write in waiting:
            write()
