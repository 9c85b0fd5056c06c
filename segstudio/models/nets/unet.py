"""U-Net (Ronneberger et al. 2015) with batch norm and padded convolutions, in two layouts.

Parameter names are those of two public implementations, so that their weights fit: "double_conv"
(milesial/Pytorch-UNet) and "enc1conv1" (mateuszbuda/brain-segmentation-pytorch).
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

DEPTH = 4  # times that the sides are halved


def _block(inside: int, outside: int) -> list[nn.Module]:
    """Twice: 3 x 3 convolution, batch norm, ReLU."""
    layers: list[nn.Module] = []
    for channels in (inside, outside):
        layers += [
            nn.Conv2d(channels, outside, 3, padding=1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(inplace=True),
        ]
    return layers


class _DoubleConv(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.double_conv = nn.Sequential(*_block(inside, outside))

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.double_conv(x)
        return features


class _Down(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), _DoubleConv(inside, outside))

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.maxpool_conv(x)
        return features


class _Up(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(inside, outside, 2, stride=2)
        self.conv = _DoubleConv(2 * outside, outside)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        features: Tensor = self.conv(torch.cat((skip, self.up(x)), dim=1))
        return features


class _Out(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, 1)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.conv(x)
        return logits


class UNet(nn.Module):
    """(N, 3, H, W) to (N, outputs, H, W); H and W are multiples of 16.

    `features` is the number of filters at full size (64 in the paper); it doubles four times.
    """

    def __init__(self, outputs: int, features: int = 64) -> None:
        super().__init__()
        self.inc = _DoubleConv(3, features)
        self.down1 = _Down(features, 2 * features)
        self.down2 = _Down(2 * features, 4 * features)
        self.down3 = _Down(4 * features, 8 * features)
        self.down4 = _Down(8 * features, 16 * features)
        self.up1 = _Up(16 * features, 8 * features)
        self.up2 = _Up(8 * features, 4 * features)
        self.up3 = _Up(4 * features, 2 * features)
        self.up4 = _Up(2 * features, features)
        self.outc = _Out(features, outputs)

    def forward(self, images: Tensor) -> Tensor:
        skips = [self.inc(images)]
        for down in (self.down1, self.down2, self.down3, self.down4):
            skips.append(down(skips[-1]))
        x = skips.pop()
        for up in (self.up1, self.up2, self.up3, self.up4):
            x = up(x, skips.pop())
        logits: Tensor = self.outc(x)
        return logits

    def contracting(self) -> list[nn.Module]:
        """The half that makes features: where weights trained before would go."""
        return [self.inc, self.down1, self.down2, self.down3, self.down4]


def _named_block(inside: int, outside: int, name: str) -> nn.Sequential:
    kinds = ("conv1", "norm1", "relu1", "conv2", "norm2", "relu2")
    layers = zip(kinds, _block(inside, outside), strict=True)
    return nn.Sequential(OrderedDict((name + kind, layer) for kind, layer in layers))


class NamedUNet(nn.Module):
    """The same network with 32 filters at full size, as Buda et al. 2019 used it on MR images.

    (N, 3, H, W) to (N, outputs, H, W); H and W are multiples of 16.
    """

    def __init__(self, outputs: int, features: int = 32) -> None:
        super().__init__()
        widths = [features << level for level in range(DEPTH + 1)]
        self.pool = nn.MaxPool2d(2)
        for level, width in enumerate(widths[:DEPTH], start=1):
            inside = 3 if level == 1 else widths[level - 2]
            self.add_module(f"encoder{level}", _named_block(inside, width, f"enc{level}"))
        self.bottleneck = _named_block(widths[-2], widths[-1], "bottleneck")
        for level in range(DEPTH, 0, -1):
            width = widths[level - 1]
            self.add_module(f"upconv{level}", nn.ConvTranspose2d(2 * width, width, 2, stride=2))
            self.add_module(f"decoder{level}", _named_block(2 * width, width, f"dec{level}"))
        self.conv = nn.Conv2d(features, outputs, 1)

    def forward(self, images: Tensor) -> Tensor:
        skips = []
        x = images
        for level in range(1, DEPTH + 1):
            x = self.get_submodule(f"encoder{level}")(x)
            skips.append(x)
            x = self.pool(x)
        x = self.bottleneck(x)
        for level in range(DEPTH, 0, -1):
            larger = self.get_submodule(f"upconv{level}")(x)
            joined = torch.cat((larger, skips[level - 1]), dim=1)
            x = self.get_submodule(f"decoder{level}")(joined)
        logits: Tensor = self.conv(x)
        return logits

    def contracting(self) -> list[nn.Module]:
        """The half that makes features: where weights trained before would go."""
        levels = range(1, DEPTH + 1)
        return [*(self.get_submodule(f"encoder{level}") for level in levels), self.bottleneck]
