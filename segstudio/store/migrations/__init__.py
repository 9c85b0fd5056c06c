"""Numbered steps from older schema versions to the newest, one file each."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from segstudio.core.errors import StorageError
from segstudio.store import meta_values
from segstudio.store.migrations import v2_who_undid, v3_locks, v4_runs_and_origins
from segstudio.store.schema import SCHEMA_VERSION

# (version that the step leads to, step), in order.
MIGRATIONS: tuple[tuple[int, Callable[[Connection], None]], ...] = (
    (2, v2_who_undid.upgrade),
    (3, v3_locks.upgrade),
    (4, v4_runs_and_origins.upgrade),
)


def schema_version(connection: Connection) -> int:
    """The version of the open file. Raises StorageError if it is newer than this program."""
    version = meta_values.get(connection, "schema_version")
    if not isinstance(version, int):
        raise StorageError("The project file does not tell its schema version; it is damaged.")
    if version > SCHEMA_VERSION:
        raise StorageError(
            f"The project was last written by a newer SegStudio (schema {version}, this one "
            f"knows up to {SCHEMA_VERSION}); update SegStudio to open it."
        )
    return version


def migrate(connection: Connection) -> None:
    """Take every step that the open file lacks; the caller holds the one transaction around it."""
    version = schema_version(connection)
    for target, upgrade in MIGRATIONS:
        if target > version:
            upgrade(connection)
    meta_values.put(connection, "schema_version", SCHEMA_VERSION)
