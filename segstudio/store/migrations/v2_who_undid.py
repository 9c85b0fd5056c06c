"""Version 2: the ledger tells who undid an edit and when; two more indexes.

They find the annotations of a category, and the next edit to undo or redo past large ones.
"""

from __future__ import annotations

from sqlalchemy import Connection, Double, text


def upgrade(connection: Connection) -> None:
    time = Double().compile(connection.dialect)
    for step in (
        "ALTER TABLE edit ADD COLUMN state_user TEXT",
        f"ALTER TABLE edit ADD COLUMN state_at {time}",
        "CREATE INDEX annotation_by_category ON annotation (category_id)",
        "CREATE INDEX edit_by_state ON edit (image_id, state, sequence)",
    ):
        connection.execute(text(step))
