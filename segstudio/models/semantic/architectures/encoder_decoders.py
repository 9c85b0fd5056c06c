"""Architectures on a choice of encoders, from segmentation-models-pytorch (MIT), and aux heads.

Its heads' own enlarging (align_corners=True) is turned off; `SizedNet` enlarges. No weights are
downloaded here: encoders start with random weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import segmentation_models_pytorch as smp
from torch import Tensor, nn

from segstudio.core.errors import BadInputError
from segstudio.models.semantic.card import NetworkSpec
from segstudio.models.semantic.network import Body, SizedNet
from segstudio.models.semantic.registry import encoder

AUX_WEIGHT = 0.4  # of the auxiliary cross-entropy: Zhao et al. 2017, section 3.3


class AuxHead(nn.Sequential):
    """3 x 3 convolution, batch norm, ReLU, dropout, 1 x 1: logits from one stage of an encoder."""

    def __init__(self, channels: int, categories: int) -> None:
        between = max(channels // 4, 16)
        super().__init__(
            nn.Conv2d(channels, between, 3, padding=1, bias=False),
            nn.BatchNorm2d(between),
            nn.ReLU(inplace=True),
            nn.Dropout2d(0.1),
            nn.Conv2d(between, categories, 1),
        )


class EncoderDecoder(Body):
    """A network of smp, and an auxiliary head on the last but one stage if wanted."""

    def __init__(self, network: smp.base.SegmentationModel, aux_categories: int = 0) -> None:
        super().__init__()
        self.network = network
        channels = network.encoder.out_channels[-2]
        self.aux = AuxHead(channels, aux_categories) if aux_categories else None

    @property
    def backbone(self) -> nn.Module:
        module: nn.Module = self.network.encoder
        return module

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = self.network.encoder(images)
        logits = self.network.segmentation_head(self.network.decoder(features))
        if self.aux is None or not self.training:
            return {"out": logits}
        return {"out": logits, "aux": self.aux(features[-2])}


def build_unet(spec: NetworkSpec) -> SizedNet:
    """U-Net (Ronneberger et al. 2015) on an encoder; features at strides 1 to 32."""
    return _built(smp.Unet, spec, 32, {})


def build_linknet(spec: NetworkSpec) -> SizedNet:
    """LinkNet (Chaurasia and Culurciello 2017): skips are added, not joined."""
    return _built(smp.Linknet, spec, 32, {})


def build_fpn(spec: NetworkSpec) -> SizedNet:
    """Feature pyramid network (Kirillov et al. 2017/2019); logits at stride 4."""
    return _built(smp.FPN, spec, 32, {"upsampling": 1})


def build_upernet(spec: NetworkSpec) -> SizedNet:
    """UPerNet (Xiao et al. 2018): pyramid pooling and FPN; logits at stride 4; aux head."""
    return _built(smp.UPerNet, spec, 32, {"upsampling": 1})


def build_pspnet(spec: NetworkSpec) -> SizedNet:
    """PSPNet (Zhao et al. 2017) in the paper's form: dilated to stride 8, with the aux head.

    smp's default ends the encoder after three stages, at stride 8 without dilation; and its
    constructor passes over `encoder_output_stride`, but hands `output_stride` to the encoder.
    """
    return _built(smp.PSPNet, spec, 8, {"encoder_depth": 5, "output_stride": 8, "upsampling": 1})


def build_deeplabv3(spec: NetworkSpec) -> SizedNet:
    """DeepLab v3 (Chen et al. 2017): ASPP with rates 12, 24, 36 at stride 8, half that at 16."""
    stride = _stride(spec)
    return _built(
        smp.DeepLabV3,
        spec,
        stride,
        {"encoder_output_stride": stride, "decoder_atrous_rates": _rates(stride), "upsampling": 1},
    )


def build_deeplabv3plus(spec: NetworkSpec) -> SizedNet:
    """DeepLab v3+ (Chen et al. 2018): separable ASPP, and features of stride 4 joined to it."""
    stride = _stride(spec)
    return _built(
        smp.DeepLabV3Plus,
        spec,
        stride,
        {"encoder_output_stride": stride, "decoder_atrous_rates": _rates(stride), "upsampling": 1},
    )


def _stride(spec: NetworkSpec) -> int:
    stride = spec.options.get("output_stride", 16)
    if stride not in (8, 16):
        raise BadInputError(f"The output stride of DeepLab is 8 or 16, not {stride!r}.")
    return int(stride)


def _rates(stride: int) -> tuple[int, int, int]:
    """Those of the papers: the same reach in pixels at either stride."""
    return (12, 24, 36) if stride == 8 else (6, 12, 18)


def _built(
    model: Callable[..., smp.base.SegmentationModel],
    spec: NetworkSpec,
    multiple: int,
    settings: Mapping[str, Any],
) -> SizedNet:
    network = model(
        encoder(spec.encoder).name,
        encoder_weights=None,
        in_channels=3,
        classes=spec.categories,
        **settings,
    )
    aux = bool(spec.options.get("aux", False))
    body = EncoderDecoder(network, spec.categories if aux else 0)
    return SizedNet(body, multiple, {"aux": AUX_WEIGHT} if aux else {})
