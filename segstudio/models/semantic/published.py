"""Published weights of semantic models, as data. None is part of SegStudio; users download them."""

from __future__ import annotations

from segstudio.core.prediction import ModelCategory
from segstudio.models.card import WeightsFile
from segstudio.models.licences import NVIDIA_SEGFORMER
from segstudio.models.semantic.card import NetworkSpec, Normalisation, SemanticCard
from segstudio.models.semantic.label_lists import ADE20K, CITYSCAPES, VOC

_TORCHVISION = "https://download.pytorch.org/models/"
_NVIDIA = "https://huggingface.co/nvidia/"
_MILESIAL = "https://github.com/milesial/Pytorch-UNet/releases/download/v3.0/"
_BUDA = "https://github.com/mateuszbuda/brain-segmentation-pytorch/releases/download/v1.0/"
_AS_IT_IS = Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
_VOC_DATA = "COCO images, their 20 VOC categories and background"


def _torchvision(
    title: str,
    spec: NetworkSpec,
    file: tuple[str, int, str],
    scores: tuple[float, float],
) -> SemanticCard:
    """`file` is its name, size and SHA-256, or the first digits of it; `scores` in percent."""
    name, size, sha256 = file
    whole = len(sha256) == 64
    return SemanticCard(
        key=name.rpartition("-")[0].removesuffix("_coco") + "_voc",
        title=title,
        description="Everyday photos: people, animals, vehicles, furniture.",
        spec=spec,
        categories=VOC,
        licence="BSD-3-Clause",
        weights=WeightsFile(
            name=name,
            url=_TORCHVISION + name,
            size=size,
            sha256=sha256 if whole else "",
            licence="BSD-3-Clause",
            sha256_prefix="" if whole else sha256,
        ),
        side=520,
        trained_on=_VOC_DATA,
        scores={"miou": scores[0] / 100, "pixel_accuracy": scores[1] / 100},
    )


def _voc_spec(architecture: str, encoder: str, aux: bool = True) -> NetworkSpec:
    return NetworkSpec(architecture, encoder, len(VOC), {"aux": True} if aux else {})


TORCHVISION_CARDS = (
    _torchvision(
        "LR-ASPP MobileNet v3 (VOC)",
        _voc_spec("lraspp", "mobilenet_v3_large_tv", aux=False),
        ("lraspp_mobilenet_v3_large-d234d4ea.pth", 0, "d234d4ea"),
        (57.9, 91.2),
    ),
    _torchvision(
        "DeepLab v3 MobileNet v3 (VOC)",
        _voc_spec("deeplabv3_torchvision", "mobilenet_v3_large_tv"),
        (
            "deeplabv3_mobilenet_v3_large-fc3c493d.pth",
            44_356_159,
            "fc3c493d68e89cc31ef488c803d5d7dd2f3190fb570598faa49fef69be8e5e70",
        ),
        (60.3, 91.2),
    ),
    _torchvision(
        "DeepLab v3 ResNet-50 (VOC)",
        _voc_spec("deeplabv3_torchvision", "resnet50"),
        (
            "deeplabv3_resnet50_coco-cd0a2569.pth",
            168_312_152,
            "cd0a25694c4a0f7106b38f4938bf90a874f2f241cc410b8f63c7024399538f06",
        ),
        (66.4, 92.4),
    ),
    _torchvision(
        "DeepLab v3 ResNet-101 (VOC)",
        _voc_spec("deeplabv3_torchvision", "resnet101"),
        (
            "deeplabv3_resnet101_coco-586e9e4e.pth",
            244_545_539,
            "586e9e4e203fcbf17e1ad45533d8d33ab133fc762bf03101c5dd743995c08c0d",
        ),
        (67.4, 92.4),
    ),
    _torchvision(
        "FCN ResNet-50 (VOC)",
        _voc_spec("fcn_resnet", "resnet50"),
        (
            "fcn_resnet50_coco-1167a1af.pth",
            141_567_418,
            "1167a1affa42e1e62858f8d3fac12d109e0108327ffc91c5855a324b11683c36",
        ),
        (60.5, 91.4),
    ),
    _torchvision(
        "FCN ResNet-101 (VOC)",
        _voc_spec("fcn_resnet", "resnet101"),
        ("fcn_resnet101_coco-7ecb50ca.pth", 217_800_805, "7ecb50ca17844860a70d5ed0c7"),
        (63.7, 91.9),
    ),
)


