"""Predicting whole images: windows against the whole, scales and mirrors, CRF, bounds, failures."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from network_model import NetworkModel
from skimage import data
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from segstudio.core.errors import BadInputError, Cancelled, DeviceError, WeightsError
from segstudio.core.image import RgbImage
from segstudio.core.prediction import SemanticPrediction
from segstudio.core.progress import CancelToken, Progress, ignore_progress
from segstudio.imaging.dense_crf import dense_crf
from segstudio.models.semantic import refining
from segstudio.models.semantic.contract import CrfSettings, PredictSettings
from segstudio.models.semantic.predicting import predict

FIELDS = ("labels", "confidence", "entropy")


def photo(height: int, width: int) -> RgbImage:
    tile = data.astronaut()
    rows = np.concatenate((tile, tile[:, ::-1], tile), axis=1)
    return RgbImage(np.ascontiguousarray(np.concatenate((rows, rows[::-1]))[:height, :width]))


def asked(model, image, cancel=None, report=ignore_progress, **how) -> SemanticPrediction:
    return predict(model, image, PredictSettings(**how), report, cancel or CancelToken())


class Strided(nn.Module):
    """Convolutions at stride 8 and back: a pixel depends on those up to `reach` away, no others."""

    reach = 7 + 2 * 8 + 2 * 8  # the first kernel, one of 3 x 3 at stride 8, the enlargement

    def __init__(self, categories: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 12, 8, stride=8)
        self.middle = nn.Conv2d(12, categories, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        small = self.middle(torch.tanh(3 * self.down(images)))
        return 6 * functional.interpolate(small, images.shape[-2:], mode="bilinear")


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def cut_unet() -> nn.Module:
    """A real U-Net on the first two stages of ResNet-18, whose reach lies within a window."""
    net = smp.Unet(
        "resnet18", encoder_weights=None, encoder_depth=2, decoder_channels=(32, 16), classes=5
    )
    with torch.no_grad():
        net.segmentation_head[0].weight.mul_(20)
    return net.eval().requires_grad_(False)


def reach_of(net: nn.Module, multiple: int) -> int:
    """How far away a pixel is, at most, that the output at any of `multiple` places depends on."""
    images = torch.rand(1, 3, 192, 192, requires_grad=True)
    net(images)[0, :, 96 : 96 + multiple, 96 : 96 + multiple].sum().backward()
    assert images.grad is not None
    touched = torch.nonzero(images.grad.abs().sum(dim=(0, 1)))
    return int(max(96 - touched.min(), touched.max() - (96 + multiple - 1)))


# -- windows and the whole -----------------------------------------------------------------------


@pytest.mark.parametrize("size", [(300, 421), (421, 300), (257, 256)])
def test_within_the_reach_that_does_not_count_windows_say_exactly_what_the_whole_says(size):
    """The network reaches 39 pixels; of an overlap of 160 the outer 40 on each side count not."""
    model = NetworkModel(Strided(6).eval(), 6, side=256)
    whole = asked(model, photo(*size), tile=2048)
    assert model.shapes == [(1, 3, math.ceil(size[0] / 32) * 32, math.ceil(size[1] / 32) * 32)]
    model.shapes.clear()
    tiled = asked(model, photo(*size), overlap=0.62)
    assert len(model.shapes) > 1
    assert len(np.unique(whole.labels)) > 2
    for name in FIELDS:
        difference = getattr(whole, name).astype(int) - getattr(tiled, name)
        assert np.abs(difference).max() <= (0 if name == "labels" else 1)


def test_a_real_network_says_the_same_in_windows_as_of_the_whole() -> None:
    net = cut_unet()
    net.requires_grad_(True)
    assert 20 < reach_of(net, 4) <= 32
    net.requires_grad_(False)
    model = NetworkModel(net, 5, side=256)
    image = photo(290, 350)
    whole, tiled = asked(model, image, tile=2048), asked(model, image, overlap=0.5)
    assert np.mean(whole.labels == tiled.labels) > 0.9999  # but for ties in the last bit
    assert np.abs(whole.confidence.astype(int) - tiled.confidence).max() <= 1
    assert whole.confidence.std() > 10


def test_beyond_the_reach_of_inner_edges_a_small_overlap_is_as_good() -> None:
    """With the overlap of 25 %, only pixels that an edge of a counting window reaches may differ.

    Windows of 128 at 0, 96 and 192: the first edges are at 96 and 128.
    """
    model = NetworkModel(Strided(6).eval(), 6, side=128)
    image = photo(128, 320)
    whole, tiled = asked(model, image, tile=2048), asked(model, image)
    same = whole.labels == tiled.labels
    away = [slice(0, 96 - Strided.reach), slice(128 + Strided.reach, 192 - Strided.reach)]
    assert not same.all()
    for columns in away:
        assert same[:, columns].all()


@settings(max_examples=20)
@given(st.integers(1, 150), st.integers(1, 150), st.sampled_from([0.0, 0.25, 0.7]))
def test_any_size_gives_a_prediction_of_that_size(height, width, overlap):
    model = NetworkModel(nn.Conv2d(3, 4, 1).requires_grad_(False), 4, side=64)
    image = photo(height, width)
    found = asked(model, image, overlap=overlap)
    direct = torch.softmax(
        model.network(torch.from_numpy(image.pixels).permute(2, 0, 1)[None] / 255), dim=1
    )[0]
    assert found.size == (height, width)
    assert np.array_equal(found.labels, direct.argmax(dim=0).numpy())
    assert np.abs(found.confidence / 255 - direct.amax(dim=0).numpy()).max() < 0.0021
    entropy = -(direct * direct.log()).sum(dim=0) / math.log(4)
    assert np.abs(found.entropy / 255 - entropy.numpy()).max() < 0.0021
    for shape in model.shapes:
        assert shape[2] % 32 == shape[3] % 32 == 0
        assert 33 <= min(shape[2:]) <= max(shape[2:]) <= 64


# -- scales, mirror images, temperature ------------------------------------------------------------


def test_scales_and_mirror_images_are_averaged_as_probabilities() -> None:
    net = cut_unet()
    model, image = NetworkModel(net, 5, side=512), photo(96, 128)
    found = asked(model, image, scales=(0.5, 1.0, 1.5), flip=True)
    assert [shape[2:] for shape in model.shapes[::2]] == [(64, 64), (96, 128), (160, 192)]
    parts = []
    for scale in (0.5, 1.0, 1.5):
        once = NetworkModel(net, 5, side=512)
        kept: list[Tensor] = []
        once.network = lambda x, kept=kept: kept.append(net(x)) or kept[-1]
        asked(once, image, scales=(scale,), flip=True)
        size = round(96 * scale), round(128 * scale)
        for logits in (kept[0], kept[1].flip(-1)):
            inside = logits[..., : size[0], : size[1]]
            same_size = functional.interpolate(
                inside, (96, 128), mode="bilinear", antialias=scale > 1
            )
            parts.append(torch.softmax(same_size, dim=1)[0])
    mean = torch.stack(parts).mean(dim=0)
    assert np.mean(found.labels == mean.argmax(dim=0).numpy()) > 0.9999
    assert np.abs(found.confidence / 255 - mean.amax(dim=0).numpy()).max() < 0.0025


def test_mirror_images_make_a_prediction_symmetric() -> None:
    model, image = NetworkModel(cut_unet(), 5, side=512), photo(96, 128)
    mirrored = RgbImage(np.ascontiguousarray(image.pixels[:, ::-1]))
    for flip, same in ((True, True), (False, False)):
        one, other = (asked(model, shown, flip=flip) for shown in (image, mirrored))
        assert (np.mean(one.labels == other.labels[:, ::-1]) > 0.9999) == same


def test_a_card_with_a_scale_is_shown_the_image_at_that_scale() -> None:
    """A network of 1 x 1 convolutions on a smooth image does not mind, but for resampling."""
    y, x = np.mgrid[:240, :300]
    pixels = np.stack((x * 255 // 300, y * 255 // 240, 255 - x * 255 // 300), axis=2)
    image = RgbImage(pixels.astype(np.uint8))
    net = nn.Conv2d(3, 3, 1).requires_grad_(False)
    net.weight.mul_(6)
    plain = asked(NetworkModel(net, 3, side=512), image)
    for scale, largest in ((0.5, 64), (2.0, 64), (1.75, 64)):
        model = NetworkModel(net, 3, side=64, scale=scale)
        found = asked(model, image)
        assert max(max(shape[2:]) for shape in model.shapes) == largest
        assert len(model.shapes) > 4
        assert np.mean(found.labels == plain.labels) > 0.99
        assert np.abs(found.confidence.astype(int) - plain.confidence).mean() < 2


def test_the_temperature_is_the_cards_unless_the_settings_name_one() -> None:
    net, image = cut_unet(), photo(64, 64)
    plain = asked(NetworkModel(net, 5), image)
    warm = asked(NetworkModel(net, 5, temperature=4.0), image)
    named = asked(NetworkModel(net, 5, temperature=4.0), image, temperature=1.0)
    assert np.array_equal(plain.labels, warm.labels)
    assert warm.confidence.mean() < plain.confidence.mean() - 10
    assert warm.entropy.mean() > plain.entropy.mean() + 10
    assert np.array_equal(named.confidence, plain.confidence)


def test_keys_and_categories_are_the_models_and_the_settings_own() -> None:
    model, how = NetworkModel(cut_unet(), 5), PredictSettings(flip=True)
    found = predict(model, photo(40, 50), how, ignore_progress, CancelToken())
    assert (found.model_key, found.settings_key) == (model.model_key, how.key)
    assert found.categories == model.card.categories


def test_one_category_is_sure_of_itself() -> None:
    found = asked(NetworkModel(nn.Conv2d(3, 1, 1).requires_grad_(False), 1), photo(20, 20))
    assert (found.labels == 0).all()
    assert (found.confidence == 255).all()
    assert (found.entropy == 0).all()


# -- the CRF ---------------------------------------------------------------------------------------


def test_the_crf_refines_the_probabilities_of_the_whole_image() -> None:
    net, image = cut_unet(), photo(80, 100)
    model = NetworkModel(net, 5, side=512)
    batch = functional.pad(
        torch.from_numpy(image.pixels).permute(2, 0, 1)[None] / 255, (0, 28, 0, 16), mode="reflect"
    )
    chances = torch.softmax(net(batch)[0, :, :80, :100], dim=0).numpy()
    expected = dense_crf(chances, image.pixels, iterations=3)
    found = asked(model, image, crf=CrfSettings(iterations=3))
    assert np.mean(found.labels == expected.argmax(axis=0)) > 0.999
    assert np.mean(found.labels != chances.argmax(axis=0)) > 0.01
    assert np.abs(found.confidence / 255 - expected.max(axis=0)).mean() < 0.003
    assert np.array_equal(asked(model, image, crf=CrfSettings(iterations=0)).labels,
                          asked(model, image).labels)  # fmt: skip


def test_beyond_the_bound_the_crf_refines_each_window_before_the_blend(monkeypatch) -> None:
    """Labels are nearly those of the whole image's CRF, and nothing of the image's size is kept."""
    model, image = NetworkModel(cut_unet(), 5, side=192, temperature=8.0), photo(192, 400)
    how = CrfSettings(iterations=2, look_xy=20, look_weight=4)
    whole = asked(model, image, crf=how)
    monkeypatch.setattr(refining, "WHOLE_BYTES", 5 * 4 * 192 * 192)
    by_window = asked(model, image, crf=how)
    assert not np.array_equal(whole.confidence, by_window.confidence)
    assert np.mean(whole.labels == by_window.labels) > 0.97


# -- memory, cancelling, failing -------------------------------------------------------------------


class Largest(TorchDispatchMode):
    """How many bytes the largest tensor has that is made meanwhile."""

    bytes = 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        made = function(*arguments, **(options or {}))
        for one in made if isinstance(made, tuple | list) else (made,):
            if isinstance(one, Tensor):
                self.bytes = max(self.bytes, one.untyped_storage().nbytes())
        return made


def test_what_is_held_does_not_grow_with_the_image() -> None:
    held = []
    for height in (384, 768):
        model = NetworkModel(nn.Conv2d(3, 40, 1).requires_grad_(False), 40, side=64)
        with Largest() as largest:
            asked(model, photo(height, 256))
        held.append(largest.bytes)
    assert held[0] >= 40 * 4 * 64 * 64
    assert held[1] == held[0] < 40 * 4 * 384 * 256 / 8


def test_cancel_ends_it_between_two_windows() -> None:
    token = CancelToken()
    model, image = (
        NetworkModel(nn.Conv2d(3, 3, 1).requires_grad_(False), 3, side=64),
        photo(200, 200),
    )
    seen: list[Progress] = []

    def report(progress: Progress) -> None:
        seen.append(progress)
        if progress.done == 3:
            token.cancel()

    with pytest.raises(Cancelled):
        asked(model, image, token, report)
    assert len(model.shapes) == 4
    assert [p.done for p in seen] == [0, 1, 2, 3]
    assert seen[0].total == 36


class Looked(CancelToken):
    """A token that notes each look at it; it is set at look number `last`."""

    def __init__(self, last: int = 0) -> None:
        super().__init__()
        self.notes: list[str] = []
        self._last = last

    def check(self) -> None:
        self.notes.append("look")
        if self.notes.count("look") == self._last:
            self.cancel()
        super().check()


def test_the_token_is_looked_at_between_passes_steps_of_the_crf_and_rows() -> None:
    """However the model is asked, one pass of the network is the most that a cancel waits for."""

    def looks(last: int = 0, iterations: int = 1) -> list[str]:
        token = Looked(last)
        net = nn.Conv2d(3, 3, 1).requires_grad_(False)
        model = NetworkModel(lambda x: token.notes.append("pass") or net(x), 3, side=64)
        how = CrfSettings(iterations=iterations)
        asked(model, photo(64, 96), token, scales=(0.5, 1.0), flip=True, crf=how)
        return token.notes

    notes = looks()
    assert notes.count("pass") == 8
    assert all("look" in pair for pair in pairwise(notes))
    after = len(notes) - 1 - notes[::-1].index("pass")
    assert len(looks(iterations=3)) >= len(notes) + 2 * 8  # the lattice's steps
    for last in (1, notes[: after + 1].count("look") + 1, notes.count("look")):
        with pytest.raises(Cancelled):
            looks(last)


def test_progress_counts_windows_to_the_end() -> None:
    seen: list[Progress] = []
    model = NetworkModel(nn.Conv2d(3, 3, 1).requires_grad_(False), 3, side=64)
    asked(model, photo(100, 150), report=seen.append, crf=CrfSettings(iterations=1))
    assert seen[-1].fraction == 1.0
    assert seen[-1].total == len(model.shapes)
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert any("border" in p.text for p in seen)


class Card(NetworkModel):
    """A model that takes several windows at once, as on a graphics card; it computes on the CPU."""

    device = "meta-card"

    def logits(self, images: Tensor) -> Tensor:
        return super().logits(images)


@pytest.mark.parametrize("wrapped", [None, torch.OutOfMemoryError, RuntimeError])
def test_where_memory_is_short_fewer_windows_go_at_once(monkeypatch, wrapped) -> None:
    monkeypatch.setattr(torch.Tensor, "to", _stay(torch.Tensor.to))
    net, image = Strided(5).eval(), photo(330, 300)
    plain = asked(NetworkModel(net, 5, side=64), image)
    model = Card(net, 5, side=64, memory=3 * 64 * 64)
    if wrapped:
        _raise_device_errors(model, wrapped)
    seen: list[Progress] = []
    found = asked(model, image, report=seen.append)
    sizes = [shape[0] for shape in model.shapes]
    assert sizes[0] == 8
    assert sizes[1:3] == [4, 2]
    assert max(sizes[2:]) == 2
    assert np.array_equal(found.labels, plain.labels)
    assert np.abs(found.confidence.astype(int) - plain.confidence).max() <= 1
    assert "2 at a time" in seen[-1].text
    model.memory = 100
    with pytest.raises(DeviceError, match="ran out of memory"):
        asked(model, image)


def _stay(to):
    def moved(self, *arguments, **options):
        arguments = tuple("cpu" if a == Card.device else a for a in arguments)
        return to(self, *arguments, **options)

    return moved


def _raise_device_errors(model: NetworkModel, kind: type[Exception]) -> None:
    """As models do, who turn torch's errors into sentences; on MPS it has none of its own."""
    inner = model.logits

    def logits(images: Tensor) -> Tensor:
        try:
            return inner(images)
        except torch.OutOfMemoryError:
            cause = kind("MPS backend out of memory")
        raise DeviceError("The graphics card ran out of memory; take another.") from cause

    model.logits = logits  # type: ignore[method-assign]


