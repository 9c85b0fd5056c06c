"""The prompt model in the box answers as its network does, on images of every shape."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from seeded_nano import write_nano

from segstudio.core.errors import WeightsError
from segstudio.core.image import RgbImage
from segstudio.core.mask import Box
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.core.prompt import Embedding, Prompt
from segstudio.engine.embedding_cache import EmbeddingCache
from segstudio.models.nets.nano import Features, Nano, Prompts
from segstudio.models.prompt.checkpoint import load_network
from segstudio.models.prompt.contract import EverythingSettings
from segstudio.models.prompt.frame import ModelFrame
from segstudio.models.prompt.nano import NanoModel
from segstudio.models.prompt.nano_decoder import NanoRows
from segstudio.models.prompt.nano_encoder import turn, turned
from segstudio.models.prompt.sam_decoder import OUTSIDE
from segstudio.models.registry import prompt_model

CARD = prompt_model("segstudio_nano")
NONE = float("nan")


def loaded(path: Path) -> NanoModel:
    model: Any = CARD.load(path, "cpu")
    assert isinstance(model, NanoModel)
    return model


def noise(height: int, width: int, seed: int = 0) -> RgbImage:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return RgbImage(pixels)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_nano(tmp_path_factory.mktemp("nano") / "seeded.safetensors")


@pytest.fixture(scope="module")
def model(weights: Path) -> NanoModel:
    return loaded(weights)


# -- against the network as it is written ---------------------------------------------------------


@torch.inference_mode()
def test_the_turned_encoder_is_the_encoder(weights: Path) -> None:
    network: Any = load_network(lambda: Nano(64), CARD, weights, "cpu")
    encoder = network.encoder.double()
    x = torch.randn(1, 3, 64, 96, dtype=torch.float64, generator=torch.manual_seed(0))
    made = turned(encoder)
    assert not [one for one in made.modules() if isinstance(one, torch.nn.BatchNorm2d)]
    for one, other in zip(encoder(x), made(turn(x)), strict=True):
        assert one.std() > 0.01
        torch.testing.assert_close(turn(other), one, rtol=0, atol=1e-9)


def prompts_of_all_kinds() -> Prompts:
    """A click; a click and a correction; a box; a box, a click outside and a correction."""
    points = torch.tensor(
        [
            [[20.0, 30.0], [0.0, 0.0]],
            [[70.5, 10.25], [60.0, 50.0]],
            [[0.0, 0.0], [0.0, 0.0]],
            [[0.0, 63.5], [-5.0, 0.0]],
        ]
    )
    labels = torch.tensor([[1.0, -1.0], [1.0, 0.0], [-1.0, -1.0], [0.0, 1.0]])
    boxes = torch.tensor([[NONE] * 4, [NONE] * 4, [8.0, 4.0, 90.0, 40.0], [30.0, 30.0, 99.0, 77.0]])
    return Prompts(points, labels, boxes)


@pytest.mark.parametrize(("drawn", "with_prior"), [(True, False), (True, True), (False, False)])
@torch.inference_mode()
def test_answers_are_the_networks_own_up_to_rounding(
    tmp_path: Path, drawn: bool, with_prior: bool
) -> None:
    path = write_nano(tmp_path / "nano.safetensors", drawn=drawn, seed=3)
    network: Any = load_network(lambda: Nano(64, drawn), CARD, path, "cpu")
    made = torch.manual_seed(1)
    features = Features(
        *(
            torch.randn(1, channels, 64 // step, 96 // step, generator=made)
            for channels, step in ((64, 8), (32, 4), (16, 2), (3, 4), (1, 4))
        )
    )
    prompts, corner = prompts_of_all_kinds(), (32, 64)
    if with_prior:
        prior = 8 * torch.randn(4, 1, 32, 48, generator=made)
        prompts = prompts._replace(prior=prior, has_prior=torch.tensor([1.0, 0.0, 1.0, 0.0]))
    expected, ious = network.decode(features, prompts, corner)
    rows = NanoRows(network)
    image = rows.prepare(features, corner)
    for kinds in (slice(0, 1), slice(1, 4)):
        logits, said, picked = rows.decode(image, prompts, kinds, corner=corner)
        assert picked.tolist() == [0, 1, 2, 3]
        torch.testing.assert_close(said, ious[:, kinds], rtol=0, atol=1e-4)
        spread = float(expected[:, kinds].std())
        assert spread > 1.0
        torch.testing.assert_close(logits, expected[:, kinds], rtol=0, atol=1e-4 * spread)


@torch.inference_mode()
def test_prompts_below_the_threshold_get_no_logits(model: NanoModel) -> None:
    decode = model.point_decoder(model.encode(noise(12, 64), CancelToken()))
    points = np.random.default_rng(2).uniform(0, 190, (7, 2)) * (5, 1)
    logits, ious, kept = decode(points, 0.0)
    assert kept.tolist() == list(range(7))
    threshold = float(ious.amax(1).median())
    fewer, same, good = decode(points, threshold)
    assert torch.equal(same, ious)
    assert good.tolist() == [i for i in range(7) if bool((ious[i] > threshold).any())]
    assert 0 < len(good) < 7
    torch.testing.assert_close(fewer, logits[good], rtol=0, atol=1e-3)


# -- images of every shape ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "window"),
    [
        ((1, 1), (512, 512)),
        ((1, 2000), (32, 512)),
        ((3000, 17), (512, 32)),
        ((70, 1100), (64, 512)),
        ((64, 1024), (32, 512)),
    ],
)
def test_long_and_tiny_images_are_seen_in_a_window_that_holds_them(
    model: NanoModel, size: tuple[int, int], window: tuple[int, int]
) -> None:
    height, width = size
    embedding = model.encode(RgbImage(np.full((*size, 3), 90, dtype=np.uint8)), CancelToken())
    rows, columns = window
    assert {name: array.shape for name, array in embedding.arrays.items()} == {
        "tokens": (rows // 8, columns // 8, 64),
        "quarter": (rows // 4, columns // 4, 32),
        "half": (rows // 2, columns // 2, 16),
        "colours": (rows // 4, columns // 4, 3),
        "borders": (rows // 4, columns // 4, 1),
    }
    for x, y in ((0.0, 0.0), (width, height), (-5.0, height + 9.0)):
        answer = model.predict(embedding, Prompt(points=((x, y),), labels=(1,)))
        assert [item.mask.size for item in answer.items] == [size] * 3
    outside = Prompt(box=Box(width + 5, height + 5, width + 30, height + 40))
    (item,) = model.predict(embedding, outside).items
    assert item.mask.size == size


@torch.inference_mode()
def test_no_padding_is_in_a_mask(model: NanoModel) -> None:
    image = noise(10, 90)
    rows = ModelFrame(image.size).size[0]
    assert rows == 114, "8 tokens of 16 rows each see some of them, and each has 4 rows of logits"
    decode = model.point_decoder(model.encode(image, CancelToken()))
    logits, _, _ = decode(np.array([[500.0, 60.0]]), 0.0)
    assert logits.shape == (1, 3, 256, 256)
    assert (logits[:, :, 32:] == OUTSIDE).all()
    assert (logits[:, :, :32] != OUTSIDE).all()


# -- files ----------------------------------------------------------------------------------------


def test_embeddings_outlive_the_model_and_miss_with_other_weights(
    model: NanoModel, tmp_path: Path
) -> None:
    image = noise(9, 80)
    click = Prompt(points=((40.5, 4.5),), labels=(1,))
    cache = EmbeddingCache(tmp_path / "kept", 0, 1 << 26)
    embedding = cache.put(model.encode(image, CancelToken()))  # rounded, as it is kept
    later = EmbeddingCache(tmp_path / "kept", 0, 1 << 26)
    found = later.get(model.model_key, image.key)
    assert isinstance(found, Embedding)
    assert model.predict(found, click) == model.predict(embedding, click)
    other = loaded(write_nano(tmp_path / "other.safetensors", seed=5))
    assert later.get(other.model_key, image.key) is None
    with pytest.raises(ValueError, match="embedding"):
        other.predict(found, click)


def test_a_file_says_what_its_network_is_built_with(tmp_path: Path) -> None:
    model = loaded(write_nano(tmp_path / "small.safetensors", 32, drawn=False))
    embedding = model.encode(noise(8, 80), CancelToken())
    assert embedding.arrays["tokens"].shape[2] == 32


def test_what_is_not_the_networks_weights_is_refused_in_a_sentence(tmp_path: Path) -> None:
    tensors = {"some.weight": torch.zeros(3)}
    damaged, foreign, lying, odd = (tmp_path / f"{i}.safetensors" for i in range(4))
    whole = write_nano(tmp_path / "whole.safetensors", 32).read_bytes()
    assert whole.count(b'"width":"32"') == 1
    damaged.write_bytes(whole[: len(whole) // 2])
    save_file(tensors, foreign)
    lying.write_bytes(whole.replace(b'"width":"32"', b'"width":"64"'))
    save_file(tensors, odd, metadata={"width": "minus one", "drawn": "?"})
    for path in (damaged, foreign, lying, odd, tmp_path / "none.safetensors"):
        with pytest.raises(WeightsError) as caught:
            CARD.load(path, "cpu")
        said = str(caught.value)
        assert "\n" not in said and said.endswith(".") and "pull" not in said
        assert str(path) in said
    with pytest.raises(WeightsError, match="install SegStudio again"):
        CARD.load(None, "cpu")


def test_everything_asks_for_the_predicted_iou_that_the_card_calls_good(weights: Path) -> None:
    def count(scale: float) -> int:
        model = replace(CARD, score_scale=scale).load(weights, "cpu")
        embedding = model.encode(noise(90, 120), CancelToken())
        wanted = EverythingSettings(points_per_side=4, predicted_iou=100.0, stability=0.0)
        return len(model.everything(embedding, wanted, ignore_progress, CancelToken()).items)

    assert count(0.0) > count(1.0) == 0
