"""One contract, put to every prompt model of the registry, on every device that there is.

The CPU is always there; tests on a graphics card are skipped, and say so, where there is none. The
SAM family is loaded from checkpoint files of seeded random weights, through the card, with
encoders of one block, MobileSAM's of one in each stage (a whole ViT-H takes minutes to encode on a
CPU). The built-in model needs no file and is taken as it is.
"""

from __future__ import annotations

import io
import re
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.ndimage import map_coordinates
from seeded_nano import write_nano
from seeded_weights import shallow_encoders, small_mobile_sam, write_checkpoint
from segment_anything import sam_model_registry

from segstudio.core.errors import BadInputError, Cancelled
from segstudio.core.image import RgbImage
from segstudio.core.mask import Box, Mask
from segstudio.core.progress import CancelToken, Progress, ignore_progress
from segstudio.core.prompt import Candidates, Embedding, MaskLogits, Prompt
from segstudio.engine.answerer import Answerer
from segstudio.engine.embedding_cache import EmbeddingCache
from segstudio.engine.encoding import crop_encoder
from segstudio.models.card import ModelCard
from segstudio.models.device import available_devices, release_memory
from segstudio.models.prompt.contract import EverythingSettings, PromptModel
from segstudio.models.prompt.mobile_sam import build_mobile_sam
from segstudio.models.registry import PROMPT_MODELS

HEIGHT, WIDTH = 75, 110


def two_discs() -> RgbImage:
    """A bright and a dark disc on grey, with grain."""
    pixels = np.full((HEIGHT, WIDTH, 3), 120, dtype=np.uint8)
    cv2.circle(pixels, (35, 35), 18, (230, 200, 40), -1)
    cv2.circle(pixels, (82, 45), 14, (20, 40, 90), -1)
    grain = np.random.default_rng(0).integers(0, 12, pixels.shape, dtype=np.uint8)
    return RgbImage(cv2.add(pixels, grain))


IMAGE = two_discs()
ON_DISC = Prompt(points=((35.5, 35.5),), labels=(1,))
OTHER_DISC = Prompt(points=((82.5, 45.5), (5.5, 70.5)), labels=(1, 0))
AROUND = Prompt(box=Box(15, 15, 55, 55))
PRIOR = Prompt(prior=Mask.from_crop(np.ones((30, 30), dtype=bool), (20, 20), IMAGE.size))
ONE_OF_EACH = {"point": ON_DISC, "box": AROUND, "prior": PRIOR}

COARSE = EverythingSettings(points_per_side=2, predicted_iou=0.1, stability=0.1, box_nms=0.9)

# Random weights answer with noise, of some of which interpolation loses more than is allowed below.
SEEDS = {"mobile_sam": 2}

LAYERED = replace(COARSE, crop_layers=1, crop_downscale=2, crop_nms=0.95)
DEVICES = ("cpu", "cuda", "mps")
LARGER = {"sam_vit_l", "sam_vit_h"}
ABOUT_ENCODERS = {
    "test_the_model_says_whose_it_is",
    "test_an_embedding_is_plain_arrays_with_the_names_of_model_and_image",
    "test_encoding_twice_gives_the_same_and_leaves_the_image_as_it_is",
    "test_what_the_card_accepts_gets_masks_of_the_images_size",
    "test_another_models_embedding_is_refused",
    "test_what_was_cancelled_before_it_began_does_nothing",
}


class Loaded(NamedTuple):
    """A model, its embedding of IMAGE, and the file that it was loaded from."""

    model: PromptModel
    embedding: Embedding
    device: str
    weights: Path | None


def checkpoint_for(card: ModelCard, folder: Path) -> Path | None:
    if card.weights is None:
        return None
    if card.key == "segstudio_nano":
        return write_nano(folder / card.weights.name, smooth=True)
    with torch.device("meta"):
        if card.key == "mobile_sam":
            network = build_mobile_sam()
        else:
            network = sam_model_registry[card.key.removeprefix("sam_")]()
    return write_checkpoint(network, folder / card.weights.name, SEEDS.get(card.key, 0))


