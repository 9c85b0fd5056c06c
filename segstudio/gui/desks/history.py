"""The history desk: the steps of the open image, where one stands, and going to another."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from segstudio.core.changes import HistoryLine
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.engine.image_session import ImageSession
from segstudio.engine.jobs import Lane
from segstudio.gui.workspace import Workspace


class HistoryDesk(QObject):
    """Keeps the open image's history as a list; the project file is asked off the GUI thread."""

    changed = Signal()
    shown_wanted = Signal()

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._session: ImageSession | None = None
        self.line = HistoryLine()
        workspace.image_changed.connect(self._read_anew)
        workspace.edited.connect(lambda _: self._read_on())

    def show(self) -> None:
        """Bring the history into sight."""
        self.shown_wanted.emit()

    def go_to(self, sequence: int) -> None:
        """Undo or redo until the step of that sequence is the last one done (0: none)."""
        texts = {step.sequence: step.text for step in self.line.steps}
        start = self.tr("Back before the first step.")
        told = (
            self.tr("This is how it was after: {}").format(texts[sequence]) if sequence else start
        )
        self._workspace.edit(
            self.tr("going to a step of the history"),
            lambda session: session.go_to(sequence),
            then=lambda _: self._workspace.tell(told),
        )

    # -- following the project file --------------------------------------------------------------

    def _read_anew(self) -> None:
        self._session, self.line = self._workspace.session, HistoryLine()
        self.changed.emit()
        self._read_on()

    def _read_on(self) -> None:
        """Ask for what is new. On the store lane, where nothing is written meanwhile."""
        session, known = self._session, self.line
        if session is None:
            return

        def work(_: CancelToken, __: ProgressSink) -> HistoryLine:
            return _followed(session, known)

        def done(line: HistoryLine) -> None:
            if session is self._session and line != self.line:
                self.line = line
                self.changed.emit()

        self._workspace.runner.submit(
            Lane.STORE,
            self.tr("reading the history"),
            work,
            on_done=done,
            on_error=self._workspace.tell_error,
        )


def _followed(session: ImageSession, known: HistoryLine) -> HistoryLine:
    """The whole line now: what is known and what came since, or all of it where steps went."""
    new = session.history_line(known.steps[-1].sequence if known.steps else 0)
    steps = known.steps + new.steps
    if len(steps) != new.total:
        return session.history_line()
    return HistoryLine(steps, new.at, new.total)
