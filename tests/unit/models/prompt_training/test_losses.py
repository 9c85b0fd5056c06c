"""What training makes small, beside other people's losses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from torchvision.ops import sigmoid_focal_loss

from segstudio.models.prompt_training.batches import UNKNOWN
from segstudio.models.prompt_training.losses import (
    MaskLosses,
    border_loss,
    mask_losses,
    prompt_loss,
)


@pytest.fixture
def answers() -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 4, 7, 9, generator=draw) * 3
    truth = (torch.rand(3, 7, 9, generator=draw) < 0.4).float()
    return logits, truth


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0])
def test_masks_lose_torchvisions_focal_loss_and_monais_dice(answers, gamma):
    from monai.losses import DiceLoss  # takes seconds, which not every process shall spend

    logits, truth = answers
    wanted = truth[:, None].expand_as(logits)
    focal = sigmoid_focal_loss(logits, wanted, alpha=-1, gamma=gamma).mean((2, 3))
    dice = DiceLoss(
        include_background=True, sigmoid=True, reduction="none", smooth_nr=1, smooth_dr=1
    )
    expected = 3.0 * focal + dice(logits, wanted)[:, :, 0, 0]
    found = mask_losses(logits, truth, gamma, 3.0)
    torch.testing.assert_close(found.loss, expected, rtol=1e-4, atol=1e-5)


def test_true_ious_are_counted(answers):
    logits, truth = answers
    found = mask_losses(logits, truth, 1.0, 1.0).iou
    for prompt in range(3):
        for mask in range(4):
            said, there = logits[prompt, mask] > 0, truth[prompt] > 0.5
            real = (said & there).sum() / (said | there).sum()
            assert found[prompt, mask] == pytest.approx(float(real))


def test_of_three_masks_for_a_doubtful_prompt_the_best_learns_most():
    loss = torch.tensor([[1.0, 0.9, 0.2, 0.8]], requires_grad=True)
    scores = torch.zeros(1, 4)
    total = prompt_loss(MaskLosses(loss, torch.zeros(1, 4)), scores, torch.tensor([True]))
    total.backward()
    assert loss.grad is not None
    first, *several = loss.grad[0].tolist()
    assert first == 1
    assert several[1] > 0.9
    assert max(several[0], several[2]) < 0.1
    sure = prompt_loss(MaskLosses(loss, torch.zeros(1, 4)), scores, torch.tensor([False]))
    assert sure < total


def test_scores_learn_the_true_iou():
    scores = torch.tensor([[0.1, 0.2, 0.3, 0.4]], requires_grad=True)
    iou = torch.tensor([[0.5, 0.2, 0.1, 0.4]])
    prompt_loss(MaskLosses(torch.ones(1, 4), iou), scores, torch.tensor([True])).backward()
    assert scores.grad is not None
    assert torch.sign(scores.grad[0]).tolist() == [-1, 0, 1, 0]


def test_borders_are_learnt_where_they_are_known():
    logits = torch.tensor([[[[2.0, -1.0], [0.5, 3.0]]]])
    truth = np.array([[[1, 0], [UNKNOWN, 0]]], dtype=np.uint8)
    expected = binary_cross_entropy_with_logits(
        torch.tensor([2.0, -1.0, 3.0]), torch.tensor([1.0, 0.0, 0.0])
    )
    assert border_loss(logits, truth) == pytest.approx(float(expected))
    assert border_loss(logits, np.full((1, 2, 2), UNKNOWN, dtype=np.uint8)) == 0
