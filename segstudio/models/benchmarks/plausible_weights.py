"""Weights from a seed with which a network of the SAM family answers as a trained one does.

Speed depends on what a network answers: how many masks pass the thresholds, how long their outlines
are. With plain random numbers nothing passes, and every mask is noise. Here the numbers are random
too, but arranged: the encoder blurs rather than scrambles, attention looks where its query is, and
the mask decoder's output follows how much a place resembles the clicked one. So every mask is
computed by the network itself, from the image and the prompt; none is put in its place.

What the arrangement rests on: a point's prompt embedding is a random Fourier feature of its place
(Tancik et al. 2020), so its scalar product with the positional encoding of another place is a
smooth bump around the point, and a linear map of it shifts the bump by a fraction of a cell.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import skimage.data
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional

from segstudio.models.nets.nano import Nano
from segstudio.models.prompt.frame import SIDE

CHANNELS = 256  # of the image embedding and of tokens
HEADS = 8
CELLS = 64  # along one side of the image embedding
# The four parts of a cell in the order of a 2 x 2 transposed convolution: (row, column), in halves.
PARTS = ((-1, -1), (-1, 1), (1, -1), (1, 1))

TRANSFORMER = "mask_decoder.transformer."
UPSCALING = "mask_decoder.output_upscaling."
IOU_HEAD = "mask_decoder.iou_prediction_head.layers.2."

State = dict[str, Tensor]


@dataclass(frozen=True)
class Shape:
    """How masks and scores turn out; found by trial, on a photograph with official thresholds."""

    noise: float = 0.02  # of what is otherwise 0 or 1: biases, norms
    residual: float = 0.35  # what a block adds, against what it passes on
    image: float = 0.6  # length of an image token's vector, against layer norm's
    attention: float = 5.0  # sharpness
    mixing: float = 0.03  # sharpness of the attention by which tokens tell what they saw
    foreground: float = 8.0  # length of the part that all foreground points have in common
    frequencies: tuple[int, int] = (6, 20)  # ranks, from the lowest, of what the heads look at
    claim: float = 3.5  # what any place owes to a foreground point ...
    background: float = 3.55  # ... and to the token that stands for "no point"
    mark: float = 0.35  # what a place gets from the token that wins it
    contrast: float = 20.0  # of the mask logits
    cuts: tuple[float, ...] = (0.2, -0.4, 0.6, 1.3)  # where each mask token cuts the marks
    spread: float = 0.5  # of those cuts between prompts
    iou_mean: float = 0.85
    iou_spread: float = 0.045
    looked_at: int = 6  # points a side, of a photograph, whose predicted IoUs are so


def write_plausible_checkpoint(
    build: Callable[[], Any], path: Path, seed: int = 0, shape: Shape | None = None
) -> Path:
    """Save a checkpoint for the network that `build` makes; the same for the same seed.

    Takes as long as encoding one image.
    """
    with torch.device("meta"):
        network = build()
    torch.save(plausible_state(network, seed, shape), path)
    return path


def write_random_nano(path: Path, seed: int = 0) -> Path:
    """Weights of the network in the box as before any training; the same for the same seed.

    Its masks are noise then, and take longer to cut out than a trained one's.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Nano()
    half = {
        name: x.half() if x.is_floating_point() else x for name, x in network.state_dict().items()
    }
    save_file(half, path)
    return path


def plausible_state(network: Any, seed: int = 0, shape: Shape | None = None) -> State:
    """A state dict of the network's names and shapes; the network may be on the meta device."""
    shape = shape or Shape()
    encoder = torch.Generator().manual_seed(seed)
    # The decoder, which all networks of the family share, gets the same numbers in each of them.
    decoder = torch.Generator().manual_seed(seed + 1)
    state = {
        name: _plain(name, like, encoder if name.startswith("image_encoder.") else decoder, shape)
        for name, like in network.state_dict().items()
    }
    _Arrangement(state, decoder, shape).make()
    with torch.inference_mode():
        _spread_scores(network.eval(), state, shape)
    return state


