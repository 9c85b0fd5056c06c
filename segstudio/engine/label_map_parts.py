"""From a label map to the parts that can become annotations: what they become, and which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import cv2
import numpy as np

from segstudio.core.annotation import Stage
from segstudio.core.category import Category
from segstudio.core.errors import BadInputError
from segstudio.core.mask import Mask
from segstudio.core.prediction import IGNORE, LabelMap, ModelCategory, SemanticPrediction
from segstudio.core.progress import CancelToken
from segstudio.core.prompt import Prompt
from segstudio.engine.import_categories import suggested_targets
from segstudio.engine.import_plan import LEFT_OUT, CategoryTarget
from segstudio.imaging.label_parts import label_parts
from segstudio.imaging.mask_coverage import coverage
from segstudio.imaging.mask_parts import holes

MOST_PARTS = 10_000  # of one image: more cannot be worked on, and are noise

Targets = Mapping[str, CategoryTarget]  # by the name of the model's category


class Former(StrEnum):
    """What becomes of former predictions that nobody has touched since."""

    KEEP = "keep"
    SAME_MODEL = "same-model"  # those of the same weights are replaced
    ANY_MODEL = "any-model"


@dataclass(frozen=True)
class LabelMapOptions:
    """How label maps become annotations.

    `targets` says what becomes of the model's categories, where not what `suggested` says.
    `thresholds` are probabilities of 0 to 1 by the model's names, below which a pixel counts as
    nothing. Parts of fewer than `least_area` pixels are left out, holes of fewer than `hole_area`
    are filled. With `unlabelled_only`, pixels that annotations have are left to them; a part that
    they cover to `labelled.COVERED` is left out.
    """

    targets: Targets = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    least_area: int = 64
    hole_area: int = 64
    unlabelled_only: bool = True
    former: Former = Former.KEEP
    stage: Stage = Stage.AUTOMATIC


@dataclass(frozen=True)
class Part:
    """What can become an annotation: a connected part of a thing, or all parts of some stuff.

    `category` is an index into the model's categories. `score` is the mean confidence of its
    pixels in the label map, 0 to 1. Where a prompt model made the mask of it, `prompt` is what it
    was asked, `stability` what it said, and `prompt_model` its key.
    """

    category: int
    mask: Mask
    score: float
    prompt: Prompt | None = None
    stability: float | None = None
    prompt_model: str = ""


@dataclass(frozen=True)
class LabelMapPlan:
    """What becomes of a model's label maps in a project; made by `label_map_plan`.

    `title` is the model's for people, `model_key` names it with its weights. `targets` has one for
    each of `categories`. Those with the same target are one: `first` is the index of the first of
    them, -1 where no annotation is made. `isthing` is as the project's category says it, where
    there is one.
    """

    title: str
    model_key: str
    categories: tuple[ModelCategory, ...]
    options: LabelMapOptions
    targets: tuple[CategoryTarget, ...]
    first: tuple[int, ...]
    isthing: tuple[bool, ...]

    @property
    def text(self) -> str:
        """What undo and the history say."""
        return f"Annotations from {self.title}"


def suggested(
    categories: Sequence[ModelCategory], project: Sequence[Category]
) -> dict[str, CategoryTarget]:
    """For each of a model's categories, by name, the project's of that name, or a new one.

    Background becomes none.
    """
    targets = suggested_targets([category.name for category in categories], project)
    return {
        category.name: LEFT_OUT if category.background else target
        for category, target in zip(categories, targets, strict=True)
    }


def label_map_plan(
    title: str,
    model_key: str,
    categories: Sequence[ModelCategory],
    project: Sequence[Category],
    options: LabelMapOptions,
) -> LabelMapPlan:
    """Where a model's categories go: as the options' `targets` say, else as `suggested`.

    Background goes nowhere, whatever `targets` says. Raises BadInputError for names that the model
    does not have, or where none of them would become anything.
    """
    targets = options.targets
    known = suggested(categories, project)
    for name in (*targets, *options.thresholds):
        if name not in known:
            raise BadInputError(f"The model has no category “{name}”; it has {_listed(known)}.")
    by_name = {category.name: category for category in project}
    by_id = {category.id: category for category in project}
    chosen, first, things = [], [], []
    seen: dict[CategoryTarget, int] = {}
    for index, category in enumerate(categories):
        target = LEFT_OUT if category.background else targets.get(category.name)
        target = known[category.name] if target is None else target
        if not target.category_id and target.name in by_name:
            target = CategoryTarget(by_name[target.name].id)
        chosen.append(target)
        first.append(-1 if target == LEFT_OUT else seen.setdefault(target, index))
        there = by_id.get(target.category_id)
        things.append(there.isthing if there is not None else category.isthing)
    if categories and not seen:
        raise BadInputError("None of the model's categories is to become annotations.")
    return LabelMapPlan(
        title, model_key, tuple(categories), options, tuple(chosen), tuple(first), tuple(things)
    )


def parts(prediction: SemanticPrediction, plan: LabelMapPlan, cancel: CancelToken) -> list[Part]:
    """The parts of a label map, the largest first; no two of them share a pixel.

    Things fall into their 8-connected parts (so a slanting pole is one), stuff stays one part of
    what is large enough. Raises BadInputError for more than `MOST_PARTS`, Cancelled.
    """
    options = plan.options
    labels = _going(prediction, plan)
    whole = np.zeros(256, dtype=np.bool_)
    whole[: len(plan.isthing)] = ~np.array(plan.isthing, dtype=np.bool_)
    cancel.check()
    least = max(1, options.least_area)
    found = label_parts(labels, prediction.confidence, least, whole, MOST_PARTS)
    if isinstance(found, int):
        raise BadInputError(
            f"The label map falls into {found:,} parts; raise the least area of a part, or the "
            "thresholds."
        )
    masks = _filled([part.mask for part in found], options.hole_area, cancel)
    return [
        Part(part.label, mask, part.mean / 255) for part, mask in zip(found, masks, strict=True)
    ]


def _going(prediction: SemanticPrediction, plan: LabelMapPlan) -> LabelMap:
    """The label map with what goes the same way as one label, and IGNORE for what goes nowhere."""
    thresholds = plan.options.thresholds
    table = np.full(256, IGNORE, dtype=np.uint8)
    for index, first in enumerate(plan.first):
        table[index] = first if first >= 0 else IGNORE
    used = any(value > 0 for value in thresholds.values())
    labels = prediction.above(thresholds) if used else prediction.labels
    # numpy would make an index of 8 bytes of each pixel
    return np.asarray(cv2.LUT(labels, table), dtype=np.uint8)


def _filled(masks: Sequence[Mask], less_than: int, cancel: CancelToken) -> list[Mask]:
    """The masks with their small holes, but for what lies in a hole and is a part itself."""
    done = list(masks)
    if less_than <= 1 or not done:
        return done
    free = coverage(masks, masks[0].size, cancel).unlabelled.to_array()
    for at in range(len(done) - 1, -1, -1):  # the smallest first: a ring may lie in another's hole
        cancel.check()
        found = holes(done[at], less_than)
        if not found.area:
            continue
        pixels, (x0, y0) = found.box_crop()
        room = free[y0 : y0 + pixels.shape[0], x0 : x0 + pixels.shape[1]]
        pixels &= room
        room ^= pixels
        done[at] = done[at].union(Mask.from_crop(pixels, (x0, y0), found.size))
    return done


def _listed(names: Mapping[str, CategoryTarget]) -> str:
    shown = ", ".join(sorted(names)[:20])
    return f"{shown} …" if len(names) > 20 else shown
