"""segstudio_nano's decoder as it is computed: what prompts on one image share, once for each.

Answers are those of `Nano.decode` up to rounding. What differs:

- Features are kept by rows: one row of channels for each token, as (N, D), so that everything but
  two small convolutions is a matrix product. Additions of what does not depend on the prompt
  (finer features, all biases, the pictures of nothing) are part of what an image is given once.
- In an attention between many tokens and a few, the projections of the many are left out: a few
  queries q meet keys W x as (W' q) x, and gather values V x as V (sum of x). What a constant adds
  to all scores of one softmax changes nothing.
- Masks nobody asked for, and prompts whose predicted IoU is too low, are not upscaled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from segstudio.models.nets.nano import CELL, STRIDE, Features, Nano, Prompts, draw
from segstudio.models.nets.trails import Costs, image_costs

_SUB = (
    STRIDE // CELL // 2
)  # cells of a quarter along one side of a token's, of a half of a quarter's


class ImageRows(NamedTuple):
    """What all prompts on one image share; the window has R x C = N tokens.

    `tokens` and `place` (N, D), row by row; `quarter` (4 N, F), row by row; `half` (4 N, 4 F'): the
    four cells, row by row, in each of the quarter's; `blank` (1, F', 2 R, 2 C): the picture of no
    prompt, before its norm; `costs` of the image's paths. Biases of what is added to them are in.
    """

    grid: tuple[int, int]
    tokens: Tensor
    place: Tensor
    quarter: Tensor
    half: Tensor
    blank: Tensor
    costs: Costs


class NanoRows:
    """The decoder of a network, for inference. Holds weights only."""

    def __init__(self, network: Nano) -> None:
        self._network = network
        decoder: Any = network.decoder
        pictures: Any = network.pictures
        prior, convolution = pictures.prior.out_channels, pictures.fine[0]
        self._from_prior, self._from_drawn = (
            part.contiguous(memory_format=torch.channels_last)
            for part in (convolution.weight[:, :prior], convolution.weight[:, prior:])
        )
        self._picture_norm = _norm(pictures.fine[1])
        self._quarter_norm = _norm(decoder.norm)
        depth, point, norm, _ = decoder.refine
        self._around: Any = depth
        self._across: Tensor = point.weight[:, :, 0, 0].T.contiguous()
        self._refine_norm = _norm(norm)
        coarse = pictures.coarse
        self._coarse: Tensor = coarse.weight.permute(2, 3, 1, 0).flatten(0, 2).contiguous()
        self._fine: Tensor = decoder.prompt_quarter.weight[:, :, 0, 0].T.contiguous()
        self._to_quarter = _upscaling(decoder.up_quarter)
        self._to_half = _upscaling(decoder.up_half)

    def prepare(self, features: Features, corner: tuple[int, int] = (0, 0)) -> ImageRows:
        """`features` of one image, in channels-last order; of the window at `corner` xy."""
        decoder: Any = self._network.decoder
        pictures: Any = self._network.pictures
        rows, columns = features.tokens.shape[2:]
        half = _rows(features.half).view(2 * rows, 2, 2 * columns, 2, -1).transpose(1, 2)
        quarter_bias = decoder.up_quarter.bias + decoder.prompt_quarter.bias
        blank = pictures.prior.bias.view(1, -1, 1, 1).expand(-1, -1, 2 * rows, 2 * columns)
        return ImageRows(
            (rows, columns),
            _rows(features.tokens) + pictures.coarse.bias,
            _rows(self._network.place(rows, columns, corner)),
            _rows(features.quarter) + quarter_bias,
            half.reshape(4 * rows * columns, -1) + decoder.up_half.bias.repeat(4),
            functional.conv2d(blank, self._from_prior, pictures.fine[0].bias, padding=1),
            image_costs(features.colours[0], features.borders[0]),
        )

    def decode(
        self,
        image: ImageRows,
        prompts: Prompts,
        kinds: slice,
        keep: Callable[[Tensor], Tensor] | None = None,
        corner: tuple[int, int] = (0, 0),
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Of N prompts: logits (n, K, H / 2, W / 2), predicted IoU (N, K), and the indices (n,).

        `kinds` says which K of the masks are wanted. `keep` picks the n prompts that get logits by
        the predicted IoUs of these; without it all do.
        """
        fine = self._pictures(image, prompts, corner)
        read, tokens = self._two_way(image, fine, self._network.sparse(prompts))
        decoder = self._network.decoder
        ious = decoder.iou_head(read[:, 0])[:, kinds]
        picked = torch.arange(len(ious), device=ious.device) if keep is None else keep(ious)
        heads = list(enumerate(decoder.hyper))[kinds]
        wanted = torch.stack([head(read[picked, 1 + i]) for i, head in heads], 1)
        fields = [
            self._upscaled(image, fine[one], tokens[one], asked)
            for one, asked in zip(picked.tolist(), wanted, strict=True)
        ]
        rows, columns = (4 * length for length in image.grid)
        logits = torch.stack(fields) if fields else ious.new_empty(0, len(heads), rows, columns)
        return logits, ious, picked

    def _pictures(self, image: ImageRows, prompts: Prompts, corner: tuple[int, int]) -> Tensor:
        """(N, 2 R, 2 C, F'): the prompts' pictures after their norm."""
        pictures = self._network.pictures
        if prompts.prior is not None:
            made: Tensor
            made, _ = pictures(prompts, [image.costs], corner)
            return made.permute(0, 2, 3, 1).contiguous()
        count = len(prompts.points)
        y = image.blank
        if pictures.drawn:
            drawn = draw(prompts, [image.costs], corner)
            y = y + functional.conv2d(drawn, self._from_drawn, padding=1)
        y = self._picture_norm(y.permute(0, 2, 3, 1).contiguous()).relu_()
        return y.expand(count, -1, -1, -1)

    def _two_way(self, image: ImageRows, fine: Tensor, sparse: Tensor) -> tuple[Tensor, Tensor]:
        """SAM's two-way transformer: the prompts' tokens (N, T, D) and the image's (N, R C, D)."""
        decoder, (rows, columns), count = self._network.decoder, image.grid, len(sparse)
        four = fine.reshape(count, rows, 2, columns, 2, -1).transpose(2, 3)
        four = four.reshape(count, rows * columns, -1)
        keys = torch.baddbmm(
            image.tokens.expand(count, -1, -1), four, self._coarse.expand(count, -1, -1)
        )
        own = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
        tokens = torch.cat([own.expand(count, -1, -1), sparse], 1)
        queries = tokens
        transformer: Any = decoder.transformer
        for layer in transformer.layers:
            if layer.skip_first_layer_pe:
                queries = layer.self_attn(q=queries, k=queries, v=queries)
            else:
                placed = queries + tokens
                queries = queries + layer.self_attn(q=placed, k=placed, v=queries)
            queries = layer.norm1(queries)
            placed_keys = keys + image.place
            read = _read(layer.cross_attn_token_to_image, queries + tokens, placed_keys, keys)
            queries = layer.norm2(queries + read)
            queries = layer.norm3(queries + layer.mlp(queries))
            keys = layer.norm4(
                _told(layer.cross_attn_image_to_token, placed_keys, queries + tokens, queries, keys)
            )
        last = transformer.final_attn_token_to_image
        queries = queries + _read(last, queries + tokens, keys + image.place, keys)
        return transformer.norm_final_attn(queries), keys

    def _upscaled(self, image: ImageRows, fine: Tensor, tokens: Tensor, asked: Tensor) -> Tensor:
        """(K, 4 R, 4 C) logits of one prompt, whose masks' own weights are `asked` (K, F')."""
        rows, columns = image.grid
        y = torch.addmm(image.quarter, fine.flatten(0, 1), self._fine)
        coarse = (tokens @ self._to_quarter).view(rows, columns, 2, -1).transpose(1, 2)
        y.view(rows, 2, columns, -1).add_(coarse)
        y = self._quarter_norm(y).relu_()
        picture = y.view(1, 2 * rows, 2 * columns, -1).permute(0, 3, 1, 2)
        around = self._around(picture).permute(0, 2, 3, 1).reshape(y.shape)
        y += self._refine_norm(around @ self._across).relu_()
        y = torch.addmm(image.half, y, self._to_half).relu_()
        logits = asked @ y.view(-1, asked.shape[1]).T
        cells = logits.view(-1, 2 * rows, 2 * columns, 2, 2).transpose(2, 3)
        return cells.reshape(-1, 4 * rows, 4 * columns)


