"""A validation within a training: scores, the best model so far, pictures of the worst images."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError
from torch import Tensor

from segstudio.core.errors import BadInputError
from segstudio.models.semantic import library
from segstudio.models.semantic.card import SemanticCard
from segstudio.models.semantic.registry import licence_after
from segstudio.models.training import checkpoint
from segstudio.models.training.data import Batches, Squares, joined
from segstudio.models.training.events import Example, Validated
from segstudio.models.training.folder import BEST, WORST
from segstudio.models.training.label_maps import write_labels
from segstudio.models.training.preparation import Prepared
from segstudio.models.training.progress import Progress
from segstudio.models.training.validation import Looked, Scores, Validator

LEAST_WINDOW = 512  # px that a model is asked for at once, however small its training squares were
_SETTLED_STEPS = 200  # from one look to the next, after which batch norms' averages are right
_SETTLING_BATCHES = 5  # else computed anew from so many


class Validating:
    """Validates the network of a training and keeps `best/` and `worst/` of its folder."""

    def __init__(self, folder: Path, prepared: Prepared) -> None:
        self._folder, self._prepared = folder, prepared
        data = prepared.survey.data
        self._count = len(data.val)
        self._names = [one.name for one in data.categories]
        self._epochs = prepared.validate_each // prepared.per_epoch  # from one look to the next
        self._squares: list[Tensor] = []
        self._validator = Validator(folder, data.val, len(self._names), prepared.settings.side)

    def run(self, progress: Progress, epoch: int, stop: Callable[[], bool]) -> Validated | None:
        """What is told of a validation now, noted in `progress`; None if `stop` said so in between.

        Raises StorageError if the best model cannot be written.
        """
        start = time.monotonic()
        fabric, learner = self._prepared.fabric, self._prepared.learner
        self._settle_norms()
        scores = self._validator.begin()
        for index in range(fabric.global_rank, self._count, fabric.world_size):
            # Several processes look at as many images as there are, which need not be equally many.
            if fabric.world_size == 1 and stop():
                return None
            self._validator.look(index, scores, learner.logits, learner.loss_of, learner.device)
        scores = self._gathered(scores)
        miou = scores.confusion.mean_iou()
        best = math.isfinite(scores.mean_loss) and (progress.best is None or miou > progress.best)
        progress.validated = progress.step
        progress.stale = 0 if best else progress.stale + self._epochs
        if best:
            progress.best, progress.best_step, progress.best_epoch = miou, progress.step, epoch
        told = self._told(scores, progress, epoch, best)
        if fabric.is_global_zero:
            examples = self._pictured(scores.worst, progress)
            told = msgspec.structs.replace(told, worst=examples)
            if best:
                self._keep(scores, told)
        progress.validation_seconds = time.monotonic() - start
        return told

    def _settle_norms(self) -> None:
        """Where few steps lie between two looks, running averages are not to be trusted yet."""
        prepared = self._prepared
        if prepared.validate_each >= _SETTLED_STEPS or not prepared.learner.has_norms:
            return
        if not self._squares:
            self._squares = list(self._read_squares())
        prepared.learner.settle_norms(self._squares)

    def _read_squares(self) -> Iterator[Tensor]:
        """The training's first batches, so that all validations see the same."""
        prepared, settings = self._prepared, self._prepared.settings
        world, rank = prepared.fabric.world_size, prepared.fabric.global_rank
        per_epoch = prepared.per_epoch * settings.batch * world
        squares = Squares(self._folder, prepared.survey.data, settings, per_epoch)
        for numbers in Batches(0, _SETTLING_BATCHES, settings.batch, rank, world):
            batch = joined([squares[number] for number in numbers])
            if isinstance(batch, BadInputError):
                raise batch
            yield batch[0]

    def _told(self, scores: Scores, progress: Progress, epoch: int, best: bool) -> Validated:
        found = [None if math.isnan(one) else float(one) for one in scores.confusion.iou()]
        return Validated(
            progress.step,
            epoch,
            scores.mean_loss,
            scores.confusion.mean_iou(),
            scores.confusion.pixel_accuracy(),
            dict(zip(self._names, found, strict=True)),
            best,
        )

    def _gathered(self, scores: Scores) -> Scores:
        """What all processes found."""
        world = self._prepared.fabric.world_size
        if world == 1:
            return scores
        parts: list[Scores] = [scores] * world
        torch.distributed.all_gather_object(parts, scores)
        return self._validator.merged(parts)

    def _pictured(self, worst: list[Looked], progress: Progress) -> tuple[Example, ...]:
        """Write the worst images' label maps; those of this validation and of the best one stay."""
        root = self._folder / WORST
        name = f"{progress.step:07}"
        try:
            (root / name).mkdir(parents=True, exist_ok=True)
            told = []
            for looked in worst:
                path = Path(WORST) / name / f"{looked.index}.png"
                write_labels(self._folder / path, looked.labels)
                told.append(self._validator.example(looked, path.as_posix()))
            for old in root.iterdir():
                if old.name not in (name, f"{progress.best_step:07}"):
                    shutil.rmtree(old, ignore_errors=True)
        except OSError as error:
            raise checkpoint.unwritten(root, error) from error
        return tuple(told)

    def _keep(self, scores: Scores, told: Validated) -> None:
        place = self._folder / BEST
        try:
            place.mkdir(exist_ok=True)
            library.write(self._prepared.learner.net_state(), self._card(scores, told), place)
        except (OSError, SafetensorError) as error:
            raise checkpoint.unwritten(place, error) from error

    def _card(self, scores: Scores, told: Validated) -> SemanticCard:
        prepared = self._prepared
        data = prepared.survey.data
        row = prepared.architecture
        licence, noncommercial = licence_after(prepared.settings.start)
        return SemanticCard(
            key=f"trained_{int(time.time())}",
            title=row.title,
            description=f"{row.title}, trained here.",
            spec=prepared.spec,
            categories=data.categories,
            licence=licence,
            noncommercial=noncommercial,
            normalisation=prepared.progress.normalisation,
            side=max(prepared.settings.side, LEAST_WINDOW),
            temperature=scores.temperature(),
            settings=msgspec.to_builtins(prepared.settings),
            scores={"miou": told.miou, "pixel_accuracy": told.pixel_accuracy},
            created_at=time.time(),
        )
