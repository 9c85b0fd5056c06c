"""Whose work annotations are: by the annotations' own words, and by the ledger."""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec
from sqlalchemy import Connection, func, select

from segstudio.core.errors import StorageError
from segstudio.store.ledger import EditState
from segstudio.store.schema import annotation, run
from segstudio.store.schema import edit as edits


@dataclass(frozen=True)
class AnnotationKind:
    """How some annotations came to be, and how many they are."""

    stage: str
    tool: str
    model_key: str
    count: int


@dataclass(frozen=True)
class Maker:
    """Who drew an annotation as it is now, and the run that brought it.

    `user` is who changed its mask or its category last (or made it), `run_id` the run whose edit
    added it; 0: none.
    """

    user: str
    run_id: int = 0


class _Drawn(msgspec.Struct):
    """What of a stored annotation its maker has drawn."""

    id: int
    category_id: int
    counts: str


class _Drawings(msgspec.Struct):
    annotations: list[_Drawn]


_READ = msgspec.json.Decoder(_Drawings)


def kinds(connection: Connection) -> list[AnnotationKind]:
    """How the project's annotations came to be, the most frequent first."""
    columns = (annotation.c.stage, annotation.c.tool, annotation.c.model_key)
    query = select(*columns, func.count()).group_by(*columns)
    found = [AnnotationKind(*row) for row in connection.execute(query)]
    return sorted(found, key=lambda kind: (-kind.count, kind.stage, kind.tool, kind.model_key))


def users(connection: Connection) -> list[str]:
    """Everybody who has edited an image, by name."""
    query = select(edits.c.user).where(edits.c.image_id.is_not(None)).distinct()
    return sorted(connection.scalars(query))


def runs_on_images(connection: Connection) -> list[tuple[int, str, str, float]]:
    """Id, kind, user and beginning of each run that changed images, the oldest first."""
    changed = select(edits.c.id).where(
        edits.c.run_id == run.c.id, edits.c.image_id.is_not(None), edits.c.state == EditState.DONE
    )
    query = select(run.c.id, run.c.kind, run.c.user, run.c.started_at).where(changed.exists())
    rows = connection.execute(query.order_by(run.c.id))
    return [(int(row[0]), str(row[1]), str(row[2]), float(row[3])) for row in rows]


def makers(connection: Connection, image_id: int) -> dict[int, Maker]:
    """The maker of each annotation that was ever on the image, by id, from the edits that stand.

    Raises StorageError where an edit cannot be read.
    """
    query = (
        select(edits.c.id, edits.c.before, edits.c.after, edits.c.user, edits.c.run_id)
        .where(edits.c.image_id == image_id, edits.c.state == EditState.DONE)
        .order_by(edits.c.sequence)
    )
    found: dict[int, Maker] = {}
    for row in connection.execute(query.execution_options(yield_per=64)):
        try:
            before, after = (_READ.decode(text).annotations for text in (row[1], row[2]))
        except msgspec.MsgspecError as error:
            raise StorageError(
                f"The project file is damaged: edit {row[0]} cannot be read ({error}); go back to "
                "a copy."
            ) from error
        was = {item.id: item for item in before}
        for item in after:
            old = was.get(item.id)
            if old is None:
                found[item.id] = Maker(row[3], row[4] or 0)
            elif (old.counts, old.category_id) != (item.counts, item.category_id):
                known = found.get(item.id, Maker(row[3]))
                found[item.id] = replace(known, user=row[3])
    return found
