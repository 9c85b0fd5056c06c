"""Reading a checkpoint into a network: no code from the file is run, no weights are held twice."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from segstudio.core.errors import DeviceError, WeightsError
from segstudio.models.card import ModelCard
from segstudio.models.prompt.memory import memory_errors


def load_network(build: Callable[[], Any], card: ModelCard, weights: Path, device: str) -> Any:
    """Build a network and fill it from `weights`, on `device`, for inference only.

    The network is built without memory for its parameters, and takes the checkpoint's tensors as
    they are, so that they are held once. Raises WeightsError if the file is missing, damaged, of
    another model, or holds anything but tensors; DeviceError if the device is full.
    """
    with memory_errors(device):
        state = _read(weights, card, device)
        with torch.device("meta"):
            network = build()
        try:
            network.load_state_dict(state, strict=True, assign=True)
        except (RuntimeError, TypeError, ValueError) as error:
            raise WeightsError(
                f"{weights} does not hold the weights of {card.title} ({_first_line(error)}); "
                f"get them with `segstudio models pull {card.key}`."
            ) from error
        # Buffers that are not in the checkpoint move here; a checkpoint in half precision widens.
        return network.to(device).float().requires_grad_(False).eval()


def _read(path: Path, card: ModelCard, device: str) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's advice to programmers on odd files
            state = torch.load(path, map_location=device, weights_only=True)
    except (torch.OutOfMemoryError, MemoryError, DeviceError):
        raise
    except OSError as error:
        raise WeightsError(
            f"The weights of {card.title} at {path} cannot be read: {error.strerror or error}."
        ) from error
    except Exception as error:  # a damaged or hostile file may fail in any way
        raise WeightsError(
            f"{path} is damaged or is not a checkpoint; delete it and get the weights of "
            f"{card.title} with `segstudio models pull {card.key}`."
        ) from error
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise WeightsError(
            f"{path} does not hold a table of tensors, so it is not a checkpoint of {card.title}; "
            f"get one with `segstudio models pull {card.key}`."
        )
    return state


def _first_line(error: Exception) -> str:
    """What torch found first, shortened: its full list can name a thousand tensors."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[1] if len(lines) > 1 else (lines[0] if lines else "no reason given")
    return text if len(text) <= 120 else text[:117] + "..."
