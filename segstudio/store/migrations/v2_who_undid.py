"""Version 2: the ledger tells who undid an edit and when; annotations are found by category."""

from __future__ import annotations

from sqlalchemy import Connection, Double, text


def upgrade(connection: Connection) -> None:
    time = Double().compile(connection.dialect)
    for step in (
        "ALTER TABLE edit ADD COLUMN state_user TEXT",
        f"ALTER TABLE edit ADD COLUMN state_at {time}",
        "CREATE INDEX annotation_by_category ON annotation (category_id)",
    ):
        connection.execute(text(step))
