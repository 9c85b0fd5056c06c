"""The images that a prompt model is tuned on: a project's, or those of any folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from segstudio.core.annotation import Annotation
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord, ImageState
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.engine.folder_scan import list_images
from segstudio.engine.training_choices import SetChoices
from segstudio.engine.training_splits import content_of, share_out
from segstudio.formats.selection import drawn_annotations
from segstudio.imaging.read import file_sha256, read_size
from segstudio.store.reading import ProjectReading


@dataclass(frozen=True)
class SourceImage:
    """An image with its file, and the labels that count, from the back to the front."""

    record: ImageRecord
    file: Path
    labels: tuple[Annotation, ...] = ()


@dataclass(frozen=True)
class Source:
    """What images there are. `things` says by category whether it is one; `left_out` are sentences
    by path."""

    name: str
    images: tuple[SourceImage, ...]
    things: Mapping[int, bool] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Shared:
    """The images to learn from and those to measure on, and sentences on how they were shared."""

    train: tuple[SourceImage, ...]
    held_out: tuple[SourceImage, ...]
    warnings: tuple[str, ...] = ()


def project_source(
    store: ProjectReading, name: str, report: ProgressSink, cancel: CancelToken
) -> Source:
    """The images of a project that were not rejected. Crowds and empty masks are no labels."""
    categories = store.categories()
    rows = [row for row in store.images() if row.state is not ImageState.REJECTED]
    found: list[SourceImage] = []
    left_out: dict[str, str] = {}
    for done, record in enumerate(rows):
        cancel.check()
        report(Progress(done, len(rows), f"Looking at {record.path}"))
        file = store.image_path(record)
        fault = _fault(record, file)
        if fault:
            left_out[record.path] = fault
            continue
        drawn, _ = drawn_annotations(store, record, categories)
        labels = tuple(row for row in drawn if not row.iscrowd)
        found.append(SourceImage(record, file, labels))
    things = {category.id: category.isthing for category in categories}
    return Source(name, tuple(found), things, left_out)


def folder_source(folder: Path, report: ProgressSink, cancel: CancelToken) -> Source:
    """The images of a folder and those below, which have no labels."""
    names = list_images(folder, cancel)
    found: list[SourceImage] = []
    left_out: dict[str, str] = {}
    for number, name in enumerate(names, start=1):
        cancel.check()
        report(Progress(number, len(names), f"Looking at {name}"))
        try:
            height, width = read_size(folder / name)
            record = ImageRecord(number, name, width, height, file_sha256(folder / name))
        except (BadInputError, OSError) as error:
            left_out[name] = str(error)
            continue
        found.append(SourceImage(record, folder / name))
    return Source(folder.resolve().name, tuple(found), {}, left_out)


def _fault(record: ImageRecord, file: Path) -> str:
    try:
        size = read_size(file)
    except BadInputError as error:
        return str(error)
    if size != record.size:
        return (
            f"Its file is {size[1]} x {size[0]} pixels now and was "
            f"{record.width} x {record.height} when it was labelled."
        )
    return ""


def shared(source: Source, choices: SetChoices, *, teacher: bool) -> Shared:
    """Images shared out by their splits, else by the seed; copies of one file stay together.

    Measured is on labelled images where there are two or more, else, with a teacher, on what that
    says. Raises BadInputError, naming the remedy, where there is too little.
    """
    choices.require_sound()
    within = [one for one in source.images if one.record.split in ("", choices.train, choices.val)]
    labelled = [one for one in within if one.labels]
    by_labels = len({content_of(one.record) for one in labelled}) > 1
    pool = labelled if by_labels or not teacher else within
    _require_enough(source, pool, teacher=teacher)
    parts = share_out([one.record for one in pool], choices)
    held_out = tuple(one for one in pool if one.record.id in parts.val)
    measured = {content_of(one.record) for one in held_out}
    train = [one for one in pool if one.record.id in parts.train]
    if teacher and by_labels:
        train += [
            one
            for one in within
            if not one.labels
            and one.record.split != choices.val
            and content_of(one.record) not in measured
        ]
    return Shared(tuple(train), held_out, parts.warnings)


def _require_enough(source: Source, pool: Sequence[SourceImage], *, teacher: bool) -> None:
    different = len({content_of(one.record) for one in pool})
    if different > 1:
        return
    why = ""
    if source.left_out:
        path, reason = next(iter(source.left_out.items()))
        why = f" {len(source.left_out)} cannot be used; {path}: {reason}"
    if teacher:
        raise BadInputError(
            f"{source.name} has {'one image' if different else 'no image'} to learn from, and "
            f"tuning needs two or more: some to learn from, some to measure on.{why}"
        )
    if different == 1:
        raise BadInputError(
            f"Only one image has annotations ({pool[0].record.path}), and tuning needs two or "
            f"more: some to learn from, some to measure on; label another one.{why}"
        )
    raise BadInputError(
        f"{source.name} has no annotations to learn from; label a few images first, or let "
        f"another model label them (--teacher mobile_sam).{why}"
    )
