"""Segment Anything as a prompt model: Kirillov et al. 2023, "Segment Anything" (ICCV).

The prompt encoder and mask decoder are those of the `segment-anything` package; masks, scores and
embeddings equal its `SamPredictor`'s up to float32 rounding (measured: embeddings and logits
bit-equal on the CPU at the same batch size).
"""

from __future__ import annotations

from collections.abc import Callable
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
from segstudio.models.card import ModelCard
from segstudio.models.device import choose_device
from segstudio.models.prompt.checkpoint import load_network
from segstudio.models.prompt.contract import EncodeCrop, EverythingSettings
from segstudio.models.prompt.everything import segment_everything
from segstudio.models.prompt.frame import ModelFrame
from segstudio.models.prompt.memory import memory_errors
from segstudio.models.prompt.sam_decoder import PointDecoder, SamDecoder
from segstudio.models.prompt.sam_encoder import SamEncoder
from segstudio.models.prompt.sam_masks import candidate, cut
from segstudio.models.threads import settle_threads
from segstudio.models.weights import file_sha256, missing_weights

# Raised by one whenever `encode` changes what it feeds the encoder; old embeddings then miss.
PREPROCESSING = "p1"

IMAGE_EMBEDDING = "image_embedding"


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


class SamModel:
    """One loaded network of the SAM family. Calls remember nothing.

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

    @property
    def model_key(self) -> str:
        return self._model_key

    def prepare(self, report: ProgressSink, cancel: CancelToken) -> None:
        self.encoder.prepare(report, cancel)

    def encode(self, image: RgbImage, cancel: CancelToken) -> Embedding:
        cancel.check()
        resized = ModelFrame(image.size).resize(image.pixels)
        with memory_errors(self.device):
            array = self.encoder(resized, cancel)
        cancel.check()
        return Embedding(self.model_key, image.key, image.size, {IMAGE_EMBEDDING: array})

    def predict(self, embedding: Embedding, prompt: Prompt) -> Candidates:
        """The masks for one prompt, in the decoder's order.

        A single point is ambiguous (part, object, group), so it gets SAM's three masks. More
        than that gets the one mask of SAM's fourth output: in training only that one saw several
        prompts, and the three others' predicted IoU means nothing there.
        """
        features = self._features(embedding)
        if not prompt:
            return Candidates((), self.model_key)
        frame = ModelFrame(embedding.image_size)
        ambiguous = len(prompt.points) == 1 and prompt.box is None and prompt.prior is None
        with memory_errors(self.device), torch.inference_mode():
            sparse, dense = self._encode_prompt(prompt, frame)
            keys = self._decoder.prepare(features)
            logits, ious = self._decoder.decode(keys, sparse, dense, multimask=ambiguous)
            items = []
            for index, predicted_iou in enumerate(ious[0].tolist()):
                mask, stability = cut(logits[0, index].cpu(), frame)
                items.append(candidate(mask, predicted_iou, float(stability)))
        return Candidates(tuple(items), self.model_key)

    def everything(
        self,
        embedding: Embedding,
        settings: EverythingSettings,
        report: ProgressSink,
        cancel: CancelToken,
        encode_crop: EncodeCrop | None = None,  # noqa: ARG002
    ) -> Candidates:
        decode = self.point_decoder(embedding)
        with memory_errors(self.device), torch.inference_mode():
            found = segment_everything(
                lambda points: decode(points, 0.0)[:2],
                ModelFrame(embedding.image_size),
                settings,
                report,
                cancel,
            )
        return Candidates(found, self.model_key)

    def point_decoder(self, embedding: Embedding) -> PointDecoder:
        """Answers points of `embedding`'s image or crop; to be called in inference mode."""
        keys = self._decoder.prepare(self._features(embedding))
        return lambda points, threshold: self._decoder.decode_points(keys, points, threshold)

    # -- the network ----------------------------------------------------------------------------

    def _features(self, embedding: Embedding) -> Tensor:
        """(1, 256, 64, 64) on the device."""
        if embedding.model_key != self.model_key:
            raise ValueError(f"an embedding of {embedding.model_key} was given to {self.model_key}")
        array = embedding.arrays[IMAGE_EMBEDDING]
        # Torch wants to own what it may write to; a cached file may be mapped read-only.
        owned = array if array.flags.writeable else array.copy()
        with memory_errors(self.device):
            return torch.from_numpy(owned).to(self.device)

    def _encode_prompt(self, prompt: Prompt, frame: ModelFrame) -> tuple[Tensor, Tensor]:
        xy = np.asarray(prompt.points, dtype=np.float64).reshape(-1, 2)
        corners = np.asarray(prompt.box or (), dtype=np.float64)
        if not (np.isfinite(xy).all() and np.isfinite(corners).all()):
            raise BadInputError("A prompt's coordinates must be finite numbers.")
        points = boxes = masks = None
        if prompt.points:
            labels = torch.tensor([prompt.labels], dtype=torch.int, device=self.device)
            points = (self._tensor(frame.to_model(xy)[None]), labels)
        if prompt.box is not None:
            boxes = self._tensor(frame.box_to_model(prompt.box)[None])
        if prompt.prior is not None:
            if prompt.prior.size != frame.image_size:
                raise ValueError("the prior mask is of an image of another size")
            masks = self._tensor(frame.prior_logits(prompt.prior)[None, None])
        return self._prompt_embeddings(points, boxes, masks)

    def _prompt_embeddings(
        self, points: tuple[Tensor, Tensor] | None, boxes: Tensor | None, masks: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Sparse (B, N, 256) and dense (B, 256, 64, 64) prompt embeddings."""
        sparse, dense = self._network.prompt_encoder(points=points, boxes=boxes, masks=masks)
        return sparse, dense

    def _tensor(self, values: npt.NDArray[Any]) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(self.device)
