"""MobileSAM here answers as the official package does with the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from segment_anything.utils.amg import calculate_stability_score

from segstudio.core.prompt import Embedding, Prompt
from segstudio.models.nets.tiny_vit import Attention, TinyViT
from segstudio.models.prompt.mobile_sam import build_mobile_sam
from segstudio.models.prompt.sam_model import SamModel

# conftest.PROMPTS, by name
PROMPT_NAMES = (
    "one point",
    "one background point",
    "three points",
    "a box",
    "a box and a point",
)


def test_names_and_shapes_are_those_of_the_official_checkpoint(official_mobile: Any) -> None:
    own = {name: list(value.shape) for name, value in build_mobile_sam().state_dict().items()}
    assert own == official_mobile.shapes
    assert sum(np.prod(shape) for shape in own.values()) == 10_130_092 + buffers(own)


def buffers(shapes: dict[str, list[int]]) -> int:
    """Numbers that are stored, but not learned: batch statistics and the random frequencies."""
    kinds = ("running_mean", "running_var", "num_batches_tracked", "gaussian_matrix")
    return int(sum(np.prod(shape) for name, shape in shapes.items() if name.endswith(kinds)))


def test_the_embedding_equals_the_official_one_to_float32_rounding(
    mobile_embedding: Embedding, official_mobile: Any
) -> None:
    own, official = mobile_embedding.arrays["image_embedding"], official_mobile.arrays
    assert own.shape == (1, 256, 64, 64) and own.dtype == np.float32
    np.testing.assert_allclose(own, official["image_embedding"], rtol=0, atol=2e-5)
    assert official["image_embedding"].std() > 0.5


@pytest.mark.parametrize("name", PROMPT_NAMES)
def test_masks_and_scores_equal_the_official_ones(
    name: str,
    prompts: dict[str, Prompt],
    mobile_model: SamModel,
    mobile_embedding: Embedding,
    official_mobile: Any,
) -> None:
    answer = mobile_model.predict(mobile_embedding, prompts[name])
    logits = official_mobile.arrays[f"{name}: logits"]
    ious = official_mobile.arrays[f"{name}: ious"]
    stability = calculate_stability_score(torch.from_numpy(logits), 0.0, 1.0)
    assert len(answer.items) == len(logits) == (3 if name.startswith("one") else 1)
    for item, values, iou, stable in zip(answer.items, logits, ious, stability, strict=True):
        mask = item.mask.to_array()
        different = mask != (values > 0)
        assert np.abs(values[different]).max(initial=0.0) < 1e-3, "only where the logit is 0"
        assert different.mean() < 1e-4
        assert item.predicted_iou == pytest.approx(min(1.0, max(0.0, float(iou))), abs=1e-4)
        # Counted in model pixels here, which differs most for noise such as this.
        assert item.stability == pytest.approx(float(stable), abs=0.03)
        assert 0.001 < mask.mean() < 0.999, "a mask of all or nothing would show little"


def test_attention_biases_are_shared_by_equal_offsets_only() -> None:
    attention = Attention(dim=8, heads=2, window=3)
    index = attention.bias_index
    assert index.shape == (9, 9)
    assert torch.equal(index, index.T)
    assert int(index[0, 5]) == 1 * 3 + 2  # token 5 lies one row down and two columns right
    assert sorted(set(index.flatten().tolist())) == list(range(9))


def test_the_encoder_works_on_a_batch_of_any_size_that_divides() -> None:
    encoder = TinyViT(img_size=128).eval()
    with torch.inference_mode():
        both = encoder(torch.randn(2, 3, 128, 160, generator=torch.Generator().manual_seed(1)))
    assert both.shape == (2, 256, 8, 10)


def test_loading_leaves_nothing_unfilled_and_nothing_to_train(
    mobile_model: SamModel, mobile_checkpoint: Path
) -> None:
    network = mobile_model._network
    tensors = [*network.parameters(), *network.buffers()]
    assert not any(tensor.is_meta or tensor.requires_grad for tensor in tensors)
    assert not any(module.training for module in network.modules())
    assert mobile_model.model_key.startswith("mobile_sam-")
