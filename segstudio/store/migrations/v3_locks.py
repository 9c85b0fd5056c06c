"""Version 3: annotations can be locked. Those that there are start unlocked."""

from __future__ import annotations

from sqlalchemy import Boolean, Connection, false, text


def upgrade(connection: Connection) -> None:
    dialect = connection.dialect
    kind, no = Boolean().compile(dialect), false().compile(dialect=dialect)
    connection.execute(
        text(f"ALTER TABLE annotation ADD COLUMN locked {kind} DEFAULT {no} NOT NULL")
    )
