"""The reading half of the histories: what can be undone, and every step that one can go to."""

from __future__ import annotations

from segstudio.core.changes import HistoryLine, HistoryState
from segstudio.store import ledger, strokes
from segstudio.store.reading import ProjectReading


class HistoryReading(ProjectReading):
    """A project to read from, with the history of each image (image 0: of the project itself)."""

    def history(self, image_id: int) -> HistoryState:
        """What can be undone and redone on an image.

        Where that is a run (an import) on many images at once, the text tells how many.
        """
        with self._reading() as connection:
            return strokes.history(connection, image_id)

    def history_line(self, image_id: int, after: int = 0) -> HistoryLine:
        """The steps of an image's history past the sequence `after`, and where it stands.

        Steps that were undone and then overtaken are not among them: the ledger keeps them, but
        nobody can go there. Reads texts and times alone, whatever the steps changed.
        """
        with self._reading() as connection:
            return ledger.line(connection, image_id, after)