def _plain(name: str, like: Tensor, generator: torch.Generator, shape: Shape) -> Tensor:
    """Random numbers that keep variances, and blurs where a kernel spans neighbours."""
    noise = torch.randn(like.shape, generator=generator)
    if name.endswith("num_batches_tracked"):
        return torch.zeros(like.shape, dtype=torch.long)
    if name.endswith("running_var"):
        return 1.0 + 0.3 * noise.clamp(-2, 2)
    if like.ndim <= 1:
        return shape.noise * noise + (1.0 if name.endswith("weight") else 0.0)
    if "gaussian" in name:
        return noise
    if like.ndim == 4 and min(like.shape[2:]) > 1:
        return _blur(noise)
    scaled = noise / math.sqrt(like[0].numel())
    adds = name.endswith(("attn.proj.weight", "fc2.weight", "lin2.weight"))
    return shape.residual * scaled if adds else scaled


def _blur(noise: Tensor) -> Tensor:
    """(out, in, h, w): one random number per pair of channels, spread smoothly over the kernel."""
    height, width = noise.shape[2:]
    rows, columns = (torch.sin(math.pi * (torch.arange(n) + 0.5) / n) for n in (height, width))
    window = rows[:, None] * columns
    pairs = noise.mean(dim=(2, 3), keepdim=True) * math.sqrt(height * width)
    if noise.shape[1] == 1:  # depthwise: keeps the sign, so that the map stays what it was
        pairs = 1.0 + 0.2 * pairs
    kernel = pairs * window / window.sum() / math.sqrt(noise.shape[1])
    return kernel + 0.02 * noise / math.sqrt(noise[0].numel())


