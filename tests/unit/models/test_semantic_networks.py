"""What the architectures are made of: sizes, dilation, deep supervision, batches of one value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

import pytest
import torch
from torch import nn
from zoo import SMALLEST, seeded_net

from segstudio.core.errors import BadInputError
from segstudio.models.semantic.architectures.encoder_decoders import EncoderDecoder
from segstudio.models.semantic.architectures.unet_plus_plus import UNetPlusPlus
from segstudio.models.semantic.network import SingleValueBatchNorm, SizedNet
from segstudio.models.semantic.registry import build, network_spec


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


NO_AUX = {"aux": False}

# Counted from the libraries' own constructors (smp 0.6, torchvision 0.29).
COUNTED = [
    ("unet", "resnet34", 21, {}, 24_439_269),
    ("unet", "vgg16_bn", 21, {}, 23_759_589),
    ("unetplusplus", "resnet34", 21, {"deep_supervision": False}, 26_081_509),
    ("linknet", "resnet18", 21, {}, 11_664_437),
    ("fpn", "resnet50", 21, NO_AUX, 26_118_613),
    ("pspnet", "resnet50", 21, NO_AUX, 29_900_885),
    ("deeplabv3", "resnet50", 21, NO_AUX, 39_638_869),
    ("deeplabv3plus", "resnet50", 21, NO_AUX, 26_682_725),
    ("upernet", "resnet101", 150, NO_AUX, 56_315_094),
    ("fcn_resnet", "resnet50", 21, {}, 35_322_218),
    ("fcn_resnet", "resnet101", 21, {}, 54_314_346),
    ("deeplabv3_torchvision", "resnet50", 21, {}, 42_004_074),
    ("deeplabv3_torchvision", "resnet101", 21, {}, 60_996_202),
    ("deeplabv3_torchvision", "mobilenet_v3_large_tv", 21, {}, 11_029_328),
    ("lraspp", "mobilenet_v3_large_tv", 21, {}, 3_221_538),
]


@pytest.mark.parametrize(
    ("key", "encoder", "categories", "options", "count"),
    COUNTED,
    ids=[f"{row[0]} {row[1]}" for row in COUNTED],
)
def test_networks_have_the_parameters_of_their_references(
    key: str, encoder: str, categories: int, options: Mapping[str, bool], count: int
) -> None:
    with torch.device("meta"):
        net = build(network_spec(key, encoder, categories, options))
    assert isinstance(net, nn.Module)
    assert sum(value.numel() for value in net.parameters()) == count


@pytest.mark.parametrize(
    ("key", "options", "strides"),
    [
        ("pspnet", {}, [1, 2, 4, 8, 8, 8]),
        ("deeplabv3", {"output_stride": 8}, [1, 2, 4, 8, 8, 8]),
        ("deeplabv3plus", {}, [1, 2, 4, 8, 16, 16]),
        ("unet", {}, [1, 2, 4, 8, 16, 32]),
    ],
)
@pytest.mark.parametrize("encoder", ["resnet18", SMALLEST, "resnest50"])
def test_encoders_are_dilated_as_the_papers_say(
    key: str, options: Mapping[str, int], strides: list[int], encoder: str
) -> None:
    with torch.device("meta"), torch.no_grad():
        net = build(network_spec(key, encoder, 3, options))
        features = net.encoder()(torch.empty(2, 3, 64, 64))
    assert [64 // feature.shape[-1] for feature in features] == strides


def test_an_output_stride_that_deeplab_has_not_is_refused() -> None:
    with pytest.raises(BadInputError, match="is 8 or 16, not 4"):
        build(network_spec("deeplabv3plus", "resnet18", 3, {"output_stride": 4}))


def test_the_aux_head_is_asked_in_training_only() -> None:
    net = cast("SizedNet", seeded_net(network_spec("pspnet", SMALLEST, 3)))
    body = cast("EncoderDecoder", net.body)
    assert net.aux_weights == {"aux": 0.4} and body.aux is not None
    given = torch.randn(1, 3, 64, 64)
    calls: list[int] = []
    body.aux.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        net(given)
        assert calls == []
        assert set(net.train()(given)) == {"out", "aux"} and calls == [1]


def test_unet_plus_plus_is_smps_without_deep_supervision() -> None:
    spec = network_spec("unetplusplus", SMALLEST, 3, {"deep_supervision": False})
    net = cast("SizedNet", seeded_net(spec))
    given = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        expected = cast("UNetPlusPlus", net.body).network(given)
        torch.testing.assert_close(net(given)["out"], expected)


def test_unet_plus_plus_predicts_the_mean_of_its_four_heads() -> None:
    net = cast("SizedNet", seeded_net(network_spec("unetplusplus", SMALLEST, 3)))
    assert net.aux_weights == {"x01": 1.0, "x02": 1.0, "x03": 1.0}
    given = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        mean = net(given)["out"]
        net.train()
        for module in net.modules():  # train mode, but for what batches would change
            if isinstance(module, nn.BatchNorm2d | nn.Dropout):
                module.eval()
        heads = net(given)
    assert set(heads) == {"out", "x01", "x02", "x03"}
    torch.testing.assert_close(mean, torch.stack(tuple(heads.values())).mean(dim=0))
    shallow, deep = heads["x01"], heads["x03"]
    assert not torch.allclose(shallow, deep)


def test_one_value_per_channel_is_normalised_by_what_was_learned() -> None:
    norm, plain = SingleValueBatchNorm(4), nn.BatchNorm2d(4)
    assert set(norm.state_dict()) == set(plain.state_dict())
    many = torch.randn(3, 4, 5, 5)
    torch.testing.assert_close(norm(many), plain(many))
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    single = torch.randn(1, 4, 1, 1)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        plain(single)
    torch.testing.assert_close(norm(single), plain.eval()(single))
    assert all(torch.equal(before[name], value) for name, value in norm.state_dict().items())
