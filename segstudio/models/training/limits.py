"""Between what the numbers of a training lie; asked before it starts, and when it does."""

from __future__ import annotations

import math
from collections.abc import Iterator

from segstudio.core.errors import BadInputError
from segstudio.models.training.settings import TrainingSettings

LEAST_SIDE, MOST_SIDE = 32, 8192  # pixels
_TINY = 1e-12
_SEED = 2**32 - 1

Row = tuple[str, float, float, float]  # the name, the number, its least and its most


def require_sound(settings: TrainingSettings) -> None:
    """Raise BadInputError, naming the bound, for a number that no training can go by."""
    for name, value, least, most in (*_counts(settings), *_rates(settings), *_treatment(settings)):
        if math.isnan(value):
            raise BadInputError(f"The {name} of a training is a number, not {value}.")
        if value < least:
            raise BadInputError(f"The {name} of a training is at least {least:g}, not {value:g}.")
        if value > most:
            raise BadInputError(f"The {name} of a training is at most {most:g}, not {value:g}.")


def _counts(settings: TrainingSettings) -> Iterator[Row]:
    yield "side", settings.side, LEAST_SIDE, MOST_SIDE
    yield "batch", settings.batch, 1, 65_536
    yield "number of epochs", settings.epochs, 1, 1_000_000
    yield "number of minutes", settings.minutes, 0, 10_000_000
    yield "patience", settings.patience, 0, 1_000_000
    yield "number of epochs between validations", settings.validate_every, 1, 1_000_000
    yield "number of steps between validations", settings.validate_steps, 1, 1_000_000
    yield "number of devices", settings.devices, 1, 1024
    yield "number of nodes", settings.nodes, 1, 65_536
    yield "number of workers", settings.workers, -1, 1024
    yield "seed", settings.seed, 0, _SEED


def _rates(settings: TrainingSettings) -> Iterator[Row]:
    yield "learning rate", settings.learning_rate, _TINY, 1e9
    yield "encoder rate", settings.encoder_rate, 0, 1e9
    yield "weight decay", settings.weight_decay, 0, 1e9
    yield "momentum", settings.momentum, 0, 1
    yield "number of warm-up steps", settings.warmup, 0, 1_000_000_000
    yield "gradient clipping", settings.clip, 0, 1e9
    yield "focal gamma", settings.focal_gamma, 0, 100


def _treatment(settings: TrainingSettings) -> Iterator[Row]:
    how = settings.augmentation
    low, high = how.scale
    yield "smallest scale", low, 0.01, 100
    yield "largest scale", high, low, 100
    yield "chance of mirroring", how.flip, 0, 1
    yield "largest turn", how.rotate, 0, 180
    yield "largest change of colours", how.colour, 0, 1
    yield "chance of blur", how.blur, 0, 1
