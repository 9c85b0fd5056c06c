"""The image files of a folder: which there are, and what a project keeps of each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from segstudio.core.errors import BadInputError
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.formats.staging import MANIFEST
from segstudio.imaging.read import IMAGE_SUFFIXES, file_sha256, read_size
from segstudio.store.project import NewImage


@dataclass(frozen=True)
class ReadFiles:
    """What could be read, and the relative path and sentence of each file that could not."""

    images: tuple[NewImage, ...]
    unreadable: tuple[tuple[str, str], ...]


def list_images(
    folder: Path,
    cancel: CancelToken,
    *,
    deep: bool = True,
) -> list[str]:
    """Paths of image files relative to `folder`, with forward slashes, sorted.

    Files and folders whose name starts with a dot and folders written by an export are skipped.
    Links are followed, each folder is visited once. Folders below that may not be read are
    skipped. With `deep` False, only the folder itself is looked at. Raises
    BadInputError if `folder` cannot be read.
    """
    try:
        found = list(_walk(folder, "", {folder.resolve()}, cancel, deep))
    except FileNotFoundError:
        raise BadInputError(f"There is no folder {folder}; check its name.") from None
    except NotADirectoryError:
        raise BadInputError(f"{folder} is a file; name the folder that holds the images.") from None
    except OSError as error:
        raise BadInputError(
            f"The folder {folder} cannot be read ({error.strerror or error}); "
            "give yourself the right to read it."
        ) from error
    return sorted(found)


def _walk(
    folder: Path, prefix: str, visited: set[Path], cancel: CancelToken, deep: bool
) -> Iterator[str]:
    cancel.check()
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    names = {entry.name for entry in listed}
    if MANIFEST in names:
        return
    for entry in listed:
        if entry.name.startswith("."):
            continue
        if Path(entry.name).suffix.lower() in IMAGE_SUFFIXES and _is_file(entry):
            yield prefix + entry.name
        elif deep and _is_folder(entry):
            below = Path(entry.path)
            real = below.resolve()
            if real not in visited:
                visited.add(real)
                yield from _walk_below(below, f"{prefix}{entry.name}/", visited, cancel)


def _walk_below(
    folder: Path, prefix: str, visited: set[Path], cancel: CancelToken
) -> Iterator[str]:
    try:
        yield from _walk(folder, prefix, visited, cancel, deep=True)
    except OSError:  # a folder of somebody else; the others are still wanted
        return


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file() or (entry.is_symlink() and not entry.is_dir())
    except OSError:
        return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def read_files(
    folder: Path, paths: Sequence[str], report: ProgressSink, cancel: CancelToken
) -> ReadFiles:
    """Size (from the header) and SHA-256 of each file; a bad one is told and left out.

    Raises Cancelled between two files.
    """
    images: list[NewImage] = []
    unreadable: list[tuple[str, str]] = []
    for index, path in enumerate(paths):
        cancel.check()
        report(Progress(index, len(paths), "Reading images"))
        try:
            images.append(_read(folder, path))
        except BadInputError as error:
            unreadable.append((path, str(error)))
    report(Progress(len(paths), len(paths), "Reading images"))
    return ReadFiles(tuple(images), tuple(unreadable))


def _read(folder: Path, path: str) -> NewImage:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        shown = path.encode("utf-8", "backslashreplace").decode()
        raise BadInputError(f"The name “{shown}” is not valid Unicode; rename the file.") from None
    height, width = read_size(folder / path)
    return NewImage(path=path, width=width, height=height, sha256=file_sha256(folder / path))


def file_stamp(path: Path) -> list[int] | None:
    """[size, mtime in ns] of a file, None where there is none; while it is equal, the file is."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return [status.st_size, status.st_mtime_ns]
