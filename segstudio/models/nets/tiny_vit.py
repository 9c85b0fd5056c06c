"""TinyViT-5M, the image encoder of MobileSAM.

Architecture: Wu et al. 2022, "TinyViT: Fast Pretraining Distillation for Small Vision
Transformers" (ECCV), as changed and distilled from SAM's ViT-H by Zhang et al. 2023, "Faster
Segment Anything: Towards Lightweight SAM for Mobile Applications": 1024 x 1024 input, no stride
before the last stage, SAM's neck of 256 channels. Parameter names and shapes are those of the
published checkpoint `mobile_sam.pt` (below `image_encoder.`), so that it loads strictly.

Stages at an input of 1024: stem 64 x 256 x 256; MBConv stage, then 128 x 128 x 128; three stages
of windowed attention at 128 x 128 (dim 128), 64 x 64 (dim 160) and 64 x 64 (dim 320).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from segment_anything.modeling.common import LayerNorm2d
from torch import Tensor, nn
from torch.nn import functional

DIMS = (64, 128, 160, 320)
DEPTHS = (2, 2, 6, 2)
HEADS = (2, 4, 5, 10)
WINDOWS = (7, 7, 14, 7)
# Of the merging after each stage; MobileSAM keeps 64 x 64 before the last one, as SAM does.
MERGE_STRIDES = (2, 2, 1)
MBCONV_EXPANSION = 4
MLP_EXPANSION = 4
NECK_CHANNELS = 256
IMAGENET_CLASSES = 1000


class ConvNorm(nn.Sequential):
    """Convolution without bias, then batch norm; (B, Cin, H, W) to (B, Cout, H/stride, W/stride).

    Odd kernels are padded to keep the size.
    """

    def __init__(
        self, channels_in: int, channels_out: int, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        convolution = nn.Conv2d(
            channels_in,
            channels_out,
            kernel,
            stride,
            padding=kernel // 2,
            groups=groups,
            bias=False,
        )
        self.add_module("c", convolution)
        self.add_module("bn", nn.BatchNorm2d(channels_out))


class PatchEmbed(nn.Module):
    """The stem: two strided convolutions; (B, 3, H, W) to (B, dim, H/4, W/4)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.seq = nn.Sequential(
            ConvNorm(3, dim // 2, kernel=3, stride=2),
            nn.GELU(),
            ConvNorm(dim // 2, dim, kernel=3, stride=2),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.seq(x)
        return out


class MBConv(nn.Module):
    """Inverted bottleneck (Sandler et al. 2018) with GELU; keeps (B, dim, H, W)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        hidden = dim * MBCONV_EXPANSION
        self.conv1 = ConvNorm(dim, hidden)
        self.conv2 = ConvNorm(hidden, hidden, kernel=3, groups=hidden)
        self.conv3 = ConvNorm(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        inner = functional.gelu(self.conv1(x))
        inner = functional.gelu(self.conv2(inner))
        return functional.gelu(self.conv3(inner) + x)


class PatchMerging(nn.Module):
    """Between stages; (B, dim, H, W) to (B, dim_out, H/stride, W/stride)."""

    def __init__(self, dim: int, dim_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(dim, dim_out)
        self.conv2 = ConvNorm(dim_out, dim_out, kernel=3, stride=stride, groups=dim_out)
        self.conv3 = ConvNorm(dim_out, dim_out)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.gelu(self.conv1(x))
        x = functional.gelu(self.conv2(x))
        out: Tensor = self.conv3(x)
        return out


class Attention(nn.Module):
    """Attention inside windows with LeViT's position biases (Graham et al. 2021).

    One learned bias per head for each pair of absolute offsets (|dy|, |dx|) between two tokens of
    a window, which lies at index |dy| * window + |dx|. Keeps (windows, window**2, dim).
    """

    bias_index: Tensor

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))
        # On the CPU by name: the rest of the network may be built on the meta device.
        token = torch.arange(window * window, device="cpu").unsqueeze(1)
        y, x = token // window, token % window
        index = (y - y.T).abs() * window + (x - x.T).abs()
        self.register_buffer("bias_index", index, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, dim = x.shape
        # Each head's query, key and value lie together in the projection's output.
        qkv = self.qkv(self.norm(x)).view(batch, tokens, self.heads, 3, dim // self.heads)
        query, key, value = qkv.permute(3, 0, 2, 1, 4)
        bias = self.attention_biases[:, self.bias_index]
        weights = (query @ key.transpose(-2, -1)) * (dim // self.heads) ** -0.5 + bias
        mixed = (weights.softmax(dim=-1) @ value).transpose(1, 2).reshape(batch, tokens, dim)
        out: Tensor = self.proj(mixed)
        return out


class Mlp(nn.Module):
    """Norm, two linear layers, GELU between; keeps (B, N, dim)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, MLP_EXPANSION * dim)
        self.fc2 = nn.Linear(MLP_EXPANSION * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(functional.gelu(self.fc1(self.norm(x))))
        return out


class TinyViTBlock(nn.Module):
    """Windowed attention, a depthwise convolution, an MLP; keeps (B, dim, H, W).

    The map is padded with zeros, right and below, to whole windows; padding tokens take part in
    attention, as they did in training.
    """

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.attn = Attention(dim, heads, window)
        self.mlp = Mlp(dim)
        self.local_conv = ConvNorm(dim, dim, kernel=3, groups=dim)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.permute(0, 2, 3, 1)
        tokens = tokens + self._attend(tokens)
        mixed: Tensor = self.local_conv(tokens.permute(0, 3, 1, 2))
        batch, dim, height, width = mixed.shape
        flat = mixed.flatten(2).transpose(1, 2)
        flat = flat + self.mlp(flat)
        out: Tensor = flat.transpose(1, 2).reshape(batch, dim, height, width)
        return out

    def _attend(self, tokens: Tensor) -> Tensor:
        """Attention in each window of (B, H, W, dim) tokens."""
        batch, height, width, dim = tokens.shape
        side = self.window
        padded = functional.pad(tokens, (0, 0, 0, -width % side, 0, -height % side))
        rows, columns = padded.shape[1] // side, padded.shape[2] // side
        windows = padded.view(batch, rows, side, columns, side, dim).transpose(2, 3)
        mixed = self.attn(windows.reshape(-1, side * side, dim))
        mixed = mixed.view(batch, rows, columns, side, side, dim).transpose(2, 3)
        whole: Tensor = mixed.reshape(batch, rows * side, columns * side, dim)
        return whole[:, :height, :width]


class Stage(nn.Module):
    """Blocks of one size, then the merging to the next; names as in the checkpoint."""

    def __init__(self, blocks: Iterable[nn.Module], downsample: nn.Module | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x if self.downsample is None else self.downsample(x)


class TinyViT(nn.Module):
    """(B, 3, 1024, 1024) float32, normalised as SAM does, to (B, 256, 64, 64) float32.

    `norm_head` and `head` are the classifier of the pretraining. They are never used; they are
    here because the checkpoint holds them.
    """

    def __init__(self, img_size: int = 1024) -> None:
        super().__init__()
        self.img_size = img_size
        self.patch_embed = PatchEmbed(DIMS[0])
        self.layers = nn.ModuleList(_stage(index) for index in range(len(DIMS)))
        self.norm_head = nn.LayerNorm(DIMS[-1])
        self.head = nn.Linear(DIMS[-1], IMAGENET_CLASSES)
        self.neck = nn.Sequential(
            nn.Conv2d(DIMS[-1], NECK_CHANNELS, kernel_size=1, bias=False),
            LayerNorm2d(NECK_CHANNELS),
            nn.Conv2d(NECK_CHANNELS, NECK_CHANNELS, kernel_size=3, padding=1, bias=False),
            LayerNorm2d(NECK_CHANNELS),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch_embed(x)
        for layer in self.layers:
            x = layer(x)
        out: Tensor = self.neck(x)
        return out


def _stage(index: int) -> Stage:
    dim = DIMS[index]
    blocks: list[nn.Module] = [
        TinyViTBlock(dim, HEADS[index], WINDOWS[index]) if index else MBConv(dim)
        for _ in range(DEPTHS[index])
    ]
    if index == len(DIMS) - 1:
        return Stage(blocks, None)
    return Stage(blocks, PatchMerging(dim, DIMS[index + 1], MERGE_STRIDES[index]))
