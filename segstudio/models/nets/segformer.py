"""SegFormer (Xie et al. 2021, arXiv:2105.15203), written from the paper.

Parameter names are those of the published checkpoints ("segformer.encoder.block.0.0...",
"decode_head.linear_c.0..."), whatever a library of the day calls them.
"""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

HEADS = (1, 2, 5, 8)
REDUCTIONS = (8, 4, 2, 1)  # of keys and values, along each side
EXPANSION = 4
DROP_PATH = 0.1
HEAD_DROPOUT = 0.1


class Shape(NamedTuple):
    """Widths and depths of the four stages, and the width of the head (tables 1 and 6)."""

    widths: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    head: int


class Segformer(nn.Module):
    """(N, 3, H, W) to logits (N, categories, H / 4, W / 4); H and W are multiples of 32."""

    def __init__(self, shape: Shape, categories: int) -> None:
        super().__init__()
        self.segformer = nn.Module()
        self.segformer.add_module("encoder", MixTransformer(shape))
        self.decode_head = MlpHead(shape, categories)
        self.apply(_initialise)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.decode_head(self.segformer.get_submodule("encoder")(images))
        return logits


class MixTransformer(nn.Module):
    """(N, 3, H, W) to features at strides 4, 8, 16 and 32."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        inside = (3, *shape.widths[:3])
        self.patch_embeddings = nn.ModuleList(
            OverlappingPatches(inside[n], shape.widths[n], 7 if n == 0 else 3, 4 if n == 0 else 2)
            for n in range(4)
        )
        rates = torch.linspace(0, DROP_PATH, sum(shape.depths), device="cpu").tolist()
        self.block = nn.ModuleList()
        for n, depth in enumerate(shape.depths):
            stage = [
                Block(shape.widths[n], HEADS[n], REDUCTIONS[n], rates.pop(0)) for _ in range(depth)
            ]
            self.block.append(nn.ModuleList(stage))
        self.layer_norm = nn.ModuleList(nn.LayerNorm(width) for width in shape.widths)

    def forward(self, images: Tensor) -> list[Tensor]:
        features = []
        x = images
        for embed, blocks, norm in zip(
            self.patch_embeddings, self.block, self.layer_norm, strict=True
        ):
            x = embed(x)
            height, width = x.shape[-2:]
            tokens = x.flatten(2).transpose(1, 2)
            tokens = cast("OverlappingPatches", embed).layer_norm(tokens)
            for block in cast("nn.ModuleList", blocks):
                tokens = block(tokens, height, width)
            x = _as_map(norm(tokens), height, width)
            features.append(x)
        return features


class OverlappingPatches(nn.Module):
    """A strided convolution whose patches overlap (section 3.1); its norm is of the tokens."""

    def __init__(self, inside: int, outside: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(inside, outside, kernel, stride, padding=kernel // 2)
        self.layer_norm = nn.LayerNorm(outside)

    def forward(self, x: Tensor) -> Tensor:
        patches: Tensor = self.proj(x)
        return patches


class Block(nn.Module):
    """Attention, then the mix of MLP and convolution, each before a sum: (N, L, C) tokens."""

    def __init__(self, width: int, heads: int, reduction: int, drop_path: float) -> None:
        super().__init__()
        self.layer_norm_1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads, reduction)
        self.layer_norm_2 = nn.LayerNorm(width)
        self.mlp = MixFfn(width)
        self._drop_path = drop_path

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        seen = self.attention(self.layer_norm_1(tokens), height, width)
        tokens = tokens + self._kept(seen)
        return tokens + self._kept(self.mlp(self.layer_norm_2(tokens), height, width))

    def _kept(self, branch: Tensor) -> Tensor:
        """Stochastic depth (Huang et al. 2016): some images of a batch go without."""
        if not self.training or not self._drop_path:
            return branch
        keep = 1 - self._drop_path
        chance = branch.new_full((len(branch), 1, 1), keep)
        return branch * torch.bernoulli(chance) / keep


class Attention(nn.Module):
    """Self-attention whose keys and values are of a map made smaller `reduction` times a side."""

    def __init__(self, width: int, heads: int, reduction: int) -> None:
        super().__init__()
        self._heads = heads
        inner = nn.Module()
        for name in ("query", "key", "value"):
            inner.add_module(name, nn.Linear(width, width))
        if reduction > 1:
            inner.add_module("sr", nn.Conv2d(width, width, reduction, reduction))
            inner.add_module("layer_norm", nn.LayerNorm(width))
        self.add_module("self", inner)
        self.output = nn.Module()
        self.output.add_module("dense", nn.Linear(width, width))
        self._reduced = reduction > 1

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        inner = self.get_submodule("self")
        source = tokens
        if self._reduced:
            smaller = inner.get_submodule("sr")(_as_map(tokens, height, width))
            source = inner.get_submodule("layer_norm")(smaller.flatten(2).transpose(1, 2))
        query = self._split(inner.get_submodule("query")(tokens))
        key = self._split(inner.get_submodule("key")(source))
        value = self._split(inner.get_submodule("value")(source))
        seen = functional.scaled_dot_product_attention(query, key, value)
        joined = seen.transpose(1, 2).flatten(2)
        mixed: Tensor = self.output.get_submodule("dense")(joined)
        return mixed

    def _split(self, tokens: Tensor) -> Tensor:
        """(N, L, C) to (N, heads, L, C / heads)."""
        count, length, width = tokens.shape
        shape = (count, length, self._heads, width // self._heads)
        return tokens.reshape(shape).transpose(1, 2)


class MixFfn(nn.Module):
    """Two linear layers with a depth-wise 3 x 3 convolution between, which tells positions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        wide = EXPANSION * width
        self.dense1 = nn.Linear(width, wide)
        self.dwconv = nn.Module()
        self.dwconv.add_module("dwconv", nn.Conv2d(wide, wide, 3, padding=1, groups=wide))
        self.dense2 = nn.Linear(wide, width)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        wide = _as_map(self.dense1(tokens), height, width)
        mixed = self.dwconv.get_submodule("dwconv")(wide).flatten(2).transpose(1, 2)
        narrow: Tensor = self.dense2(functional.gelu(mixed))
        return narrow


