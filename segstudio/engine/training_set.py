"""Writes a training set of a project: label maps, and what the training process reads.

In the run's folder, `labels/DIGEST.png` are the maps, (H, W) uint8 of the images' upright size, and
`set.json` is the `TrainingSet`. Images stay where they are.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.prediction import LabelMap
from segstudio.core.progress import CancelToken, Progress, ProgressSink, ignore_progress
from segstudio.core.whole_files import disk_error, put
from segstudio.engine.training_choices import LabelPlan
from segstudio.engine.training_survey import (
    SetSurvey,
    SurveyedImage,
    digest_of,
    fingerprint,
    pixels_by_value,
    value_of,
)
from segstudio.formats.selection import drawn_annotations
from segstudio.models.training.folder import SET
from segstudio.models.training.settings import TrainingImage, TrainingSet
from segstudio.store.reading import ProjectReading

LABELS = "labels"


def label_map(size: tuple[int, int], plan: LabelPlan, drawn: Sequence[Annotation]) -> LabelMap:
    """(H, W) uint8: the annotations painted in the given order, from the back to the front."""
    labels = np.full(size, plan.empty, dtype=np.uint8)
    for row in drawn:
        crop, (x0, y0) = row.mask.box_crop()
        labels[y0 : y0 + crop.shape[0], x0 : x0 + crop.shape[1]][crop] = value_of(plan, row)
    return labels


def write(  # noqa: PLR0917 - the order of all runs: of what, where, how
    store: ProjectReading,
    made: SetSurvey,
    folder: Path,
    report: ProgressSink = ignore_progress,
    cancel: CancelToken | None = None,
    reuse: Sequence[Path] = (),
) -> SetSurvey:
    """Write the set that was surveyed; `set.json` comes last, when all maps are there.

    A map that is in `folder` already, or in one of the `reuse` folders of earlier runs, is used
    again. Returns the survey with what was written, where labels changed since. Raises
    BadInputError where the survey has faults, StorageError where the disk is full or refuses,
    Cancelled; a folder that was not there is gone again then.
    """
    made.require_sound()
    assert made.plan is not None, "a survey without faults has a plan"
    token = cancel or CancelToken()
    fresh = not folder.exists()
    labels = [folder / LABELS, *(other / LABELS for other in reuse)]
    writer = _Writer(store, store.categories(), made.plan, labels)
    parts: dict[str, list[SurveyedImage]] = {"train": [], "val": []}
    total = len(made.train) + len(made.val)
    try:
        labels[0].mkdir(parents=True, exist_ok=True)
        for name, images in (("train", made.train), ("val", made.val)):
            for image in images:
                token.check()
                done = sum(map(len, parts.values()))
                report(Progress(done, total, f"Writing the labels of {image.record.path}"))
                parts[name].append(writer.write(image))
        train, val = (tuple(part) for part in parts.values())
        count = len(made.categories)
        rows = (tuple(_row(image, count) for image in part) for part in (train, val))
        put(folder / SET, msgspec.json.encode(TrainingSet(made.categories, *rows)))
    except BaseException as error:
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise disk_error(error, folder, "Writing the training set") from error
        raise
    report(Progress(total, total, "The training set is written"))
    return replace(made, train=train, val=val, fingerprint=fingerprint(made.plan, train, val))


def _row(image: SurveyedImage, categories: int) -> TrainingImage:
    record = image.record
    place = f"{LABELS}/{image.digest}.png"
    pixels = tuple(image.pixels.get(value, 0) for value in range(categories))
    return TrainingImage(record.path, str(image.file), place, record.id, pixels)


@dataclass
class _Writer:
    """Writes the label map of one image after the other."""

    store: ProjectReading
    categories: Sequence[Category]
    plan: LabelPlan
    labels: Sequence[Path]  # the folder of maps, then those that may have some already

    def write(self, image: SurveyedImage) -> SurveyedImage:
        """Put the image's map there; returns what it is by now."""
        drawn, _ = drawn_annotations(self.store, image.record, self.categories)
        known = [row for row in drawn if row.category_id in self.plan.values]
        digest = digest_of(image.record.size, self.plan, known)
        if digest != image.digest:  # it changed since
            counted = pixels_by_value(image.record.size, self.plan, known)
            image = replace(image, digest=digest, pixels=counted)
        target = self.labels[0] / f"{digest}.png"
        if target.exists() or self._taken(target):
            return image
        data = BytesIO()
        pixels = label_map(image.record.size, self.plan, known)
        Image.fromarray(pixels).save(data, format="PNG", compress_level=3)
        put(target, data.getvalue())
        return image

    def _taken(self, target: Path) -> bool:
        """Whether an earlier run's file could be given this name too: maps never change."""
        for folder in self.labels[1:]:
            with contextlib.suppress(OSError):  # another disk, or none with links: it is written
                os.link(folder / target.name, target)
                return True
        return False
