"""The story that users live: label a few, train, predict the next, correct them, train again.

    python tests/benchmarks/label_train_correct.py CAMVID --work DIR [--rounds 2] [--minutes 10]
        [--first 10] [--next 20] [--warm] [any flag of `segstudio train`]

CAMVID has `train/NAME.jpg` with `trainannot/NAME.png` (class ids, 11 is void) and `test` likewise.
A project in DIR holds its training images; of `--first` of them, spread at random by `--seed`, the
truth is taken as a person's labels. Then, for each round: train on what is labelled (a part of it
validates), score on the whole test split at full size, predict the `--next` images, count how many
of their pixels are right already, and correct them, which is to say that their truth is taken too.
Everything goes the way that a user's does: the same training process, predictions that become
annotations in one undoable run, edits in the project's ledger. The test split is used for nothing
else. What it prints is a table; `--json FILE` keeps the numbers.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segstudio.cli.training_options import add_settings, chosen_settings
from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.changes import Edit, Records
from segstudio.core.image import ImageState
from segstudio.core.prediction import IGNORE, LabelMap
from segstudio.core.progress import CancelToken, Progress, ignore_progress
from segstudio.engine.label_map_parts import LabelMapOptions
from segstudio.engine.prediction_cache import PredictionCache
from segstudio.engine.project_session import new_project
from segstudio.engine.semantic_loading import load_semantic_model
from segstudio.engine.semantic_run import Predicting, carry_out, predict_images
from segstudio.engine.training_choices import SetChoices
from segstudio.engine.training_run import TrainingRuns
from segstudio.engine.training_weights import missing_start
from segstudio.formats.index_maps import index_masks
from segstudio.imaging.read import read_image
from segstudio.metrics.confusion import ConfusionMatrix
from segstudio.models.semantic.card import SemanticCard
from segstudio.models.semantic.contract import PredictSettings, SemanticModel
from segstudio.models.training.events import Event, Validated
from segstudio.models.training.settings import TrainingSettings
from segstudio.store.project import ProjectStore
from segstudio.store.runs import RunStep

VOID = 11
CACHE_BYTES = 1 << 30
WHOLE = PredictSettings(tile=512)  # CamVid's images are 480 x 360: one pass, no window


@dataclass(frozen=True)
class Round:
    """What came of one round; `right` is the share of the next images' pixels that was right."""

    labelled: int
    minutes: float
    epochs: int
    val_miou: float
    test_miou: float
    test_accuracy: float
    iou: dict[str, float | None]
    right: float | None


class CamVid:
    """The data set's folder: names of a split, and its truth with void as IGNORE."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        rows = [line.split() for line in (folder / "classes.txt").read_text().splitlines()]
        table = [row for row in rows if row and row[0] != "#"]
        self.classes = {int(row[0]): row for row in table if int(row[0]) != VOID}

    def names(self, split: str) -> list[str]:
        return sorted(path.stem for path in (self.folder / split).glob("*.jpg"))

    def truth(self, split: str, name: str) -> LabelMap:
        labels = np.array(Image.open(self.folder / f"{split}annot" / f"{name}.png"), dtype=np.uint8)
        labels[labels == VOID] = IGNORE
        return labels

    def categories(self) -> tuple[Category, ...]:
        """One for each class; its id is the class's and one more."""
        return tuple(
            Category(number + 1, row[1], "#{:02x}{:02x}{:02x}".format(*map(int, row[2:5])),
                     isthing=row[1] in {"Car", "Pedestrian", "Bicyclist", "SignSymbol", "Pole"})
            for number, row in self.classes.items()
        )  # fmt: skip


