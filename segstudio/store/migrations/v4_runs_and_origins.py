"""Version 4: the ledger tells which run an edit belongs to; what imported records were."""

from __future__ import annotations

from sqlalchemy import Column, Connection, ForeignKey, Index, Integer, MetaData, Table, Text, text

# Written out, so that it does not change with the schema of later versions.
_metadata = MetaData()
Table("edit", _metadata, Column("id", Integer, primary_key=True))
_origin = Table(
    "origin",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("edit_id", ForeignKey("edit.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("row_id", Integer, nullable=False),
    Column("format", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("record", Text, nullable=False),
    Column("mask", Text, nullable=False),
    Index("origin_by_row", "kind", "row_id"),
    Index("origin_by_edit", "edit_id"),
)


def upgrade(connection: Connection) -> None:
    for step in (
        "ALTER TABLE edit ADD COLUMN run_id INTEGER REFERENCES run (id)",
        "ALTER TABLE edit ADD COLUMN takes_back INTEGER REFERENCES edit (id)",
        "CREATE INDEX edit_by_run ON edit (run_id, state, state_at, image_id, sequence)",
        "CREATE INDEX edit_by_taken_back ON edit (takes_back, state)",
    ):
        connection.execute(text(step))
    _origin.create(connection)
