"""The order in which annotations lie over each other, changed for as few of them as possible."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from segstudio.core.annotation import Annotation

Rows = tuple[Annotation, ...]


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

    Among themselves they keep their order. Only their own z orders change where there is room for
    them between the others'; else those in front, or those behind, make room as well, whichever
    are fewer. No rows come back where they lie there already.
    """
    chosen = [row for row in annotations if row.id in moved]
    others = [row for row in annotations if row.id not in moved]
    behind = max(0, min(behind, len(others)))
    rear, front = others[:behind], others[behind:]
    if not chosen or [*rear, *chosen, *front] == list(annotations):
        return (), ()
    lowest = rear[-1].z_order + 1 if rear else front[0].z_order - len(chosen)
    new = {row.id: lowest + step for step, row in enumerate(chosen)}
    # Room for the moved ones, and for equal z orders, which only ids keep apart.
    lacking = lowest + len(chosen) - front[0].z_order if rear and front else 0
    if lacking > 0:
        if len(front) <= len(rear):
            new |= {row.id: row.z_order + lacking for row in front}
        else:
            new = {id_: z_order - lacking for id_, z_order in new.items()}
            new |= {row.id: row.z_order - lacking for row in rear}
    before = tuple(row for row in annotations if new.get(row.id, row.z_order) != row.z_order)
    return before, tuple(replace(row, z_order=new[row.id]) for row in before)
