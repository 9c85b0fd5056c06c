"""torchvision's segmentation networks (BSD-3): FCN and DeepLab v3 on dilated ResNets, LR-ASPP.

They are built without weights; torchvision downloads nothing here.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torchvision.models import segmentation

from segstudio.core.errors import BadInputError
from segstudio.models.semantic.card import NetworkSpec
from segstudio.models.semantic.network import Body, SizedNet

AUX_WEIGHT = 0.5  # as in torchvision's own training script

_FCN = {"resnet50": segmentation.fcn_resnet50, "resnet101": segmentation.fcn_resnet101}
_DEEPLAB = {
    "resnet50": segmentation.deeplabv3_resnet50,
    "resnet101": segmentation.deeplabv3_resnet101,
    "mobilenet_v3_large_tv": segmentation.deeplabv3_mobilenet_v3_large,
}


class TorchvisionNet(Body):
    """A backbone that gives features by name, a classifier, an auxiliary classifier or none."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    @property
    def backbone(self) -> nn.Module:
        return self.network.get_submodule("backbone")

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = self.backbone(images)
        main = features.get("out", features)  # LR-ASPP takes them all
        logits = {"out": self.network.get_submodule("classifier")(main)}
        if self.training and "aux" in features:
            logits["aux"] = self.network.get_submodule("aux_classifier")(features["aux"])
        return logits


def build_fcn(spec: NetworkSpec) -> SizedNet:
    """A ResNet dilated to stride 8 with a small head of convolutions; it is not FCN-8s."""
    return _with_aux(_FCN, spec, 8)


def build_deeplabv3(spec: NetworkSpec) -> SizedNet:
    """ASPP with rates 12, 24, 36 at stride 8 (stride 16 on MobileNet)."""
    return _with_aux(_DEEPLAB, spec, 16 if spec.encoder.startswith("mobilenet") else 8)


def build_lraspp(spec: NetworkSpec) -> SizedNet:
    """Lite R-ASPP on MobileNet v3 large (Howard et al. 2019)."""
    network = segmentation.lraspp_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=spec.categories
    )
    return SizedNet(TorchvisionNet(network), 16)


def _with_aux(
    builders: dict[str, Callable[..., nn.Module]], spec: NetworkSpec, multiple: int
) -> SizedNet:
    if spec.encoder not in builders:
        raise BadInputError(f"torchvision has no such network on the encoder {spec.encoder!r}.")
    aux = bool(spec.options.get("aux", True))
    network = builders[spec.encoder](
        weights=None, weights_backbone=None, num_classes=spec.categories, aux_loss=aux
    )
    return SizedNet(TorchvisionNet(network), multiple, {"aux": AUX_WEIGHT} if aux else {})
