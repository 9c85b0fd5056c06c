"""What a training set made of a project would hold, and what is wrong with it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord, ImageState
from segstudio.core.prediction import IGNORE, ModelCategory
from segstudio.core.progress import CancelToken, Progress, ProgressSink, ignore_progress
from segstudio.engine.file_stamps import FileWatch
from segstudio.engine.training_choices import ImageChoice, LabelPlan, SetChoices, label_plan
from segstudio.engine.training_splits import content_of, share_out
from segstudio.formats.selection import drawn_annotations
from segstudio.formats.visible import visible_parts
from segstudio.imaging.read import read_size
from segstudio.store.reading import ProjectReading

_DONE = frozenset({ImageState.LABELLED, ImageState.REVIEWED})
_MOST_NAMED = 3  # of the images that a sentence is about
ALL_IGNORED = "No pixel of it is of a category that counts."


@dataclass(frozen=True)
class SurveyedImage:
    """An image of the set: its file, the digest of its label map, and pixels by map value.

    Equal digests mean equal label maps.
    """

    record: ImageRecord
    file: Path
    digest: str
    pixels: Mapping[int, int]


@dataclass(frozen=True)
class LeftOut:
    """An image that is not in the set, and why, in a sentence; `held` where its split keeps it."""

    path: str
    reason: str
    held: bool = False


@dataclass(frozen=True)
class CategoryShare:
    """How much of a category there is: pixels and images of the training and validation part."""

    category: ModelCategory
    train_pixels: int
    val_pixels: int
    train_images: int
    val_images: int


@dataclass(frozen=True)
class SetSurvey:
    """What the set would be. `faults` forbid a training, `warnings` are worth knowing: sentences.

    `fingerprint` changes when an image, a label that counts or the mapping does.
    """

    choices: SetChoices
    categories: tuple[ModelCategory, ...] = ()
    train: tuple[SurveyedImage, ...] = ()
    val: tuple[SurveyedImage, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    fingerprint: str = ""
    plan: LabelPlan | None = field(default=None, repr=False)

    @property
    def sound(self) -> bool:
        return not self.faults

    def require_sound(self) -> None:
        """Raise BadInputError, with the first fault, where nothing can be trained."""
        if self.faults:
            raise BadInputError(self.faults[0])

    def shares(self) -> tuple[CategoryShare, ...]:
        """The class balance, in the order of the model's categories."""
        return tuple(
            CategoryShare(
                category,
                *(sum(image.pixels.get(value, 0) for image in part) for part in self._parts()),
                *(sum(value in image.pixels for image in part) for part in self._parts()),
            )
            for value, category in enumerate(self.categories)
        )

    def ignored_pixels(self) -> int:
        """Pixels of the training and validation images that do not count."""
        return sum(image.pixels.get(IGNORE, 0) for part in self._parts() for image in part)

    def _parts(self) -> tuple[tuple[SurveyedImage, ...], tuple[SurveyedImage, ...]]:
        return self.train, self.val


def survey(
    store: ProjectReading,
    choices: SetChoices,
    report: ProgressSink = ignore_progress,
    cancel: CancelToken | None = None,
) -> SetSurvey:
    """Look at the project's labels and files; nothing is written and no photo decoded.

    What hinders a training is said in the survey's `faults`. Raises Cancelled, and StorageError
    where the project cannot be read.
    """
    token = cancel or CancelToken()
    categories = store.categories()
    try:
        choices.require_sound()
        plan = label_plan(categories, choices)
    except BadInputError as error:
        return SetSurvey(choices, faults=(str(error),))
    looking = _Looking(store, choices, categories, plan)
    images = [image for image in store.images() if looking.counts(image)]
    found: list[SurveyedImage] = []
    for done, image in enumerate(images):
        token.check()
        report(Progress(done, len(images), f"Looking at {image.path}"))
        row = looking.at(image)
        if row is not None:
            found.append(row)
    report(Progress(len(images), len(images), "Looked at the labels"))
    return _judged(choices, plan, found, looking.left_out)


def digest_of(size: tuple[int, int], plan: LabelPlan, drawn: Sequence[Annotation]) -> str:
    """What tells the label map of these annotations, back to front, from others: 32 hex digits."""
    digest = hashlib.blake2b(f"{size[0]} {size[1]} {plan.empty};".encode(), digest_size=16)
    for row in drawn:
        digest.update(f"{value_of(plan, row)} {len(row.mask.counts)} ".encode())
        digest.update(row.mask.counts)
    return digest.hexdigest()


def value_of(plan: LabelPlan, row: Annotation) -> int:
    """The value of an annotation's pixels in label maps."""
    return IGNORE if row.iscrowd else plan.values[row.category_id]


