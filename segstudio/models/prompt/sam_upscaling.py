"""From SAM's normed keys to mask logits; see `sam_keys`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from segstudio.models.prompt.sam_keys import ImageKeys, KeyTables, per_subpixel
from segstudio.models.prompt.sam_two_way import NormedKeys

# What cells outside the image hold: no mask, at any level that is asked for.
OUTSIDE = -100.0

# Image tokens that a CPU upscales at once: what they become then fits in a core's cache.
_CPU_TOKENS = 512


class Upscaling:
    """The mask decoder's two transposed convolutions and its product with the masks' own weights.

    Both convolutions have kernel and stride 2, so they are projections of each token by itself,
    and stay in token order: (token, 2, 2, channels).
    """

    def __init__(self, convolutions: Any, tables: KeyTables, grid: tuple[int, int]) -> None:
        first, self._norm, self._activation, second, self._last = convolutions
        del first  # is part of the tables
        self._tables = tables
        self._grid = grid
        weight, bias = per_subpixel(second)
        like: Tensor = self._norm.weight
        self._weight = weight.T.to(like.dtype).to(like.device).contiguous()
        self._bias = bias.to(like.dtype).to(like.device)

    def __call__(
        self, image: ImageKeys, keys: NormedKeys, masks: Tensor, seen: tuple[int, int]
    ) -> Tensor:
        """Logits (B, K, 4 H, 4 W) of the masks with weights `masks` (B, K, C / 8).

        Only the first `seen` (rows, columns) of the H x W tokens are looked at; the cells of others
        hold OUTSIDE.
        """
        rows, columns = seen
        batch, kinds, _ = masks.shape
        height, width = self._grid
        logits = masks.new_full((batch, kinds, 4 * height, 4 * width), OUTSIDE)
        if not batch:
            return logits
        answers = self._per_token(image, keys, masks, seen)
        answers = answers.view(batch, kinds, rows, columns, 2, 2, 2, 2)
        cells = logits.view(batch, kinds, height, 2, 2, width, 2, 2)[:, :, :rows, :, :, :columns]
        # One long strided copy for each cell of a token's row; a plain permutation is slower.
        for x in range(2):
            for x_within in range(2):
                part = answers[..., x, :, x_within].permute(0, 1, 2, 4, 5, 3)
                cells[..., x, x_within] = part
        return logits

    def _per_token(
        self, image: ImageKeys, keys: NormedKeys, masks: Tensor, seen: tuple[int, int]
    ) -> Tensor:
        """(B, K, n) logits, n in the order token, 2, 2 (first convolution), 2, 2 (second)."""
        batch = len(masks)
        shared = _seen(image.upscaled.T, self._grid, seen).T
        coefficients, scale = (
            _seen(table, self._grid, seen) for table in (keys.coefficients, keys.scale)
        )
        both = scale if keys.before is None else scale * _seen(keys.before, self._grid, seen)
        factors = keys.values @ self._tables.upscaled.factors
        offset = self._tables.upscaled.offset[:, 0]
        count = len(shared)
        per_token = 4 * len(self._bias) // masks.shape[2]
        answers = masks.new_empty(*masks.shape[:2], per_token * count)
        at_once, tokens = (1, _CPU_TOKENS) if masks.device.type == "cpu" else (batch, count)
        for b in (slice(start, start + at_once) for start in range(0, batch, at_once)):
            for start in range(0, count, tokens):
                n = slice(start, min(count, start + tokens))
                own = (coefficients[b, :, n] * scale[b, :, n]).transpose(1, 2)
                values = torch.addcmul(offset, shared[n], both[b, 0, n, None])
                values = torch.baddbmm(values, own, factors[b]).view(-1, len(self._norm.weight))
                values = functional.layer_norm(
                    values, values.shape[1:], self._norm.weight, self._norm.bias, self._norm.eps
                )
                values = self._last(torch.addmm(self._bias, self._activation(values), self._weight))
                values = values.view(len(own), -1, masks.shape[2])
                cells = slice(per_token * n.start, per_token * n.stop)
                answers[b, :, cells] = masks[b] @ values.transpose(1, 2)
        return answers


def _seen(table: Tensor, grid: tuple[int, int], seen: tuple[int, int]) -> Tensor:
    """The tokens of the first `seen` (rows, columns) of `grid`; tokens are the last dimension."""
    return torch.unflatten(table, -1, grid)[..., : seen[0], : seen[1]].flatten(-2)