class MlpHead(nn.Module):
    """All four maps brought to one width and to stride 4, joined, mixed (section 3.2)."""

    def __init__(self, shape: Shape, categories: int) -> None:
        super().__init__()
        self.linear_c = nn.ModuleList()
        for width in shape.widths:
            stage = nn.Module()
            stage.add_module("proj", nn.Linear(width, shape.head))
            self.linear_c.append(stage)
        self.linear_fuse = nn.Conv2d(4 * shape.head, shape.head, 1, bias=False)
        self.batch_norm = nn.BatchNorm2d(shape.head)
        self.dropout = nn.Dropout(HEAD_DROPOUT)
        self.classifier = nn.Conv2d(shape.head, categories, 1)

    def forward(self, features: list[Tensor]) -> Tensor:
        size = features[0].shape[-2:]
        maps = []
        for stage, x in zip(self.linear_c, features, strict=True):
            narrow = stage.get_submodule("proj")(x.flatten(2).transpose(1, 2))
            narrow = _as_map(narrow, x.shape[-2], x.shape[-1])
            maps.append(functional.interpolate(narrow, size, mode="bilinear", align_corners=False))
        fused = self.linear_fuse(torch.cat(maps[::-1], dim=1))
        logits: Tensor = self.classifier(self.dropout(self.batch_norm(fused).relu()))
        return logits


def _as_map(tokens: Tensor, height: int, width: int) -> Tensor:
    """(N, L, C) tokens to (N, C, height, width)."""
    return tokens.transpose(1, 2).reshape(len(tokens), tokens.shape[2], height, width)


def _initialise(module: nn.Module) -> None:
    """Linear layers as in vision transformers, convolutions by their fan-out (He et al. 2015)."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d):
        fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
        nn.init.normal_(module.weight, 0, math.sqrt(2 * module.groups / fan_out))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