class _Arrangement:
    """Makes prompt encoder and mask decoder mark the places that resemble a foreground point.

    Some directions of the 256 dimensions get a meaning: `foreground` is in every foreground point,
    `nowhere` in the token for "no point", and each of the four `marks` says that one part of a cell
    belongs to the mask.
    """

    def __init__(self, state: State, generator: torch.Generator, shape: Shape) -> None:
        self.state = state
        self.shape = shape
        self._generator = generator
        self.foreground, self.nowhere, *marks = _without_mean(self._directions(6))
        self.marks = torch.stack(marks)

    def make(self) -> None:
        state, shape = self.state, self.shape
        state["prompt_encoder.point_embeddings.1.weight"][:] = self.foreground * shape.foreground
        state["prompt_encoder.not_a_point_embed.weight"][:] = self.nowhere * shape.foreground
        reserved = torch.stack((self.foreground, self.nowhere))
        for name in ("mask_decoder.iou_token.weight", "mask_decoder.mask_tokens.weight"):
            tokens = self._randn(*state[name].shape)
            state[name][:] = tokens - tokens @ reserved.T @ reserved
        # What has a meaning inside the decoder does not come from the image.
        reserved = torch.cat((reserved, self.marks))
        neck = state["image_encoder.neck.2.weight"]
        neck -= torch.einsum("mo,mp,pihw->oihw", reserved, reserved, neck)
        norms = ("layers.0.norm4.", "layers.1.norm4.")
        for norm in ("image_encoder.neck.3.", *(TRANSFORMER + name for name in norms)):
            state[norm + "weight"] *= shape.image
            state[norm + "bias"] *= shape.image
        for name in [name for name in state if name.endswith("q_proj.weight")]:
            self._attend(name.removesuffix("q_proj.weight"))
        self._upscale()
        self._read()

    def _attend(self, attention: str) -> None:
        """Queries find the keys that resemble them, and get what those have."""
        state, shape = self.state, self.shape
        width = state[attention + "q_proj.weight"].shape[0]
        sharpness = shape.attention * (shape.mixing if "layers.1.self_attn" in attention else 1.0)
        basis = self._directions(width)
        for name, scale in (("k_proj.weight", 1.0), ("q_proj.weight", sharpness)):
            noise = shape.noise / math.sqrt(CHANNELS) * self._randn(width, CHANNELS)
            state[attention + name][:] = scale * (basis + noise)
        values = self._directions(width)
        state[attention + "v_proj.weight"][:] = values
        state[attention + "out_proj.weight"][:] = values.T * (CHANNELS / width)
        if "image_to_token" in attention:
            self._mark(attention)

    def _mark(self, attention: str) -> None:
        """Each place asks which token it resembles, two heads for each part of its cell.

        A place that resembles a foreground point gets that part's mark, and one that resembles
        none the opposite. The parts' heads ask the same, each from its own place, by sine and
        cosine of a few low frequencies: no second place looks quite like the point's own.
        """
        state, shape = self.state, self.shape
        query, key, value = (state[f"{attention}{name}_proj.weight"] for name in "qkv")
        out, bias = state[attention + "out_proj.weight"], state[attention + "q_proj.bias"]
        gaussian = state["prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"]
        out -= self.marks.T @ (self.marks @ out)
        size = len(query) // HEADS
        lowest = gaussian.norm(dim=0).argsort()
        for group in range(HEADS // len(PARTS)):
            first = slice(group * len(PARTS) * size, (group * len(PARTS) + 1) * size)
            start = shape.frequencies[group]
            chosen = lowest[start : start + size // 2 - 1]
            waves = torch.eye(CHANNELS)[torch.cat((chosen, chosen + len(lowest)))]
            noise = 0.2 / math.sqrt(CHANNELS) * self._randn(*waves.shape)
            key[first.start + 2 : first.stop] = waves + noise
            query[first.start + 2 : first.stop] = shape.attention * waves + noise
            for rest, (direction, strength) in enumerate(
                ((self.foreground, shape.claim), (self.nowhere, shape.background))
            ):
                key[first.start + rest] = direction
                query[first.start + rest] = 0.0
                bias[first.start + rest] = strength * math.sqrt(size)
            asked = query[first].clone()
            for part, (row, column) in enumerate(PARTS):
                rows = slice(first.start + part * size, first.start + (part + 1) * size)
                # A quarter of a cell; the units of the positional encoding go from -1 to 1.
                shift = torch.tensor([column, row]) * (0.25 * 2.0 / CELLS)
                query[rows] = asked @ _shifting(gaussian, shift)
                key[rows] = key[first]
                for name in ("q_proj.bias", "k_proj.bias"):
                    state[attention + name][rows] = state[attention + name][first]
                value[rows.start] = self.foreground - self.nowhere
                out[:, rows.start] = shape.mark * self.marks[part]

    def _upscale(self) -> None:
        """Two transposed convolutions that interpolate the marks, and pass random features on.

        Every signed quantity lies in a channel and its opposite, as gelu(x) - gelu(-x) is x.
        """
        marks = self.marks
        first = self.state[UPSCALING + "0.weight"]  # (256, 64, 2, 2)
        second = self.state[UPSCALING + "3.weight"]  # (64, 32, 2, 2)
        for kernel in (first, second):
            random = self._randn(*kernel.shape[:2]) / math.sqrt(kernel.shape[0])
            kernel[:] = random[:, :, None, None]
        second[:, :17] = 0.0
        right = (marks[1] + marks[3] - marks[0] - marks[2]) / 2
        down = (marks[2] + marks[3] - marks[0] - marks[1]) / 2
        for part, (row, column) in enumerate(PARTS):
            y, x = (row + 1) // 2, (column + 1) // 2
            signed = torch.cat(
                [what.expand(4, -1) for what in (marks[part], marks[part], right, down)]
            ).T
            first[:, 0:32, y, x] = torch.cat((signed, -signed), dim=1)
            weights = torch.tensor([1 / 8, 1 / 8, column / 16, row / 16]).repeat_interleave(4)
            weights = torch.cat((weights, -weights, torch.zeros(len(second) - 32)))
            second[:, 0:8, y, x] = weights[:, None]
            second[:, 8:16, y, x] = -weights[:, None]
        self.state[UPSCALING + "3.bias"][16] = 2.0  # a constant, for the cuts to hold to

    def _read(self) -> None:
        """Each mask is the mark less a cut of its own, and random features beside."""
        shape = self.shape
        for index, cut in enumerate(shape.cuts):
            last = f"mask_decoder.output_hypernetworks_mlps.{index}.layers.2."
            weight, bias = self.state[last + "weight"], self.state[last + "bias"]
            weight *= 0.2 * shape.contrast
            weight[:16] *= 0.1
            weight[16] *= shape.spread
            bias[:8] += shape.contrast / 8
            bias[8:16] -= shape.contrast / 8
            bias[16] -= cut * shape.contrast / 2
        self.state[IOU_HEAD + "bias"][:] = shape.iou_mean

    def _randn(self, *size: int) -> Tensor:
        return torch.randn(size, generator=self._generator)

    def _directions(self, count: int) -> Tensor:
        """(count, 256) orthonormal rows."""
        rows: Tensor = torch.linalg.qr(self._randn(CHANNELS, count))[0].T.contiguous()
        return rows


def _without_mean(vectors: Tensor) -> Tensor:
    """Rows made orthonormal and of zero mean, so that layer norms leave them as they are."""
    centred = vectors - vectors.mean(dim=1, keepdim=True)
    rows: Tensor = torch.linalg.qr(centred.T)[0].T.contiguous()
    return rows


def _shifting(gaussian: Tensor, shift: Tensor) -> Tensor:
    """(256, 256): takes a place's positional encoding to that of the place moved by `shift`.

    For row vectors of weights: (w @ it) . encoding(place) is w . encoding(place + shift).
    """
    angle = 2 * math.pi * (shift @ gaussian)
    cos, sin = torch.diag(angle.cos()), torch.diag(angle.sin())
    return torch.cat((torch.cat((cos, sin), dim=1), torch.cat((-sin, cos), dim=1)))


# -- scores ---------------------------------------------------------------------------------------


def _spread_scores(network: Any, state: State, shape: Shape) -> None:
    """Bring the predicted IoUs of a photograph's points to the mean and spread of `shape`."""
    embedding = functional_call(network.image_encoder, _below(state, "image_encoder."), _photo())
    side = (torch.arange(shape.looked_at) + 0.5) * (SIDE / shape.looked_at)
    y, x = torch.meshgrid(side, side, indexing="ij")
    points = torch.stack((x, y), dim=-1).reshape(-1, 1, 2)
    prompts = _below(state, "prompt_encoder.")
    arguments: dict[str, Any] = {
        "points": (points, torch.ones(points.shape[:2])),
        "boxes": None,
        "masks": None,
    }
    sparse, dense = functional_call(network.prompt_encoder, prompts, (), arguments)
    encoding = functional_call(
        network.prompt_encoder.pe_layer, _below(prompts, "pe_layer."), ((CELLS, CELLS),)
    )
    arguments = {
        "image_embeddings": embedding,
        "image_pe": encoding[None],
        "sparse_prompt_embeddings": sparse,
        "dense_prompt_embeddings": dense,
        "multimask_output": True,
    }
    decoder = _below(state, "mask_decoder.")
    _, scores = functional_call(network.mask_decoder, decoder, (), arguments)
    gain = shape.iou_spread / scores.std(dim=0).clamp(min=1e-6)
    weight, bias = state[IOU_HEAD + "weight"], state[IOU_HEAD + "bias"]
    weight[1:] *= gain[:, None]
    bias[1:] = shape.iou_mean + (bias[1:] - scores.mean(dim=0)) * gain


def _below(state: State, prefix: str) -> State:
    return {
        name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
    }


def _photo() -> Tensor:
    """(1, 3, 1024, 1024): the photograph of the benchmarks about as the encoder gets it."""
    photo: Callable[[], Any] = skimage.data.coffee
    pixels = photo()
    rows = round(SIDE * pixels.shape[0] / pixels.shape[1])
    pixels = cv2.resize(pixels, (SIDE, rows), interpolation=cv2.INTER_CUBIC)
    x = (torch.from_numpy(pixels).permute(2, 0, 1)[None].float() - 115.0) / 58.0
    return functional.pad(x, (0, 0, 0, SIDE - rows))
