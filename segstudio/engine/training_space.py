"""How much of the disk a training needs, and whether it is there."""

from __future__ import annotations

import shutil
from pathlib import Path

from segstudio.core.errors import StorageError
from segstudio.engine.training_survey import SetSurvey
from segstudio.models.semantic.card import NetworkSpec
from segstudio.models.semantic.registry import architecture, encoder, network_spec
from segstudio.models.training.limits import require_sound
from segstudio.models.training.settings import Optimiser, TrainingSettings

_FLOAT = 4  # bytes
_DECODER = 2.0  # a whole network has at most about this many times its encoder's parameters
_ALONE = {  # parameters of those that have an encoder of their own, in millions
    "unet_plain": 31.1,
    "unet_plain_small": 7.8,
    "segformer_b0": 3.8,
    "segformer_b1": 13.8,
    "segformer_b2": 27.6,
    "segformer_b3": 47.5,
    "segformer_b4": 64.2,
    "segformer_b5": 84.8,
}
_MOST_ALONE = 85.0
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
    parameters = _parameters(spec)
    moments = 2 if settings.optimiser is Optimiser.ADAMW else 1
    models = 4 * (1 + moments) + 2  # checkpoints: last, previous, best, a new one; two models
    pixels = sum(image.record.width * image.record.height for image in (*made.train, *made.val))
    return parameters * _FLOAT * models + pixels // _MAP_SHARE + _PICTURES


def _parameters(spec: NetworkSpec) -> int:
    """About how many a network of that spec has, rather more than fewer."""
    if spec.encoder:
        return int(_DECODER * encoder(spec.encoder).parameters)
    alone = 1e6 * _ALONE.get(spec.architecture, _MOST_ALONE)
    usual = architecture(spec.architecture).options.get("features")
    if usual:  # the width of all layers, so that it counts squared
        alone *= (float(spec.options["features"]) / float(usual)) ** 2
    return int(alone)


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
    require_sound(settings)
