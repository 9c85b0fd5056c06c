"""What a training takes of a project: which images, which categories, and what they become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from segstudio.core.category import Category
from segstudio.core.errors import BadInputError
from segstudio.core.prediction import IGNORE, MOST_CATEGORIES, ModelCategory

BACKGROUND_NAME = "background"


class ImageChoice(StrEnum):
    """Which images count: those done, those reviewed, or all with annotations. Never rejected."""

    LABELLED = "labelled"
    REVIEWED = "reviewed"
    ANNOTATED = "annotated"


class Unlabelled(StrEnum):
    """What pixels are that no annotation covers."""

    IGNORE = "ignore"
    BACKGROUND = "background"


@dataclass(frozen=True)
class TrainingTarget:
    """What a category becomes: the model's category `name`, background, or nothing (ignored)."""

    name: str = ""
    background: bool = False

    @property
    def ignored(self) -> bool:
        return not self.name and not self.background


IGNORED = TrainingTarget()
BACKGROUND = TrainingTarget(background=True)


@dataclass(frozen=True)
class SetChoices:
    """How a project becomes a training set; equal choices on equal projects give equal sets.

    `targets` says by category id what a category becomes; one without keeps its own name. Several
    may have one name. Images of the splits called `train` and `val` go there, those of other splits
    stay out, and those without one are shared out at random by `seed`, `val_share` of all to
    validation. Crowds are always ignored.
    """

    images: ImageChoice = ImageChoice.LABELLED
    unlabelled: Unlabelled = Unlabelled.IGNORE
    targets: Mapping[int, TrainingTarget] = field(default_factory=dict)
    train: str = "train"
    val: str = "val"
    val_share: float = 0.2
    seed: int = 0

    def target(self, category: Category) -> TrainingTarget:
        """What a category becomes."""
        found = self.targets.get(category.id)
        if found is not None:
            return found
        if category.name.casefold() == BACKGROUND_NAME:
            return BACKGROUND
        return TrainingTarget(category.name)

    def require_sound(self) -> None:
        """Raise BadInputError where the share or the splits make no sense."""
        if not 0.0 < self.val_share < 1.0:
            raise BadInputError(
                f"A share of {self.val_share:.0%} of the images cannot be kept to check with, as "
                "some are to learn from and some to check with; choose one between 0 and 100 %."
            )
        if not self.train or not self.val or self.train == self.val:
            raise BadInputError("Training and validation need two splits of different names.")


@dataclass(frozen=True)
class LabelPlan:
    """The model's categories, and which value a project's category has in label maps.

    `values` are by category id, IGNORE for ignored ones; `empty` is that of unlabelled pixels.
    """

    categories: tuple[ModelCategory, ...]
    values: Mapping[int, int]
    empty: int


def label_plan(categories: Sequence[Category], choices: SetChoices) -> LabelPlan:
    """The categories that a model trained by these choices has, background first.

    Each looks like the first of the project's that becomes it. Raises BadInputError for more than
    a label map holds, and where none is left.
    """
    targets = {category.id: choices.target(category) for category in categories}
    empty_counts = choices.unlabelled is Unlabelled.BACKGROUND
    rows: list[ModelCategory] = []
    if empty_counts or any(target.background for target in targets.values()):
        rows.append(ModelCategory(BACKGROUND_NAME, "#000000", background=True))
    empty = 0 if empty_counts else IGNORE
    places: dict[str, int] = {}
    values: dict[int, int] = {}
    for category in categories:
        target = targets[category.id]
        if target.background:
            values[category.id] = 0
        elif target.ignored:
            values[category.id] = IGNORE
        else:
            if target.name not in places:
                places[target.name] = len(rows)
                rows.append(ModelCategory(target.name, category.colour, category.isthing))
            values[category.id] = places[target.name]
    if not places:
        raise BadInputError(
            "There is no category to learn: make one and label it, or map one to something else "
            "than “ignored”."
        )
    if len(rows) > MOST_CATEGORIES:
        raise BadInputError(
            f"A model has at most {MOST_CATEGORIES} categories and these are {len(rows)}; map some "
            "onto one, or ignore them."
        )
    return LabelPlan(tuple(rows), values, empty)
