"""Version 2: the ledger tells who undid an edit and when; annotations are found by category."""

from __future__ import annotations

from sqlalchemy import Connection, text

_STEPS = (
    "ALTER TABLE edit ADD COLUMN state_user TEXT",
    "ALTER TABLE edit ADD COLUMN state_at DOUBLE PRECISION",
    "CREATE INDEX annotation_by_category ON annotation (category_id)",
)


def upgrade(connection: Connection) -> None:
    for step in _STEPS:
        connection.execute(text(step))
