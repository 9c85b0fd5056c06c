"""Categories that an edit needs again and that were undone with another part of its run."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, select

from segstudio.core.category import Category
from segstudio.core.changes import Edit, Records
from segstudio.store import applying, codec, ledger
from segstudio.store.ledger import EditState, Membership
from segstudio.store.schema import category
from segstudio.store.schema import edit as edits


def bring_categories_back(connection: Connection, edit: Edit, now: float) -> None:
    """Before an edit is carried out again: add the categories that it uses and that are gone.

    A run's categories stand in the project's history and its annotations in those of the images,
    so that one can be redone without the other. Where the project's part is next there, it is
    redone; else the categories come back by an edit of their own, with a number in their name
    where another has taken it meanwhile.
    """
    missing = {record.category_id for record in edit.after.annotations}
    missing -= {record.id for record in edit.after.categories}
    if not missing:
        return
    known = {row.id: row.name for row in connection.execute(select(category.c.id, category.c.name))}
    missing -= known.keys()
    if not missing:
        return
    for number, run_id, state, past in _brought_by_runs(connection):
        found = [record for record in past.after.categories if record.id in missing]
        if not found:
            continue
        missing -= {record.id for record in found}
        following = ledger.next_redo(connection, 0)
        names = set(known.values())
        free = all(record.name not in names for record in past.after.categories)
        if state == EditState.UNDONE and following is not None and following.id == number and free:
            applying.apply(connection, past)
            ledger.mark(connection, number, EditState.DONE, now)
        else:
            again = Records(categories=tuple(_renamed(record, names) for record in found))
            back = Edit("Bring categories back", 0, Records(), again)
            applying.apply(connection, back)
            ledger.append(connection, back, now, Membership(run_id))
        known |= {record.id: record.name for record in found}


def _brought_by_runs(connection: Connection) -> list[tuple[int, int, str, Edit]]:
    """Id, run, state and edit of the runs' parts in the project's history, the last first."""
    query = select(edits).where(edits.c.image_id.is_(None), edits.c.run_id.is_not(None))
    rows = connection.execute(query.order_by(edits.c.id.desc())).mappings().all()
    return [
        (row["id"], row["run_id"], row["state"], codec.read(codec.edit_record, row, "edit"))
        for row in rows
    ]


def _renamed(record: Category, names: set[str]) -> Category:
    name, number = record.name, 1
    while name in names:
        number += 1
        name = f"{record.name} ({number})"
    names.add(name)
    return replace(record, name=name)
