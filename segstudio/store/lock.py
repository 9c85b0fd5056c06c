"""One writer at a time: a lock file beside the project that the system frees when its holder dies.

The lock itself is `.NAME.lock`; who holds it is told by `.NAME.owner`, a file of its own because
locking may truncate the first.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import time
from pathlib import Path

from filelock import FileLock, Timeout

from segstudio.core.errors import ProjectLockedError


def user_name() -> str:
    """Who is at work, as the system names them; "unknown" where it cannot tell."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "unknown"


class WriterLock:
    """The right to write one project file. It may be released by any thread."""

    def __init__(self, project: Path) -> None:
        self._project = project
        self._owner = project.with_name(f".{project.name}.owner")
        self._lock = FileLock(project.with_name(f".{project.name}.lock"), thread_local=False)

    def acquire(self) -> None:
        """Take the lock at once. Raises ProjectLockedError if another holds it, or OSError."""
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise ProjectLockedError(self._refusal()) from None
        try:
            self._owner.write_text(json.dumps(_myself()), encoding="utf-8")
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        if self._lock.is_locked:
            self._owner.unlink(missing_ok=True)
            self._lock.release()

    def _refusal(self) -> str:
        try:
            owner = json.loads(self._owner.read_text(encoding="utf-8"))
            since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(owner["since"]))
            holder = f"{owner['user']} on {owner['host']} (process {owner['pid']}, since {since})"
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            holder = "another process"
        return (
            f"{self._project.name} is open for writing by {holder}; "
            "close it there, or open it read-only."
        )


def _myself() -> dict[str, object]:
    return {
        "user": user_name(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": time.time(),
    }
