"""Folders that appear whole or not at all, and replace only what an earlier export wrote.

Beside the target, a hidden folder `.NAME.segstudio-partial-XXXX` holds:

- `lock`  held while its export lives, so that the next one knows the leftovers of a dead one,
- `new/`  what is being written; it becomes the target by one rename,
- `old/`  the folder being replaced, from the moment it is moved away until the new one stands.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from segstudio.core.errors import BadInputError

MANIFEST = ".segstudio-export"  # in the target: the files of the export, a line each
_PARTIAL = "segstudio-partial"
_FLUSHED_AT_ONCE = 8


@contextmanager
def staged_folder(target: Path, *, replace: bool) -> Iterator[Path]:
    """Give an empty folder to write into; it becomes `target` when the block ends well.

    If the block raises (also KeyboardInterrupt), nothing of it stays behind. With `replace`, a
    target that holds an earlier export and nothing else is swapped for the new one.

    Raises BadInputError if the target is in the way, before and after the block; OSError as the
    disk does.
    """
    target = target.resolve()
    made = _make_parents(target.parent)
    try:
        _clear_leftovers(target)
        _refuse_if_in_the_way(target, replace)
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.{_PARTIAL}-", dir=target.parent))
        lock = FileLock(partial / "lock")
        try:
            with lock:
                new = partial / "new"
                new.mkdir()
                yield new
                _finish(new)
                _refuse_if_in_the_way(target, replace)
                _swap(new, target, partial / "old")
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except BaseException:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()
        raise


def count_files(folder: Path) -> int:
    """The files of an export, its manifest not counted."""
    return len(_files(folder))


def _make_parents(folder: Path) -> list[Path]:
    """Make the folder; returns what had to be made, innermost first."""
    missing = []
    at = folder
    while not at.exists():
        missing.append(at)
        at = at.parent
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _clear_leftovers(target: Path) -> None:
    """Remove what killed exports to this target left; bring back what they had moved away."""
    prefix = f".{target.name}.{_PARTIAL}-"
    for partial in sorted(target.parent.iterdir()):
        if not partial.name.startswith(prefix) or partial.is_symlink() or not partial.is_dir():
            continue
        try:
            with FileLock(partial / "lock", timeout=0):
                old = partial / "old"
                if old.is_dir() and not target.exists():
                    old.rename(target)
        except Timeout:
            continue  # that export is alive
        shutil.rmtree(partial, ignore_errors=True)


def _refuse_if_in_the_way(target: Path, replace: bool) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise BadInputError(f"“{target}” is a file; name a folder for the export.")
    if not any(target.iterdir()):
        return
    if not replace:
        raise BadInputError(
            f"“{target}” is not empty; choose another folder, or ask to replace an earlier export."
        )
    stranger = _stranger(target)
    if stranger is not None:
        raise BadInputError(
            f"“{target}” holds “{stranger}”, which is not of an earlier export, so it is not "
            "replaced; choose another folder, or move that away."
        )


def _stranger(target: Path) -> str | None:
    """A file of the folder that the export in it did not write, or None."""
    manifest = target / MANIFEST
    known: set[str] = set()
    if manifest.is_file():
        known = set(manifest.read_text("utf-8").splitlines())
    return next((name for name in _files(target) if name not in known), None)


def _files(folder: Path) -> list[str]:
    """Every file (and link) below the folder, as sorted relative paths; without the manifest."""
    root, found = str(folder), []
    for at, folders, files in os.walk(root):
        inside = os.path.relpath(at, root).replace(os.sep, "/")
        before = "" if inside == "." else f"{inside}/"
        links = [name for name in folders if Path(at, name).is_symlink()]
        found += [before + name for name in files + links]
    return sorted(name for name in found if name != MANIFEST)


def _finish(new: Path) -> None:
    """List what was written and see it onto the disk before its name appears.

    Several files at a time: a disk writes the journal once for all that wait for it.
    """
    names = _files(new)
    (new / MANIFEST).write_text("".join(f"{name}\n" for name in names), "utf-8", newline="\n")
    with ThreadPoolExecutor(_FLUSHED_AT_ONCE) as pool:
        try:
            for _ in pool.map(_flush, (new / name for name in (*names, MANIFEST))):
                pass
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _swap(new: Path, target: Path, old: Path) -> None:
    """Rename `new` to `target`; what was there is kept until then, and put back on failure."""
    if not target.exists():
        new.rename(target)
        return
    target.rename(old)
    try:
        new.rename(target)
    except BaseException:
        old.rename(target)
        raise
