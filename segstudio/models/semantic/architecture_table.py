"""The architectures that can be trained, as data."""

from __future__ import annotations

from segstudio.models.semantic.card import Architecture

_HERE = "segstudio.models.semantic.architectures."
_SMP = _HERE + "encoder_decoders:"
_TORCHVISION = _HERE + "torchvision_nets:"

# Encoders whose later stages can be dilated instead of strided.
DILATABLE = (
    "resnet50",
    "resnet18",
    "resnet34",
    "resnet101",
    "resnest50",
    "resnest101",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
    "efficientnet_b0",
    "efficientnet_b3",
    "efficientnet_lite0",
    "xception65",
)
ALL_ENCODERS = (
    "resnet34",
    *(key for key in DILATABLE if key != "resnet34"),
    "hrnet_w18",
    "hrnet_w48",
    "dla34",
    "dla102",
    "dla169",
    "vgg16_bn",
)

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
        key="unet_plain",
        title="U-Net, plain",
        description="As in the paper, from scratch: grey or unusual images, where ImageNet is far.",
        paper="Ronneberger et al. 2015, arXiv:1505.04597",
        builder=_HERE + "plain_unet:build",
        licence="Apache-2.0",
        options={"features": 64},
        multiple=16,
    ),
    Architecture(
        key="unet_plain_small",
        title="U-Net, plain and small",
        description="Half as wide: medical slices, few categories, a CPU.",
        paper="Buda et al. 2019, arXiv:1906.03720",
        builder=_HERE + "plain_unet:build_small",
        licence="Apache-2.0",
        options={"features": 32, "sigmoid": False},
        multiple=16,
    ),
    Architecture(
        key="unetplusplus",
        title="U-Net++",
        description="Dense skips with deep supervision: small things, at more cost than U-Net.",
        paper="Zhou et al. 2018, arXiv:1807.10165",
        builder=_HERE + "unet_plus_plus:build",
        licence="MIT",
        encoders=ALL_ENCODERS,
        options={"deep_supervision": True},
    ),
    Architecture(
        key="linknet",
        title="LinkNet",
        description="Skips are added, not joined: one of the quickest.",
        paper="Chaurasia and Culurciello 2017, arXiv:1707.03718",
        builder=_SMP + "build_linknet",
        licence="MIT",
        encoders=("resnet18", *(key for key in ALL_ENCODERS if key != "resnet18")),
    ),
    Architecture(
        key="fpn",
        title="FPN",
        description="A feature pyramid: things of very different sizes.",
        paper="Kirillov et al. 2019, arXiv:1901.02446",
        builder=_SMP + "build_fpn",
        licence="MIT",
        encoders=ALL_ENCODERS,
        options={"aux": False},
    ),
    Architecture(
        key="pspnet",
        title="PSPNet",
        description="Pools the whole image in a pyramid: scenes; dilated, so slow and thorough.",
        paper="Zhao et al. 2017, arXiv:1612.01105",
        builder=_SMP + "build_pspnet",
        licence="MIT",
        encoders=DILATABLE,
        options={"aux": True},
        multiple=8,
    ),
    Architecture(
        key="deeplabv3",
        title="DeepLab v3",
        description="Dilated pyramid: scenes and objects of all sizes.",
        paper="Chen et al. 2017, arXiv:1706.05587",
        builder=_SMP + "build_deeplabv3",
        licence="MIT",
        encoders=DILATABLE,
        options={"output_stride": 16, "aux": False},
        multiple=16,
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
    Architecture(
        key="upernet",
        title="UPerNet",
        description="Pyramid pooling on a feature pyramid: scenes with many categories.",
        paper="Xiao et al. 2018, arXiv:1807.10221",
        builder=_SMP + "build_upernet",
        licence="MIT",
        encoders=ALL_ENCODERS,
        options={"aux": False},
    ),
    Architecture(
        key="fcn_resnet",
        title="FCN on a dilated ResNet",
        description="A plain head on a dilated ResNet (torchvision's); not the FCN-8s of 2015.",
        paper="Long et al. 2015, arXiv:1411.4038",
        builder=_TORCHVISION + "build_fcn",
        licence="BSD-3-Clause",
        encoders=("resnet50", "resnet101"),
        options={"aux": True},
        multiple=8,
    ),
    Architecture(
        key="deeplabv3_torchvision",
        title="DeepLab v3 (torchvision)",
        description="torchvision's layout, whose published weights it takes over.",
        paper="Chen et al. 2017, arXiv:1706.05587",
        builder=_TORCHVISION + "build_deeplabv3",
        licence="BSD-3-Clause",
        encoders=("resnet50", "resnet101", "mobilenet_v3_large_tv"),
        options={"aux": True},
        multiple=16,
    ),
    Architecture(
        key="lraspp",
        title="LR-ASPP",
        description="The lightest: live on a laptop's CPU.",
        paper="Howard et al. 2019, arXiv:1905.02244",
        builder=_TORCHVISION + "build_lraspp",
        licence="BSD-3-Clause",
        encoders=("mobilenet_v3_large_tv",),
        multiple=16,
    ),
    *(
        Architecture(
            key=f"segformer_b{n}",
            title=f"SegFormer b{n}",
            description=text,
            paper="Xie et al. 2021, arXiv:2105.15203",
            builder=_HERE + "segformer:build",
            licence="Apache-2.0",
        )
        for n, text in enumerate(
            (
                "The smallest transformer of its family: quick, and good on a CPU.",
                "A small transformer.",
                "A transformer of middle size.",
                "A large transformer; wants a graphics card.",
                "A larger transformer; needs a graphics card.",
                "The largest of its family; needs a large graphics card.",
            )
        )
    ),
)
