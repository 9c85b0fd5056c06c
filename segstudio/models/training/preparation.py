"""All that a training needs before its first step, from its folder."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import msgspec
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from segstudio.core.errors import BadInputError
from segstudio.models.device import choose_device
from segstudio.models.machine import usable_cores
from segstudio.models.semantic.card import Architecture, NetworkSpec
from segstudio.models.semantic.registry import architecture, build
from segstudio.models.training import checkpoint
from segstudio.models.training.beginning import begin
from segstudio.models.training.class_weights import median_frequency
from segstudio.models.training.data import Survey, survey
from segstudio.models.training.event_log import EventLog
from segstudio.models.training.folder import CHECKPOINT
from segstudio.models.training.learner import Learner, fabric_of
from segstudio.models.training.limits import require_sound
from segstudio.models.training.losses import Criterion
from segstudio.models.training.networks import spec_of
from segstudio.models.training.progress import Progress
from segstudio.models.training.settings import ClassWeights, TrainingSet, TrainingSettings
from segstudio.models.training.several import launch

_MOST_WORKERS = 8


@dataclass(frozen=True, eq=False)
class Prepared:
    """A training that can begin, or go on: `progress` says which.

    `per_epoch` and `steps` count optimiser steps; every `tell_every` of them is told, and after
    every `validate_each` it validates.
    """

    settings: TrainingSettings
    survey: Survey
    architecture: Architecture
    spec: NetworkSpec
    fabric: Fabric
    learner: Learner
    progress: Progress
    per_epoch: int
    steps: int
    validate_each: int
    tell_every: int
    workers: int
    notes: tuple[str, ...]


def prepare(folder: Path, settings: TrainingSettings, data: TrainingSet, log: EventLog) -> Prepared:
    """Look at the data, build the network, take up the checkpoint if there is one.

    Raises BadInputError for data or settings that cannot be trained, DeviceError, WeightsError for
    weights to start from, StorageError if all checkpoints are damaged.
    """
    require_sound(settings)
    spec = spec_of(settings, len(data.categories))
    surveyed = survey(folder, data)
    device = choose_device(settings.device)
    fabric = fabric_of(settings, device)
    launch(fabric, settings, log)
    saved = checkpoint.load(folder / CHECKPOINT)
    progress = _progress(saved)
    notes = surveyed.notes
    torch.manual_seed(settings.seed)
    net = cast("nn.Module", build(spec))
    if saved is None:
        started = begin(net, spec, settings, surveyed.data.categories)
        progress.trained_before = started.trained_before
        progress.normalisation = started.normalisation
        notes += started.notes
    weights = _weights(settings, surveyed, fabric)
    rate = settings.encoder_rate if progress.trained_before else 1.0
    criterion = Criterion(settings, weights)
    learner = Learner(settings, net, criterion, progress.normalisation, fabric, encoder_rate=rate)
    torch.manual_seed(settings.seed + fabric.global_rank)  # dropout differs between devices
    if saved is not None:
        _take_up(saved, progress, learner, settings)
    per_epoch = math.ceil(len(surveyed.data.train) / (settings.batch * fabric.world_size))
    return Prepared(
        settings,
        surveyed,
        architecture(spec.architecture),
        spec,
        fabric,
        learner,
        progress,
        per_epoch,
        per_epoch * settings.epochs,
        _validate_each(settings, per_epoch),
        max(1, min(10, per_epoch // 20)),
        _workers(settings, device),
        notes,
    )


def return_to(folder: Path, prepared: Prepared) -> bool:
    """Make a training what it was at its best, else what it began as; whether it was the former.

    Its learning rates stay as slow as they are. Raises StorageError.
    """
    place, progress, learner = folder / CHECKPOINT, prepared.progress, prepared.learner
    if prepared.fabric.is_global_zero and not checkpoint.return_to_best(place):
        checkpoint.forget(place)
    prepared.fabric.barrier()
    saved = checkpoint.load(place)
    if saved is not None:
        progress.become(_progress(saved))
        _take_up(saved, progress, learner, prepared.settings)
        return True
    torch.manual_seed(prepared.settings.seed)
    net = cast("nn.Module", build(prepared.spec))
    begin(net, prepared.spec, prepared.settings, prepared.survey.data.categories)
    learner.begin_anew(net.state_dict())
    torch.manual_seed(prepared.settings.seed + prepared.fabric.global_rank)
    first = Progress(threads=progress.threads, trained_before=progress.trained_before)
    first.normalisation = progress.normalisation
    progress.become(first)
    return False


def _validate_each(settings: TrainingSettings, per_epoch: int) -> int:
    """Steps from one validation to the next: whole epochs."""
    wanted = per_epoch * max(1, settings.validate_every)
    return wanted * math.ceil(settings.validate_steps / wanted)


def _weights(settings: TrainingSettings, surveyed: Survey, fabric: Fabric) -> Tensor | None:
    if settings.class_weights is ClassWeights.EQUAL:
        return None
    weights = median_frequency(surveyed.pixels, surveyed.of)
    return torch.from_numpy(weights).to(fabric.device)


def _progress(saved: checkpoint.Checkpoint | None) -> Progress:
    if saved is None:
        return Progress(threads=torch.get_num_threads())
    try:
        return msgspec.json.decode(saved.state, type=Progress)
    except ValueError as error:
        raise BadInputError(
            f"The checkpoint is not one of this version ({error}); start a new training."
        ) from error


def _take_up(
    saved: checkpoint.Checkpoint, progress: Progress, learner: Learner, settings: TrainingSettings
) -> None:
    """Make the learner what it was then, and the machine too, as far as sums depend on it."""
    try:
        learner.restore(saved.tensors, progress.scaling)
    except (RuntimeError, LookupError, ValueError) as error:
        raise BadInputError(
            "The checkpoint is of another network or other categories than the settings say; "
            "start a new training."
        ) from error
    if 0 < progress.threads <= usable_cores():
        torch.set_num_threads(progress.threads)
    if settings.patience and progress.stale >= settings.patience:
        progress.stale = 0  # it ended early, and someone wants it to go on


def _workers(settings: TrainingSettings, device: str) -> int:
    if settings.workers >= 0:
        return settings.workers
    return 0 if device == "cpu" else min(_MOST_WORKERS, usable_cores() - 1)
