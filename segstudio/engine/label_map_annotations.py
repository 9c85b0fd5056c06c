"""From the parts of a label map to annotations: what of them is new, and the edit that adds it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.changes import Edit, Records
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord
from segstudio.core.mask import Mask
from segstudio.core.mask_difference import boxes_meet, flipped, shared
from segstudio.engine.edited_image import Snapshot
from segstudio.engine.image_session import ImageSession, state_with
from segstudio.engine.import_categories import CategoryPlaces
from segstudio.engine.import_plan import ImportCategory
from segstudio.engine.label_map_parts import Former, LabelMapPlan, Part
from segstudio.engine.labelled import COVERED
from segstudio.engine.partition import SETTING
from segstudio.engine.pixel_rights import with_rights
from segstudio.imaging.mask_parts import without_crumbs
from segstudio.store.project import ProjectStore

TOOL = "semantic"

Rows = tuple[Annotation, ...]


@dataclass(frozen=True)
class Turned:
    """What an image's annotations become: rows `before` and `after`, as an edit has them.

    `added` of them are new, `replaced` former predictions go.
    """

    before: Rows
    after: Rows
    added: int
    replaced: int


def category_places(
    indices: Iterable[int],
    plan: LabelMapPlan,
    project: Sequence[Category],
    new_id: Callable[[], int],
) -> CategoryPlaces:
    """The project's category of each of the model's categories: `ids`, by the index as text.

    `indices` are those that are needed; `made` are the categories that the project lacks. Raises
    BadInputError where one that it had is not in the project any more.
    """
    wanted = []
    there = {category.id for category in project}
    for index in sorted(indices):
        known, target = plan.categories[index], plan.targets[index]
        if target.category_id and target.category_id not in there:
            raise BadInputError(
                f"The category that “{known.name}” was to become is not in the project any more; "
                "choose another one."
            )
        wanted.append(
            ImportCategory(
                str(index), known.name, 0, target, isthing=known.isthing, colour=known.colour
            )
        )
    return CategoryPlaces(wanted, {}, project, new_id)


def turned(
    parts: Sequence[Part],
    plan: LabelMapPlan,
    ids: Mapping[str, int],
    image: ImageRecord,
    annotations: Rows,
    *,
    new_id: Callable[[], int],
    partition: bool,
) -> Turned:
    """What an image's annotations become when parts are added; nothing is stored.

    `ids` are as of `category_places`, `annotations` all of the image, by depth. What is there
    already (category and mask) is not added again, so that nothing comes a second time. New ones
    lie in front of the others, the smallest foremost.
    """
    former = _former(annotations, plan)
    others = tuple(row for row in annotations if row.id not in former)
    known = {(row.category_id, row.mask): row.id for row in annotations}
    again: set[int] = set()
    news = []
    for part, mask in _left(parts, others, plan):
        category = ids.get(str(part.category), 0)
        there = known.get((category, mask))
        if there is not None:
            again.add(there)
        elif category:
            news.append(_annotation(part, mask, category, plan, image))
    gone = tuple(row for row in annotations if row.id in former - again)
    staying = tuple(row for row in annotations if row.id not in former - again)
    now, top = time.time(), max((row.z_order for row in staying), default=-1)
    news.sort(key=lambda row: -row.mask.area)
    rows = tuple(
        replace(row, id=new_id(), z_order=top + step, created_at=now, updated_at=now)
        for step, row in enumerate(news, start=1)
    )
    before, after = with_rights(staying, (), rows, partition=partition, now=now)
    added = sum(row.z_order > top for row in after)
    return Turned((*gone, *before), after, added, len(gone))


def edit_of(
    done: Turned,
    plan: LabelMapPlan,
    image: ImageRecord,
    annotations: int,
    categories: Sequence[Category] = (),
) -> Edit | None:
    """The edit that adds what was turned, or None where nothing changes.

    `annotations` is how many the image has; to do and labelled are told by whether it has any.
    """
    if not done.before and not done.after:
        return None
    state = state_with(annotations - len(done.before) + len(done.after), image.state)
    old = (image,) if state is not None else ()
    new = (replace(image, state=state),) if state is not None else ()
    return Edit(
        plan.text,
        image.id,
        Records(done.before, images=old),
        Records(done.after, tuple(categories), new),
    )


def turn_into_annotations(
    session: ImageSession, store: ProjectStore, parts: Sequence[Part], plan: LabelMapPlan
) -> Edit | None:
    """Make annotations of the open image's parts, as one undo step; None where nothing is new.

    Categories that are lacking come with it. Blocks; call it on the store lane. Raises
    BadInputError where a category is not in the project any more.
    """

    def edit(snapshot: Snapshot) -> Edit | None:
        indices = {part.category for part in parts}
        places = category_places(indices, plan, snapshot.categories, store.new_category_id)
        done = turned(
            parts,
            plan,
            places.ids,
            snapshot.image,
            snapshot.annotations,
            new_id=store.new_annotation_id,
            partition=store.setting(SETTING, False) is True,
        )
        used = {row.category_id for row in done.after}
        made = [category for category in places.made if category.id in used]
        return edit_of(done, plan, snapshot.image, len(snapshot.annotations), made)

    return session.carry_out(edit)


def _former(annotations: Rows, plan: LabelMapPlan) -> set[int]:
    """Ids of predictions that are to be replaced: nobody has changed, reviewed or locked them."""
    if plan.options.former is Former.KEEP:
        return set()
    same = plan.options.former is Former.SAME_MODEL
    return {
        row.id
        for row in annotations
        if row.tool == TOOL
        and (not same or row.model_key == plan.model_key)
        and row.updated_at == row.created_at
        and not (row.locked or row.review)
    }


def _left(parts: Sequence[Part], others: Rows, plan: LabelMapPlan) -> Iterator[tuple[Part, Mask]]:
    """What is left of parts beside the pixels that other annotations keep, crumbs taken away."""
    options = plan.options
    keeping = [row.mask for row in others if options.unlabelled_only or row.locked]
    for part in parts:
        mask = part.mask
        for other in keeping:
            if boxes_meet(other, mask):
                mask = flipped(mask, shared(other, mask))
        if mask.area == part.mask.area:
            yield part, part.mask
            continue
        if options.unlabelled_only and mask.area <= (1 - COVERED) * part.mask.area:
            continue
        mask = without_crumbs(mask, options.least_area)
        if mask.area >= max(1, options.least_area):
            yield part, mask


def _annotation(
    part: Part, mask: Mask, category_id: int, plan: LabelMapPlan, image: ImageRecord
) -> Annotation:
    """Id, depth and times are given later. `predicted_iou` is the score that AP goes by."""
    return Annotation(
        id=0,
        image_id=image.id,
        category_id=category_id,
        mask=mask,
        attributes={"prompt_model": part.prompt_model} if part.prompt_model else {},
        stage=plan.options.stage,
        tool=TOOL,
        model_key=plan.model_key,
        prompt=part.prompt,
        predicted_iou=part.score,
        stability=part.stability,
    )