def _segformer(
    size: int, data: str, categories: tuple[ModelCategory, ...], side: int
) -> SemanticCard:
    name = "ade" if data == "ADE20K" else "cityscapes"
    key = f"segformer_b{size}_{'ade20k' if data == 'ADE20K' else 'cityscapes'}"
    repository = f"segformer-b{size}-finetuned-{name}-{side}-{side}"
    what = "Rooms, streets and landscapes" if data == "ADE20K" else "Streets seen from a car"
    return SemanticCard(
        key=key,
        title=f"SegFormer b{size} ({data})",
        description=f"{what}. Research and evaluation only.",
        spec=NetworkSpec(f"segformer_b{size}", "", len(categories)),
        categories=categories,
        licence=NVIDIA_SEGFORMER,
        weights=_B0_ADE
        if key == "segformer_b0_ade20k"
        else WeightsFile(
            name=f"{repository}.bin",
            url=f"{_NVIDIA}{repository}/resolve/main/pytorch_model.bin",
            size=0,
            sha256="",
            licence=NVIDIA_SEGFORMER,
        ),
        side=side,
        noncommercial=True,
        trained_on=data,
    )


_B0_ADE = WeightsFile(
    name="segformer-b0-finetuned-ade-512-512.safetensors",
    url=_NVIDIA + "segformer-b0-finetuned-ade-512-512/resolve/"
    "489d5cd81a0b59fab9b7ea758d3548ebe99677da/model.safetensors",
    size=15_036_944,
    sha256="6ae39addd01de6b1b8bde2cf677d43a5cd733424b8d186de3f95d1c51fee23f9",
    licence=NVIDIA_SEGFORMER,
)

SEGFORMER_CARDS = (
    *(_segformer(size, "ADE20K", ADE20K, 640 if size == 5 else 512) for size in range(6)),
    *(_segformer(size, "Cityscapes", CITYSCAPES, 1024) for size in range(6)),
)


def _carvana(scale: float) -> SemanticCard:
    name = f"unet_carvana_scale{scale}_epoch2.pth"
    return SemanticCard(
        key=f"unet_carvana_{scale}".replace(".", "_"),
        title=f"U-Net (Carvana cars, scale {scale})",
        description="A car before a studio's background.",
        spec=NetworkSpec("unet_plain", "", 2),
        categories=(
            ModelCategory("background", "#000000", background=True),
            ModelCategory("car", "#56b4e9", isthing=True),
        ),
        licence="GPL-3.0",
        weights=WeightsFile(name, _MILESIAL + name, 0, "", "GPL-3.0"),
        normalisation=_AS_IT_IS,
        side=960 if scale == 0.5 else 1280,
        scale=scale,
        trained_on="Carvana image masking challenge",
    )


UNET_CARDS = (
    _carvana(0.5),
    _carvana(1.0),
    SemanticCard(
        key="unet_brain_mri",
        title="U-Net (brain MRI, FLAIR abnormality)",
        description="Slices of 256 x 256 with three sequences as RGB; each is standardised.",
        spec=NetworkSpec("unet_plain_small", "", 2, {"sigmoid": True}),
        categories=(
            ModelCategory("background", "#000000", background=True),
            ModelCategory("abnormality", "#e69f00", isthing=True),
        ),
        licence="MIT",
        weights=WeightsFile(
            "unet-e012d006.pt", _BUDA + "unet-e012d006.pt", 0, "", "MIT", sha256_prefix="e012d006"
        ),
        normalisation=_AS_IT_IS,
        side=256,
        trained_on="TCGA lower-grade glioma, 110 patients",
        loader="segstudio.models.semantic.loading:load_standardised",
    ),
)

PUBLISHED: tuple[SemanticCard, ...] = (*TORCHVISION_CARDS, *SEGFORMER_CARDS, *UNET_CARDS)
