"""The order in which annotations lie over each other, changed for as few of them as possible."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from segstudio.core.annotation import Annotation

Rows = tuple[Annotation, ...]
Levels = dict[int, int]  # annotation id to z order


def step_behind(annotations: Sequence[Annotation], moved: Collection[int], *, forward: bool) -> int:
    """How many of the others lie behind the moved ones (ids) once they went one step.

    `annotations` are all of the image, by depth. Several go together: forward in front of the next
    one before the front one of them, else behind the next one behind the rear one of them.
    """
    places = [place for place, row in enumerate(annotations) if row.id in moved]
    others = [place for place, row in enumerate(annotations) if row.id not in moved]
    if not places:
        return 0
    if forward:
        return min(len(others), sum(place < max(places) for place in others) + 1)
    return max(0, sum(place < min(places) for place in others) - 1)


def at_depth(
    annotations: Sequence[Annotation], moved: Collection[int], behind: int
) -> tuple[Rows, Rows]:
    """Rows before and after the `moved` ones (ids) lie right in front of `behind` of the others.

    Among themselves they keep their order. As few rows change as can be: the moved ones alone
    where there is room between the others' z orders; else they exchange theirs with those that
    they pass; else those in front, or those behind, make room. No rows come back where they lie
    there already.
    """
    chosen = [row for row in annotations if row.id in moved]
    others = [row for row in annotations if row.id not in moved]
    behind = max(0, min(behind, len(others)))
    rear, front = others[:behind], others[behind:]
    wanted = [*rear, *chosen, *front]
    if not chosen or wanted == list(annotations):
        return (), ()
    ways = [_exchanged(annotations, wanted), *_with_room(rear, chosen, front)]
    ways = [way for way in ways if _order(annotations, way) == [row.id for row in wanted]]
    new = min(ways, key=lambda way: sum(way[row.id] != row.z_order for row in annotations))
    before = tuple(row for row in annotations if new[row.id] != row.z_order)
    return before, tuple(replace(row, z_order=new[row.id]) for row in before)


def _order(annotations: Sequence[Annotation], levels: Levels) -> list[int]:
    return sorted((row.id for row in annotations), key=lambda id_: (levels[id_], id_))


def _exchanged(annotations: Sequence[Annotation], wanted: Sequence[Annotation]) -> Levels:
    """The same z orders, given out anew; right unless equal ones are among them."""
    return {row.id: old.z_order for row, old in zip(wanted, annotations, strict=True)}


def _with_room(
    rear: Sequence[Annotation], chosen: Sequence[Annotation], front: Sequence[Annotation]
) -> tuple[Levels, Levels]:
    """The front makes room for the chosen ones, or the rear does, as far as they have to."""
    levels = {row.id: row.z_order for row in (*rear, *front)}
    lowest = rear[-1].z_order + 1 if rear else front[0].z_order - len(chosen)
    lacking = max(0, lowest + len(chosen) - front[0].z_order) if rear and front else 0
    placed = {row.id: lowest + step for step, row in enumerate(chosen)}
    raised = {row.id: row.z_order + lacking for row in front}
    lowered = {row.id: row.z_order - lacking for row in rear}
    sunk = {id_: level - lacking for id_, level in placed.items()}
    return levels | placed | raised, levels | sunk | lowered
