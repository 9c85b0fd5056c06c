"""ImageNet weights of encoders, from files that were found or downloaded and verified before."""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor, nn

from segstudio.core.errors import WeightsError
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.models import weights as model_weights
from segstudio.models.semantic.card import Encoder, NetworkSpec
from segstudio.models.semantic.contract import SemanticNet
from segstudio.models.semantic.registry import encoder
from segstudio.models.tensor_files import read_tensors


def pretrain_encoder(
    net: SemanticNet,
    spec: NetworkSpec,
    *,
    download: bool,
    report: ProgressSink,
    cancel: CancelToken,
) -> bool:
    """Fill the encoder of `net` with its ImageNet weights; whether there are any.

    Looked for as all weights are (see `models.weights`), downloaded only where `download` allows
    it. Raises WeightsError if they are not here, cannot be had, or are of another encoder;
    Cancelled.
    """
    if not spec.encoder:
        return False
    card = encoder(spec.encoder)
    path = model_weights.ensure(card, None, download=download, report=report, cancel=cancel)
    if path is None:
        return False
    fill_encoder(net.encoder(), card, path)
    return True


def fill_encoder(backbone: nn.Module, card: Encoder, path: Path) -> None:
    """Copy an encoder's weights from a file into a network's backbone.

    The classifier in the file is passed over. Raises WeightsError unless the file has every weight
    of the backbone, in its shape.
    """
    found = read_tensors(path, card, "cpu")
    if card.key == LITE0:
        found = {lite_name(name): value for name, value in found.items()}
    found = {_flat(name): value for name, value in found.items()}
    wanted = backbone.state_dict()
    taken: dict[str, Tensor] = {}
    for name, value in wanted.items():
        source = _source(found, name)
        if source is None and name.endswith("num_batches_tracked"):
            source = value  # older files do not count batches
        if source is None or source.shape != value.shape:
            raise WeightsError(
                f"{path} does not hold the weights of {card.title} (there is no {name} of the "
                "right shape); delete it and get them with "
                f"`segstudio models pull {card.key}`."
            )
        taken[name] = source
    nn.Module.load_state_dict(backbone, taken, strict=True)


def _source(found: dict[str, Tensor], name: str) -> Tensor | None:
    """The tensor for `name` of a backbone, from a file whose names were made flat.

    smp keeps timm's below "model.", where timm flattens some names itself ("stem.0" to "stem_0");
    torchvision's files have a backbone's below "features.".
    """
    bare = _flat(name.removeprefix("model."))
    return found.get(bare, found.get("features_" + bare))


def _flat(name: str) -> str:
    return name.replace(".", "_")


# -- the layout of EfficientNet-PyTorch, which the lite packages have, in timm's names ------------

LITE0 = "efficientnet_lite0"
_LITE_BLOCK = re.compile(r"_blocks\.(\d+)\.(.+)")
_LITE_STAGES = (1, 2, 2, 3, 3, 4, 1)  # blocks of each stage of EfficientNet-Lite0
_LITE_PARTS = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_LITE_FIRST_PARTS = {  # a block that does not expand has no first convolution
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}


def lite_name(name: str) -> str:
    """timm's name of a tensor in a file of EfficientNet-Lite0 in EfficientNet-PyTorch's layout."""
    whole = _LITE_BLOCK.fullmatch(name)
    if whole is None:
        return name.replace("_conv_stem.", "conv_stem.").replace("_bn0.", "bn1.")
    index, rest = int(whole[1]), whole[2]
    part, _, leaf = rest.partition(".")
    parts = _LITE_FIRST_PARTS if index == 0 else _LITE_PARTS
    stage = 0
    while index >= _LITE_STAGES[stage]:
        index -= _LITE_STAGES[stage]
        stage += 1
    return f"blocks.{stage}.{index}.{parts[part]}.{leaf}"
