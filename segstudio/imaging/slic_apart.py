"""Compiling SLIC for the first time on a machine, in a process of its own.

It takes some seconds in which the interpreter is held again and again, and a window would stutter.
What the other process compiles lies on disk for this one. `python -m segstudio.imaging.slic_apart`
is that process. Where nobody says in `NUMBA_CACHE_DIR` which folder that is, or the source is not
there (a frozen program), all this is left out and SLIC is compiled where it is called.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import subprocess
import sys
import threading
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from segstudio.core.progress import CancelToken

_SOURCES = ("compiling.py", "slic.py", "slic_lab.py", "slic_assignment.py", "slic_parts.py")
_LOOK_SECONDS = 0.05
_NICENESS = 10  # the person's own work goes first

# -P: nothing is imported from the working folder, which may hold anybody's files.
COMMAND = (sys.executable, "-P", "-m", "segstudio.imaging.slic_apart")

_lock = threading.Lock()
_process: subprocess.Popen[bytes] | None = None
_tried = False


def compiled_before() -> bool:
    """Whether SLIC as it is now was compiled on this machine, or will be where it is called."""
    note = _note()
    return note is None or note.exists()


def begin() -> None:
    """Let another process compile, and do not wait for it; only ever one."""
    global _process, _tried  # noqa: PLW0603 - one for the whole program
    with _lock:
        if _tried or compiled_before():
            return
        _tried = True
        flags = 0
        if sys.platform == "win32":
            flags = subprocess.CREATE_NO_WINDOW | subprocess.BELOW_NORMAL_PRIORITY_CLASS
        with contextlib.suppress(OSError):
            _process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                COMMAND,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                creationflags=flags,
            )


def wait(cancel: CancelToken) -> None:
    """Wait until that process has ended, well or not. Raises Cancelled; it goes on then."""
    process = _process
    while process is not None:
        cancel.check()
        try:
            process.wait(_LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return


def note_compiled() -> None:
    """Remember on disk that it was compiled."""
    note = _note()
    if note is not None:
        with contextlib.suppress(OSError):
            note.parent.mkdir(parents=True, exist_ok=True)
            note.touch()


@functools.cache
def _note_name() -> str | None:
    """Another name after each change of what is compiled, or by what."""
    digest = hashlib.blake2b(digest_size=8)
    try:
        for name in _SOURCES:
            status = (Path(__file__).parent / name).stat()
            digest.update(f"{name} {status.st_mtime_ns} {status.st_size};".encode())
        digest.update(version("numba").encode())
    except (OSError, PackageNotFoundError):
        return None
    digest.update(str(Path(__file__).parent).encode())
    return f"slic-{digest.hexdigest()}.compiled"


def _note() -> Path | None:
    folder, name = os.environ.get("NUMBA_CACHE_DIR"), _note_name()
    return Path(folder) / name if folder and name else None


def main() -> int:
    """Compile, if nobody has."""
    from segstudio.imaging.superpixels import compile_slic  # noqa: PLC0415 - it imports this

    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    compile_slic()
    return 0


if __name__ == "__main__":
    sys.exit(main())
