"""Checkpoints that survive a power cut: written beside, flushed to the disk, then renamed.

A folder keeps two generations, `last` and `previous`, and `best`, the one with the best validation.
Files are safetensors; what is no tensor is JSON in their metadata. Nothing in them is code.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from segstudio.core.errors import StorageError
from segstudio.core.whole_files import flush_names

LAST, PREVIOUS, BEST = "last.safetensors", "previous.safetensors", "best.safetensors"
_PART = "writing.part"
_STATE = "state"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Tensors by name, and a text for all else."""

    tensors: Mapping[str, Tensor]
    state: str


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Make it the last one; what was the last becomes the previous.

    Raises StorageError if it cannot be written; then those that were there still are.
    """
    part = folder / _PART
    with _told(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tensors = {name: one.detach().cpu() for name, one in checkpoint.tensors.items()}
            whole = {name: one.contiguous() for name, one in tensors.items()}
            save_file(whole, part, metadata={_STATE: checkpoint.state})
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            last = folder / LAST
            if last.exists():
                last.replace(folder / PREVIOUS)
            part.replace(last)
            flush_names(folder)
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


def mark_best(folder: Path) -> None:
    """Keep the last one as the best one too. Raises StorageError."""
    _become(folder, LAST, BEST)


def return_to_best(folder: Path) -> bool:
    """Make the best one the last one; whether there is one. Raises StorageError."""
    if not (folder / BEST).exists():
        return False
    _become(folder, BEST, LAST)
    with _told(folder):  # it leads where the last one led
        (folder / PREVIOUS).unlink(missing_ok=True)
    return True


def forget(folder: Path) -> None:
    """Delete those that there are. Raises StorageError."""
    with _told(folder):
        for name in (LAST, PREVIOUS, BEST):
            (folder / name).unlink(missing_ok=True)


def load(folder: Path) -> Checkpoint | None:
    """The newest whole one, on the CPU; None if there is none.

    Raises StorageError if there are some, but none of them whole.
    """
    broken = None
    for name in (LAST, PREVIOUS, BEST):
        path = folder / name
        if not path.exists():
            continue
        try:
            return _read(path)
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            broken = error
    if broken is None:
        return None
    raise StorageError(
        f"The checkpoints in “{folder}” are damaged ({broken}); delete that folder to train "
        "from the start."
    ) from broken


def _read(path: Path) -> Checkpoint:
    with safe_open(path, framework="pt", device="cpu") as file:
        state = (file.metadata() or {})[_STATE]
        return Checkpoint({name: file.get_tensor(name) for name in file.keys()}, state)  # noqa: SIM118


def _become(folder: Path, name: str, other: str) -> None:
    """Give the file `name` the name `other` too: a second link, or a copy where disks have none."""
    part = folder / _PART
    with _told(folder):
        try:
            part.unlink(missing_ok=True)
            try:
                os.link(folder / name, part)
            except OSError:
                shutil.copyfile(folder / name, part)
                with part.open("rb+") as file:
                    os.fsync(file.fileno())
            part.replace(folder / other)
            flush_names(folder)
        finally:
            # Of two links to one file, a rename takes none away.
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise unwritten(folder, error) from error


def unwritten(place: Path, error: Exception) -> StorageError:
    """What a disk's error means, and that what was saved before is still there."""
    code = _code(error)
    full = code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    what = "the disk is full" if full else os.strerror(code) if code else str(error)
    return StorageError(
        f"The training cannot be saved in “{place}” ({what}); make room and resume: what was saved "
        "last is whole."
    )


def _code(error: Exception) -> int:
    """The system's number for an error; the writer of tensors has it in its text alone."""
    if isinstance(error, OSError):
        return error.errno or 0
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found.group(1)) if found else 0
