"""Train, validation and test splits: planned, shown, and set as one undoable run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from segstudio.core.changes import Edit, Records
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord
from segstudio.core.progress import CancelToken, Progress, ProgressSink, ignore_progress
from segstudio.engine.split_assignment import (
    Shares,
    Unsplit,
    at_random,
    by_category,
    by_folder,
    wanted,
)
from segstudio.formats.naming import safe_stem
from segstudio.store.project import ProjectStore
from segstudio.store.runs import RunStep

RUN_KIND = "split"
SETTING = "split"


class SplitBy(StrEnum):
    """What a split keeps even: images at random, whole folders, or each category's annotations."""

    RATIO = "ratio"
    FOLDER = "folder"
    CATEGORY = "category"


@dataclass(frozen=True)
class SplitRecipe:
    """How a project is split; equal recipes on equal projects give equal splits.

    `ratio` has one number for each of `names`. Images that have a split keep it, and count, unless
    `anew`.
    """

    by: SplitBy = SplitBy.RATIO
    names: tuple[str, ...] = ("train", "val", "test")
    ratio: tuple[float, ...] = (80.0, 10.0, 10.0)
    seed: int = 0
    anew: bool = False

    def require_sound(self) -> None:
        """Raise BadInputError where the names or the ratio make no sense."""
        for name in self.names:
            if not name or safe_stem(name) != name:
                raise BadInputError(
                    f"A split cannot be called {name!r}: exports make files and folders of its "
                    "name; take letters, digits, “-” and “_”."
                )
        if not self.names or len({name.casefold() for name in self.names}) < len(self.names):
            raise BadInputError("Each split needs a name of its own.")
        if len(self.ratio) != len(self.names):
            raise BadInputError(
                f"There are {len(self.names)} names of splits and {len(self.ratio)} numbers in "
                "the ratio; give one for each."
            )
        if not all(math.isfinite(part) and part >= 0 for part in self.ratio) or not any(self.ratio):
            raise BadInputError("The ratio needs numbers of 0 and more, and one above 0.")
        if not math.isfinite(sum(self.ratio)):
            raise BadInputError("The numbers of the ratio are too large.")

    def to_json(self) -> dict[str, Any]:
        return {
            "by": str(self.by),
            "names": list(self.names),
            "ratio": list(self.ratio),
            "seed": self.seed,
            "anew": self.anew,
        }

    @classmethod
    def from_json(cls, data: Any) -> SplitRecipe:
        """The inverse of `to_json`. Raises BadInputError for anything else."""
        try:
            recipe = cls(
                SplitBy(data["by"]),
                tuple(str(name) for name in data["names"]),
                tuple(float(part) for part in data["ratio"]),
                int(data["seed"]),
                bool(data["anew"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise BadInputError("The project's recipe of splits cannot be read.") from error
        recipe.require_sound()
        return recipe


@dataclass(frozen=True)
class SplitCount:
    """What one split has: images, annotations, and annotations by category id."""

    name: str
    images: int
    annotations: int
    categories: Mapping[int, int]


@dataclass(frozen=True)
class SplitPlan:
    """Which split each image would have, by id; of `changed` ones it is another than now.

    `counts` are of the splits in the recipe's order, then of others that images keep, by name.
    """

    recipe: SplitRecipe
    splits: Mapping[int, str]
    changed: tuple[ImageRecord, ...]
    counts: tuple[SplitCount, ...]


def stored_recipe(store: ProjectStore) -> SplitRecipe | None:
    """The recipe that the project was split by last, or None. Raises BadInputError if damaged."""
    data = store.setting(SETTING)
    return None if data is None else SplitRecipe.from_json(data)


def plan_split(store: ProjectStore, recipe: SplitRecipe) -> SplitPlan:
    """What splitting would come to; changes nothing. Raises BadInputError for an unsound recipe."""
    recipe.require_sound()
    images = store.images()
    on = store.category_counts_by_image()
    kept = {} if recipe.anew else {image.id: image.split for image in images if image.split}
    free = [
        Unsplit(image.id, image.path, on.get(image.id, {}))
        for image in images
        if image.id not in kept
    ]
    splits = kept | _assigned(recipe, free, kept, on)
    changed = tuple(image for image in images if image.split != splits[image.id])
    return SplitPlan(recipe, splits, changed, tuple(_counted(recipe, splits, on)))


_Counts = Mapping[int, Mapping[int, int]]  # annotations by image id, then category id


def _assigned(
    recipe: SplitRecipe, free: list[Unsplit], kept: Mapping[int, str], on: _Counts
) -> dict[int, str]:
    ours = {number: split for number, split in kept.items() if split in recipe.names}
    there: Shares = dict.fromkeys(recipe.names, 0.0)
    for split in ours.values():
        there[split] += 1
    shares = wanted(recipe.names, recipe.ratio, len(free) + len(ours), there)
    # A split whose part is 0 gets nothing, however far the others are above theirs.
    parts = zip(recipe.names, recipe.ratio, strict=True)
    shares = {name: shares[name] for name, part in parts if part > 0}
    if recipe.by is SplitBy.RATIO:
        return at_random(free, shares, recipe.seed)
    if recipe.by is SplitBy.FOLDER:
        return by_folder(free, shares, recipe.names, recipe.seed)
    return by_category(free, shares, _of_categories(recipe, free, ours, on), recipe.seed)


def _of_categories(
    recipe: SplitRecipe, free: list[Unsplit], ours: Mapping[int, str], on: _Counts
) -> dict[int, Shares]:
    totals: dict[int, float] = {}
    there: dict[int, Shares] = {}
    for image in free:
        for category, count in image.categories.items():
            totals[category] = totals.get(category, 0.0) + count
    for number, split in ours.items():
        for category, count in on.get(number, {}).items():
            totals[category] = totals.get(category, 0.0) + count
            row = there.setdefault(category, {})
            row[split] = row.get(split, 0.0) + count
    return {
        category: wanted(recipe.names, recipe.ratio, total, there.get(category, {}))
        for category, total in totals.items()
    }


def _counted(recipe: SplitRecipe, splits: Mapping[int, str], on: _Counts) -> Iterator[SplitCount]:
    others = sorted(set(splits.values()) - set(recipe.names))
    images: dict[str, int] = dict.fromkeys((*recipe.names, *others), 0)
    categories: dict[str, dict[int, int]] = {name: {} for name in images}
    for number, split in splits.items():
        images[split] += 1
        row = categories[split]
        for category, count in on.get(number, {}).items():
            row[category] = row.get(category, 0) + count
    for name, count in images.items():
        row = categories[name]
        yield SplitCount(name, count, sum(row.values()), dict(sorted(row.items())))


def apply_split(
    store: ProjectStore,
    plan: SplitPlan,
    cancel: CancelToken,
    report: ProgressSink = ignore_progress,
) -> int:
    """Give the images their splits as one run, and keep the recipe; returns the run's id.

    Returns 0 where every image has its split already. Raises Cancelled, and StorageError where an
    image's split was changed since the plan was made; then nothing has changed.
    """
    total = len(plan.changed)

    def steps() -> Iterator[RunStep]:
        for done, image in enumerate(plan.changed):
            report(Progress(done, total, "Setting splits"))
            after = replace(image, split=plan.splits[image.id])
            records = Records(images=(image,)), Records(images=(after,))
            yield RunStep(Edit("Set split", image.id, *records))

    counts = [[row.name, row.images, row.annotations] for row in plan.counts]
    recipe = plan.recipe.to_json()
    run_id = store.carry_out(RUN_KIND, recipe, steps(), cancel, lambda: {"splits": counts})
    store.set_setting(SETTING, recipe)
    report(Progress(total, total, "Setting splits"))
    return run_id
