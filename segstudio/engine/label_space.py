"""The categories that two label sets are compared in, and how each set's labels go into them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segstudio.core.errors import BadInputError
from segstudio.core.prediction import IGNORE, MOST_CATEGORIES, LabelMap
from segstudio.engine.label_set import LabelledImage, OpenLabelSet, SetCategory
from segstudio.metrics.coco_ap import Instance
from segstudio.metrics.panoptic import Segments

BACKGROUND = "background"


@dataclass(frozen=True, eq=False)
class View:
    """How one set's labels read in the common categories.

    `values` is (256,) uint8 by the set's own value: a common category or IGNORE. `known` are the
    common categories by the set's own, -1 for those that are none. `as_truth` tells that crowds
    are void: they were painted with a broad brush.
    """

    values: npt.NDArray[np.uint8]
    known: tuple[int, ...]
    as_truth: bool

    def labels(self, image: LabelledImage) -> LabelMap:
        """(H, W) uint8: a common category, or IGNORE."""
        labels = self.values[image.labels]
        if self.as_truth and image.ids is not None and any(it.iscrowd for it in image.objects):
            crowd = np.array([False, *(item.iscrowd for item in image.objects)])
            labels[crowd[image.ids]] = IGNORE
        return labels

    def instances(self, image: LabelledImage, things: Sequence[bool]) -> list[Instance]:
        """The objects of categories that are things; what is predicted as a crowd is no object."""
        return [
            Instance(self.known[item.category], item.mask, item.iscrowd, item.score)
            for item in image.objects
            if self.known[item.category] >= 0
            and things[self.known[item.category]]
            and (self.as_truth or not item.iscrowd)
        ]

    def segments(
        self, image: LabelledImage, labels: LabelMap, things: Sequence[bool]
    ) -> Segments | None:
        """What is seen, as segments: each thing and crowd by itself, each stuff category as one.

        None where the set does not tell objects apart. `labels` as `labels` gives them: their
        background (which is no object) is a segment too.
        """
        if image.ids is None:
            return None
        kinds: list[int] = []
        crowds: list[bool] = []
        stuff: dict[int, int] = {}
        numbers = np.zeros(len(image.objects) + 1, dtype=np.int32)
        for at, item in enumerate(image.objects, start=1):
            kind = self.known[item.category]
            if kind < 0:
                continue
            merges = not things[kind] and not item.iscrowd
            if not merges or kind not in stuff:
                kinds.append(kind)
                crowds.append(item.iscrowd)
            if merges:
                stuff.setdefault(kind, len(kinds))
            numbers[at] = stuff[kind] if merges else len(kinds)
        ids = numbers[image.ids]
        rest = (image.ids == 0) & (labels != IGNORE)
        for kind in np.unique(labels[rest]).tolist():
            if kind not in stuff:
                kinds.append(kind)
                crowds.append(False)
                stuff[kind] = len(kinds)
            ids[rest & (labels == kind)] = stuff[kind]
        return Segments(ids, kinds, crowds)


@dataclass(frozen=True, eq=False)
class LabelSpace:
    """The truth's categories, and both sets' ways into them.

    `only_predicted` are names of the prediction's categories that the truth does not know: they
    are mistakes wherever there is a truth. `open_table`: the categories are numbers, of which
    only those that occur count.
    """

    categories: tuple[SetCategory, ...]
    truth: View
    predicted: View
    only_predicted: tuple[str, ...]
    open_table: bool

    @property
    def things(self) -> list[bool]:
        return [row.isthing for row in self.categories]


def label_space(predicted: OpenLabelSet, truth: OpenLabelSet, *, background: bool) -> LabelSpace:
    """Match the categories of two sets by name, whatever the case of its letters.

    What one set has as unlabelled and the other as a category (background) is one. With
    `background` unlabelled pixels are a category of that name, in both sets. Raises BadInputError
    where a folder without a table meets a set with names, and where the sets share no category.
    """
    if predicted.open_table != truth.open_table:
        raise BadInputError(
            "One of the two has no table that names its categories (categories.csv, classes.txt); "
            "put one beside its label maps, or name one."
        )
    named = {plain_name(row.name): row for row in predicted.categories if not row.nothing}
    kept = [
        row
        for row in truth.categories
        if not row.nothing or (row.nothing == "unlabelled" and plain_name(row.name) in named)
    ]
    places: dict[str, int] = {}
    for row in kept:
        places.setdefault(plain_name(row.name), len(places))
    unique = {plain_name(row.name): row for row in reversed(kept)}
    categories = [SetCategory(r.name, r.colour, r.isthing) for r in map(unique.get, places) if r]
    if background and BACKGROUND not in places:
        places[BACKGROUND] = len(categories)
        categories.append(SetCategory(BACKGROUND, "#000000"))
    if len(categories) > MOST_CATEGORIES:
        raise BadInputError(f"At most {MOST_CATEGORIES - 1} categories can be compared.")
    if not set(named) & set(places):
        raise BadInputError(
            "The two have no category in common: "
            f"{_some(named)} in one, {_some(places)} in the other."
        )
    rest = places[BACKGROUND] if background else -1
    only = tuple(row.name for name, row in named.items() if name not in places)
    return LabelSpace(
        tuple(categories),
        _view(truth.categories, places, rest, as_truth=True),
        _view(predicted.categories, places, rest, as_truth=False),
        only,
        truth.open_table,
    )


def _view(
    rows: Sequence[SetCategory], places: dict[str, int], rest: int, *, as_truth: bool
) -> View:
    known = []
    for row in rows:
        place = places.get(plain_name(row.name), -1)
        known.append(rest if place < 0 and row.nothing == "unlabelled" else place)
    values = np.full(256, IGNORE, dtype=np.uint8)
    values[: len(known)] = [IGNORE if place < 0 else place for place in known]
    values[IGNORE] = IGNORE if rest < 0 else rest
    return View(values, tuple(known), as_truth)


def plain_name(name: str) -> str:
    """A category's name as names are compared: without case and spare spaces."""
    return " ".join(name.split()).casefold()


def _some(names: Sequence[str] | dict[str, int] | dict[str, SetCategory]) -> str:
    listed = list(names)
    more = ", ..." if len(listed) > 3 else ""
    return ", ".join(listed[:3]) + more
