"""Where images are: paths as a project file keeps them, so that a folder can be moved."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from segstudio.core.errors import BadInputError

# How many folders up an image folder may lie to count as near the project.
_NEAR = 2


def stored_folder(project: Path, folder: Path) -> str:
    """Relative to the project's folder where it is beneath or near it, else absolute."""
    folder = folder.resolve()
    try:
        relative = Path(os.path.relpath(folder, project.parent))
    except ValueError:  # another drive on Windows
        return folder.as_posix()
    ups = relative.parts.count("..")
    shared = Path(os.path.commonpath((folder, project.parent)))
    near = ups <= _NEAR and shared != Path(shared.anchor)
    return (relative if near else folder).as_posix()


def real_folder(project: Path, stored: str) -> Path:
    """The inverse of `stored_folder`; a moved project finds the images that moved with it."""
    return Path(os.path.normpath(project.parent / stored))


def file_beneath(folder: Path, relative: str) -> Path:
    """`folder / relative`. Raises BadInputError where that would leave the folder."""
    pure = PurePosixPath(relative)
    leaves = not relative or "\0" in relative or pure.is_absolute() or ".." in pure.parts
    target = folder if leaves else Path(os.path.normpath(folder / relative))
    if leaves or target == folder or not target.is_relative_to(folder):
        raise BadInputError(
            f"The image path {relative!r} leaves the project's image folder; "
            "image paths are relative and stay inside."
        )
    return target
