"""The decoder here answers as segment_anything's own MaskDecoder does with the same weights."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seeded_weights import seeded_state
from segment_anything import sam_model_registry
from torch import Tensor
from torch.nn import functional

from segstudio.models.prompt import sam_decoder
from segstudio.models.prompt.frame import ModelFrame
from segstudio.models.prompt.mobile_sam import build_mobile_sam
from segstudio.models.prompt.sam_decoder import OUTSIDE, SamDecoder, tokens_seen


class Setting(NamedTuple):
    """A network with seeded weights, an image's embedding, and the decoder here."""

    network: Any
    features: Tensor
    decoder: SamDecoder


def make(dtype: torch.dtype) -> Setting:
    with torch.device("meta"):
        network = build_mobile_sam()
    network.load_state_dict(seeded_state(network, seed=4), assign=True)
    network.image_encoder = None
    network.requires_grad_(False).eval()
    network.mask_decoder.to(dtype)
    features = torch.randn(1, 256, 64, 64, generator=torch.Generator().manual_seed(9)).to(dtype)
    return Setting(network, features, SamDecoder(network))


@pytest.fixture(scope="module")
def single() -> Setting:
    return make(torch.float32)


@pytest.fixture(scope="module")
def double() -> Setting:
    return make(torch.float64)


Embeddings = tuple[Tensor, Tensor | None]


def points(network: Any, prompts: int, each: int, seed: int = 0) -> Embeddings:
    noise = torch.Generator().manual_seed(seed)
    xy = torch.rand(prompts, each, 2, generator=noise) * 1024
    labels = torch.randint(0, 2, (prompts, each), generator=noise)
    return network.prompt_encoder((xy, labels), None, None)[0], None


def box(network: Any) -> Embeddings:
    return network.prompt_encoder(None, torch.tensor([[100.0, 200.0, 700.0, 650.0]]), None)[0], None


def box_and_points(network: Any) -> Embeddings:
    corners = torch.tensor([[100.0, 200.0, 700.0, 650.0]])
    xy = torch.tensor([[[300.0, 300.0], [500.0, 600.0]]])
    return network.prompt_encoder((xy, torch.tensor([[1, 0]])), corners, None)[0], None


def prior(network: Any, each: int) -> Embeddings:
    noise = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(3))
    logits = functional.interpolate(noise * 10, (256, 256), mode="bicubic")
    given = None
    if each:
        given = (torch.tensor([[[300.0, 300.0]]]), torch.tensor([[1]]))
    sparse, dense = network.prompt_encoder(given, None, logits)
    return sparse, dense


PROMPTS: dict[str, Any] = {
    "one point": lambda network: points(network, 1, 1),
    "four points": lambda network: points(network, 1, 4),
    "a box": box,
    "a box and points": box_and_points,
    "a prior": lambda network: prior(network, 0),
    "a prior and a point": lambda network: prior(network, 1),
    "a batch of points": lambda network: points(network, 6, 1),
    "eleven points, the last to be kept apart": lambda network: points(network, 1, 10),
    "more tokens than channels of a head": lambda network: points(network, 2, 15),
}


def official(at: Setting, prompt: Embeddings, multimask: bool) -> tuple[Tensor, Tensor]:
    sparse, dense = prompt
    if dense is None:
        dense = at.network.prompt_encoder.no_mask_embed.weight.view(1, 256, 1, 1)
        dense = dense.expand(len(sparse), 256, 64, 64)
    dtype = at.features.dtype
    answer: tuple[Tensor, Tensor] = at.network.mask_decoder(
        image_embeddings=at.features,
        image_pe=at.network.prompt_encoder.get_dense_pe().to(dtype),
        sparse_prompt_embeddings=sparse.to(dtype),
        dense_prompt_embeddings=dense.to(dtype),
        multimask_output=multimask,
    )
    return answer


def ours(at: Setting, prompt: Embeddings, multimask: bool) -> tuple[Tensor, Tensor]:
    keys = at.decoder.prepare(at.features, prompt[1])
    return at.decoder.decode(keys, prompt[0], multimask=multimask)


def worst(found: Tensor, expected: Tensor) -> float:
    """The largest difference, in units of the spread."""
    assert found.shape == expected.shape
    return float((found - expected).abs().max() / expected.std())


