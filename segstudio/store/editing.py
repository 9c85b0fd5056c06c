"""Edits and runs carried out, undone, redone and taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from segstudio.core.changes import Edit, HistoryState
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord
from segstudio.core.progress import CancelToken, Progress, ProgressSink, ignore_progress
from segstudio.store import (
    applying,
    image_rows,
    ledger,
    mending,
    origins,
    places,
    runs,
    strokes,
    together,
    travel,
)
from segstudio.store.codec import NewImage, RunRecord
from segstudio.store.failures import explained
from segstudio.store.ledger import EditState, Membership
from segstudio.store.reversal import reversal
from segstudio.store.runs import RunStep, TakenBack
from segstudio.store.strokes import Stroke
from segstudio.store.writing import ProjectWriting

_TAKING_BACK = "Taking back"


def _nothing(*_: object) -> None:
    return None


class ProjectEditing(ProjectWriting):
    """A project with its undoable edits."""

    def commit(self, edit: Edit) -> HistoryState:
        """Carry out an edit and put it into its image's history (image 0: the project's own).

        Edits that were undone there can no longer be redone. Raises StorageError where the
        stored rows are no longer what `edit.before` says.
        """
        with self._write_lock:
            with self._writing() as connection:
                applying.apply(connection, edit)
                now = self._moment()
                ledger.append(connection, edit, now)
                self._note_ids_used(edit)
                state = strokes.history(connection, edit.image_id)
            self.last_commit_at = now
            return state

    def undo(self, image_id: int) -> Edit | None:
        """Undo the last edit of an image's history and return what was applied, or None.

        Where it is part of a run, and no history that the run is in has gone on since, all of the
        run is undone; the edit returned is this image's part, with the run's id.
        """
        with self._write_lock:
            with self._reading() as connection:
                stroke = strokes.undoing(connection, image_id)
            return None if stroke is None else self._take(stroke, EditState.UNDONE)

    def redo(self, image_id: int) -> Edit | None:
        """Carry out again what was undone last; returns it, or None.

        What was undone of a run in one go is redone in one go.
        """
        with self._write_lock:
            with self._reading() as connection:
                stroke = strokes.redoing(connection, image_id)
            return None if stroke is None else self._take(stroke, EditState.DONE)

    def _take(
        self, stroke: Stroke, becomes: EditState, follow: Callable[[Edit], None] = _nothing
    ) -> Edit:
        own: Edit | None = None
        now = self._moment()
        with self._write_lock:
            many = len(stroke.edit_ids) > 1
            with self._long_writing() if many else self._writing() as connection:
                stored = self._stored(connection, stroke.edit_ids, becomes)
                for some in together.groups(stored, lambda pair: pair[1]):
                    edit = together.joined([part for _, part in some])
                    with explained(self.path):
                        mending.bring_categories_back(connection, edit, now)
                        applying.apply(connection, edit)
                        numbers = [number for number, _ in some]
                        ledger.mark_together(connection, numbers, becomes, now)
                    for number, part in some:
                        follow(part)
                        own = part if number == stroke.own else own
            self.last_commit_at = now
        assert own is not None, "a stroke holds the edit that was asked for"
        return replace(own, run_id=stroke.run_id)

    def _stored(
        self, connection: Connection, numbers: Sequence[int], becomes: EditState
    ) -> Iterator[tuple[int, Edit]]:
        """Edits of the ledger with their ids, each as it is carried out now."""
        for number in numbers:
            with explained(self.path):
                edit = ledger.stored(connection, number)
            yield number, edit.inverted() if becomes is EditState.UNDONE else edit

    def go_to(self, image_id: int, sequence: int) -> Edit | None:
        """Undo or redo an image's edits until the step `sequence` is the last one done (0: none).

        One transaction, and one change of the records, however many steps lie between; of a run,
        only this image's part. Returns what changed all in all, or None where one stands there
        already. Raises BadInputError for a step that was dropped or never was, StorageError where
        the records no longer fit.
        """
        with self._write_lock:
            with self._writing() as connection:
                here = ledger.position(connection, image_id)
                if sequence and not ledger.is_living(connection, image_id, sequence):
                    raise BadInputError(
                        "That step is no longer in the history: other work took its place."
                    )
                if sequence == here:
                    return None
                back, now = sequence < here, self._moment()
                span = (sequence, here) if back else (here, sequence)
                was = EditState.DONE if back else EditState.UNDONE
                steps = ledger.between(connection, image_id, *span, was)
                text = "Go back" if back else "Go forward"
                edit = travel.composed(text, image_id, steps, inverted=back)
                mending.bring_categories_back(connection, edit, now)
                applying.apply(connection, edit)
                becomes = EditState.UNDONE if back else EditState.DONE
                ledger.mark_between(connection, image_id, span, becomes, now)
            self.last_commit_at = now
            return edit

    # -- runs -----------------------------------------------------------------------------------

    def carry_out(
        self,
        kind: str,
        parameters: Any,
        steps: Iterable[RunStep],
        cancel: CancelToken,
        result: Callable[[], Any] = _nothing,
        *,
        new_images: Sequence[NewImage] = (),
        added: Callable[[list[ImageRecord]], None] = _nothing,
    ) -> int:
        """Carry out the edits of many images as one run, all or none; returns its id.

        `steps` may be made while they are carried out, and may read the project: it shows what was
        there before the run. A category is added by an earlier step than the one that uses it.
        `parameters` and what `result` gives after the last step are JSON and kept with the run.
        Returns 0 where there are no steps: then there is no run.

        `new_images` come with the run and stay when it is undone, as their files do; `added` gets
        their records before the first step is made, as no reader sees them yet.

        Raises Cancelled, StorageError where a step does not fit or an image is there already, and
        whatever `steps` raises; then nothing has changed.
        """
        for record in new_images:
            places.file_beneath(self.images_dir, record.path)
        with self._write_lock:
            run_id, now = 0, self._moment()
            with self._long_writing() as connection:
                with explained(self.path):
                    arrived = image_rows.add(connection, new_images)
                added(arrived)
                for some in together.groups(_heeding(cancel, steps), lambda step: step.edit):
                    with explained(self.path):
                        run_id = run_id or runs.begin(connection, kind, parameters)
                        now = self._add_steps(connection, some, Membership(run_id))
                cancel.check()
                if not run_id:
                    return 0
                outcome = result()
                with explained(self.path):
                    runs.end(connection, run_id, outcome)
            self.last_commit_at = now
            return run_id

    def _add_steps(
        self, connection: Connection, some: Sequence[RunStep], membership: Membership
    ) -> float:
        """Carry out a group of steps; returns when the last of them was made."""
        applying.apply(connection, together.joined([step.edit for step in some]))
        new = [(step.edit, self._moment()) for step in some]
        numbers = ledger.append_together(connection, new, membership)
        origins.add(connection, zip(numbers, (step.origins for step in some), strict=True))
        for step in some:
            self._note_ids_used(step.edit)
        return new[-1][1]

    def last_run(self, kind: str) -> RunRecord | None:
        """The latest run of that kind which is done and can be taken back."""
        with self._reading() as connection:
            return runs.last(connection, kind)

    def take_back(
        self, run_id: int, cancel: CancelToken, report: ProgressSink = ignore_progress
    ) -> TakenBack:
        """Take a run back, whatever came after it; all or nothing.

        Where nothing came after, it is undone. Else a new run removes what is still as it was
        made and keeps what people changed since; undoing that one brings everything back.

        Raises BadInputError where there is no such run, or nothing of it left; Cancelled.
        """
        with self._write_lock:
            with self._reading() as connection:
                numbers = runs.standing(connection, run_id)
                if not numbers:
                    raise BadInputError(f"Run {run_id} is undone or taken back already.")
                whole = strokes.undoing_run(connection, run_id)
            if len(whole) == len(numbers):
                return self._undo_run(whole, cancel, report)
            return self._reverse_run(run_id, numbers, cancel, report)

    def _undo_run(
        self, numbers: tuple[int, ...], cancel: CancelToken, report: ProgressSink
    ) -> TakenBack:
        images = removed = 0

        def follow(edit: Edit) -> None:
            nonlocal images, removed
            cancel.check()
            images += bool(edit.image_id)
            removed += _removed(edit)
            report(Progress(images, len(numbers), _TAKING_BACK))

        self._take(Stroke(numbers, numbers[0]), EditState.UNDONE, follow)
        return TakenBack(0, images, removed)

    def _reverse_run(
        self, run_id: int, numbers: tuple[int, ...], cancel: CancelToken, report: ProgressSink
    ) -> TakenBack:
        images, removed, by, now = 0, 0, 0, self._moment()
        kept: list[int] = []
        names: list[str] = []
        with self._long_writing() as connection:
            for done, number in enumerate(runs.taking_back(connection, numbers)):
                cancel.check()
                report(Progress(done, len(numbers), _TAKING_BACK))
                with explained(self.path):
                    edit, stay = reversal(connection, number, ledger.stored(connection, number))
                    kept += [record.id for record in stay.annotations]
                    names += [record.name for record in stay.categories]
                    # The project's part is there even if empty: what it told is taken back.
                    if edit.image_id and edit.before == edit.after:
                        continue
                    by = by or runs.begin(connection, runs.TAKE_BACK, {"run": run_id})
                    now = self._add_steps(connection, [RunStep(edit)], Membership(by, number))
                images += bool(edit.image_id)
                removed += _removed(edit)
            cancel.check()
            taken = TakenBack(by, images, removed, tuple(kept), tuple(names))
            if by:
                outcome = {"images": images, "removed": removed, "kept": len(kept)}
                with explained(self.path):
                    runs.end(connection, by, outcome)
                self.last_commit_at = now
        return taken


def _heeding(cancel: CancelToken, steps: Iterable[RunStep]) -> Iterator[RunStep]:
    for step in steps:
        cancel.check()
        yield step


def _removed(edit: Edit) -> int:
    return len(edit.before.annotations) - len(edit.after.annotations)
