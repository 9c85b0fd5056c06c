"""segstudio_nano, the prompt model in the box: loading, encoding, answering.

It keeps SAM's frame (see `frame`) at half its resolution: what SAM sees as 1024 x 1024 it sees as
512 x 512, and its logits are on the same cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from segstudio.core.errors import BadInputError
from segstudio.core.image import RgbImage
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.core.prompt import Candidates, Embedding, Prompt
from segstudio.imaging.shrink import bilinear_shrunk
from segstudio.models.card import ModelCard
from segstudio.models.device import choose_device
from segstudio.models.nets.nano import MASKS, PIXEL_MEAN, PIXEL_STD, STRIDE, Features, Nano, Prompts
from segstudio.models.prompt.checkpoint import load_network
from segstudio.models.prompt.contract import EncodeCrop, EverythingSettings
from segstudio.models.prompt.everything import segment_everything
from segstudio.models.prompt.frame import ModelFrame
from segstudio.models.prompt.memory import memory_errors
from segstudio.models.prompt.prior_logits import CELLS
from segstudio.models.prompt.sam_decoder import OUTSIDE, PointDecoder
from segstudio.models.prompt.sam_masks import answer
from segstudio.models.threads import settle_threads
from segstudio.models.weights import file_sha256, missing_weights

# Raised by one whenever `encode` changes what it feeds the encoder; old embeddings then miss.
PREPROCESSING = "p1"

_SHARE = 2  # pixels of SAM's frame along one side of one of ours
_MULTIPLE = 32  # of pixels that the encoder takes
_AT_ONCE = {"cpu": 4}  # prompts; more fall out of a CPU's cache
_AT_ONCE_ELSE = 32


def load(card: ModelCard, weights: Path | None, device: str) -> NanoModel:
    """Loader of the card "segstudio_nano"; see `ModelCard.load`."""
    if weights is None:
        raise missing_weights(card)
    device = choose_device(device)
    if device == "cpu":
        settle_threads()
    network = load_network(Nano, card, weights, device)
    return NanoModel(card, device, network, file_sha256(weights))


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


class NanoModel:
    """The loaded network. Calls remember nothing.

    Embeddings hold "tokens" (D, h / 8, w / 8), "quarter" (32, h / 4, w / 4) and "half"
    (16, h / 2, w / 2), float32, for the window of h x w pixels that holds the image.
    """

    def __init__(self, card: ModelCard, device: str, network: Nano, weights_sha256: str) -> None:
        self.card = card
        self.device = device
        self._network = network.to(memory_format=torch.channels_last)
        self._model_key = f"{card.key}-{weights_sha256[:12]}-{PREPROCESSING}"

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
            features = self._network.encode(self._normalised(pixels, seen.window))
        cancel.check()
        arrays = {
            name: np.ascontiguousarray(value[0].float().cpu().numpy())
            for name, value in features._asdict().items()
        }
        return Embedding(self.model_key, image.key, image.size, arrays)

    def predict(self, embedding: Embedding, prompt: Prompt) -> Candidates:
        """The masks for one prompt, in the decoder's order.

        As with SAM, a single click, which is ambiguous, gets three masks, and more than that one.
        """
        features = self._features(embedding)
        if not prompt:
            return Candidates((), self.model_key)
        frame = ModelFrame(embedding.image_size)
        ambiguous = len(prompt.points) == 1 and prompt.box is None and prompt.prior is None
        kinds = slice(1, MASKS) if ambiguous else slice(0, 1)
        with memory_errors(self.device), torch.inference_mode():
            asked = self._prompts(prompt, frame, embedding.image_size)
            logits, scores = self._network.decode(features, asked)
            fields = _framed(logits[:, kinds], frame)[0].cpu().numpy()
            ious = scores[0, kinds].tolist()
        items = [answer(*pair, frame) for pair in zip(fields, ious, strict=True)]
        return Candidates(tuple(items), self.model_key)

    def everything(
        self,
        embedding: Embedding,
        settings: EverythingSettings,
        report: ProgressSink,
        cancel: CancelToken,
        encode_crop: EncodeCrop | None = None,
    ) -> Candidates:
        decode_crop = None
        if encode_crop is not None:
            decode_crop = lambda box: self.point_decoder(encode_crop(box))  # noqa: E731
        with memory_errors(self.device), torch.inference_mode():
            found = segment_everything(
                self.point_decoder(embedding),
                embedding.image_size,
                settings,
                report,
                cancel,
                decode_crop=decode_crop,
            )
        return Candidates(found, self.model_key)

    def point_decoder(self, embedding: Embedding) -> PointDecoder:
        """Answers points of `embedding`'s image or crop; to be called in inference mode."""
        features = self._features(embedding)
        frame = ModelFrame(embedding.image_size)
        at_once = _AT_ONCE.get(self.device, _AT_ONCE_ELSE)

        def decode(
            points: npt.NDArray[np.float64], threshold: float
        ) -> tuple[Tensor, Tensor, Tensor]:
            kept: list[Tensor] = []
            scores = torch.empty(len(points), MASKS - 1, device=self.device)
            good = torch.zeros(len(points), dtype=torch.bool, device=self.device)
            for start in range(0, len(points), at_once):
                part = slice(start, start + at_once)
                logits, ious = self._network.decode(features, self._clicks(points[part]))
                scores[part] = ious[:, 1:]
                good[part] = (ious[:, 1:] > threshold).any(1) | (threshold <= 0)
                kept.append(_framed(logits[good[part], 1:], frame))
            empty = torch.empty(0, MASKS - 1, CELLS, CELLS, device=self.device)
            return torch.cat([empty, *kept]), scores, good.nonzero()[:, 0]

        return decode

    # -- the network ----------------------------------------------------------------------------

    def _features(self, embedding: Embedding) -> Features:
        if embedding.model_key != self.model_key:
            raise ValueError(f"an embedding of {embedding.model_key} was given to {self.model_key}")
        arrays = (embedding.arrays[name] for name in Features._fields)
        # Torch wants to own what it may write to; a cached file may be mapped read-only.
        owned = (array if array.flags.writeable else array.copy() for array in arrays)
        return Features(*(torch.from_numpy(array)[None].to(self.device) for array in owned))

    def _normalised(self, pixels: npt.NDArray[np.uint8], window: tuple[int, int]) -> Tensor:
        """(1, 3, H, W) float32 of the window; zeros to the right of the image and below."""
        x = torch.from_numpy(pixels.copy()).to(self.device).permute(2, 0, 1)[None]
        mean, std = (
            torch.tensor(values, device=self.device).view(3, 1, 1)
            for values in (PIXEL_MEAN, PIXEL_STD)
        )
        x = (x - mean) / std
        size = (0, window[1] - x.shape[3], 0, window[0] - x.shape[2])
        padded = torch.nn.functional.pad(x, size)
        return padded.contiguous(memory_format=torch.channels_last)

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
    whole[:, :, :rows, :columns] = logits[:, :, :rows, :columns]
    return whole
