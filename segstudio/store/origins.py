"""The `origin` table: what imported records were in their sources."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from sqlalchemy import Connection, bindparam, insert, select

from segstudio.core.origin import Origin, OriginKind
from segstudio.store import codec
from segstudio.store.ledger import EditState
from segstudio.store.schema import edit, origin

# The record that an origin is of: its kind and id (the project's own is 0).
OriginOf = tuple[OriginKind, int]

_BATCH = 500

# Made once: an import and an export ask for every image.
_ADD = insert(origin)
_ending = edit.alias()
_TAKEN_BACK = (
    select(_ending.c.id)
    .where(_ending.c.takes_back == origin.c.edit_id, _ending.c.state == EditState.DONE)
    .exists()
)
_OF_ANNOTATIONS = (
    select(origin)
    .select_from(origin.join(edit, origin.c.edit_id == edit.c.id))
    .where(
        origin.c.kind == bindparam("kind"),
        origin.c.row_id.in_(bindparam("among", expanding=True)),
        origin.c.format == bindparam("format"),
        edit.c.state == EditState.DONE,
    )
    .order_by(origin.c.id)
)
_OF_OTHERS = _OF_ANNOTATIONS.where(~_TAKEN_BACK)


def add(connection: Connection, by_edit: Iterable[tuple[int, Mapping[OriginOf, Origin]]]) -> None:
    """Keep what records were in the source, for each edit that brings some, by its id."""
    rows = [
        {"edit_id": edit_id, **codec.origin_row(kind, number, record)}
        for edit_id, origins in by_edit
        for (kind, number), record in origins.items()
    ]
    if rows:
        connection.execute(_ADD, rows)


def of(
    connection: Connection, kind: OriginKind, ids: Collection[int], format_key: str
) -> dict[int, Origin]:
    """The latest origin of each record in that format, by id; without those that have none.

    What came with an edit that is undone does not count, nor, of other records than annotations,
    what was taken back.
    """
    wanted, found = sorted(ids), {}
    # An annotation that is there was kept when others of its import were taken back.
    query = _OF_ANNOTATIONS if kind is OriginKind.ANNOTATION else _OF_OTHERS
    for start in range(0, len(wanted), _BATCH):
        among = wanted[start : start + _BATCH]
        values = {"kind": str(kind), "format": format_key, "among": among}
        for row in connection.execute(query, values).mappings():
            found[int(row["row_id"])] = codec.read(codec.origin_record, row, "origin")
    return found
