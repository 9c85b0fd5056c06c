"""The same questions, put to every architecture of the zoo on the smallest encoder it goes with.

Batch normalisation over a single value per channel (one image, pooled to 1 x 1) has no variance;
the networks are forced through it by their running statistics, see `SingleValueBatchNorm`.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from functools import cache
from typing import cast

import pytest
import torch
from torch import Tensor, nn
from zoo import card_of, plain_categories, seeded_net, small_spec

from segstudio.core.errors import BadInputError
from segstudio.core.prediction import ModelCategory
from segstudio.models.semantic import library
from segstudio.models.semantic.card import Architecture
from segstudio.models.semantic.network import SizedNet
from segstudio.models.semantic.registry import (
    ARCHITECTURES,
    ENCODERS,
    PUBLISHED,
    architecture,
    build,
    encoder,
    network_spec,
    semantic_card,
)
from segstudio.models.training.networks import category_tensors, fill

# b2 to b5 are b1 with more blocks: what is asked of all would take minutes on them.
DEEP = {f"segformer_b{n}" for n in (2, 3, 4, 5)}
ASKED = [row for row in ARCHITECTURES if row.key not in DEEP]
every_architecture = pytest.mark.parametrize("row", ASKED, ids=lambda row: row.key)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Small networks lose more than they gain by threads that wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """No library may download anything by itself."""

    def refused(*_: object) -> None:
        raise AssertionError("something asked the network")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


@cache
def net_of_key(key: str) -> SizedNet:
    return cast("SizedNet", seeded_net(small_spec(architecture(key))))


def net_of(row: Architecture) -> SizedNet:
    """One network for all questions that do not change it."""
    return net_of_key(row.key)


def images(count: int, height: int, width: int, seed: int = 1) -> Tensor:
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


@every_architecture
@pytest.mark.parametrize("size", [(33, 33), (47, 90)], ids=str)
def test_logits_have_the_size_of_the_input(row: Architecture, size: tuple[int, int]) -> None:
    with torch.inference_mode():
        found = net_of(row)(images(1, *size))
    assert list(found) == ["out"]
    assert found["out"].shape == (1, 3, *size)
    assert found["out"].dtype == torch.float32 and bool(found["out"].isfinite().all())


@every_architecture
def test_inside_sides_are_multiples_and_pixels_stay_where_they_are(row: Architecture) -> None:
    """An image whose border is repeated by hand gives the same logits as one that is filled up."""
    net = net_of(row)
    seen: list[torch.Size] = []
    hook = net.body.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape))
    odd = images(1, 90, 93)
    filled = nn.functional.pad(odd, (0, 3, 0, 6), mode="replicate")
    with torch.inference_mode():
        cut, whole = net(odd)["out"], net(filled)["out"]
    hook.remove()
    assert [tuple(shape[-2:]) for shape in seen] == [(96, 96), (96, 96)]
    assert 96 % row.multiple == 0
    torch.testing.assert_close(cut, whole[..., :90, :93])


@every_architecture
def test_evaluation_is_deterministic_and_images_do_not_mix(row: Architecture) -> None:
    net = net_of(row)
    pair = images(2, 64, 64)
    with torch.inference_mode():
        both, again, first = net(pair)["out"], net(pair)["out"], net(pair[:1])["out"]
    assert torch.equal(both, again)
    torch.testing.assert_close(both[:1], first, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(both[0], both[1])


@every_architecture
def test_one_image_trains_and_its_gradient_reaches_the_first_layer(row: Architecture) -> None:
    """All outputs are there, and no parameter is left out (several devices need that)."""
    net = cast("SizedNet", build(small_spec(row)))
    net.train()
    found = net(images(1, 40, 40))
    assert set(found) == {"out", *net.aux_weights}
    assert all(logits.shape == (1, 3, 40, 40) for logits in found.values())
    loss = sum((logits.square().mean() for logits in found.values()), torch.zeros(()))
    loss.backward()
    gradients = {name: value.grad for name, value in net.named_parameters()}
    assert not [name for name, value in gradients.items() if value is None]
    assert all(value.isfinite().all() for value in gradients.values() if value is not None)
    first = next(net.encoder().parameters())
    assert first.grad is not None and float(first.grad.abs().sum()) > 0


@every_architecture
def test_a_saved_model_answers_the_same(row: Architecture) -> None:
    net = net_of(row)
    card = card_of(small_spec(row), f"kept_{row.key}")
    place = library.save(net.state_dict(), card)
    kept = semantic_card(card.key)
    assert kept.folder == place and kept.spec == card.spec
    model = kept.load(None, "cpu")
    given = images(2, 64, 64).sigmoid()
    mean = torch.tensor(card.normalisation.mean).view(1, 3, 1, 1)
    std = torch.tensor(card.normalisation.std).view(1, 3, 1, 1)
    with torch.inference_mode():
        expected = net((given - mean) / std)["out"]
    torch.testing.assert_close(model.logits(given), expected)
    assert model.model_key.startswith(card.key)


@every_architecture
def test_another_number_of_categories_keeps_what_fits(row: Architecture) -> None:
    net = net_of(row)
    other = seeded_net(small_spec(row, categories=5), seed=7)
    before, now = plain_categories(3), (*plain_categories(3)[:2], *plain_categories(5)[2:])
    heads = category_tensors(small_spec(row))
    fitting, tensors = fill(other, net.state_dict(), before, now, heads)
    assert fitting == tensors
    old, new = net.state_dict(), other.state_dict()
    assert heads == {name for name in old if old[name].shape != new[name].shape}
    assert all(torch.equal(old[name], new[name]) for name in set(old) - heads)
    assert heads and all(torch.equal(new[name][:2], old[name][:2]) for name in heads)


def test_as_many_other_categories_as_a_layer_has_channels_take_over_whole_layers() -> None:
    """SegFormer b0 has layers of 32 channels, which are not 32 categories."""
    row = architecture("segformer_b0")
    spec = network_spec(row.key, "", 32)
    net, other = seeded_net(spec, seed=1), seeded_net(spec, seed=2)
    before = plain_categories(32)
    now = (*before[1:], ModelCategory("new", "#000000"))
    heads, first = category_tensors(spec), other.state_dict()
    first = {name: first[name].clone() for name in heads}
    fill(other, net.state_dict(), before, now, heads)
    old, new = net.state_dict(), other.state_dict()
    assert all(torch.equal(old[name], new[name]) for name in set(old) - heads)
    for name in heads:
        assert torch.equal(new[name][:-1], old[name][1:])
        assert torch.equal(new[name][-1], first[name][-1])


@pytest.mark.parametrize("key", sorted(DEEP))
def test_deep_variants_have_the_parts_of_the_small_one(key: str) -> None:
    """Built without memory, and asked for shapes only."""
    with torch.device("meta"), torch.no_grad():
        net = cast("SizedNet", build(network_spec(key, "", 4)))
        logits = net.eval()(torch.empty(1, 3, 64, 64))["out"]
    assert logits.shape == (1, 4, 64, 64)
    shallow = net_of_key("segformer_b1").state_dict()
    assert set(shallow) < set(net.state_dict())


def test_rows_of_the_tables_are_whole() -> None:
    for row in ARCHITECTURES:
        assert row.title and row.description and row.paper and row.licence
        assert {encoder(key).key for key in row.encoders} == set(row.encoders)
        assert len(set(row.encoders)) == len(row.encoders)
    for table in (ARCHITECTURES, ENCODERS, PUBLISHED):
        assert len({row.key for row in table}) == len(table)
    assert {key for row in ARCHITECTURES for key in row.encoders} == {row.key for row in ENCODERS}


@pytest.mark.parametrize("row", ARCHITECTURES[:1] + ARCHITECTURES[-1:], ids=lambda row: row.key)
def test_specs_that_cannot_be_are_refused_in_a_sentence(row: Architecture) -> None:
    with pytest.raises(BadInputError, match="does not go with the encoder 'vgg99'"):
        network_spec(row.key, "vgg99", 3)
    with pytest.raises(BadInputError, match="no option 'colour'"):
        network_spec(row.key, "", 3, {"colour": 1})
    for categories in (0, 256):
        with pytest.raises(BadInputError, match="1 to 255 categories"):
            network_spec(row.key, "", categories)
    with pytest.raises(BadInputError, match="no architecture"):
        network_spec("net", "", 3)
