"""Reading a checkpoint into a network: no code from the file is run, no weights are held twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from segstudio.core.errors import WeightsError
from segstudio.models.card import ModelCard, remedy
from segstudio.models.prompt.memory import memory_errors
from segstudio.models.tensor_files import first_line, read_tensors


def load_network(build: Callable[[], Any], card: ModelCard, weights: Path, device: str) -> Any:
    """Build a network and fill it from `weights`, on `device`, for inference only.

    The network is built without memory for its parameters, and takes the checkpoint's tensors as
    they are, so that they are held once. Raises WeightsError if the file is missing, damaged, of
    another model, or holds anything but tensors; DeviceError if the device is full.
    """
    with memory_errors(device):
        state = read_tensors(weights, card, device)
        with torch.device("meta"):
            network = build()
        try:
            network.load_state_dict(state, strict=True, assign=True)
        except (RuntimeError, TypeError, ValueError) as error:
            raise WeightsError(
                f"{weights} does not hold the weights of {card.title} ({first_line(error)}); "
                f"{remedy(card)}."
            ) from error
        # Buffers that are not in the checkpoint move here; a checkpoint in half precision widens.
        return network.to(device).float().requires_grad_(False).eval()