@pytest.mark.parametrize("multimask", [True, False], ids=["three masks", "one mask"])
@pytest.mark.parametrize("name", PROMPTS)
@torch.inference_mode()
def test_logits_and_scores_equal_the_official_ones(
    name: str, multimask: bool, single: Setting
) -> None:
    prompt = PROMPTS[name](single.network)
    logits, ious = official(single, prompt, multimask)
    found, scores = ours(single, prompt, multimask)
    assert logits.std() > 1.0
    assert worst(found, logits) < 1e-5
    torch.testing.assert_close(scores, ious, rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", ["one point", "a prior and a point", "a batch of points"])
@torch.inference_mode()
def test_the_algebra_is_exact(name: str, double: Setting) -> None:
    """In float64 nothing is left but rounding."""
    prompt = PROMPTS[name](double.network)
    logits, ious = official(double, prompt, multimask=True)
    found, scores = ours(double, prompt, multimask=True)
    assert found.dtype == torch.float64
    assert worst(found, logits) < 1e-12
    torch.testing.assert_close(scores, ious, rtol=0, atol=1e-12)


@torch.inference_mode()
def test_rounding_is_no_worse_than_the_official_decoders(single: Setting, double: Setting) -> None:
    """Variances are sums of larger terms here; they must not drown in them."""
    prompt = PROMPTS["one point"](single.network)
    pattern = torch.linspace(-3.0, 3.0, 256).view(1, 256, 1, 1)
    like = single.features
    for features in (like, 0.02 * like, 30.0 * like, like + pattern):
        exact, _ = official(double._replace(features=features.double()), prompt, multimask=True)
        at = single._replace(features=features)
        theirs = worst(official(at, prompt, multimask=True)[0].double(), exact)
        mine = worst(ours(at, prompt, multimask=True)[0].double(), exact)
        assert mine < 4 * theirs < 1e-4


@torch.inference_mode()
def test_sams_own_networks_have_the_same_decoder() -> None:
    """Of ViT-B, L and H, with the encoder left out."""
    with torch.device("meta"):
        network = sam_model_registry["vit_b"]()
    network.image_encoder = None
    network.load_state_dict(seeded_state(network, seed=6), assign=True)
    network.requires_grad_(False).eval()
    features = torch.randn(1, 256, 64, 64, generator=torch.Generator().manual_seed(2))
    at = Setting(network, features, SamDecoder(network))
    prompt = PROMPTS["a box and points"](network)
    assert worst(ours(at, prompt, True)[0], official(at, prompt, True)[0]) < 1e-5


@torch.inference_mode()
def test_weights_stay_as_they_are(single: Setting) -> None:
    before = copy.deepcopy(single.network.state_dict())
    SamDecoder(single.network)
    ours(single, PROMPTS["a prior and a point"](single.network), multimask=True)
    for name, value in single.network.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("seen", [(43, 64), (64, 43), (1, 64), (64, 1), (64, 64)])
@torch.inference_mode()
def test_tokens_beside_the_image_need_no_logits(seen: tuple[int, int], single: Setting) -> None:
    keys = single.decoder.prepare(single.features)
    sparse, _ = points(single.network, 2, 1)
    whole, ious = single.decoder.decode(keys, sparse, multimask=True)
    part, scores = single.decoder.decode(keys, sparse, multimask=True, seen=seen)
    rows, columns = 4 * seen[0], 4 * seen[1]
    torch.testing.assert_close(
        part[..., :rows, :columns], whole[..., :rows, :columns], rtol=0, atol=1e-5
    )
    assert (part[..., rows:, :] == OUTSIDE).all() and (part[..., columns:] == OUTSIDE).all()
    assert torch.equal(scores, ious)


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 6000), st.integers(1, 6000), st.integers(0, 10))
def test_pixels_depend_on_seen_tokens_only(height: int, width: int, seed: int) -> None:
    """The official upsampling does not notice what the other cells hold."""
    frame = ModelFrame((height, width))
    rows, columns = frame.size
    row_tokens, column_tokens = tokens_seen(frame)
    noise = np.random.default_rng(seed)
    line = torch.from_numpy(noise.standard_normal((1, 1, 256)).astype(np.float32))

    def upsampled(tokens: int, length: int) -> Tensor:
        part = line.clone()
        part[..., 4 * tokens :] = OUTSIDE
        return functional.interpolate(part, 1024, mode="linear")[..., :length]

    for length, tokens in ((rows, row_tokens), (columns, column_tokens)):
        whole = upsampled(64, length)
        assert torch.equal(upsampled(tokens, length), whole)
        assert not torch.equal(upsampled(tokens - 1, length), whole), "no more than needed"