def test_a_broken_device_is_not_asked_again_and_again() -> None:
    model = NetworkModel(nn.Identity(), 3)

    def broken(_: Tensor) -> Tensor:
        raise DeviceError("The graphics card failed; compute on the CPU.")

    model.network = broken
    with pytest.raises(DeviceError, match="failed"):
        asked(model, photo(200, 200))
    assert len(model.shapes) == 1


def test_what_means_nothing_is_refused_in_a_sentence() -> None:
    model, image = NetworkModel(nn.Conv2d(3, 3, 1).requires_grad_(False), 3), photo(40, 40)
    for how, told in (
        ({"scales": ()}, "at least one"),
        ({"scales": (0.0,)}, "Scales"),
        ({"scales": (math.nan,)}, "Scales"),
        ({"temperature": -1.0}, "temperature"),
        ({"tile": -1}, "window"),
        ({"overlap": 1.0}, "overlap"),
    ):
        with pytest.raises(BadInputError, match=told):
            asked(model, image, **how)
    with pytest.raises(BadInputError, match="no pixels"):
        asked(model, RgbImage(np.zeros((0, 5, 3), np.uint8)))


def test_answers_that_are_no_numbers_or_of_other_categories_are_the_weights_fault() -> None:
    with pytest.raises(WeightsError, match="no numbers"):
        asked(NetworkModel(lambda x: x * math.nan, 3), photo(40, 40))
    with pytest.raises(WeightsError, match="3 categories and its card names 7"):
        asked(NetworkModel(lambda x: x, 7), photo(40, 40))
