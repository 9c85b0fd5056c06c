"""The network in the box with seeded random weights, in a file as training leaves it."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from seeded_weights import seeded_state

from segstudio.models.nets.nano import Nano
from segstudio.models.nets.trails import TRAILS, UNREACHED

_MASK_GAIN = 16.0  # makes the mask logits as large as a trained network's
_MEAN_IOU = 0.8
_TRAILS_GAIN = 0.3


def write_nano(
    path: Path, width: int = 64, *, drawn: bool = True, smooth: bool = False, seed: int = 0
) -> Path:
    """In half precision, with what the network is built with in the metadata.

    With `smooth` little changes within an eighth of the square's pixels, so that masks are not mere
    noise, which no two ways of scaling agree on.
    """
    with torch.device("meta"):
        network = Nano(width, drawn)
    state = seeded_state(network, seed)
    for name in state:
        if name.startswith("decoder.hyper.") and ".layers.2." in name:
            state[name] *= _MASK_GAIN
    if drawn:  # what no click has reached is drawn as a large number
        weight = state["pictures.fine.0.weight"][:, -TRAILS:].mul_(_TRAILS_GAIN)
        state["pictures.fine.0.bias"] -= UNREACHED * weight.sum((1, 2, 3))
    state["decoder.iou_head.layers.2.bias"] += _MEAN_IOU
    if smooth:
        for name in ("decoder.up_quarter.weight", "decoder.up_half.weight"):
            state[name] = state[name][:, :, :1, :1].repeat(1, 1, 2, 2)
        for name in ("encoder.to_quarter.weight", "encoder.to_half.weight"):
            state[name] *= 0.1
    half = {name: x.half() if x.is_floating_point() else x for name, x in state.items()}
    save_file(half, path, metadata={"width": str(width), "drawn": str(int(drawn)), "step": "1"})
    return path
