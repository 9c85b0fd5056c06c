"""What an export will hold, image by image, and what of the project will be lost in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from segstudio.core.image import ImageRecord
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.core.project_view import ProjectView
from segstudio.engine.export_differences import DIGEST, digest, unannounced
from segstudio.formats.contract import (
    MOST_LISTED,
    Difference,
    ExportFormat,
    ExportOptions,
    LossCount,
    Losses,
    Skipped,
)
from segstudio.formats.holding import HeldImage, LosesAlways, Loss, LossKind, NamesCategories
from segstudio.formats.selection import ChoosesObjects, drawn_annotations, select_images


@dataclass(frozen=True, slots=True)
class ExpectedImage:
    """What the files should say of one image.

    `digests` holds one of `DIGEST` bytes for each annotation, back to front: digests and not
    masks, so that memory hardly grows with the project. `worded`: attributes and scores are in
    them.
    """

    image: ImageRecord
    name: str
    digests: bytes
    ordered: bool
    listed: bool
    split: str | None
    worded: bool


@dataclass
class Announcement:
    """What the loss pass learns: losses as they will be reported, and what to expect.

    `categories` are the names that the files should list, None where they list only some or none.
    `unannounced` says where what the format holds is not what the project has and no loss says so.
    """

    always: tuple[str, ...]
    categories: tuple[str, ...] | None = None
    expected: list[ExpectedImage] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    unannounced: list[Difference] = field(default_factory=list)
    _counts: dict[str, dict[LossKind, tuple[int, int]]] = field(default_factory=dict)
    _listed: list[Loss] = field(default_factory=list)

    def add(self, image: ImageRecord, held: HeldImage, faults: Iterable[Skipped]) -> None:
        own = [*(_as_loss(fault) for fault in faults), *held.losses]
        rows: dict[LossKind, tuple[set[int], int]] = {}
        for loss in own:
            ids, pixels = rows.get(loss.kind, (set(), 0))
            rows[loss.kind] = ({*ids, loss.annotation_id}, pixels + loss.pixels)
        if rows:
            self._counts[image.path] = {kind: (len(ids), px) for kind, (ids, px) in rows.items()}
        self._listed.extend(own[: MOST_LISTED - len(self._listed)])
        digests = b"".join(digest(row) for row in held.annotations)
        worded = any(row.attributes is not None for row in held.annotations)
        flags = held.ordered, held.listed, held.split, worded
        self.expected.append(ExpectedImage(image, held.name, digests, *flags))

    def losses(self, without: frozenset[str] = frozenset()) -> Losses:
        """The report; `without` are paths of images that were not written in the end."""
        kinds: dict[LossKind, list[int]] = {}
        for path, rows in self._counts.items():
            if path in without:
                continue
            for kind, (count, pixels) in rows.items():
                row = kinds.setdefault(kind, [0, 0, 0])
                row[:] = row[0] + count, row[1] + 1, row[2] + pixels
        written = [item for item in self.expected if item.image.path not in without]
        return Losses(
            len(written),
            sum(len(item.digests) // DIGEST for item in written),
            self.always,
            tuple(LossCount(kind, *kinds[kind]) for kind in LossKind if kind in kinds),
            tuple(loss for loss in self._listed if loss.path not in without),
            tuple(self.skipped),
        )


def announce(
    member: ExportFormat,
    view: ProjectView,
    options: ExportOptions,
    report: ProgressSink,
    cancel: CancelToken,
) -> Announcement:
    """Reckon for each image of an export what the format will hold of it; nothing is written.

    Raises BadInputError if the format cannot hold the project, Cancelled.
    """
    holding = member.holding(view, options)
    choice = holding if isinstance(holding, ChoosesObjects) else None
    selection = choice.selection() if choice else select_images(view, options)
    categories = tuple(view.categories())
    names = {category.id: category.name for category in categories}
    always = holding.always_kinds if isinstance(holding, LosesAlways) else frozenset()
    listed = holding.category_names if isinstance(holding, NamesCategories) else None
    result = Announcement(holding.always_lost, listed, skipped=list(selection.skipped))
    for done, image in enumerate(selection.images):
        cancel.check()
        report(Progress(done, len(selection.images), f"Looking for losses in {image.path}"))
        drawn, faults = drawn_annotations(view, image, categories)
        if choice:
            faults = [fault for fault in faults if choice.chooses(fault.annotation_id)]
            drawn = [row for row in drawn if choice.chooses(row.id)]
        result.skipped.extend(faults)
        held = holding.image(image, drawn)
        result.add(image, held, faults)
        for text, annotation_id in unannounced(held, drawn, names, always):
            result.unannounced.append(Difference(image.path, text, annotation_id))
    return result


def _as_loss(fault: Skipped) -> Loss:
    """What `drawn_annotations` leaves out, as a loss."""
    return Loss(fault.kind or LossKind.EMPTY, fault.path, fault.annotation_id, fault.reason)
