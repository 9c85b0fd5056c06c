"""Folders of models that were made on this machine: one each, named by its key."""

from __future__ import annotations

import shutil
from pathlib import Path

from segstudio.core.errors import StorageError


def kept_folders(place: Path) -> list[Path]:
    """Those in `place` by name; what is being written, whose name begins with a dot, is left out.

    None where `place` is not there or cannot be read.
    """
    try:
        entries = sorted(place.iterdir())
    except OSError:
        return []
    return [entry for entry in entries if entry.is_dir() and not entry.name.startswith(".")]


def delete_folder(place: Path) -> None:
    """Delete one with all that is in it. Raises StorageError."""
    try:
        shutil.rmtree(place)
    except OSError as error:
        raise StorageError(f"{place} cannot be deleted: {error.strerror or error}.") from error
