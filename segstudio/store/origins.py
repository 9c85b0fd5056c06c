"""The `origin` table: what imported records were in their sources."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import ColumnElement, Connection, insert, select

from segstudio.core.origin import Origin, OriginKind
from segstudio.store import codec
from segstudio.store.ledger import EditState
from segstudio.store.schema import edit, origin

# The record that an origin is of: its kind and id (the project's own is 0).
OriginOf = tuple[OriginKind, int]

_BATCH = 500


def add(connection: Connection, edit_id: int, origins: Mapping[OriginOf, Origin]) -> None:
    """Keep what these records were in the source that this edit brings them from."""
    if origins:
        rows = [
            {"edit_id": edit_id, **codec.origin_row(kind, number, record)}
            for (kind, number), record in origins.items()
        ]
        connection.execute(insert(origin), rows)


def of(
    connection: Connection, kind: OriginKind, ids: Collection[int], format_key: str
) -> dict[int, Origin]:
    """The latest origin of each record in that format, by id; without those that have none.

    What came with an edit that is undone does not count, nor, of other records than annotations,
    what was taken back.
    """
    wanted, found = sorted(ids), {}
    ending = edit.alias()
    over = select(ending.c.id).where(
        ending.c.takes_back == origin.c.edit_id, ending.c.state == EditState.DONE
    )
    joined = origin.join(edit, origin.c.edit_id == edit.c.id)
    counts: tuple[ColumnElement[bool], ...] = (edit.c.state == EditState.DONE,)
    if kind is not OriginKind.ANNOTATION:  # one that is there was kept when others were taken back
        counts = (*counts, ~over.exists())
    for start in range(0, len(wanted), _BATCH):
        query = (
            select(origin)
            .select_from(joined)
            .where(
                origin.c.kind == kind,
                origin.c.row_id.in_(wanted[start : start + _BATCH]),
                origin.c.format == format_key,
                *counts,
            )
        )
        for row in connection.execute(query.order_by(origin.c.id)).mappings():
            found[int(row["row_id"])] = codec.read(codec.origin_record, row, "origin")
    return found
