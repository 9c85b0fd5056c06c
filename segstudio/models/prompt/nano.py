"""segstudio_nano, the prompt model in the box: loading, encoding, answering.

Networks are computed in another order than they are written (`nano_encoder`, `nano_decoder`); their
answers differ from `nets.nano`'s by rounding only. It keeps SAM's frame (see `frame`) at half its
resolution: what SAM sees as 1024 x 1024 it sees as 512 x 512, and its logits are on the same cells.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from segstudio.core.errors import BadInputError
from segstudio.core.image import RgbImage
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.core.prompt import Candidates, Embedding, Prompt
from segstudio.imaging.geodesic import compiles
from segstudio.imaging.shrink import bilinear_shrunk
from segstudio.models.card import ModelCard
from segstudio.models.device import choose_device
from segstudio.models.nets.nano import MASKS, PIXEL_MEAN, PIXEL_STD, STRIDE, Features, Nano, Prompts
from segstudio.models.prompt.by_points import EverythingByPoints
from segstudio.models.prompt.checkpoint import load_network
from segstudio.models.prompt.frame import ModelFrame
from segstudio.models.prompt.memory import memory_errors
from segstudio.models.prompt.nano_decoder import ImageRows, NanoRows
from segstudio.models.prompt.nano_encoder import turned
from segstudio.models.prompt.prior_logits import CELLS
from segstudio.models.prompt.sam_decoder import OUTSIDE, PointDecoder
from segstudio.models.prompt.sam_masks import answer, mask_logits
from segstudio.models.threads import settle_threads
from segstudio.models.weights import file_sha256, missing_weights

# Raised by one whenever `encode` changes what it feeds the encoder; old embeddings then miss.
PREPROCESSING = "p3"

_SHARE = 2  # pixels of SAM's frame along one side of one of ours
_MULTIPLE = 32  # of pixels that the encoder takes
_AT_ONCE = {"cpu": 4}  # prompts; more fall out of a CPU's cache
_AT_ONCE_ELSE = 32
_KEPT = 3  # embeddings whose shared part is kept
# SAM's logits rise so much more steeply at a mask's edge: with it a mask whose true IoU is above
# 0.85 has a stability of 0.98 (median). Measured on held-out photographs.
_STEEPER = 6.0

# What a network is built with where its file does not say, and what a file may say.
_WIDTH, _WIDTHS = 96, range(16, 513, 8)


def load(card: ModelCard, weights: Path | None, device: str) -> NanoModel:
    """Loader of the card "segstudio_nano"; see `ModelCard.load`."""
    if weights is None:
        raise missing_weights(card)
    device = choose_device(device)
    if device == "cpu":
        settle_threads()
    compiles()  # not at the first click
    width, drawn = built_as(weights)
    network = load_network(lambda: Nano(width, drawn), card, weights, device)
    return NanoModel(card, device, network, file_sha256(weights))


def built_as(weights: Path) -> tuple[int, bool]:
    """The `width` and `drawn` of the network in a file, as its metadata say; else the usual ones.

    Never fails: what is wrong with a file is said where its tensors are read.
    """
    try:
        with safe_open(weights, "pt") as file:
            facts = file.metadata() or {}
        width, drawn = int(facts.get("width", _WIDTH)), facts.get("drawn", "1") != "0"
    except (SafetensorError, OSError, ValueError):
        return _WIDTH, True
    return (width if width in _WIDTHS else _WIDTH), drawn


@dataclass(frozen=True)
class _Seen:
    """The part of the square that an image covers, and the window of it that is computed."""

    size: tuple[int, int]  # (h, w) of the image at half the frame's resolution
    window: tuple[int, int]  # the same, rounded up to what the encoder takes

    @staticmethod
    def of(frame: ModelFrame) -> _Seen:
        height, width = (max(1, -(-length // _SHARE)) for length in frame.size)
        rows, columns = (-(-length // _MULTIPLE) * _MULTIPLE for length in (height, width))
        return _Seen((height, width), (rows, columns))


@dataclass(frozen=True, eq=False)
class _Recent:
    """An embedding that was lately asked, and what all prompts on its image share."""

    array: npt.NDArray[Any]
    rows: ImageRows


class NanoModel(EverythingByPoints):
    """The loaded network. Calls remember nothing that changes an answer.

    What the decoder computes once for each image is kept for the last few embeddings that were
    asked, at most `_KEPT` times 11 MB.

    Embeddings hold "tokens" (h / 8, w / 8, D), "quarter" (h / 4, w / 4, 32), "half" (h / 2, w / 2,
    16), the image's "colours" (h / 4, w / 4, 3) and "borders" (h / 4, w / 4, 1), float32, for the
    window of h x w pixels that holds the image.
    """

    def __init__(self, card: ModelCard, device: str, network: Nano, weights_sha256: str) -> None:
        self.card = card
        self.device = device
        self._encoder = turned(network.encoder)
        self._decoder = NanoRows(network.to(memory_format=torch.channels_last))
        self._model_key = f"{card.key}-{weights_sha256[:12]}-{PREPROCESSING}"
        self._recent: tuple[_Recent, ...] = ()

    @property
    def model_key(self) -> str:
        return self._model_key

    def prepare(self, report: ProgressSink, cancel: CancelToken) -> None:
        """Nothing needs to be made ready: the encoder is fast as it is."""

    def encode(self, image: RgbImage, cancel: CancelToken) -> Embedding:
        cancel.check()
        seen = _Seen.of(ModelFrame(image.size))
        pixels = bilinear_shrunk(image.pixels, seen.size, cancel)
        with memory_errors(self.device), torch.inference_mode():
            features = self._encoder(self._turned(pixels, seen.window))
            arrays = {name: _turned_back(value) for name, value in features._asdict().items()}
        cancel.check()
        return Embedding(self.model_key, image.key, image.size, arrays)

    def predict(self, embedding: Embedding, prompt: Prompt) -> Candidates:
        """The masks for one prompt, in the decoder's order.

        As with SAM, a single click, which is ambiguous, gets three masks, and more than that one. A
        prior alone comes back as it is, with the decoder's scores: nobody has said what is wrong.
        """
        self._check(embedding)
        if not prompt:
            return Candidates((), self.model_key)
        frame = ModelFrame(embedding.image_size)
        ambiguous = len(prompt.points) == 1 and prompt.box is None and prompt.prior is None
        kinds = slice(1, MASKS) if ambiguous else slice(0, 1)
        with memory_errors(self.device), torch.inference_mode():
            asked = self._prompts(prompt, frame, embedding.image_size)
            logits, scores, _ = self._decoder.decode(self._rows(embedding), asked, kinds)
            fields, ious = _framed(logits, frame)[0].cpu().numpy(), scores[0].tolist()
        items = [answer(*pair, frame) for pair in zip(fields, ious, strict=True)]
        if prompt == Prompt(prior=prompt.prior):
            assert prompt.prior is not None
            drawn = mask_logits(frame.prior_logits(prompt.prior), frame)
            items = [replace(item, mask=prompt.prior, logits=drawn) for item in items]
        return Candidates(tuple(items), self.model_key)

    def point_decoder(self, embedding: Embedding) -> PointDecoder:
        """Answers points of `embedding`'s image or crop; to be called in inference mode."""
        rows = self._rows(embedding)
        frame = ModelFrame(embedding.image_size)
        at_once = _AT_ONCE.get(self.device, _AT_ONCE_ELSE)

        def decode(
            points: npt.NDArray[np.float64], threshold: float
        ) -> tuple[Tensor, Tensor, Tensor]:
            def good(ious: Tensor) -> Tensor:
                above = (ious > threshold).any(1) | (threshold <= 0)
                return torch.nonzero(above).flatten()

            logits, scores, kept = [], [], []
            for start in range(0, len(points), at_once):
                some = self._clicks(points[start : start + at_once])
                fields, ious, picked = self._decoder.decode(rows, some, slice(1, MASKS), good)
                logits.append(_framed(fields, frame))
                scores.append(ious)
                kept.append(picked + start)
            return torch.cat(logits), torch.cat(scores), torch.cat(kept)

        return decode

    # -- the network ----------------------------------------------------------------------------

    def _check(self, embedding: Embedding) -> None:
        if embedding.model_key != self.model_key:
            raise ValueError(f"an embedding of {embedding.model_key} was given to {self.model_key}")

    def _rows(self, embedding: Embedding) -> ImageRows:
        """What prompts on this image share; a few of the latest are kept (see the class)."""
        self._check(embedding)
        array = embedding.arrays["tokens"]
        for recent in self._recent:
            if recent.array is array:
                self._recent = (recent, *(other for other in self._recent if other is not recent))
                return recent.rows
        with memory_errors(self.device), torch.inference_mode():
            rows = self._decoder.prepare(self._features(embedding))
        self._recent = (_Recent(array, rows), *self._recent[: _KEPT - 1])
        return rows

    def _features(self, embedding: Embedding) -> Features:
        arrays = (embedding.arrays[name] for name in Features._fields)
        # Torch wants to own what it may write to; a cached file may be mapped read-only.
        owned = (array if array.flags.writeable else array.copy() for array in arrays)
        tensors = (torch.from_numpy(array).to(self.device) for array in owned)
        return Features(*(tensor.permute(2, 0, 1)[None] for tensor in tensors))

    def _turned(self, pixels: npt.NDArray[np.uint8], window: tuple[int, int]) -> Tensor:
        """(1, 3, H, W) float32 of the window, channels last; zeros beside the turned image."""
        height, width = pixels.shape[:2]
        x = torch.from_numpy(np.array(pixels[::-1, ::-1], order="C")).to(self.device)
        mean, std = (torch.tensor(values, device=self.device) for values in (PIXEL_MEAN, PIXEL_STD))
        made = torch.zeros(*window, 3, device=self.device)
        made[-height:, -width:] = (x - mean) / std
        return made.permute(2, 0, 1)[None]

    def _prompts(self, prompt: Prompt, frame: ModelFrame, image_size: tuple[int, int]) -> Prompts:
        xy = np.asarray(prompt.points, dtype=np.float64).reshape(-1, 2)
        corners = np.asarray(prompt.box or (), dtype=np.float64)
        if not (np.isfinite(xy).all() and np.isfinite(corners).all()):
            raise BadInputError("A prompt's coordinates must be finite numbers.")
        points = self._tensor(frame.to_model(xy) / _SHARE)[None]
        labels = self._tensor(np.asarray(prompt.labels, dtype=np.float64))[None]
        if not prompt.points:
            points, labels = points.new_zeros(1, 1, 2), points.new_full((1, 1), -1.0)
        boxes = points.new_full((1, 4), torch.nan)
        if prompt.box is not None:
            boxes = self._tensor(frame.box_to_model(prompt.box) / _SHARE)[None]
        prior = None
        if prompt.prior is not None:
            if prompt.prior.size != image_size:
                raise ValueError("the prior mask is of an image of another size")
            rows, columns = (length // _SHARE for length in _Seen.of(frame).window)
            prior = self._tensor(frame.prior_logits(prompt.prior)[:rows, :columns])[None, None]
        return Prompts(points, labels, boxes, prior)

    def _clicks(self, points: npt.NDArray[np.float64]) -> Prompts:
        """Each point of the frame a prompt of its own."""
        at = self._tensor(points / _SHARE)[:, None]
        labels = at.new_ones(len(points), 1)
        return Prompts(at, labels, at.new_full((len(points), 4), torch.nan))

    def _tensor(self, values: npt.NDArray[Any]) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(self.device)


def _framed(logits: Tensor, frame: ModelFrame) -> Tensor:
    """(N, K, 256, 256) float32 of the frame from the window's logits; OUTSIDE beside the image."""
    whole = logits.new_full((*logits.shape[:2], CELLS, CELLS), OUTSIDE, dtype=torch.float32)
    rows, columns = (-(-length // STRIDE) * STRIDE // _SHARE for length in _Seen.of(frame).size)
    rows, columns = min(rows, logits.shape[2], CELLS), min(columns, logits.shape[3], CELLS)
    whole[:, :, :rows, :columns] = _STEEPER * logits[:, :, :rows, :columns]
    return whole


def _turned_back(x: Tensor) -> npt.NDArray[np.float32]:
    """(1, C, H, W) by 180 degrees, as (H, W, C)."""
    array = x[0].permute(1, 2, 0).flip(0, 1).float().cpu().numpy()
    return np.ascontiguousarray(array)
