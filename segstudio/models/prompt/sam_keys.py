"""What all prompts on one image share in SAM's mask decoder, and what depends on weights alone.

In the decoder's two-way transformer (Kirillov et al. 2023, section A) a prompt touches the image's
tokens ("keys": N = 64 x 64 of C = 256 channels) in one way only: each of two layers adds to them
the image's attention to the prompt's tokens, and norms the sum. With one image token as a column,

    z = key + U a                       a: its attention weights; U: the prompt's projected values
    LayerNorm(z) = s G J z + b          J: takes the mean off; G, b: gain and bias; s: 1 / deviation

so a projection W of the normed key is s (W G J key) + s (W G J U) a + W b. The first bracket is the
same for all prompts, the second a small matrix. What is left is s, one number per token, and it
needs no z either: |J z|^2 = |J key|^2 + 2 (J key . U a) + a . (U' J U) a, with the same two kinds
of parts. The second layer does it once more, upon the first one's result. Nothing is approximated:
only the order of the sums differs from the official decoder's.

U is the product of the layer's output projection (C, D) and the prompt's values, so that tables for
U are made for the output projection, once, from the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

# Weights are multiplied out in this precision, and the products rounded once.
_EXACT = torch.float64


class Linear(NamedTuple):
    """weight @ x + bias, for columns x."""

    weight: Tensor
    bias: Tensor

    def scaled(self, factor: float) -> Linear:
        return Linear(self.weight * factor, self.bias * factor)


def exact(module: Any) -> Linear:
    """A module's weight and bias in float64; on the CPU, as not every device has float64."""
    return Linear(module.weight.cpu().to(_EXACT), module.bias.cpu().to(_EXACT))


class Reading(NamedTuple):
    """A projection to M channels of keys that were normed: s (p shared key + factors' a) + offset.

    `s` is the norm's scale and `p` the one of the norm before it, if any. `shared` (M, C) is for
    the image's own keys, `factors` (R, M) for a prompt's coefficients a; `offset` is (M, 1), or
    (M, N) where the tokens' positions are read as well.
    """

    shared: Tensor
    factors: Tensor
    offset: Tensor

    def read(self, linear: Linear, position: Tensor | float = 0.0) -> Reading:
        """The projection `linear` of this one, to which `position` (M, N) is added first."""
        return Reading(
            linear.weight @ self.shared,
            self.factors @ linear.weight.T,
            linear.weight @ (self.offset + position) + linear.bias[:, None],
        )

    def like(self, other: Tensor) -> Reading:
        return Reading(*(_like(part, other) for part in self))


class ImageTables(NamedTuple):
    """Projections of one image's keys, each (H heads, D / H, N tokens).

    `*_0` are whole: what the first layer attends with. `*_1` and `*_2` are the shared parts of what
    the second layer and the final attention read. `overlap_a_b` is the dot product of the keys that
    norm a centres with the centred output projection of layer b, over C.
    """

    keys_0: Tensor
    values_0: Tensor
    queries_0: Tensor
    keys_1: Tensor
    queries_1: Tensor
    values_1: Tensor
    keys_2: Tensor
    values_2: Tensor
    overlap_1_0: Tensor
    overlap_2_0: Tensor
    overlap_2_1: Tensor


@dataclass(frozen=True, eq=False)
class ImageKeys:
    """What all prompts on one image share, for the decoder that made it; 26 MB.

    `norm_1`, `norm_2` and `overlap_2` (N,) are the variances of the keys that the two norms centre,
    without any prompt, and the latter's covariance with the constant of the second norm. `upscaled`
    (N, C) is the shared part of the first transposed convolution, for each token (2, 2, C / 4).
    """

    tables: ImageTables
    norm_1: Tensor
    norm_2: Tensor
    overlap_2: Tensor
    upscaled: Tensor


