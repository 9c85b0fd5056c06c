"""Segment Anything as a prompt model: Kirillov et al. 2023, "Segment Anything" (ICCV).

Weights and prompt encoder are those of the `segment-anything` package; its mask decoder is computed
in another order (`sam_decoder`), and its upsampling where masks have an outline (`level_sets`).
Logits differ from `SamPredictor`'s by rounding, less than 1e-5 of their spread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from segstudio.core.errors import BadInputError
from segstudio.core.image import RgbImage
from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.core.prompt import Candidates, Embedding, Prompt
from segstudio.models.card import ModelCard
from segstudio.models.device import choose_device
from segstudio.models.prompt.by_points import EverythingByPoints
from segstudio.models.prompt.checkpoint import load_network
from segstudio.models.prompt.frame import ModelFrame
from segstudio.models.prompt.memory import memory_errors
from segstudio.models.prompt.sam_decoder import PointDecoder, SamDecoder, tokens_seen
from segstudio.models.prompt.sam_encoder import SamEncoder
from segstudio.models.prompt.sam_keys import ImageKeys
from segstudio.models.prompt.sam_masks import answer, mask_logits
from segstudio.models.threads import settle_threads
from segstudio.models.weights import file_sha256, missing_weights

# Raised by one whenever `encode` changes what it feeds the encoder; old embeddings then miss.
PREPROCESSING = "p1"

IMAGE_EMBEDDING = "image_embedding"

# Embeddings, or embeddings with a prior, whose shared part is kept.
_KEPT = 3


def load_sam(
    build: Callable[[], Any], card: ModelCard, weights: Path | None, device: str
) -> SamModel:
    """Fill the network that `build` makes from `weights`; raises what `ModelCard.load` says."""
    if weights is None:
        raise missing_weights(card)
    device = choose_device(device)
    if device == "cpu":
        settle_threads()
    network = load_network(build, card, weights, device)
    model = SamModel(card, device, network, file_sha256(weights), weights)
    with memory_errors(device):
        model.encoder.settle_precision(network)
    return model


@dataclass(frozen=True, eq=False)
class _Recent:
    """An embedding that was lately asked, and what all prompts with the same prior share."""

    array: npt.NDArray[Any]
    prior: Mask | None
    keys: ImageKeys


class SamModel(EverythingByPoints):
    """One loaded network of the SAM family. Calls remember nothing that changes an answer.

    What the decoder computes once for each image is kept for the last few embeddings that were
    asked, at most `_KEPT` times 30 MB; the first prompt on another one takes longer.

    Embeddings hold one array, "image_embedding": (1, 256, 64, 64) float32. `weights` is the file
    that `network` was filled from, if it was.
    """

    def __init__(
        self,
        card: ModelCard,
        device: str,
        network: Any,
        weights_sha256: str,
        weights: Path | None = None,
    ) -> None:
        self.card = card
        self.device = device
        self._network = network
        self._model_key = f"{card.key}-{weights_sha256[:12]}-{PREPROCESSING}"
        self.encoder = SamEncoder(network.image_encoder, card, device, self._model_key, weights)
        self._decoder = SamDecoder(network)
        self._recent: tuple[_Recent, ...] = ()

    @property
    def model_key(self) -> str:
        return self._model_key

    def prepare(self, report: ProgressSink, cancel: CancelToken) -> None:
        self.encoder.prepare(report, cancel)

    def encode(self, image: RgbImage, cancel: CancelToken) -> Embedding:
        cancel.check()
        resized = ModelFrame(image.size).resize(image.pixels, cancel)
        with memory_errors(self.device):
            array = self.encoder(resized, cancel)
        cancel.check()
        return Embedding(self.model_key, image.key, image.size, {IMAGE_EMBEDDING: array})

    def predict(self, embedding: Embedding, prompt: Prompt) -> Candidates:
        """The masks for one prompt, in the decoder's order.

        A single point is ambiguous (part, object, group), so it gets SAM's three masks. More
        than that gets the one mask of SAM's fourth output: in training only that one saw several
        prompts, and the three others' predicted IoU means nothing there. A prior alone comes back
        as it is, with the decoder's scores: nobody has said what is wrong with it.
        """
        self._check(embedding)
        if not prompt:
            return Candidates((), self.model_key)
        frame = ModelFrame(embedding.image_size)
        ambiguous = len(prompt.points) == 1 and prompt.box is None and prompt.prior is None
        with memory_errors(self.device), torch.inference_mode():
            sparse = self._encode_prompt(prompt, frame)
            keys = self._keys(embedding, prompt.prior)
            logits, ious = self._decoder.decode(
                keys, sparse, multimask=ambiguous, seen=tokens_seen(frame)
            )
            fields, scores = logits[0].float().cpu().numpy(), ious[0].tolist()
        items = [answer(*pair, frame) for pair in zip(fields, scores, strict=True)]
        if prompt == Prompt(prior=prompt.prior):
            assert prompt.prior is not None
            drawn = mask_logits(frame.prior_logits(prompt.prior), frame)
            items = [replace(item, mask=prompt.prior, logits=drawn) for item in items]
        return Candidates(tuple(items), self.model_key)

    def point_decoder(self, embedding: Embedding) -> PointDecoder:
        """Answers points of `embedding`'s image or crop; to be called in inference mode."""
        keys = self._keys(embedding, None)
        seen = tokens_seen(ModelFrame(embedding.image_size))
        return lambda points, threshold: self._decoder.decode_points(keys, points, threshold, seen)

    # -- the network ----------------------------------------------------------------------------

    def _check(self, embedding: Embedding) -> None:
        if embedding.model_key != self.model_key:
            raise ValueError(f"an embedding of {embedding.model_key} was given to {self.model_key}")

    def _keys(self, embedding: Embedding, prior: Mask | None) -> ImageKeys:
        """What prompts with this prior share; a few of the latest are kept (see the class)."""
        self._check(embedding)
        array = embedding.arrays[IMAGE_EMBEDDING]
        for recent in self._recent:
            if recent.array is array and recent.prior == prior:
                self._recent = (recent, *(other for other in self._recent if other is not recent))
                return recent.keys
        with memory_errors(self.device), torch.inference_mode():
            # Torch wants to own what it may write to; a cached file may be mapped read-only.
            owned = array if array.flags.writeable else array.copy()
            features = torch.from_numpy(owned).to(self.device)
            keys = self._decoder.prepare(features, self._encode_prior(embedding, prior))
        self._recent = (_Recent(array, prior, keys), *self._recent[: _KEPT - 1])
        return keys

    def _encode_prior(self, embedding: Embedding, prior: Mask | None) -> Tensor | None:
        """The dense prompt embedding, (1, 256, 64, 64)."""
        if prior is None:
            return None
        if prior.size != embedding.image_size:
            raise ValueError("the prior mask is of an image of another size")
        logits = ModelFrame(embedding.image_size).prior_logits(prior)
        dense: Tensor
        _, dense = self._network.prompt_encoder(None, None, self._tensor(logits[None, None]))
        return dense

    def _encode_prompt(self, prompt: Prompt, frame: ModelFrame) -> Tensor:
        """The sparse prompt embeddings, (1, N, 256)."""
        xy = np.asarray(prompt.points, dtype=np.float64).reshape(-1, 2)
        corners = np.asarray(prompt.box or (), dtype=np.float64)
        if not (np.isfinite(xy).all() and np.isfinite(corners).all()):
            raise BadInputError("A prompt's coordinates must be finite numbers.")
        points = boxes = None
        if prompt.points:
            labels = torch.tensor([prompt.labels], dtype=torch.int, device=self.device)
            points = (self._tensor(frame.to_model(xy)[None]), labels)
        if prompt.box is not None:
            boxes = self._tensor(frame.box_to_model(prompt.box)[None])
        sparse: Tensor
        sparse, _ = self._network.prompt_encoder(points=points, boxes=boxes, masks=None)
        return sparse

    def _tensor(self, values: npt.NDArray[Any]) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(self.device)
