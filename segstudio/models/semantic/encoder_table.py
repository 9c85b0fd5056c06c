"""The encoders that architectures stand on, as data; parameters are those of the backbone."""

from __future__ import annotations

from segstudio.models.semantic.card import Encoder

ENCODERS: tuple[Encoder, ...] = (
    Encoder("resnet18", "ResNet-18", "resnet18", 11_176_512, "MIT"),
    Encoder("resnet34", "ResNet-34", "resnet34", 21_284_672, "MIT"),
    Encoder("resnet50", "ResNet-50", "resnet50", 23_508_032, "MIT"),
    Encoder("resnet101", "ResNet-101", "resnet101", 42_500_160, "MIT"),
    Encoder("resnest50", "ResNeSt-50", "tu-resnest50d", 25_434_240, "Apache-2.0"),
    Encoder("hrnet_w18", "HRNet-W18", "tu-hrnet_w18", 10_948_180, "Apache-2.0"),
    Encoder("hrnet_w48", "HRNet-W48", "tu-hrnet_w48", 67_119_040, "Apache-2.0"),
    Encoder("dla34", "DLA-34", "tu-dla34", 15_229_104, "Apache-2.0"),
    Encoder("dla102", "DLA-102", "tu-dla102", 32_243_888, "Apache-2.0"),
    Encoder("mobilenet_v2", "MobileNet v2", "mobilenet_v2", 2_223_872, "MIT"),
    Encoder(
        "mobilenet_v3_large",
        "MobileNet v3 large",
        "tu-mobilenetv3_large_100",
        2_971_952,
        "Apache-2.0",
    ),
    Encoder(
        "mobilenet_v3_small",
        "MobileNet v3 small",
        "tu-mobilenetv3_small_100",
        927_008,
        "Apache-2.0",
    ),
    Encoder("efficientnet_b0", "EfficientNet-B0", "efficientnet-b0", 4_007_548, "Apache-2.0"),
    Encoder("efficientnet_b3", "EfficientNet-B3", "efficientnet-b3", 10_696_232, "Apache-2.0"),
    Encoder(
        "efficientnet_lite0",
        "EfficientNet-Lite0",
        "tu-tf_efficientnet_lite0",
        2_958_848,
        "Apache-2.0",
    ),
    Encoder("vgg16_bn", "VGG-16 with batch norm", "vgg16_bn", 14_723_136, "MIT"),
)