class KeyTables:
    """Products of the weights of a two-way transformer of two layers and of what reads its keys.

    `upscale` is the first transposed convolution (kernel and stride 2); `dense_pe` (1, C, H, W) the
    tokens' positions. Tables have the weights' dtype and device. A prompt's coefficients are D of
    the first layer for norm 1; D of the first layer, D of the second, and the number 1 for norm 2.
    `gram_1` and `gram_2` are the covariances of what the coefficients stand for.
    """

    def __init__(self, transformer: Any, upscale: Any, dense_pe: Tensor) -> None:
        first, second = transformer.layers
        final = transformer.final_attn_token_to_image
        self._like: Tensor = first.norm4.weight
        self.heads: int = final.num_heads
        self.eps_1: float = first.norm4.eps
        self.eps_2: float = second.norm4.eps
        temper = (final.internal_dim // self.heads) ** -0.5
        position = dense_pe[0].flatten(1).cpu().to(_EXACT)
        channels, self.tokens = position.shape
        centre = torch.eye(channels, dtype=_EXACT) - 1.0 / channels
        (gain_1, bias_1), (gain_2, bias_2) = exact(first.norm4), exact(second.norm4)
        out_0 = exact(first.cross_attn_image_to_token.out_proj)
        out_1 = exact(second.cross_attn_image_to_token.out_proj)

        # Columns of what norm 1 centres, and of what norm 2 does. The image's own keys hold the
        # output projection's bias of layer 0; that of layer 1 is part of the constant.
        basis_1 = centre @ out_0.weight
        again = centre @ (gain_1[:, None] * centre)
        constant = centre @ (bias_1 + out_1.bias)[:, None]
        basis_2 = torch.cat([again @ out_0.weight, centre @ out_1.weight, constant], dim=1)
        normed_1 = _normed(gain_1, bias_1, centre, basis_1)
        normed_2 = _normed(gain_2, bias_2, again, basis_2)

        cross, image = second.cross_attn_token_to_image, second.cross_attn_image_to_token
        read = [
            normed_1.read(exact(cross.k_proj).scaled(temper), position),
            normed_1.read(exact(image.q_proj).scaled(temper), position),
            normed_1.read(exact(cross.v_proj)),
            normed_2.read(exact(final.k_proj).scaled(temper), position),
            normed_2.read(exact(final.v_proj)),
        ]
        self.keys_1, self.queries_1, self.values_1, self.keys_2, self.values_2 = (
            reading.like(self._like) for reading in read
        )
        self.upscaled = normed_2.read(per_subpixel(upscale)).like(self._like)
        self.gram_1 = self._kept(basis_1.T @ basis_1 / channels)
        self.gram_2 = self._kept(basis_2.T @ basis_2 / channels)
        overlaps = torch.cat([basis_1.T @ centre, basis_2.T @ again]) / channels
        self._out_bias, self._gain_1 = self._kept(out_0.bias[:, None]), self._kept(gain_1[:, None])

        # All that `prepare` multiplies keys with, in the order of ImageTables.
        whole = _first_layer(first, temper, out_0.bias)
        self._keys_position = self._kept(whole[0].weight @ position)
        self._queries_position = self._kept(whole[2].weight @ position)
        rows = [*(linear.weight for linear in whole), *(item.shared for item in read), overlaps]
        self._weight = self._kept(torch.cat(rows))
        bias = torch.cat([linear.bias for linear in whole])
        self._bias = self._kept(bias.new_zeros(len(self._weight), 1))
        self._bias[: len(bias), 0] = self._kept(bias)

    def _kept(self, table: Tensor) -> Tensor:
        return _like(table, self._like)

    def prepare(self, image: Tensor) -> ImageKeys:
        """`image` is (C, N): an image's embedding, to which the dense prompt's is added."""
        keys = image + self._out_bias
        projected = torch.addmm(self._bias, self._weight, keys)
        per_head = projected[:-1].view(len(ImageTables._fields), self.heads, -1, self.tokens)
        tables = ImageTables(*per_head)
        tables.keys_0.flatten(0, 1).add_(self._keys_position)
        tables.queries_0.flatten(0, 1).add_(self._queries_position)
        once = keys - keys.mean(dim=0)
        twice = once * self._gain_1
        twice -= twice.mean(dim=0)
        return ImageKeys(
            tables,
            once.square().mean(dim=0),
            twice.square().mean(dim=0),
            projected[-1],
            keys.T @ self.upscaled.shared.T,
        )


def per_subpixel(convolution: Any) -> Linear:
    """A transposed convolution of kernel and stride 2 as a projection to (2, 2, channels) each."""
    weight, bias = exact(convolution)
    return Linear(weight.permute(2, 3, 1, 0).flatten(0, 2), bias.repeat(4))


def _normed(gain: Tensor, bias: Tensor, shared: Tensor, basis: Tensor) -> Reading:
    """The normed keys themselves."""
    return Reading(gain[:, None] * shared, (gain[:, None] * basis).T, bias[:, None])


def _first_layer(layer: Any, temper: float, added: Tensor) -> list[Linear]:
    """The first layer's keys, values and queries, of keys to which `added` was added."""
    cross, image = layer.cross_attn_token_to_image, layer.cross_attn_image_to_token
    linears = [
        exact(cross.k_proj).scaled(temper),
        exact(cross.v_proj),
        exact(image.q_proj).scaled(temper),
    ]
    return [Linear(weight, bias - weight @ added) for weight, bias in linears]


def _like(table: Tensor, other: Tensor) -> Tensor:
    return table.to(other.dtype).to(other.device).contiguous()