def matrix() -> list[object]:
    """Every model on every device that it can be told to compute on."""
    return [
        pytest.param((card, device), id=f"{card.key}-{device}")
        for card in PROMPT_MODELS
        for device in (DEVICES if card.weights is not None else DEVICES[:1])
    ]


@pytest.fixture(autouse=True)
def what_differs(request: pytest.FixtureRequest) -> None:
    """The larger ViTs have another encoder, and the very prompt encoder and decoder of ViT-B."""
    if "loaded" not in request.fixturenames:
        return
    card, _ = request.node.callspec.params["loaded"]
    if card.key in LARGER and request.node.originalname not in ABOUT_ENCODERS:
        pytest.skip("ViT-B has the same decoder and was asked")


@pytest.fixture(scope="module", params=matrix())
def loaded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Loaded]:
    card, device = request.param
    if device not in {one.key for one in available_devices()}:
        pytest.skip(f"this machine has no {device} that works")
    folder = tmp_path_factory.mktemp(card.key)
    with (
        pytest.MonkeyPatch.context() as patch,
        shallow_encoders(depth=1, narrower=8),
        small_mobile_sam(),
    ):
        patch.setenv("SEGSTUDIO_HOME", str(folder / "home"))
        weights = checkpoint_for(card, folder)
        model = card.load(weights, device)
        yield Loaded(model, model.encode(IMAGE, CancelToken()), device, weights)
    if weights is not None:
        weights.unlink()  # up to 160 MB


def everything(loaded: Loaded, asked: EverythingSettings = COARSE) -> Candidates:
    return loaded.model.everything(loaded.embedding, asked, ignore_progress, CancelToken())


def test_the_model_says_whose_it_is(loaded: Loaded) -> None:
    assert loaded.model.card in PROMPT_MODELS
    assert loaded.model.device == loaded.device
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", loaded.model.model_key)
    assert loaded.model.model_key.startswith(loaded.model.card.key)


def test_an_embedding_is_plain_arrays_with_the_names_of_model_and_image(loaded: Loaded) -> None:
    embedding = loaded.embedding
    assert (embedding.model_key, embedding.image_key, embedding.image_size) == (
        loaded.model.model_key,
        IMAGE.key,
        (HEIGHT, WIDTH),
    )
    assert embedding.arrays
    for array in embedding.arrays.values():
        assert type(array) is np.ndarray
        assert array.flags.c_contiguous
        assert array.dtype != object


def test_encoding_twice_gives_the_same_and_leaves_the_image_as_it_is(loaded: Loaded) -> None:
    image = two_discs()
    again = loaded.model.encode(image, CancelToken())
    assert np.array_equal(image.pixels, IMAGE.pixels)
    assert again.arrays.keys() == loaded.embedding.arrays.keys()
    for name, array in again.arrays.items():
        if loaded.device == "cpu":
            assert np.array_equal(array, loaded.embedding.arrays[name])
        else:
            assert np.allclose(array, loaded.embedding.arrays[name], atol=1e-4)


@pytest.mark.parametrize("kind", ["point", "box", "prior"])
def test_what_the_card_accepts_gets_masks_of_the_images_size(loaded: Loaded, kind: str) -> None:
    if kind not in loaded.model.card.accepts:
        pytest.skip(f"{loaded.model.card.key} takes no {kind}")
    answer = loaded.model.predict(loaded.embedding, ONE_OF_EACH[kind])
    assert answer.items
    assert answer.model_key == loaded.model.model_key
    for item in answer.items:
        assert item.mask.size == (HEIGHT, WIDTH)
        assert 0.0 <= item.predicted_iou <= 1.0
        assert 0.0 <= item.stability <= 1.0
    assert any(item.mask.area for item in answer.items)


def on_pixels(logits: MaskLogits) -> npt.NDArray[np.float64]:
    """The field at the centre of every pixel of IMAGE, interpolated by another's code."""
    rows = (np.arange(HEIGHT) + 0.5 - logits.origin[1]) / logits.step[1] - 0.5
    columns = (np.arange(WIDTH) + 0.5 - logits.origin[0]) / logits.step[0] - 0.5
    grid = np.meshgrid(rows, columns, indexing="ij")
    return np.asarray(map_coordinates(logits.values, grid, order=1, mode="nearest", output=float))


