"""Reading tensors from a file of weights: no code from the file is run."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from segstudio.core.errors import DeviceError, WeightsError
from segstudio.models.card import Weighed, remedy


def read_tensors(
    path: Path, card: Weighed, device: str, passed_over: Collection[str] = ()
) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name, on `device`; a `.safetensors` file or one of torch's.

    Entries named in `passed_over` are left out, whatever they are. Raises WeightsError if the file
    is missing, damaged or holds anything but tensors.
    """
    try:
        state = _loaded(path, device)
    except (torch.OutOfMemoryError, MemoryError, DeviceError):
        raise
    except OSError as error:
        raise WeightsError(
            f"The weights of {card.title} at {path} cannot be read: {error.strerror or error}."
        ) from error
    except Exception as error:  # a damaged or hostile file may fail in any way
        raise WeightsError(f"{path} is damaged or is not a checkpoint; {_remedy(card)}.") from error
    if isinstance(state, dict):
        state = {name: value for name, value in state.items() if name not in passed_over}
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise WeightsError(
            f"{path} does not hold a table of tensors, so it is not a checkpoint of {card.title}; "
            f"{_remedy(card)}."
        )
    return state


def _remedy(card: Weighed) -> str:
    return remedy(card) if card.weights is None else f"delete it and {remedy(card)}"


def _loaded(path: Path, device: str) -> object:
    if path.suffix == ".safetensors":
        return load_file(path, device)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's advice to programmers on odd files
        return torch.load(path, map_location=device, weights_only=True)


def first_line(error: Exception) -> str:
    """What torch found first, shortened: its full list can name a thousand tensors."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[1] if len(lines) > 1 else (lines[0] if lines else "no reason given")
    return text if len(text) <= 120 else text[:117] + "..."
