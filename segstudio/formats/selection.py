"""Which images and annotations of a project an export writes, and why the others are left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord, ImageState
from segstudio.core.project_view import ProjectView
from segstudio.formats.contract import ExportOptions, Skipped
from segstudio.formats.holding import LossKind

REJECTED = "It was rejected."
UNLABELLED = "Nobody has labelled it yet."


@dataclass(frozen=True)
class Selection:
    """Images to write, in the project's order, and those left out (other splits not counted)."""

    images: tuple[ImageRecord, ...]
    skipped: tuple[Skipped, ...]


@runtime_checkable
class ChoosesObjects(Protocol):
    """A `Holding` whose format writes other images than `select_images` gives, or only some of
    their annotations."""

    def selection(self) -> Selection: ...

    def chooses(self, annotation_id: int) -> bool: ...


def select_images(view: ProjectView, options: ExportOptions) -> Selection:
    """Choose by split, state and whether there is anything to say about the image.

    An image that was marked labelled or reviewed and has no annotation counts: it says "nothing
    here". One that is still to do would say so falsely.

    Raises BadInputError if no image has the wanted split.
    """
    chosen, skipped = [], []
    splits = set()
    for image in view.images():
        splits.add(image.split)
        if options.split and image.split != options.split:
            continue
        if image.state is ImageState.REJECTED and not options.rejected:
            skipped.append(Skipped(image.path, REJECTED))
        elif (
            image.state is ImageState.TODO
            and not options.unlabelled
            and not view.annotations(image.id)
        ):
            skipped.append(Skipped(image.path, UNLABELLED))
        else:
            chosen.append(image)
    if options.split and options.split not in splits:
        known = ", ".join(sorted(name for name in splits if name)) or "none"
        raise BadInputError(
            f"No image is in the split {options.split!r}; the splits of this project are: {known}."
        )
    return Selection(tuple(chosen), tuple(skipped))


def drawn_annotations(
    view: ProjectView, image: ImageRecord, categories: Sequence[Category]
) -> tuple[list[Annotation], list[Skipped]]:
    """The image's annotations from the back to the front, and those that no file can hold.

    `categories` are the ones that the export began with: work on the project may go on meanwhile.
    """
    known = {category.id for category in categories}
    drawn, skipped = [], []
    for annotation in view.annotations(image.id):
        if not annotation.mask.area:
            kind, fault = LossKind.EMPTY, "has an empty mask"
        elif annotation.mask.size != image.size:
            kind, fault = LossKind.SIZE, "has a mask of another size than its image"
        elif annotation.category_id not in known:
            kind = LossKind.CATEGORY
            fault = "has a category that was not in the project when the export began"
        else:
            drawn.append(annotation)
            continue
        reason = f"Its annotation {annotation.id} {fault}."
        skipped.append(Skipped(image.path, reason, annotation.id, kind))
    drawn.sort(key=lambda annotation: (annotation.z_order, annotation.id))
    return drawn, skipped