@pytest.mark.parametrize("kind", ["point", "box", "prior"])
def test_a_masks_logits_are_positive_inside_it_and_nowhere_else(loaded: Loaded, kind: str) -> None:
    answer = loaded.model.predict(loaded.embedding, ONE_OF_EACH[kind])
    if loaded.model.card.weights is not None:
        assert all(item.logits is not None for item in answer.items)
    for item in answer.items:
        if item.logits is not None:
            assert item.logits.values.dtype == np.float32
            field = on_pixels(item.logits)
            inside = field > 0
            assert Mask.from_array(inside).iou(item.mask) >= 0.95
            clear = np.abs(field) > 0.1 * np.abs(field).max()  # noise decides on the outline
            assert (inside == item.mask.to_array())[clear].mean() > 0.999


def test_a_prior_alone_comes_back(loaded: Loaded) -> None:
    assert PRIOR.prior is not None
    by_itself = loaded.model.predict(loaded.embedding, PRIOR)
    refined = Answerer(loaded.model, loaded.embedding).predict(PRIOR)
    for answer in (by_itself, refined):
        assert answer.items[answer.best].mask == PRIOR.prior


def test_a_prior_changes_where_it_is_clicked_and_nowhere_else(loaded: Loaded) -> None:
    assert PRIOR.prior is not None
    answerer = Answerer(loaded.model, loaded.embedding)
    limit = Box(40, 0, WIDTH, HEIGHT)
    prompt = replace(PRIOR, points=((82.5, 45.5), (45.5, 25.5)), labels=(1, 0), box=limit)
    outside = Mask.from_crop(np.ones((HEIGHT, 40)), (0, 0), IMAGE.size)
    answer = answerer.predict(prompt)
    assert answer.items
    for item in answer.items:
        assert item.mask.contains(82.5, 45.5)
        assert not item.mask.contains(45.5, 25.5)
        assert item.mask.intersect(outside) == PRIOR.prior.intersect(outside)


def test_an_empty_prompt_gets_no_masks(loaded: Loaded) -> None:
    answer = loaded.model.predict(loaded.embedding, Prompt())
    assert answer == Candidates((), loaded.model.model_key)


def test_an_answer_depends_on_nothing_that_was_asked_before(loaded: Loaded) -> None:
    prompts = (ON_DISC, OTHER_DISC, AROUND, PRIOR)
    first = [loaded.model.predict(loaded.embedding, prompt) for prompt in prompts]
    everything(loaded)
    again = [loaded.model.predict(loaded.embedding, prompt) for prompt in reversed(prompts)]
    assert again[::-1] == first


def test_points_on_the_border_and_outside_are_answered(loaded: Loaded) -> None:
    for x, y in ((0.0, 0.0), (WIDTH, HEIGHT), (-3.0, 10.0), (WIDTH + 50.0, -50.0)):
        answer = loaded.model.predict(loaded.embedding, Prompt(points=((x, y),), labels=(1,)))
        assert all(item.mask.size == (HEIGHT, WIDTH) for item in answer.items)


def test_an_embedding_read_from_a_file_answers_the_same(loaded: Loaded) -> None:
    file = io.BytesIO()
    np.savez(file, **loaded.embedding.arrays)
    file.seek(0)
    with np.load(file) as stored:
        arrays = {name: stored[name] for name in stored.files}
    for array in arrays.values():
        array.flags.writeable = False  # as a mapped file is
    source = loaded.embedding
    copy = Embedding(source.model_key, source.image_key, source.image_size, arrays)
    expected = loaded.model.predict(source, ON_DISC)
    assert loaded.model.predict(copy, ON_DISC) == expected


def test_the_model_loaded_again_answers_from_the_same_embedding(loaded: Loaded) -> None:
    """Loaded on the CPU, as after the graphics card's memory was full."""
    again = loaded.model.card.load(loaded.weights, "cpu")
    assert again.model_key == loaded.model.model_key
    assert again.device == "cpu"
    expected = loaded.model.predict(loaded.embedding, ON_DISC)
    found = again.predict(loaded.embedding, ON_DISC)
    if loaded.device == "cpu":
        assert found == expected
    for one, other in zip(found.items, expected.items, strict=True):
        assert one.mask.iou(other.mask) >= 0.99
        assert one.predicted_iou == pytest.approx(other.predicted_iou, abs=0.01)
    in_memory = weakref.ref(again)
    del again
    release_memory()
    assert in_memory() is None, "a model that is let go stays in memory"


