"""A project file: images, categories, annotations, and every change ever made to them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from segstudio.core.image import ImageRecord
from segstudio.store import codec, image_rows, meta_values, opening, places, runs
from segstudio.store.codec import NewImage, RunRecord
from segstudio.store.editing import ProjectEditing
from segstudio.store.runs import RunStep, TakenBack

__all__ = ["NewImage", "ProjectStore", "RunRecord", "RunStep", "TakenBack"]


class ProjectStore(ProjectEditing):
    """A project that may be read and, unless it was opened read-only, changed.

    A change is on the disk when its method returns, and has left no trace when it raises.
    """

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
            return image_rows.add(connection, records)

    def set_images_dir(self, folder: Path) -> None:
        """Say where the images are now, after they were moved."""
        with self._write_lock:
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
            return runs.begin(connection, kind, parameters)

    def save_run_progress(self, run_id: int, progress: Any) -> None:
        """Keep what a restart of this run goes on from (JSON)."""
        with self._writing() as connection:
            runs.change(connection, run_id, progress=codec.to_json(progress))

    def finish_run(self, run_id: int, result: Any) -> None:
        """Note that a run ended, and how (JSON)."""
        with self._writing() as connection:
            runs.end(connection, run_id, result)
