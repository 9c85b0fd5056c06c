"""Half precision is taken only where the masks stay; the check itself runs on any device."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from segstudio.models import precision
from segstudio.models.precision import FULL, LEAST_IOU, candidates, choose_precision
from segstudio.models.prompt.sam_model import SamModel

SIDE, CELLS = 128, 32


def network(sharpness: float = 40.0, noise: bool = False) -> Any:
    """SAM's parts in small: a point's mask is where the embedding resembles that of its cell."""

    def prompt(points: tuple[Tensor, Tensor], boxes: None, masks: None) -> tuple[Tensor, Tensor]:
        return points[0], torch.zeros(1)

    def decode(
        image_embeddings: Tensor, sparse_prompt_embeddings: Tensor, **_: Any
    ) -> tuple[Tensor, Tensor]:
        cells = (sparse_prompt_embeddings[:, 0] / SIDE * CELLS).long()
        if noise:
            generator = torch.Generator().manual_seed(0)
            low = torch.randn((len(cells), 3, CELLS, CELLS), generator=generator)
            return low, torch.ones(len(cells), 3)
        own = image_embeddings[0][:, cells[:, 1], cells[:, 0]]
        distance = (image_embeddings[0][None] - own.T[:, :, None, None]).square().sum(1).sqrt()
        low = sharpness * (torch.tensor([0.3, 0.5, 0.8])[None, :, None, None] - distance[:, None])
        return low, torch.ones(len(cells), 3)

    encoder = SimpleNamespace(input_image_size=(SIDE, SIDE), get_dense_pe=lambda: None)
    prompt_encoder = type("P", (), {"__call__": staticmethod(prompt), **vars(encoder)})()
    prompt_encoder.get_dense_pe = encoder.get_dense_pe
    return SimpleNamespace(prompt_encoder=prompt_encoder, mask_decoder=decode)


def embedding() -> Tensor:
    y, x = torch.meshgrid(torch.linspace(0, 1, CELLS), torch.linspace(0, 1, CELLS), indexing="ij")
    return torch.stack((x, y, (3 * x).sin(), (2 * y).cos()))[None]


def by_autocast(dtype: torch.dtype, offset: float = 0.0) -> Tensor:
    """An encoder of one product, really computed in `dtype`; `offset` eats a half's digits."""
    with torch.autocast("cpu", dtype, enabled=dtype is not torch.float32):
        flat = (embedding() + offset).flatten(2).transpose(1, 2) @ torch.eye(4)
    assert flat.dtype is dtype
    return flat.float().transpose(1, 2).reshape(embedding().shape) - offset


def test_a_precision_that_keeps_the_masks_is_taken_and_says_so() -> None:
    chosen = choose_precision(network(), by_autocast, (torch.bfloat16,))
    assert chosen.dtype is torch.bfloat16 and chosen.name == "bfloat16"
    assert "IoU 0.99" in chosen.why or "IoU 1.0" in chosen.why


def test_one_that_changes_them_is_passed_over() -> None:
    def coarse(dtype: torch.dtype) -> Tensor:
        return by_autocast(dtype, offset=30.0)

    chosen = choose_precision(network(), coarse, (torch.bfloat16,))
    assert chosen.dtype is torch.float32 and "changes the masks" in chosen.why
    # float16 has three more binary digits.
    both = choose_precision(network(), coarse, (torch.bfloat16, torch.float16))
    assert both.dtype is torch.float16


def test_one_that_overflows_or_that_the_device_refuses_is_passed_over() -> None:
    def broken(dtype: torch.dtype) -> Tensor:
        if dtype is torch.float16:
            return torch.full_like(embedding(), torch.nan)
        if dtype is torch.bfloat16:
            raise RuntimeError("not implemented for 'BFloat16'")
        return embedding()

    chosen = choose_precision(network(), broken, (torch.float16, torch.bfloat16))
    assert chosen.dtype is torch.float32


def test_masks_of_noise_prove_nothing() -> None:
    chosen = choose_precision(network(noise=True), by_autocast, (torch.bfloat16,))
    assert chosen.dtype is torch.float32 and "too few masks" in chosen.why


def test_only_cards_with_fast_units_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    halves = (torch.float16, torch.bfloat16)
    for major, expected in ((6, ()), (7, halves[:1]), (8, halves), (9, halves), (12, halves)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _, m=major: (m, 0))
        assert candidates("cuda:1") == expected
    assert candidates("cpu") == candidates("mps") == ()
    assert choose_precision(None, by_autocast, ()) is FULL


def test_a_real_network_is_asked_as_sam_is(
    mobile_model: SamModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the CPU, by a rule that takes it for a card; the encoder's work is put off."""
    features = torch.randn((1, 256, 64, 64), generator=torch.Generator().manual_seed(2))
    asked = []

    def encode(dtype: torch.dtype) -> Tensor:
        asked.append(dtype)
        return features if dtype is torch.float32 else features.to(dtype)

    monkeypatch.setattr(precision, "_STEADY", 0.0)  # random weights give masks of noise
    monkeypatch.setattr(precision, "_LEAST_MASKS", 3)
    monkeypatch.setattr(precision, "_GRID", 1)
    chosen = choose_precision(mobile_model._network, encode, (torch.bfloat16,))
    assert asked == [torch.float32, torch.bfloat16]
    assert (chosen.dtype is torch.bfloat16) is (
        "keep IoU" in chosen.why and float(chosen.why.split("IoU ")[1].split(" ")[0]) >= LEAST_IOU
    )
    same = choose_precision(mobile_model._network, lambda _: features, (torch.float16,))
    assert same.dtype is torch.float16 and "IoU 1.0000" in same.why
