"""Where accepted masks go: the chosen category, and where there is none yet, a first one."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QCoreApplication

from segstudio.core.changes import Edit
from segstudio.engine.image_session import ImageSession
from segstudio.gui.workspace import Workspace


def into_category(
    workspace: Workspace,
    text: str,
    make: Callable[[ImageSession, int], Edit | None],
    then: Callable[[Edit], None] | None = None,
) -> None:
    """Make an edit on the store lane with the id of the chosen category.

    Without one, a category "object" is made first and chosen. `then` gets the edit once it is
    shown.
    """
    category_id = workspace.category_id
    if category_id is not None:
        workspace.edit(text, lambda session: make(session, category_id), then=then)
        return

    def added(edit: Edit) -> None:
        workspace.choose_category(edit.after.categories[0].id)
        into_category(workspace, text, make, then)

    name = QCoreApplication.translate("PromptDesk", "object")
    workspace.edit(text, lambda session: session.add_category(name), then=added)
