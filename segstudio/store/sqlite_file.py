"""All that is particular to SQLite: connecting, pragmas, online backup, files beside the file."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import StaticPool

from segstudio.core.errors import BadInputError
from segstudio.store.failures import explained

Mode = Literal["rw", "rwc", "ro", "immutable"]

APPLICATION_ID = 0x53656753  # "SegS", at byte 68 of the file
_MAGIC = b"SQLite format 3\0"
_BUSY_SECONDS = 5.0


def require_project_file(path: Path) -> None:
    """Look at the first bytes only. Raises BadInputError unless it is a whole SegStudio project."""
    if not path.is_file():
        raise BadInputError(f"There is no project file {path}; check its name and folder.")
    with explained(path), path.open("rb") as file:
        logged = has_log(path)
        head = file.read(100)
        size = os.fstat(file.fileno()).st_size
        logged = logged or has_log(path)
    if len(head) < 100 or not head.startswith(_MAGIC):
        raise BadInputError(f"{path.name} is not a SegStudio project.")
    if int.from_bytes(head[68:72], "big") != APPLICATION_ID:
        raise BadInputError(
            f"{path.name} is an SQLite file of another program, not a SegStudio project."
        )
    # The count of pages holds when its stamp is that of the last change; while there is a log,
    # the missing pages may be there.
    counted = head[24:28] == head[92:96]
    page = int.from_bytes(head[16:18], "big")
    expected = int.from_bytes(head[28:32], "big") * (65536 if page == 1 else page)
    if counted and not logged and size < expected:
        raise BadInputError(
            f"{path.name} is cut off ({size} of {expected} bytes); go back to a copy of it."
        )


def has_log(path: Path) -> bool:
    """Whether a write-ahead log beside the file holds something."""
    log = beside(path)[0]
    return log.exists() and log.stat().st_size > 0


def connect(path: Path, mode: Mode) -> Engine:
    """An engine with one connection, for use under a lock.

    Transactions begin at once (`BEGIN IMMEDIATE`) on connections with the execution option
    `writes`, so that a conflict shows before any work is done.
    """
    engine = create_engine(
        "sqlite+pysqlite://", creator=lambda: _dial(path, mode), poolclass=StaticPool
    )

    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine, "begin", begin)
    return engine


def _dial(path: Path, mode: Mode) -> sqlite3.Connection:
    plain = os.fsencode(path.as_posix())
    rooted = plain if plain.startswith(b"/") else b"/" + plain
    query = "mode=ro&immutable=1" if mode == "immutable" else f"mode={mode}"
    # isolation_level None: the driver leaves transactions to us.
    connection = sqlite3.connect(
        f"file://{quote(rooted)}?{query}",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA foreign_keys=ON")
        # FULL: a commit is on the disk before it is reported, also through a power cut; macOS
        # needs a stronger flush for that.
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA fullfsync=ON")
        connection.execute("PRAGMA checkpoint_fullfsync=ON")
        if mode in ("ro", "immutable"):
            connection.execute("PRAGMA query_only=ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def driver(connection: Connection) -> Any:
    """The `sqlite3` connection below; the caller sees to it that no transaction is open."""
    return connection.connection.driver_connection


def stamp(engine: Engine) -> None:
    """Mark a new file as ours."""
    with engine.connect() as connection:
        driver(connection).execute(f"PRAGMA application_id={APPLICATION_ID}")


def use_write_ahead_log(engine: Engine) -> None:
    """Readers and the writer do not wait for each other; kept off where a disk cannot do it."""
    with engine.connect() as connection:
        driver(connection).execute("PRAGMA journal_mode=WAL")


def expect_much(engine: Engine) -> None:
    """Prepare a connection for a transaction of any size."""
    with engine.connect() as connection:
        driver(connection).execute("PRAGMA cache_size=-65536")  # KiB
        if driver(connection).execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            # Changes that go to the disk early would lock readers out until the end.
            driver(connection).execute("PRAGMA cache_spill=OFF")


def checkpoint(engine: Engine) -> None:
    """Bring the write-ahead log into the file and empty it, as far as readers allow; for closing:
    the connection waits for nobody any more afterwards."""
    with engine.connect() as connection:
        # A snapshot that an export still reads is not waited for: what stays in the log is safe.
        driver(connection).execute("PRAGMA busy_timeout=200")
        driver(connection).execute("PRAGMA wal_checkpoint(TRUNCATE)")


def structural_faults(connection: Connection) -> list[str]:
    """What SQLite's own checks of pages, indexes and foreign keys find, one sentence each."""
    found = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
    lines = [line for text in found for line in text.splitlines() if "***" not in line]
    faults = [f"The file's structure is damaged: {line}." for line in lines if line != "ok"]
    for table, row, target, _ in connection.exec_driver_sql("PRAGMA foreign_key_check"):
        faults.append(f"Row {row} of {table} refers to a missing row of {target}.")
    return faults


def back_up(source: Engine, target: Path) -> None:
    """Write a consistent copy of an open file to `target`, which must not exist, and flush it."""
    copy = sqlite3.connect(target)
    try:
        with source.connect() as connection:
            driver(connection).backup(copy)
        # Back to the plain journal, so that the copy is one file, whole without a log beside it.
        copy.execute("PRAGMA journal_mode=DELETE")
    finally:
        copy.close()
    flush(target)


def beside(path: Path) -> tuple[Path, Path, Path]:
    """The files that SQLite keeps beside `path`: write-ahead log, shared memory, journal."""
    log, memory, journal = (path.with_name(path.name + end) for end in ("-wal", "-shm", "-journal"))
    return log, memory, journal


def remove_file(path: Path) -> None:
    """Delete a temporary file of ours with all that SQLite keeps beside it."""
    for each in (path, *beside(path)):
        each.unlink(missing_ok=True)


def set_stray_log_aside(path: Path) -> None:
    """Rename a log left by a project that was here once.

    SQLite would play it into the new file. It is kept, as it may be all that is left of the other.
    """
    for stray in beside(path):
        if stray.exists():
            number = 1
            while (aside := stray.with_name(f"{stray.name}.left-over-{number}")).exists():
                number += 1
            stray.rename(aside)


def flush(path: Path) -> None:
    """Force a file's bytes, and its name in its folder, onto the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
    if os.name == "posix":  # Windows cannot open folders, and flushes names itself
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
