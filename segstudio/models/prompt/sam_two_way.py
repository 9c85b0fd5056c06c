"""SAM's two-way transformer over keys that all prompts on an image share; see `sam_keys`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from segstudio.models.prompt.sam_keys import ImageKeys, KeyTables, Reading


@dataclass(frozen=True, eq=False)
class NormedKeys:
    """The keys after a norm, for B prompts, without the keys themselves.

    `coefficients` (B, R, N) times `values` (B, R, D') are the numbers that a `Reading`'s factors
    take; `scale` (B, 1, N) is the norm's, `before` (B, 1, N) the one of the norm before, if any.
    """

    coefficients: Tensor
    values: Tensor
    scale: Tensor
    before: Tensor | None

    def of(self, prompts: Tensor) -> NormedKeys:
        """Those of some prompts only, by index (n,)."""
        return NormedKeys(
            self.coefficients[prompts],
            self.values[prompts],
            self.scale[prompts],
            None if self.before is None else self.before[prompts],
        )

    def scores(self, queries: Tensor, table: Tensor, reading: Reading) -> Tensor:
        """What `queries` (B, H, T, d) say to the keys: (B, H T, N)."""
        batch, heads, tokens, _ = queries.shape
        factors = torch.unflatten(self.values @ reading.factors, 2, (heads, -1)).permute(0, 2, 3, 1)
        asked = (queries @ factors).reshape(batch, heads * tokens, -1)
        scores = torch.bmm(asked, self.coefficients)
        shared = against(queries, table)
        scores = (
            scores.add_(shared) if self.before is None else scores.addcmul_(shared, self.before)
        )
        offset = reading.offset.view(heads, -1, reading.offset.shape[1])
        return torch.addcmul(against(queries, offset), scores, self.scale)

    def gathered(self, weights: Tensor, table: Tensor, reading: Reading) -> Tensor:
        """The keys' values, weighted by `weights` (B, H T, N), which is overwritten: (B, T, D)."""
        heads = len(table)
        weights = weights.mul_(self.scale)
        own = torch.bmm(weights, self.coefficients.transpose(1, 2)) @ (
            self.values @ reading.factors
        )
        if self.before is not None:
            weights = weights.mul_(self.before)
        return _own_columns(own, heads) + gathered(weights, table) + reading.offset[:, 0]


class TwoWay:
    """The official transformer's weights, applied to `ImageKeys`."""

    def __init__(self, transformer: Any, tables: KeyTables) -> None:
        self._transformer = transformer
        self._tables = tables

    def __call__(self, image: ImageKeys, tokens: Tensor) -> tuple[Tensor, NormedKeys]:
        """`tokens` (B, T, C): the output tokens and the prompt's. Returns them (B, T, C), and keys.

        Attention to the image is (B, H, T, N), which bounds what a batch takes.
        """
        first, second = self._transformer.layers
        final = self._transformer.final_attn_token_to_image
        has, tables = image.tables, self._tables

        queries = first.norm1(first.self_attn(q=tokens, k=tokens, v=tokens))
        cross = first.cross_attn_token_to_image
        weights = torch.softmax(
            against(self._heads(cross.q_proj(queries + tokens)), has.keys_0), -1
        )
        queries = first.norm2(queries + cross.out_proj(gathered(weights, has.values_0)))
        queries = first.norm3(queries + first.mlp(queries))

        cross = first.cross_attn_image_to_token
        scores = against(self._heads(cross.k_proj(queries + tokens)), has.queries_0)
        update_0 = _Update.of(scores, self._heads(cross.v_proj(queries)))
        keys = self._norm_1(image, update_0)

        placed = queries + tokens
        queries = second.norm1(queries + second.self_attn(q=placed, k=placed, v=queries))
        cross = second.cross_attn_token_to_image
        scores = keys.scores(self._heads(cross.q_proj(queries + tokens)), has.keys_1, tables.keys_1)
        weights = torch.softmax(scores, -1)
        attended = keys.gathered(weights, has.values_1, tables.values_1)
        queries = second.norm2(queries + cross.out_proj(attended))
        queries = second.norm3(queries + second.mlp(queries))

        cross = second.cross_attn_image_to_token
        asked = self._heads(cross.k_proj(queries + tokens))
        scores = keys.scores(asked, has.queries_1, tables.queries_1)
        update_1 = _Update.of(scores, self._heads(cross.v_proj(queries)))
        keys = self._norm_2(image, update_0, keys.scale, update_1)

        scores = keys.scores(self._heads(final.q_proj(queries + tokens)), has.keys_2, tables.keys_2)
        weights = torch.softmax(scores, -1)
        attended = keys.gathered(weights, has.values_2, tables.values_2)
        queries = queries + final.out_proj(attended)
        return self._transformer.norm_final_attn(queries), keys

    def _heads(self, projected: Tensor) -> Tensor:
        """(B, T, D) to (B, H, T, D / H)."""
        return torch.unflatten(projected, 2, (self._tables.heads, -1)).transpose(1, 2)

    def _norm_1(self, image: ImageKeys, update: _Update) -> NormedKeys:
        overlap = update.along(image.tables.overlap_1_0)
        variance = _variance(update.coefficients, update.values, self._tables.gram_1, overlap)
        scale = torch.rsqrt(variance + image.norm_1 + self._tables.eps_1)
        return NormedKeys(update.coefficients, update.values, scale, None)

    def _norm_2(
        self, image: ImageKeys, first: _Update, before: Tensor, second: _Update
    ) -> NormedKeys:
        batch, rank, count = first.coefficients.shape
        inner = first.values.shape[2]
        coefficients = before.new_empty(batch, 2 * rank + 1, count)
        torch.mul(first.coefficients, before, out=coefficients[:, :rank])
        coefficients[:, rank:-1] = second.coefficients
        coefficients[:, -1] = 1.0
        values = before.new_zeros(batch, 2 * rank + 1, 2 * inner + 1)
        values[:, :rank, :inner] = first.values
        values[:, rank:-1, inner:-1] = second.values
        values[:, -1, -1] = 1.0
        overlap = torch.empty_like(coefficients)
        torch.mul(first.along(image.tables.overlap_2_0), before, out=overlap[:, :rank])
        torch.mul(second.along(image.tables.overlap_2_1), before, out=overlap[:, rank:-1])
        torch.mul(image.overlap_2, before[:, 0], out=overlap[:, -1])
        variance = _variance(coefficients, values, self._tables.gram_2, overlap)
        variance += before.square() * image.norm_2
        return NormedKeys(coefficients, values, torch.rsqrt(variance + self._tables.eps_2), before)


@dataclass(frozen=True, eq=False)
class _Update:
    """What a layer adds to the keys, before its output projection, as a product of two.

    `coefficients` (B, R, N) and `values` (B, R, D): for few prompt tokens the attention weights
    and each token's values, in their head's columns; for many the attended values, which are D
    numbers however many tokens there are, and the unit matrix.
    """

    coefficients: Tensor
    values: Tensor
    per_head: Tensor | None

    @staticmethod
    def of(scores: Tensor, values: Tensor) -> _Update:
        """`scores` (B, H T, N) of the image's tokens with the prompt's `values` (B, H, T, d)."""
        batch, heads, tokens, inner = values.shape
        weights = torch.softmax(scores.view(batch, heads, tokens, -1), dim=2)
        if tokens <= inner:
            return _Update(weights.flatten(1, 2), _block_diagonal(values), values)
        attended = (values.transpose(2, 3) @ weights).flatten(1, 2)
        unit = torch.eye(heads * inner, dtype=values.dtype, device=values.device)
        return _Update(attended, unit.expand(batch, -1, -1), None)

    def along(self, table: Tensor) -> Tensor:
        """The values' products with `table` (H, d, N): (B, R, N)."""
        return table.flatten(0, 1)[None] if self.per_head is None else against(self.per_head, table)


def against(queries: Tensor, table: Tensor) -> Tensor:
    """Products of each head's `queries` (B, H, T, d) with its `table` (H, d, N): (B, H T, N)."""
    batch, heads, tokens, _ = queries.shape
    products = torch.bmm(queries.transpose(0, 1).flatten(1, 2), table)
    products = products.view(heads, batch, tokens, -1).transpose(0, 1)
    return products.reshape(batch, heads * tokens, -1)


def gathered(weights: Tensor, table: Tensor) -> Tensor:
    """Each head's columns of `table` (H, d, N), weighted by (B, H T, N): (B, T, H d)."""
    batch, heads = len(weights), len(table)
    per_head = torch.unflatten(weights, 1, (heads, -1)).transpose(0, 1).flatten(1, 2)
    sums = torch.bmm(per_head, table.transpose(1, 2)).view(heads, batch, -1, table.shape[1])
    return sums.permute(1, 2, 0, 3).flatten(2)


def _own_columns(products: Tensor, heads: int) -> Tensor:
    """Of (B, H T, H d) what a head's rows have in the head's columns: (B, T, H d)."""
    blocks = torch.unflatten(torch.unflatten(products, 2, (heads, -1)), 1, (heads, -1))
    return blocks.diagonal(dim1=1, dim2=3).permute(0, 1, 3, 2).flatten(2)


def _block_diagonal(values: Tensor) -> Tensor:
    """(B, H, T, d) to (B, H T, H d), zero but where a head's rows meet its columns."""
    batch, heads, tokens, inner = values.shape
    blocks = values.new_zeros(batch, heads, tokens, heads, inner)
    blocks.diagonal(dim1=1, dim2=3).copy_(values.permute(0, 2, 3, 1))
    return blocks.view(batch, heads * tokens, heads * inner)


def _variance(coefficients: Tensor, values: Tensor, gram: Tensor, overlap: Tensor) -> Tensor:
    """What a prompt adds to the keys' variance, (B, 1, N).

    That is, for each token with coefficients a: a . (V gram V') a + 2 a . overlap.
    """
    covariance = values @ gram @ values.transpose(1, 2)
    products = torch.bmm(covariance, coefficients).add_(overlap, alpha=2.0)
    return products.mul_(coefficients).sum(dim=1, keepdim=True)
