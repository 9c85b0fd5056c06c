"""How much of the disk a training needs, and whether it is there."""

from __future__ import annotations

import shutil
from pathlib import Path

from segstudio.core.errors import BadInputError, StorageError
from segstudio.engine.training_survey import SetSurvey
from segstudio.models.semantic.registry import encoder, network_spec
from segstudio.models.training.settings import Optimiser, TrainingSettings

_FLOAT = 4  # bytes
_DECODER = 2.0  # a whole network has at most about this many times its encoder's parameters
_ALONE = 85_000_000  # parameters of the largest architecture without an encoder of its own choice
_PICTURES = 64 << 20  # events, worst images
_MAP_SHARE = 16  # a label map's PNG is at most about a sixteenth of its pixels


def needed_bytes(settings: TrainingSettings, made: SetSurvey) -> int:
    """About how much a training writes: label maps, checkpoints and the best model.

    A checkpoint has the parameters and the optimiser's moments of them; three are kept while a new
    one is written.
    """
    spec = network_spec(
        settings.architecture, settings.encoder, len(made.categories), settings.options
    )
    parameters = _ALONE if not spec.encoder else int(_DECODER * encoder(spec.encoder).parameters)
    moments = 2 if settings.optimiser is Optimiser.ADAMW else 1
    models = 4 * (1 + moments) + 2  # checkpoints: last, previous, best, a new one; two models
    pixels = sum(image.record.width * image.record.height for image in (*made.train, *made.val))
    return parameters * _FLOAT * models + pixels // _MAP_SHARE + _PICTURES


def require_space(folder: Path, needed: int) -> None:
    """Raise StorageError where the disk of `folder`, which need not exist, has less room."""
    place = folder
    while not place.exists():
        place = place.parent
    try:
        free = shutil.disk_usage(place).free
    except OSError:
        return  # no telling; the training itself will say if it is full
    if free < needed:
        raise StorageError(
            f"The training needs about {needed / 2**20:,.0f} MB in {folder} and its disk has "
            f"{free / 2**20:,.0f} MB free; make room, or move SegStudio's data by SEGSTUDIO_HOME."
        )


def require_known(settings: TrainingSettings, categories: int) -> None:
    """Raise BadInputError for settings that no network or training can be made of."""
    network_spec(settings.architecture, settings.encoder, categories, settings.options)
    positive = {
        "side": settings.side,
        "batch": settings.batch,
        "epochs": settings.epochs,
        "learning rate": settings.learning_rate,
        "devices": settings.devices,
        "nodes": settings.nodes,
        "epochs between validations": settings.validate_every,
    }
    for name, value in positive.items():
        if not value > 0:
            raise BadInputError(f"The {name} must be above 0, not {value:g}.")
    for name, value in {"minutes": settings.minutes, "patience": settings.patience}.items():
        if not value >= 0:
            raise BadInputError(f"The {name} cannot be below 0, as {value:g} is.")
    low, high = settings.augmentation.scale
    if not 0 < low <= high:
        raise BadInputError(f"The scales go from low to high, above 0; {low:g} to {high:g} do not.")