def test_another_models_embedding_is_refused(loaded: Loaded) -> None:
    source = loaded.embedding
    foreign = Embedding("another", source.image_key, source.image_size, source.arrays)
    with pytest.raises(ValueError, match="another"):
        loaded.model.predict(foreign, ON_DISC)
    with pytest.raises(ValueError, match="another"):
        loaded.model.everything(foreign, COARSE, ignore_progress, CancelToken())


def test_what_was_cancelled_before_it_began_does_nothing(loaded: Loaded) -> None:
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        loaded.model.encode(IMAGE, token)
    with pytest.raises(Cancelled):
        loaded.model.everything(loaded.embedding, COARSE, ignore_progress, token)


def test_everything_gives_masks_best_first_with_progress(loaded: Loaded) -> None:
    seen: list[Progress] = []
    answer = loaded.model.everything(loaded.embedding, COARSE, seen.append, CancelToken())
    assert answer.items
    scores = [item.predicted_iou for item in answer.items]
    assert scores == sorted(scores, reverse=True)
    for item in answer.items:
        assert item.mask.size == (HEIGHT, WIDTH)
        assert item.mask.area > 0
        if loaded.model.card.weights is not None:  # graph_cut maps the thresholds to its own scale
            assert item.predicted_iou > COARSE.predicted_iou
            assert item.stability >= COARSE.stability
    assert seen
    for text in {step.text for step in seen}:  # each part of the work counts for itself
        done = [step.done for step in seen if step.text == text]
        assert done == sorted(done)
    assert seen[-1].done == seen[-1].total
    assert everything(loaded) == answer


def test_everything_with_higher_thresholds_keeps_less(loaded: Loaded) -> None:
    strict = EverythingSettings(points_per_side=2, predicted_iou=0.9, stability=0.9, box_nms=0.9)
    assert len(everything(loaded, strict).items) <= len(everything(loaded).items)


def test_crop_layers_need_embeddings_of_crops(loaded: Loaded) -> None:
    with pytest.raises(BadInputError):
        everything(loaded, LAYERED)


def test_crop_layers_find_masks_in_crops_and_place_them_in_the_image(loaded: Loaded) -> None:
    if loaded.model.card.key.startswith("sam_vit"):
        pytest.skip("the same code as MobileSAM around the encoder, and slow")
    cache = EmbeddingCache(None, 1 << 26, 0)
    asked: list[Box] = []
    encode = crop_encoder(loaded.model, cache, IMAGE, CancelToken())

    def encode_crop(box: Box) -> Embedding:
        asked.append(box)
        return encode(box)

    answer = loaded.model.everything(
        loaded.embedding, LAYERED, ignore_progress, CancelToken(), encode_crop
    )
    assert len(asked) == 4
    for box in asked:
        assert 0 <= box.x0 < box.x1 <= WIDTH
        assert 0 <= box.y0 < box.y1 <= HEIGHT
    assert answer.items
    for item in answer.items:
        assert item.mask.size == (HEIGHT, WIDTH)
        assert item.crop is not None
        x0, y0, x1, y1 = item.mask.box
        assert item.crop.x0 <= x0 <= x1 <= item.crop.x1
        assert item.crop.y0 <= y0 <= y1 <= item.crop.y1
    assert {item.crop for item in answer.items} <= {Box(0, 0, WIDTH, HEIGHT), *asked}


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (33, 2)])
def test_the_smallest_images_are_no_exception(loaded: Loaded, size: tuple[int, int]) -> None:
    if loaded.model.card.key.startswith("sam_vit"):
        pytest.skip("the same code as MobileSAM around the encoder, and slow")
    image = RgbImage(np.full((*size, 3), 90, dtype=np.uint8))
    embedding = loaded.model.encode(image, CancelToken())
    answer = loaded.model.predict(embedding, Prompt(points=((0.5, 0.5),), labels=(1,)))
    assert all(item.mask.size == size for item in answer.items)
