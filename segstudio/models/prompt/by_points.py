"""Everything in an image by a grid of points, for models that answer points in batches."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import torch

from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.core.prompt import Candidates, Embedding
from segstudio.models.card import ModelCard
from segstudio.models.prompt.contract import EncodeCrop, EverythingSettings
from segstudio.models.prompt.everything import segment_everything
from segstudio.models.prompt.memory import memory_errors
from segstudio.models.prompt.sam_decoder import PointDecoder


class _PointModel(Protocol):
    card: ModelCard

    @property
    def model_key(self) -> str: ...

    @property
    def device(self) -> str: ...

    def point_decoder(self, embedding: Embedding) -> PointDecoder: ...


class EverythingByPoints:
    """`everything` of the contract, for a model that has a `point_decoder`."""

    def everything(
        self: _PointModel,
        embedding: Embedding,
        settings: EverythingSettings,
        report: ProgressSink,
        cancel: CancelToken,
        encode_crop: EncodeCrop | None = None,
    ) -> Candidates:
        own = replace(settings, predicted_iou=settings.predicted_iou * self.card.score_scale)
        decode_crop = None
        if encode_crop is not None:
            decode_crop = lambda box: self.point_decoder(encode_crop(box))  # noqa: E731
        with memory_errors(self.device), torch.inference_mode():
            found = segment_everything(
                self.point_decoder(embedding),
                embedding.image_size,
                own,
                report,
                cancel,
                decode_crop=decode_crop,
            )
        return Candidates(found, self.model_key)