def _read(attention: Any, queries: Tensor, placed: Tensor, keys: Tensor) -> Tensor:
    """What a few tokens (N, T, D) read from the image's `keys`, found by `placed` (N, M, D)."""
    heads, channels = attention.num_heads, queries.shape[2]
    key, value = (
        layer.weight.view(heads, -1, channels) for layer in (attention.k_proj, attention.v_proj)
    )
    asked = _per_head(attention.q_proj(queries), heads) @ key * key.shape[1] ** -0.5
    scores = torch.bmm(asked.flatten(1, 2), placed.transpose(1, 2))
    gathered = torch.bmm(torch.softmax(scores, 2), keys)
    found = torch.unflatten(gathered, 1, (heads, -1)) @ value.transpose(1, 2)
    told: Tensor = attention.out_proj(found.transpose(1, 2).flatten(2) + attention.v_proj.bias)
    return told


def _told(attention: Any, placed: Tensor, tokens: Tensor, values: Tensor, keys: Tensor) -> Tensor:
    """`keys` and what the image's tokens, `placed` (N, M, D), hear from `tokens` (N, T, D)."""
    heads, channels = attention.num_heads, values.shape[2]
    query = attention.q_proj
    weight, bias = query.weight.view(heads, -1, channels), query.bias.view(heads, -1, 1)
    asked = _per_head(attention.k_proj(tokens), heads) * weight.shape[1] ** -0.5
    offset = (asked @ bias).flatten(1, 2)
    scores = torch.baddbmm(offset, (asked @ weight).flatten(1, 2), placed.transpose(1, 2))
    shares = torch.softmax(torch.unflatten(scores, 1, (heads, -1)), 2).flatten(1, 2)
    out = attention.out_proj
    said = _per_head(attention.v_proj(values), heads) @ out.weight.T.view(heads, -1, channels)
    # Each head's shares sum up to one, so that the bias may be said by all tokens alike.
    said = (said + out.bias / heads).flatten(1, 2)
    return torch.baddbmm(keys, shares.transpose(1, 2), said)


def _per_head(projected: Tensor, heads: int) -> Tensor:
    """(N, T, C) to (N, H, T, C / H)."""
    return torch.unflatten(projected, 2, (heads, -1)).transpose(1, 2)


def _rows(x: Tensor) -> Tensor:
    """(1, C, H, W) to (H W, C)."""
    return x[0].permute(1, 2, 0).flatten(0, 1)


def _upscaling(convolution: Any) -> Tensor:
    """A transposed convolution of kernel and stride 2 as (C, 2 * 2 * C'), without its bias."""
    made: Tensor = convolution.weight.permute(0, 2, 3, 1).flatten(1).contiguous()
    return made


def _norm(norm: Any) -> Callable[[Tensor], Tensor]:
    """The layer norm of rows of channels."""
    return lambda rows: functional.layer_norm(
        rows, norm.normalized_shape, norm.weight, norm.bias, norm.eps
    )
