"""What strokes do to an image's masks: which annotations they go to, and what these become."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from segstudio.core.annotation import Annotation
from segstudio.core.changes import Edit
from segstudio.core.errors import BadInputError
from segstudio.core.mask import Mask
from segstudio.core.mask_difference import flipped, shared, without
from segstudio.engine.edited_image import Snapshot
from segstudio.engine.image_session import ImageSession
from segstudio.engine.mask_change import MaskChange, made_annotation
from segstudio.imaging.enclosed import enclosed_at, union_of
from segstudio.imaging.mask_parts import part_at

Plan = Callable[[Snapshot], MaskChange | None]


class PaintTarget:
    """What the strokes of one sitting go to; keep one until the user selects something else.

    `selected` are the ids of the selected annotations, `hidden` of those that cannot be seen. An
    annotation that a stroke makes is what the next ones go on with, also where they were drawn
    before it was written. Used on the store lane alone once it is handed over.
    """

    def __init__(self, selected: Iterable[int] = (), hidden: Iterable[int] = ()) -> None:
        self.selected = frozenset(selected)
        self.hidden = frozenset(hidden)

    def among(self, annotations: tuple[Annotation, ...]) -> tuple[Annotation, ...]:
        """The selected ones that are (still) there, by depth; locked ones only if all are."""
        found = tuple(row for row in annotations if row.id in self.selected)
        return tuple(row for row in found if not row.locked) or found

    def under(self, annotations: tuple[Annotation, ...], x: float, y: float) -> Annotation | None:
        """The front one at (x, y) of those that can be seen; a locked one only if no other."""
        found = [
            row
            for row in reversed(annotations)
            if row.id not in self.hidden and row.mask.contains(x, y)
        ]
        return next((row for row in found if not row.locked), next(iter(found), None))


@dataclass(frozen=True)
class PaintedStroke:
    """A stroke that is done: `add` joins a mask, then `remove` leaves it; at least one has pixels.

    `text` is what undo says, `start` (x, y) where the stroke began. Where `annotation_id` is
    given, that annotation alone changes, whatever the target is.
    """

    add: Mask | None = None
    remove: Mask | None = None
    text: str = "Paint"
    start: tuple[float, float] = (0.0, 0.0)
    annotation_id: int | None = None


def paint(
    session: ImageSession, stroke: PaintedStroke, target: PaintTarget, category_id: int, tool: str
) -> Edit | None:
    """Carry out a stroke as one undo step; None where it changes nothing.

    Without anything selected, what adds makes an annotation of `category_id` by `tool` (a key),
    which `target` has from then on. Raises as `ImageSession.change` does.
    """
    edit = session.change(paint_plan(stroke, target, category_id, tool))
    _go_on_with_made(edit, target)
    return edit


def paint_plan(stroke: PaintedStroke, target: PaintTarget, category_id: int, tool: str) -> Plan:
    """The plan of `paint`, for `ImageSession.change`."""

    def plan(snapshot: Snapshot) -> MaskChange | None:
        rows = _rows_for(stroke, target, snapshot.annotations)
        if rows:
            return MaskChange(stroke.text, {row.id: painted(row.mask, stroke) for row in rows})
        if stroke.add is None or stroke.annotation_id is not None:
            return None
        mask = painted(Mask.empty(stroke.add.size), stroke)
        made = made_annotation(mask, snapshot.category(category_id).id, tool)
        return MaskChange(stroke.text, made=(made,)) if mask.area else None

    return plan


def painted(mask: Mask, stroke: PaintedStroke) -> Mask:
    """`mask` after a stroke; costs what the stroke covers, and a copy of the runs.

    Raises ValueError for a stroke on an image of another size.
    """
    if stroke.add is not None:
        missing = flipped(stroke.add, shared(mask, stroke.add))
        mask = flipped(mask, missing)
    if stroke.remove is not None:
        mask = without(mask, stroke.remove)
    return mask


def fill(
    session: ImageSession,
    place: tuple[float, float],
    target: PaintTarget,
    category_id: int,
    *,
    adds: bool,
) -> Edit | None:
    """Carry out a fill at `place` (x, y) as one undo step, as `paint` does a stroke."""
    edit = session.change(fill_plan(place, target, category_id, adds=adds))
    _go_on_with_made(edit, target)
    return edit


def fill_plan(
    place: tuple[float, float], target: PaintTarget, category_id: int, *, adds: bool
) -> Plan:
    """The plan of `fill`.

    What is filled is the area around `place` that all annotations in sight enclose, with the
    image's edges; on another annotation than the target's, the area that the target encloses alone.
    Without `adds`, the connected part of a mask that has the pixel goes: of the selected ones, else
    of the front one. The plan raises BadInputError for an area that nothing encloses, and for a
    pixel that is labelled where nothing is selected.
    """

    def plan(snapshot: Snapshot) -> MaskChange | None:
        rows = snapshot.annotations
        if not adds:
            return _emptied(rows, target, place)
        chosen = target.among(rows)[-1:]
        if any(row.mask.contains(*place) for row in chosen):
            return None
        area = _enclosed(snapshot, chosen, target, place)
        if chosen:
            (row,) = chosen
            return MaskChange("Fill", {row.id: painted(row.mask, PaintedStroke(add=area))})
        made = made_annotation(area, snapshot.category(category_id).id, "fill")
        return MaskChange("Fill", made=(made,))

    return plan


def _enclosed(
    snapshot: Snapshot,
    chosen: tuple[Annotation, ...],
    target: PaintTarget,
    place: tuple[float, float],
) -> Mask:
    seen = [row for row in snapshot.annotations if row.id not in target.hidden or row in chosen]
    labelled = any(row.mask.contains(*place) for row in seen)
    if labelled and not chosen:
        raise BadInputError("That pixel is labelled; first select what should have it as well.")
    walls = chosen if labelled else seen
    area = enclosed_at(union_of((row.mask for row in walls), snapshot.image.size), *place)
    if area is None:
        raise BadInputError("Nothing encloses that area; first draw around it.")
    return area


def _emptied(
    annotations: tuple[Annotation, ...], target: PaintTarget, place: tuple[float, float]
) -> MaskChange | None:
    under = target.under(annotations, *place)
    rows = target.among(annotations) or ((under,) if under is not None else ())
    parts = {row.id: (row.mask, part_at(row.mask, *place)) for row in rows}
    masks = {
        id_: painted(mask, PaintedStroke(remove=part))
        for id_, (mask, part) in parts.items()
        if part is not None
    }
    return MaskChange("Erase area", masks) if masks else None


def _rows_for(
    stroke: PaintedStroke, target: PaintTarget, annotations: tuple[Annotation, ...]
) -> tuple[Annotation, ...]:
    """The annotations that a stroke changes; none where it makes one or there is nothing to do."""
    if stroke.annotation_id is not None:
        return tuple(row for row in annotations if row.id == stroke.annotation_id)
    chosen = target.among(annotations)
    if stroke.add is not None:
        return chosen[-1:]
    if chosen:
        return chosen
    under = target.under(annotations, *stroke.start)
    return (under,) if under is not None else ()


def _go_on_with_made(edit: Edit | None, target: PaintTarget) -> None:
    if edit is not None:
        old = {row.id for row in edit.before.annotations}
        made = frozenset(row.id for row in edit.after.annotations if row.id not in old)
        target.selected = made or target.selected
