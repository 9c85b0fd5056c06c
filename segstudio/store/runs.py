"""Runs that change many images: their steps, and taking one back after work went on."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from segstudio.core.changes import Edit
from segstudio.core.errors import BadInputError, StorageError
from segstudio.core.origin import Origin
from segstudio.store import codec
from segstudio.store.codec import RunRecord
from segstudio.store.ledger import EditState
from segstudio.store.lock import user_name
from segstudio.store.origins import OriginOf
from segstudio.store.schema import edit as edits
from segstudio.store.schema import run

TAKE_BACK = "take-back"


@dataclass(frozen=True)
class RunStep:
    """A run's part in one history: an image's or, for image 0, the project's.

    `origins` tells what records that the edit brings were in their source, by kind and id; the
    project's own id is 0. An edit that changes nothing may stand for origins alone.
    """

    edit: Edit
    origins: Mapping[OriginOf, Origin] = field(default_factory=dict)


@dataclass(frozen=True)
class TakenBack:
    """What became of a run that was taken back.

    `run_id` is that of the run which took it back, or 0 where it was undone as a whole, so that it
    can be redone. `removed` annotations are gone from `images` images. `kept` annotations of it
    (their ids) were changed by somebody since and stay, as do the categories of `kept_categories`
    (names) that are changed or used.
    """

    run_id: int = 0
    images: int = 0
    removed: int = 0
    kept: tuple[int, ...] = ()
    kept_categories: tuple[str, ...] = ()


def begin(connection: Connection, kind: str, parameters: Any) -> int:
    """Note that a run began; returns its id."""
    number = int(connection.scalar(select(func.max(run.c.id))) or 0) + 1
    values = {"id": number, "kind": kind, "parameters": codec.to_json(parameters)}
    connection.execute(insert(run).values(**values, user=user_name(), started_at=time.time()))
    return number


def change(connection: Connection, run_id: int, **values: Any) -> None:
    """Set columns of a run. Raises StorageError where there is none of that id."""
    query = update(run).where(run.c.id == run_id).values(**values)
    if connection.execute(query).rowcount != 1:
        raise StorageError(f"The project has no run {run_id}.")


def end(connection: Connection, run_id: int, result: Any) -> None:
    """Note that a run ended, and how (JSON)."""
    change(connection, run_id, result=codec.to_json(result), finished_at=time.time())


def standing(connection: Connection, run_id: int) -> tuple[int, ...]:
    """The ids of the run's edits that are done and not taken back, the last first.

    Raises BadInputError where there is no such run.
    """
    if connection.scalar(select(run.c.id).where(run.c.id == run_id)) is None:
        raise BadInputError(f"The project has no run {run_id}.")
    over = edits.alias()
    taken = select(over.c.id).where(over.c.takes_back == edits.c.id, over.c.state == EditState.DONE)
    query = select(edits.c.id).where(
        edits.c.run_id == run_id, edits.c.state == EditState.DONE, ~taken.exists()
    )
    return tuple(int(number) for number in connection.scalars(query.order_by(edits.c.id.desc())))


def last(connection: Connection, kind: str) -> RunRecord | None:
    """The latest run of that kind of which something is done and nothing was taken back."""
    for row in connection.execute(
        select(run).where(run.c.kind == kind).order_by(run.c.id.desc())
    ).mappings():
        if _stands(connection, row["id"]):
            return codec.read(codec.run_record, row, "run")
    return None


def _stands(connection: Connection, run_id: int) -> bool:
    over = edits.alias()
    mine = edits.c.run_id == run_id
    done = select(edits.c.id).where(mine, edits.c.state == EditState.DONE)
    joined = edits.join(over, over.c.takes_back == edits.c.id)
    taken = select(edits.c.id).select_from(joined).where(mine, over.c.state == EditState.DONE)
    first, second = (connection.scalar(query.limit(1)) for query in (done, taken))
    return first is not None and second is None


def taking_back(connection: Connection, numbers: tuple[int, ...]) -> Iterator[int]:
    """Those edits, the images' first: a category can go only when nothing is of it any more."""
    projects: list[int] = []
    for number in numbers:
        query = select(edits.c.image_id).where(edits.c.id == number)
        if connection.scalar(query) is None:
            projects.append(number)
        else:
            yield number
    yield from projects
