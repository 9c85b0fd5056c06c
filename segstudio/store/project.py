"""A project file: images, categories, annotations, and every change ever made to them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, Table, func, insert, select, update

from segstudio.core.changes import Edit, HistoryState
from segstudio.core.errors import BadInputError, StorageError
from segstudio.core.image import ImageRecord
from segstudio.store import applying, codec, ledger, meta_values, opening, places, travel
from segstudio.store.codec import NewImage, RunRecord
from segstudio.store.history_reading import HistoryReading
from segstudio.store.ledger import EditState
from segstudio.store.lock import user_name
from segstudio.store.schema import annotation, category, image, run

__all__ = ["NewImage", "ProjectStore", "RunRecord"]

_Find = Callable[[Connection, int], Mapping[Any, Any] | None]


class ProjectStore(HistoryReading):
    """A project that may be read and, unless it was opened read-only, changed.

    A change is on the disk when its method returns, and has left no trace when it raises.
    """

    def __init__(self, path: Path, file: opening.OpenFile) -> None:
        """Take over an open file; use `create` or `open`."""
        super().__init__(path, file)
        with self._reading() as connection:
            tables = (annotation, category)
            self._stored_ids = {table.name: _stored_id(connection, table) for table in tables}
            self._next_ids = {table.name: _free_id(connection, table) for table in tables}

    @classmethod
    def create(cls, path: Path, images_dir: Path, name: str = "") -> Self:
        """Make a new project file and open it; its folder is made if need be.

        Raises StorageError if `path` exists or cannot be written.
        """
        path = path.resolve()
        folder = places.stored_folder(path, images_dir)
        opening.create_file(path, {"name": name or path.stem, "images_dir": folder})
        return cls.open(path)

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Self:
        """Open a project file; an older one is copied aside and migrated.

        Raises BadInputError for what is no project or damaged, ProjectLockedError if another
        process has it open for writing, StorageError if it is newer than this program.
        """
        path = path.resolve()
        file = opening.open_for_reading(path) if read_only else opening.open_for_writing(path)
        try:
            return cls(path, file)
        except BaseException:
            file.close()
            raise

    def close(self) -> None:
        with self._lock:
            # Ids that were given out and not used are not to be given out again. On a full disk
            # nothing is lost: nothing was ever stored under them.
            if not self._closed and not self.read_only and self._next_ids != self._stored_ids:
                with suppress(StorageError), self._writing():
                    pass
            super().close()

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """One transaction, which stores the id counters with whatever else it holds."""
        with self._alone() as engine:
            if self.read_only:
                raise StorageError(
                    f"{self.path.name} was opened read-only and cannot be changed; "
                    "close it and open it for writing."
                )
            if not self._file.in_place(self.path):
                raise StorageError(
                    f"{self.path} was moved, deleted or replaced while it was open; put it back, "
                    "or save a copy under another name to keep your work."
                )
            with engine.execution_options(writes=True).begin() as connection:
                yield connection
                for table, number in self._next_ids.items():
                    if number != self._stored_ids[table]:
                        meta_values.put(connection, _counter(table), number)
                given_out = dict(self._next_ids)
            self._stored_ids = given_out

    # -- edits ----------------------------------------------------------------------------------

    def commit(self, edit: Edit) -> HistoryState:
        """Carry out an edit and put it into its image's history (image 0: the project's own).

        Edits that were undone there can no longer be redone. Raises StorageError where the
        stored rows are no longer what `edit.before` says.
        """
        with self._lock:
            with self._writing() as connection:
                applying.apply(connection, edit)
                now = ledger.append(connection, edit)
                self._note_ids_used(edit)
                state = ledger.history(connection, edit.image_id)
            self.last_commit_at = now
            return state

    def undo(self, image_id: int) -> Edit | None:
        """Undo the last edit of an image's history and return what was applied, or None."""
        return self._step(image_id, ledger.next_undo, EditState.UNDONE)

    def redo(self, image_id: int) -> Edit | None:
        """Carry out again what was undone last; returns it, or None."""
        return self._step(image_id, ledger.next_redo, EditState.DONE)

    def _step(self, image_id: int, find: _Find, becomes: EditState) -> Edit | None:
        with self._lock:
            with self._writing() as connection:
                row = find(connection, image_id)
                if row is None:
                    return None
                edit = codec.read(codec.edit_record, row, "edit")
                if becomes is EditState.UNDONE:
                    edit = edit.inverted()
                applying.apply(connection, edit)
                now = ledger.mark(connection, row["id"], becomes)
            self.last_commit_at = now
            return edit

    def go_to(self, image_id: int, sequence: int) -> Edit | None:
        """Undo or redo an image's edits until the step `sequence` is the last one done (0: none).

        One transaction, and one change of the records, however many steps lie between. Returns
        what changed all in all, or None where one stands there already. Raises BadInputError for
        a step that was dropped or never was, StorageError where the records no longer fit.
        """
        with self._lock:
            with self._writing() as connection:
                here = ledger.position(connection, image_id)
                if sequence and not ledger.is_living(connection, image_id, sequence):
                    raise BadInputError(
                        "That step is no longer in the history: other work took its place."
                    )
                if sequence == here:
                    return None
                back = sequence < here
                span = (sequence, here) if back else (here, sequence)
                was = EditState.DONE if back else EditState.UNDONE
                steps = ledger.between(connection, image_id, *span, was)
                text = "Go back" if back else "Go forward"
                edit = travel.composed(text, image_id, steps, inverted=back)
                applying.apply(connection, edit)
                becomes = EditState.UNDONE if back else EditState.DONE
                now = ledger.mark_between(connection, image_id, *span, becomes)
            self.last_commit_at = now
            return edit

    def _note_ids_used(self, edit: Edit) -> None:
        for table, records in (
            (annotation.name, edit.after.annotations),
            (category.name, edit.after.categories),
        ):
            used = max((record.id for record in records), default=0)
            self._next_ids[table] = max(self._next_ids[table], used + 1)

    def new_annotation_id(self) -> int:
        """An id that no annotation had or will have, also after undo and restart."""
        return self._new_id(annotation)

    def new_category_id(self) -> int:
        """An id that no category had or will have, also after undo and restart."""
        return self._new_id(category)

    def _new_id(self, table: Table) -> int:
        with self._lock:
            number = self._next_ids[table.name]
            self._next_ids[table.name] = number + 1
            return number

    # -- images, settings, runs -----------------------------------------------------------------

    def add_images(self, records: Sequence[NewImage]) -> list[ImageRecord]:
        """Add images, all or none; returns them with their ids, in the given order.

        Raises BadInputError for a path that leaves the image folder, StorageError for one that
        the project has already.
        """
        for record in records:
            places.file_beneath(self.images_dir, record.path)
        if not records:
            return []
        with self._writing() as connection:
            first = (connection.scalar(select(func.max(image.c.id))) or 0) + 1
            now = time.time()
            rows = [
                {"id": first + index, **codec.new_image_row(record), "added_at": now}
                for index, record in enumerate(records)
            ]
            connection.execute(insert(image), rows)
        return [codec.image_record(row) for row in rows]

    def set_images_dir(self, folder: Path) -> None:
        """Say where the images are now, after they were moved."""
        with self._lock:
            stored = places.stored_folder(self.path, folder)
            with self._writing() as connection:
                meta_values.put(connection, "images_dir", stored)
            self.images_dir = places.real_folder(self.path, stored)

    def set_setting(self, key: str, value: Any) -> None:
        """Keep a JSON value with the project."""
        with self._writing() as connection:
            meta_values.put(connection, f"setting:{key}", value)

    def start_run(self, kind: str, parameters: Any) -> int:
        """Note that an import, export, batch or training began; returns its id."""
        with self._writing() as connection:
            number = int(connection.scalar(select(func.max(run.c.id))) or 0) + 1
            values = {"id": number, "kind": kind, "parameters": codec.to_json(parameters)}
            connection.execute(
                insert(run).values(**values, user=user_name(), started_at=time.time())
            )
        return number

    def save_run_progress(self, run_id: int, progress: Any) -> None:
        """Keep what a restart of this run goes on from (JSON)."""
        with self._writing() as connection:
            _change_run(connection, run_id, progress=codec.to_json(progress))

    def finish_run(self, run_id: int, result: Any) -> None:
        """Note that a run ended, and how (JSON)."""
        text = codec.to_json(result)
        with self._writing() as connection:
            _change_run(connection, run_id, result=text, finished_at=time.time())


def _change_run(connection: Connection, run_id: int, **values: Any) -> None:
    query = update(run).where(run.c.id == run_id).values(**values)
    if connection.execute(query).rowcount != 1:
        raise StorageError(f"The project has no run {run_id}.")


def _stored_id(connection: Connection, table: Table) -> int:
    return int(meta_values.get(connection, _counter(table.name), 1))


def _free_id(connection: Connection, table: Table) -> int:
    highest = connection.scalar(select(func.max(table.c.id))) or 0
    return max(_stored_id(connection, table), highest + 1)


def _counter(table: str) -> str:
    return f"next_{table}_id"