@dataclass
class _Looking:
    """Looks at one image after the other."""

    store: ProjectReading
    choices: SetChoices
    categories: Sequence[Category]
    plan: LabelPlan
    left_out: list[LeftOut] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._counts = self.store.annotation_counts()
        self._watch = FileWatch(self.store)

    def counts(self, image: ImageRecord) -> bool:
        """Whether the image is wanted, by its state and its split."""
        if image.state is ImageState.REJECTED:
            return False
        if self.choices.images is ImageChoice.ANNOTATED:
            wanted = self._counts.get(image.id, 0) > 0
        elif self.choices.images is ImageChoice.REVIEWED:
            wanted = image.state is ImageState.REVIEWED
        else:
            wanted = image.state in _DONE
        if wanted and image.split not in {"", self.choices.train, self.choices.val}:
            reason = f"It is of the split “{image.split}”."
            self.left_out.append(LeftOut(image.path, reason, held=True))
            return False
        return wanted

    def at(self, image: ImageRecord) -> SurveyedImage | None:
        """What the image brings, or None where it is left out."""
        file = self.store.image_path(image)
        fault = self._fault(image, file)
        if fault:
            self.left_out.append(LeftOut(image.path, fault))
            return None
        drawn, _ = drawn_annotations(self.store, image, self.categories)
        pixels = pixels_by_value(image.size, self.plan, drawn)
        if set(pixels) <= {IGNORE}:
            self.left_out.append(LeftOut(image.path, ALL_IGNORED))
            return None
        return SurveyedImage(image, file, digest_of(image.size, self.plan, drawn), pixels)

    def _fault(self, image: ImageRecord, file: Path) -> str:
        try:
            size = read_size(file)
        except BadInputError as error:
            return str(error)
        if size != image.size:
            return (
                f"Its file is {size[1]} x {size[0]} pixels now and was "
                f"{image.width} x {image.height} when it was labelled."
            )
        if self._watch.changed(image):
            return "Its file has other content than when it was labelled."
        return ""


def pixels_by_value(
    size: tuple[int, int], plan: LabelPlan, drawn: Sequence[Annotation]
) -> dict[int, int]:
    """How many pixels of each value the label map has, reckoned on the runs."""
    counts: Counter[int] = Counter()
    for row, part in zip(drawn, visible_parts([row.mask for row in drawn]), strict=True):
        counts[value_of(plan, row)] += part.area
    counts[plan.empty] += size[0] * size[1] - counts.total()
    return {value: count for value, count in sorted(counts.items()) if count}


# -- judging -------------------------------------------------------------------------------------


def _judged(
    choices: SetChoices,
    plan: LabelPlan,
    found: Sequence[SurveyedImage],
    left_out: Sequence[LeftOut],
) -> SetSurvey:
    parts = share_out([image.record for image in found], choices)
    train = tuple(image for image in found if image.record.id in parts.train)
    val = tuple(image for image in found if image.record.id in parts.val)
    result = SetSurvey(
        choices,
        plan.categories,
        train,
        val,
        tuple(left_out),
        tuple(_faults(plan, found, left_out, choices)),
        fingerprint=fingerprint(plan, train, val),
        plan=plan,
    )
    warnings = (*parts.warnings, *_warnings(result))
    return replace(result, warnings=() if result.faults else warnings)


def fingerprint(
    plan: LabelPlan, train: Sequence[SurveyedImage], val: Sequence[SurveyedImage]
) -> str:
    """32 hex digits that tell sets apart by all that a training sees of them."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(repr([(row.name, row.background) for row in plan.categories]).encode())
    for name, part in (("train", train), ("val", val)):
        for image in part:
            row = image.record
            digest.update(repr((name, row.path, row.sha256, row.size, image.digest)).encode())
    return digest.hexdigest()


def _faults(
    plan: LabelPlan,
    found: Sequence[SurveyedImage],
    left_out: Sequence[LeftOut],
    choices: SetChoices,
) -> Iterator[str]:
    broken = [row for row in left_out if not row.held]
    if not found and not broken:
        yield {
            ImageChoice.LABELLED: "No image is labelled yet; label a few first (ten are a start).",
            ImageChoice.REVIEWED: "No image is reviewed yet; review some, or train on the "
            "labelled ones.",
            ImageChoice.ANNOTATED: "No image has annotations yet; label a few first (ten are a "
            "start).",
        }[choices.images] + (
            f" {len(left_out)} images are of other splits than “{choices.train}” and "
            f"“{choices.val}”." * bool(left_out)
        )
    elif not found and all(row.reason == ALL_IGNORED for row in broken):
        yield (
            "No pixel of the labelled images is of a category that counts; map a category to "
            "something else than “ignored”, or take unlabelled pixels as background."
        )
    elif not found:
        yield f"None of the labelled images can be used; {broken[0].path}: {broken[0].reason}"
    elif len({content_of(image.record) for image in found}) == 1:
        yield (
            f"Only one image can be used ({found[0].record.path}), and training needs at least "
            "two: one to learn from and one to check with; label another one."
        )
    else:
        present = {value for image in found for value in image.pixels} - {IGNORE}
        if len(present) == 1:
            only = plan.categories[present.pop()].name
            yield (
                f"Every pixel that counts is “{only}”, so there is nothing to tell apart; label "
                "another category, or take unlabelled pixels as background."
            )


def _warnings(made: SetSurvey) -> Iterator[str]:
    for share in made.shares():
        name = share.category.name
        if not share.train_pixels:
            yield (
                f"“{name}” has no pixel in the training images, so the model cannot learn it; "
                "label some, or map it to another category."
            )
        elif not share.val_pixels:
            yield f"“{name}” has no pixel in the validation images, so its IoU stays unknown."
    unused = [row.path for row in made.left_out if row.reason == ALL_IGNORED]
    if unused:
        yield f"No pixel counts on {_named(unused)}; left out."
    broken: dict[str, LeftOut] = {
        row.path: row for row in made.left_out if not row.held and row.reason != ALL_IGNORED
    }
    if broken:
        first = next(iter(broken.values()))
        yield f"{_named(list(broken))} cannot be used and left out. {first.path}: {first.reason}"


def _named(paths: Sequence[str]) -> str:
    """ "a.png", "a.png and b.png", "a.png, b.png, c.png and 4 more images"."""
    shown, more = list(paths[:_MOST_NAMED]), len(paths) - _MOST_NAMED
    if more > 0:
        shown.append(f"{more} more image{'s' * (more > 1)}")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
