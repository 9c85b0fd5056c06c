"""The lock desk: annotations that are to stay as they are."""

from __future__ import annotations

from PySide6.QtCore import QObject

from segstudio.gui.workspace import Workspace


class LockDesk(QObject):
    """What the lock action and the locks in the annotations panel call."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace

    def toggle(self) -> None:
        """Lock the selected annotations; where all of them are locked, unlock them."""
        chosen = set(self._workspace.selected)
        rows = [row for row in self._workspace.annotations if row.id in chosen]
        if rows:
            self.set_locked(self._workspace.selected, not all(row.locked for row in rows))

    def set_locked(self, ids: tuple[int, ...], locked: bool) -> None:
        """Lock or unlock annotations."""
        text = self.tr("locking") if locked else self.tr("unlocking")
        self._workspace.edit(text, lambda session: session.set_locked(ids, locked))
