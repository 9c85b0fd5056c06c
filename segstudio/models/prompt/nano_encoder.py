"""segstudio_nano's encoder as it is computed: without batch norms, and on the turned image.

Two things that the trained network does in passes of their own over its largest arrays become part
of the convolutions:

- a batch norm, when it learns no more, is a gain and a shift for each channel;
- TensorFlow's "same" padding of a convolution with stride 2 wants its odd row below the image,
  where torch, which pads both sides alike, has to copy. Above the image it need not: rows that
  stride 2 does not reach are not looked at. So all is computed on the image turned by 180 degrees,
  with turned kernels, and what comes out is turned back.

Answers are the network's own up to rounding.
"""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional

from segstudio.models.nets.nano import NanoEncoder

_EXACT = torch.float64  # in which weights are multiplied out


class PointwiseConv(nn.Module):
    """A 1 x 1 convolution of (B, C, H, W) in channels-last order: a product with each pixel."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = functional.linear(x.permute(0, 2, 3, 1), self.weight, self.bias)
        return y.permute(0, 3, 1, 2)


def turned(encoder: NanoEncoder) -> NanoEncoder:
    """An encoder of its own that takes the turned image and gives the turned features.

    Heights and widths must be multiples of 32, as the network says. For inference only; `encoder`
    stays as it is.
    """
    device = next(encoder.parameters()).device
    made = deepcopy(encoder).cpu()  # as not every device has float64
    for parent in list(made.modules()):
        before: tuple[str, nn.Conv2d] | None = None
        # Each norm stands after the convolution that it norms.
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d):
                before = name, child
                setattr(parent, name, _turned_conv(child, None))
            elif isinstance(child, nn.BatchNorm2d):
                assert before is not None, f"nothing stands before the norm {name}"
                setattr(parent, before[0], _turned_conv(before[1], child))
                setattr(parent, name, getattr(child, "act", nn.Identity()))
                before = None
    return made.to(device).to(memory_format=torch.channels_last)


def turn(x: Tensor) -> Tensor:
    """(B, C, H, W) by 180 degrees."""
    return x.flip(2, 3)


def _turned_conv(conv: nn.Conv2d, norm: nn.BatchNorm2d | None) -> nn.Module:
    weight, bias = conv.weight.to(_EXACT), conv.bias
    if norm is not None:
        weight, bias = _folded(weight, bias, norm)
    weight = weight.flip(2, 3).to(conv.weight.dtype)
    bias = None if bias is None else bias.to(conv.weight.dtype)
    if conv.kernel_size == (1, 1) and conv.groups == 1 and conv.stride == (1, 1):
        return PointwiseConv(weight[:, :, 0, 0].contiguous(), bias)
    with torch.device("meta"):  # the parameters are put in place at once
        made = nn.Conv2d(
            conv.in_channels,
            conv.out_channels,
            (weight.shape[2], weight.shape[3]),
            (conv.stride[0], conv.stride[1]),
            (weight.shape[2] // 2, weight.shape[3] // 2),
            groups=conv.groups,
            bias=bias is not None,
        )
    made.weight = nn.Parameter(weight.contiguous(), requires_grad=False)
    if bias is not None:
        made.bias = nn.Parameter(bias, requires_grad=False)
    return made


def _folded(weight: Tensor, bias: Tensor | None, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """A convolution's weight and bias with the norm behind it multiplied in, in float64."""
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None and variance is not None
    gain = norm.weight.to(_EXACT) / (variance.to(_EXACT) + norm.eps).sqrt()
    shift = -mean.to(_EXACT) if bias is None else bias.to(_EXACT) - mean.to(_EXACT)
    return weight * gain.view(-1, 1, 1, 1), norm.bias.to(_EXACT) + shift * gain
