"""The architectures that can be trained, as data."""

from __future__ import annotations

from segstudio.models.semantic.card import Architecture

_HERE = "segstudio.models.semantic.architectures."
_SMP = _HERE + "encoder_decoders:"

DILATABLE = (
    "resnet50",
    "resnet18",
    "resnet34",
    "resnet101",
    "resnest50",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
    "efficientnet_b0",
    "efficientnet_b3",
    "efficientnet_lite0",
)
ALL_ENCODERS = (
    "resnet34",
    *(key for key in DILATABLE if key != "resnet34"),
    "hrnet_w18",
    "hrnet_w48",
    "dla34",
    "dla102",
    "vgg16_bn",
)

_SEGFORMER_PAPER = "Xie et al. 2021, arXiv:2105.15203"

ARCHITECTURES: tuple[Architecture, ...] = (
    Architecture(
        key="unet",
        title="U-Net",
        description="Skips at every stride: crisp borders; a good first choice for few images.",
        paper="Ronneberger et al. 2015, arXiv:1505.04597",
        builder=_SMP + "build_unet",
        licence="MIT",
        encoders=ALL_ENCODERS,
    ),
    Architecture(
        key="deeplabv3plus",
        title="DeepLab v3+",
        description="Dilated pyramid with a light decoder: street scenes, objects of all sizes.",
        paper="Chen et al. 2018, arXiv:1802.02611",
        builder=_SMP + "build_deeplabv3plus",
        licence="MIT",
        encoders=DILATABLE,
        options={"output_stride": 16, "aux": False},
        multiple=16,
    ),
    *(
        Architecture(
            key=f"segformer_b{n}",
            title=f"SegFormer b{n}",
            description=text,
            paper=_SEGFORMER_PAPER,
            builder=_HERE + "segformer:build",
            licence="Apache-2.0",
        )
        for n, text in enumerate(
            (
                "The smallest transformer: quick, and good on a CPU.",
                "A small transformer.",
                "A transformer of middle size.",
                "A large transformer; wants a GPU.",
                "A larger transformer; needs a GPU.",
                "The largest of the family; needs a GPU.",
            )
        )
    ),
)
