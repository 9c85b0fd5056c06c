"""SAM's mask decoder, with what all prompts on one image share computed once.

Answers are those of `segment_anything`'s own mask decoder up to rounding; how, is told in
`sam_keys`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from segstudio.models.prompt.frame import CELL, SIDE, ModelFrame
from segstudio.models.prompt.sam_keys import ImageKeys, KeyTables
from segstudio.models.prompt.sam_two_way import TwoWay
from segstudio.models.prompt.sam_upscaling import OUTSIDE, Upscaling

__all__ = ["OUTSIDE", "PointDecoder", "SamDecoder", "tokens_seen"]

_TOKEN = 4 * CELL  # model pixels along one side of an image token

# Prompts that go through the transformer together: about 10 MB each on a CPU, 60 MB on a GPU,
# which upscales them together as well. Larger batches fall out of a CPU's cache.
_CPU_PROMPTS = 4
_GPU_PROMPTS = 16


class PointDecoder(Protocol):
    """Answers grid points of one image, each a prompt of its own with one foreground point.

    `points` is (B, 2) float64 xy in the model's frame. Returns

    - logits (n, 3, 256, 256) float32 of the kept prompts, in the order of `points`; cells that lie
      outside the image hold no more than `OUTSIDE`, but for the few next to its border;
    - predicted IoU (B, 3) float32 of all prompts, kept or not;
    - the kept prompts' indices, (n,) int64: those with at least one predicted IoU above
      `threshold`. A threshold of 0 or less keeps all.

    All three lie on the model's device. A call's memory grows with its answer only, which is held
    twice for a moment. Lets torch.OutOfMemoryError out, after which a call with fewer points may
    succeed.
    """

    def __call__(
        self, points: npt.NDArray[np.float64], threshold: float
    ) -> tuple[Tensor, Tensor, Tensor]: ...


class SamDecoder:
    """The mask decoder of a `segment_anything` network (any encoder). Holds weights only.

    Computes in the decoder's own precision, also where torch is told to do with less.
    """

    def __init__(self, network: Any) -> None:
        decoder = network.mask_decoder
        self._prompt_encoder = network.prompt_encoder
        self.grid: tuple[int, int] = tuple(self._prompt_encoder.image_embedding_size)
        with torch.inference_mode():
            convolutions = decoder.output_upscaling
            position = self._prompt_encoder.get_dense_pe()
            self._tables = KeyTables(decoder.transformer, convolutions[0], position)
            self._two_way = TwoWay(decoder.transformer, self._tables)
            self._upscaling = Upscaling(convolutions, self._tables, self.grid)
            output = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
        self._output_tokens = output[None]
        self._mask_weights = decoder.output_hypernetworks_mlps
        self._iou_head = decoder.iou_prediction_head

    def prepare(self, features: Tensor, dense: Tensor | None = None) -> ImageKeys:
        """What all prompts with one dense prompt share.

        `features` is the image's embedding, (1, 256, 64, 64), `dense` the prompt encoder's dense
        embedding of the same shape; None stands for "no mask".
        """
        if dense is None:
            dense = self._prompt_encoder.no_mask_embed.weight[:, :, None, None]
        with self._full_precision(features):
            both = features.to(self._output_tokens) + dense.to(self._output_tokens)
            return self._tables.prepare(both[0].flatten(1))

    def decode(
        self,
        keys: ImageKeys,
        sparse: Tensor,
        *,
        multimask: bool,
        seen: tuple[int, int] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Logits (B, K, 256, 256) and predicted IoU (B, K); K is 3 with `multimask`, else 1.

        `sparse` is (B, N, 256), the prompt encoder's. Only the first `seen` (rows, columns) of the
        image's 64 x 64 tokens get logits, 4 x 4 each; the others' cells hold OUTSIDE.
        """
        logits, ious, _ = self._decode(keys, sparse, multimask, seen, _all)
        return logits, ious

    def decode_points(
        self,
        keys: ImageKeys,
        points: npt.NDArray[np.floating[Any]],
        threshold: float,
        seen: tuple[int, int] | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """See `PointDecoder`, and `decode` for `seen`."""
        device = self._output_tokens.device
        labels = torch.ones((len(points), 1), dtype=torch.int, device=device)
        if device.type == "mps":  # has no float64, in which the official generator starts
            points = points.astype(np.float32)
        coordinates = torch.from_numpy(points[:, None]).to(device)
        sparse, _ = self._prompt_encoder((coordinates, labels), None, None)

        def some_above(ious: Tensor) -> Tensor:
            return torch.nonzero((ious > threshold).any(dim=1)).flatten()

        return self._decode(keys, sparse, True, seen, some_above if threshold > 0 else _all)

    def _decode(
        self,
        keys: ImageKeys,
        sparse: Tensor,
        multimask: bool,
        seen: tuple[int, int] | None,
        keep: Callable[[Tensor], Tensor],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of the prompts that `keep` picks by their predicted IoUs; these; the indices."""
        at_once = _CPU_PROMPTS if sparse.device.type == "cpu" else _GPU_PROMPTS
        wanted = slice(1, None) if multimask else slice(0, 1)
        logits, ious, kept = [], [], []
        with self._full_precision(sparse):
            for start in range(0, len(sparse), at_once):
                some = sparse[start : start + at_once].to(self._output_tokens.dtype)
                tokens = torch.cat((self._output_tokens.expand(len(some), -1, -1), some), dim=1)
                tokens, normed = self._two_way(keys, tokens)
                ious.append(self._iou_head(tokens[:, 0])[:, wanted])
                picked = keep(ious[-1])
                kept.append(picked + start)
                if len(picked) < len(some):
                    tokens, normed = tokens[picked], normed.of(picked)
                asked = self._hyper(tokens, wanted)
                logits.append(self._upscaling(keys, normed, asked, seen or self.grid))
        return torch.cat(logits), torch.cat(ious), torch.cat(kept)

    def _hyper(self, tokens: Tensor, wanted: slice) -> Tensor:
        """(B, K, 32): each wanted mask's weights for the upscaled channels."""
        count = len(self._mask_weights)
        return torch.stack(
            [self._mask_weights[i](tokens[:, 1 + i]) for i in range(count)[wanted]], dim=1
        )

    def _full_precision(self, like: Tensor) -> torch.autocast:
        """Variances here are sums of large terms, which half precision would not survive."""
        return torch.autocast(like.device.type, enabled=False)


def tokens_seen(frame: ModelFrame) -> tuple[int, int]:
    """(rows, columns) of the image's tokens that any pixel of the image has its logits from."""
    # The last model pixel, length - 1, blends cells up to (length + 1) // CELL, and a token has
    # four by four cells.
    rows, columns = (min(SIDE // _TOKEN, (length + 1) // _TOKEN + 1) for length in frame.size)
    return rows, columns


def _all(ious: Tensor) -> Tensor:
    return torch.arange(len(ious), device=ious.device)
