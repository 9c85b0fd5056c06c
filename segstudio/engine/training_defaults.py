"""How to train where nobody said otherwise: by this machine, and by how much there is to learn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from segstudio.core.image import ImageRecord
from segstudio.engine.training_weights import is_here
from segstudio.models.device import choose_device
from segstudio.models.semantic.registry import architecture, encoder
from segstudio.models.training.settings import TrainingSettings

# On a CPU, what a quarter of an hour can do something with: a small network, small squares.
_CPU = TrainingSettings(architecture="unet", side=256, batch=4, learning_rate=1e-3)
_GPU = TrainingSettings()
_SMALL = ("efficientnet_lite0", "resnet18", "mobilenet_v2")  # encoders for a CPU, the best first
_FETCHED = "resnet18"  # where no weights are here
_LEAST_SIDE = 64
_MULTIPLE = 32
_FEWEST_EPOCHS = 10


def fitting(images: Sequence[ImageRecord], device: str = "auto") -> TrainingSettings:
    """Settings to train on these images (those to learn from) on a device key.

    On a CPU, a U-Net on a small encoder whose weights are here already; squares no larger than the
    images; so many epochs that a few images are seen often and many are seen at all. May look for
    weights on the disk. Raises DeviceError for a device that is not there.
    """
    slow = choose_device(device).startswith("cpu")
    chosen = replace(_CPU, encoder=_encoder_here()) if slow else _GPU
    chosen = replace(chosen, side=_side(images, chosen.side))
    return replace(chosen, epochs=_epochs(len(images), chosen.batch, slow))


def adjusted(settings: TrainingSettings, before: int, now: int) -> TrainingSettings:
    """Settings of a training on `before` images, for `now`: as long, if nobody had a say in that.

    Epochs that are not those of `fitting` stay.
    """
    for slow in (True, False):
        if settings.epochs == _epochs(before, settings.batch, slow):
            return replace(settings, epochs=_epochs(now, settings.batch, slow))
    return settings


def encoder_for(architecture_key: str, wanted: str) -> str:
    """`wanted`, if the architecture takes it; "" leaves it to the architecture."""
    return wanted if wanted in architecture(architecture_key).encoders else ""


def _epochs(images: int, batch: int, slow: bool) -> int:
    """So many that a few images get several hundred steps, and many images not too few passes."""
    steps = 600 + 4 * images if slow else 2000 + 20 * images
    per_epoch = max(1, math.ceil(images / batch))
    return max(_FEWEST_EPOCHS, math.ceil(steps / per_epoch))


def _side(images: Sequence[ImageRecord], most: int) -> int:
    """The shorter side of the largest image, in steps that networks take."""
    shorter = max((min(image.width, image.height) for image in images), default=most)
    return min(most, max(_LEAST_SIDE, _MULTIPLE * math.ceil(shorter / _MULTIPLE)))


def _encoder_here() -> str:
    """The first small encoder whose weights are on this machine, else one that can be fetched."""
    return next((key for key in _SMALL if is_here(encoder(key))), _FETCHED)