def grid(count: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(0, 1024, (count, 2))


@torch.inference_mode()
def test_points_are_answered_as_prompts_of_one_foreground_point_each(single: Setting) -> None:
    xy = grid(7)
    coordinates = (torch.from_numpy(xy[:, None]), torch.ones(7, 1, dtype=torch.int))
    sparse, _ = single.network.prompt_encoder(coordinates, None, None)
    logits, ious = official(single, (sparse, None), multimask=True)
    keys = single.decoder.prepare(single.features)
    found, scores, kept = single.decoder.decode_points(keys, xy, 0.0)
    assert kept.tolist() == list(range(7)) and kept.dtype == torch.int64
    assert worst(found, logits) < 1e-5
    torch.testing.assert_close(scores, ious, rtol=0, atol=2e-6)


@torch.inference_mode()
def test_points_without_a_mask_above_the_threshold_are_not_upscaled(
    single: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = single.decoder.prepare(single.features)
    everything, ious, _ = single.decoder.decode_points(keys, grid(11), 0.0)
    threshold = float(ious.amax(dim=1).sort().values[6:8].mean())
    upscaled: list[int] = []
    real = sam_decoder.Upscaling.__call__

    def counted(self: Any, image: Any, normed: Any, masks: Tensor, seen: Any) -> Tensor:
        upscaled.append(len(masks))
        return real(self, image, normed, masks, seen)

    monkeypatch.setattr(sam_decoder.Upscaling, "__call__", counted)
    logits, scores, kept = single.decoder.decode_points(keys, grid(11), threshold)
    assert torch.equal(scores, ious)
    assert kept.tolist() == torch.nonzero(ious.amax(dim=1) > threshold).flatten().tolist()
    assert len(kept) == len(logits) == sum(upscaled) == 4
    torch.testing.assert_close(logits, everything[kept], rtol=0, atol=1e-4)
    logits, scores, kept = single.decoder.decode_points(keys, grid(11), 99.0)
    assert logits.shape == (0, 3, 256, 256) and kept.shape == (0,) and scores.shape == (11, 3)


@torch.inference_mode()
def test_a_large_batch_goes_through_in_small_ones(
    single: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that what it needs beyond its answer does not grow."""
    seen: list[int] = []
    real = sam_decoder.TwoWay.__call__

    def counted(self: Any, image: Any, tokens: Tensor) -> Any:
        seen.append(len(tokens))
        return real(self, image, tokens)

    monkeypatch.setattr(sam_decoder.TwoWay, "__call__", counted)
    keys = single.decoder.prepare(single.features)
    single.decoder.decode_points(keys, grid(9), 99.0)
    assert sum(seen) == 9 and max(seen) <= 4


@torch.inference_mode()
def test_half_precision_around_it_changes_nothing(single: Setting) -> None:
    prompt = PROMPTS["one point"](single.network)
    expected = ours(single, prompt, multimask=True)[0]
    with torch.autocast("cpu", torch.bfloat16):
        found = ours(single, prompt, multimask=True)[0]
    assert torch.equal(found, expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@torch.inference_mode()
def test_a_graphics_card_gives_the_same(single: Setting) -> None:
    network = copy.deepcopy(single.network).to("cuda")
    at = Setting(network, single.features.to("cuda"), SamDecoder(network))
    sparse, _ = points(single.network, 19, 1)
    expected, ious = official(single, (sparse, None), multimask=True)
    found, scores = ours(at, (sparse.to("cuda"), None), multimask=True)
    assert worst(found.cpu(), expected) < 1e-4
    torch.testing.assert_close(scores.cpu(), ious, rtol=0, atol=1e-4)
