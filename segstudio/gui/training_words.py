"""What is said of a training, in words: how far it is, how it ended, what it was told."""

from __future__ import annotations

import math

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication

from segstudio.gui.training_story import TrainingStory
from segstudio.models.training.settings import TrainingSettings


def _text(text: str) -> str:
    return str(QT_TRANSLATE_NOOP("Training", text))


def _tr(text: str) -> str:
    return QCoreApplication.translate("Training", text)


# How a run stands, as its process says while it lives here, else as its folder says.
STATES = {
    "preparing": _text("preparing"),
    "starting": _text("starting"),
    "running": _text("training"),
    "pausing": _text("pausing"),
    "paused": _text("paused"),
    "stopping": _text("stopping"),
    "done": _text("done"),
    "stopped": _text("stopped"),
    "interrupted": _text("interrupted"),
    "failed": _text("failed"),
    "gone": _text("its files are gone"),
    "elsewhere": _text("training in another window"),
}

ENDED = frozenset({"done", "stopped", "interrupted", "failed", "gone"})
ENDS = {
    "early": _text("the mIoU rose no more"),
    "time": _text("its time was up"),
}


def state_name(state: str) -> str:
    """What users read for a state."""
    return _tr(STATES[state]) if state in STATES else state


def duration(seconds: float) -> str:
    """A time as people say it, rounded to what can be known."""
    minutes = round(seconds / 60)
    if seconds < 10:
        return _tr("a few seconds")
    if seconds < 55:
        return _tr("{} seconds").format(10 * round(seconds / 10))
    if minutes < 2:
        return _tr("a minute")
    if minutes < 60:
        return _tr("{} minutes").format(minutes)
    hours, rest = divmod(minutes, 60)
    if hours < 24:
        return _tr("{} h {} min").format(hours, rest)
    return _tr("{} d {} h").format(*divmod(round(seconds / 3600), 24))


def headline(story: TrainingStory, state: str) -> str:
    """How far a training is: one line."""
    if story.started is None:
        preparing = _tr("Reading the images and building the network…")
        return (story.waiting or preparing) if state in ("starting", "running") else ""
    epochs = story.started.epochs
    over = state in ENDED
    done = story.epoch_of(story.step)
    at = min(math.ceil(done) if over else int(done) + 1, epochs)
    told = [_tr("epoch {} of {}").format(at, epochs)]
    if state == "running" and story.left > 0:
        told.append(_tr("{} left").format(duration(story.left)))
    if story.ended is not None and story.ended.reason in ENDS:
        told.append(_tr(ENDS[story.ended.reason]))
    if story.seconds > 0:
        trained = _tr("{} trained") if over else _tr("{} so far")
        told.append(trained.format(duration(story.seconds)))
    told.append(device_name(story.started.device))
    return " · ".join(told)


def device_name(device: str) -> str:
    """What users call a device."""
    kind, _, rest = device.partition(":")
    names = {"cpu": "CPU", "cuda": "GPU (CUDA)", "mps": "GPU (Apple)"}
    return f"{names.get(kind, device)} {rest}".strip() if kind in names else device


def score_line(story: TrainingStory) -> str:
    """The best scores so far; empty before the first validation."""
    best = story.best
    if best is None:
        return ""
    return _tr("best mIoU {:.1f} % (epoch {}), pixel accuracy {:.1f} %").format(
        100 * best.miou, best.epoch, 100 * best.pixel_accuracy
    )


def settings_rows(settings: TrainingSettings) -> list[tuple[str, str]]:
    """What a training was told, as name and value; what everybody has is left out."""
    augmentation = settings.augmentation
    low, high = augmentation.scale
    rows = [
        (_tr("Epochs"), f"{settings.epochs:,}"),
        (_tr("Square"), _tr("{} px").format(settings.side)),
        (_tr("Batch"), f"{settings.batch}"),
        (_tr("Loss"), str(settings.loss)),
        (_tr("Class weights"), str(settings.class_weights)),
        (_tr("Optimiser"), str(settings.optimiser)),
        (_tr("Learning rate"), f"{settings.learning_rate:g}, {settings.schedule}"),
        (_tr("Encoder's share of it"), f"{settings.encoder_rate:g}"),
        (_tr("Weight decay"), f"{settings.weight_decay:g}"),
        (_tr("Precision"), str(settings.precision)),
        (_tr("Augmentation"), _tr("scale {:g} to {:g}, mirror {:g}, turn {:g}°, colour {:g}")
         .format(low, high, augmentation.flip, augmentation.rotate, augmentation.colour)),
        (_tr("Pretrained encoder"), _tr("yes") if settings.pretrained else _tr("no")),
        (_tr("Seed"), f"{settings.seed}"),
    ]  # fmt: skip
    if settings.start:
        rows.append((_tr("Started from"), settings.start))
    if settings.minutes:
        rows.append((_tr("At most"), duration(60 * settings.minutes)))
    if settings.patience:
        rows.append((_tr("Patience"), _tr("{} epochs").format(settings.patience)))
    return rows