class Story:
    """A project, and the person who labels it."""

    def __init__(self, data: CamVid, work: Path, arguments: argparse.Namespace) -> None:
        self.data, self.arguments = data, arguments
        photos = work / "photos"
        photos.mkdir(parents=True)
        for name in data.names("train"):
            shutil.copy(data.folder / "train" / f"{name}.jpg", photos)
        path = work / "story.segstudio"
        new_project(path, photos, ignore_progress, CancelToken())
        self.store = ProjectStore.open(path)
        categories = data.categories()
        self.store.commit(Edit("Add categories", 0, Records(), Records(categories=categories)))
        self.runs = TrainingRuns(self.store)
        order = [image.id for image in self.store.images()]
        random.Random(arguments.seed).shuffle(order)
        self.waiting = order

    def next_images(self, count: int) -> list[int]:
        taken, self.waiting = self.waiting[:count], self.waiting[count:]
        return taken

    def correct(self, image_ids: Sequence[int]) -> None:
        """Take the truth of these images for their labels, as one run."""

        def steps() -> Any:
            for number in image_ids:
                image = self.store.image(number)
                labels = self.data.truth("train", Path(image.path).stem)
                masks = {value: mask for value, mask in index_masks(labels).items()
                         if value != IGNORE}  # fmt: skip
                rows = tuple(
                    Annotation(self.store.new_annotation_id(), number, value + 1, mask, depth)
                    for depth, (value, mask) in enumerate(masks.items())
                )
                before = Records(tuple(self.store.annotations(number)), images=(image,))
                after = Records(rows, images=(replace(image, state=ImageState.REVIEWED),))
                yield RunStep(Edit("Correct", number, before, after))

        self.store.carry_out("correct", {}, steps(), CancelToken())

    def trained(self, settings: TrainingSettings, title: str) -> tuple[SemanticCard, Any]:
        """Train on what is labelled; the best model and the run."""
        process = self.runs.start(settings, SetChoices(), on_event=_tell, title=title)
        process.wait()
        if process.ended is None or process.ended.reason == "failed":
            raise SystemExit(process.ended.message if process.ended else process.details)
        run = next(run for run in self.runs.history() if run.name == process.folder.name)
        return self.runs.adopt(run, title), run

    def predicted_right(self, model: SemanticModel, image_ids: Sequence[int]) -> float:
        """Predict images into the project; the share of their pixels that is right."""
        predicting = Predicting(model, WHOLE, self.cache())
        with predict_images(self.store, image_ids, predicting, LabelMapOptions()) as found:
            carry_out(found, self.store)
        names = {category.id: category.name for category in self.store.categories()}
        index = {name: place for place, name in enumerate(names.values())}
        matrix = ConfusionMatrix(len(index))
        for number in image_ids:
            image = self.store.image(number)
            said = np.full(image.size, IGNORE, dtype=np.uint8)
            for row in self.store.annotations(number):
                said[row.mask.to_array()] = index[names[row.category_id]]
            matrix.add(self.data.truth("train", Path(image.path).stem), said)
        return matrix.right / matrix.total

    def tested(self, model: SemanticModel) -> ConfusionMatrix:
        """The test split at full size."""
        matrix = ConfusionMatrix(len(self.data.classes))
        places = {row[1]: number for number, row in self.data.classes.items()}
        value = np.full(256, IGNORE, dtype=np.uint8)
        for place, category in enumerate(model.card.categories):
            value[place] = places[category.name]
        names = self.data.names("test")[:: self.arguments.every]
        for done, name in enumerate(names):
            _progress(Progress(done, len(names), "Testing"))
            image = read_image(self.data.folder / "test" / f"{name}.jpg")
            said = model.predict(image, WHOLE, ignore_progress, CancelToken())
            matrix.add(self.data.truth("test", name), value[said.labels])
        return matrix

    def cache(self) -> PredictionCache:
        return PredictionCache(self.store.path.parent / "predictions", CACHE_BYTES)


def _tell(event: Event) -> None:
    if isinstance(event, Validated):
        print(f"  epoch {event.epoch}: mIoU {event.miou:.3f}{' *' * event.best}", file=sys.stderr)


def _progress(progress: Progress) -> None:
    if progress.done % 50 == 0:
        print(f"  {progress.text} {progress.done} of {progress.total}", file=sys.stderr)


def rounds(story: Story, settings: TrainingSettings) -> list[Round]:
    """Live the story; one row after each training."""
    arguments, done, labelled = story.arguments, [], 0
    coming = story.next_images(arguments.first)
    for number in range(1, arguments.rounds + 1):
        story.correct(coming)
        labelled += len(coming)
        start = time.perf_counter()
        card, run = story.trained(settings, f"Round {number}")
        minutes = (time.perf_counter() - start) / 60
        model = load_semantic_model(
            card, device=settings.device, download=False, report=ignore_progress,
            cancel=CancelToken(),
        )  # fmt: skip
        matrix = story.tested(model)
        coming = story.next_images(arguments.next)
        right = story.predicted_right(model, coming) if coming else None
        iou = {
            row[1]: None if np.isnan(value) else round(float(value), 4)
            for row, value in zip(story.data.classes.values(), matrix.iou(), strict=True)
        }
        done.append(
            Round(
                labelled, minutes, run.facts.epoch, run.facts.miou or 0.0,
                float(np.nanmean(matrix.iou())), matrix.right / matrix.total, iou, right,
            )
        )  # fmt: skip
        print(table(done[-1:], head=number == 1), flush=True)
        if arguments.warm:
            settings = replace(settings, start=card.key)
    return done


def table(done: Sequence[Round], head: bool = True) -> str:
    lines = []
    if head:
        lines = [
            "| labelled images | minutes | epochs | mIoU (val) | mIoU (test) | pixels right (test) "
            "| right before correcting the next |",
            "|---:|---:|---:|---:|---:|---:|---:|",
        ]
    for row in done:
        right = "" if row.right is None else f"{row.right:.1%}"
        lines.append(
            f"| {row.labelled} | {row.minutes:.1f} | {row.epochs} | {row.val_miou:.1%} | "
            f"{row.test_miou:.1%} | {row.test_accuracy:.1%} | {right} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", type=Path, metavar="CAMVID")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="a new folder")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--first", type=int, default=10)
    parser.add_argument("--next", type=int, default=20)
    parser.add_argument("--every", type=int, default=1, help="test on every so many images only")
    parser.add_argument("--warm", action="store_true", help="go on from the last round's model")
    parser.add_argument("--json", type=Path, metavar="FILE")
    add_settings(parser)
    parser.set_defaults(
        architecture="deeplabv3plus", encoder="efficientnet_lite0", side=320, batch=4,
        epochs=1000, minutes=10.0, validate_every=5,
    )  # fmt: skip
    arguments = parser.parse_args()
    os.environ["SEGSTUDIO_HOME"] = str((arguments.work / "home").resolve())
    settings = chosen_settings(arguments)
    for card in missing_start(settings):
        raise SystemExit(f"The ImageNet weights of {card.title} are not here; see --no-pretrained.")
    story = Story(CamVid(arguments.data), arguments.work.resolve(), arguments)
    with story.store:
        done = rounds(story, settings)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([row.__dict__ for row in done], indent=1))


if __name__ == "__main__":
    main()
