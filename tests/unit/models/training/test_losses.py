"""Each loss against a library's own, and where none has its form, against its formula.

Libraries that take seconds to import are imported where they are asked: collecting the tests, which
every process does, takes none of it.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import Tensor
from torch.nn import functional

from segstudio.models.training.losses import Criterion, cross_entropy, focal, soft_dice
from segstudio.models.training.settings import Loss, TrainingSettings

CATEGORIES = 5


def batch(seed: int = 0, ignored: float = 0.0) -> tuple[Tensor, Tensor]:
    """Logits (2, 5, 13, 17), and truth in which each category is."""
    chance = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(2, CATEGORIES, 13, 17, generator=chance)
    truth = torch.randint(0, CATEGORIES, (2, 13, 17), generator=chance)
    truth[torch.rand(truth.shape, generator=chance) < ignored] = 255
    return logits, truth


def one_hot(truth: Tensor) -> Tensor:
    return functional.one_hot(truth, CATEGORIES).permute(0, 3, 1, 2).float()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignored", [0.0, 0.3])
def test_cross_entropy_is_torchs(weighted: bool, ignored: float) -> None:
    logits, truth = batch(1, ignored)
    weights = torch.tensor([0.5, 1.0, 3.0, 0.1, 2.0]) if weighted else None
    theirs = functional.cross_entropy(logits, truth, weight=weights, ignore_index=255)
    torch.testing.assert_close(cross_entropy(logits, truth, weights), theirs)


@pytest.mark.parametrize("squared", [False, True])
def test_soft_dice_is_monais_with_either_denominator(squared: bool) -> None:
    from monai.losses import DiceLoss

    logits, truth = batch(2)
    theirs = DiceLoss(
        softmax=True,
        to_onehot_y=True,
        squared_pred=squared,
        batch=True,
        smooth_nr=0.0,
        smooth_dr=0.0,
    )(logits, truth.unsqueeze(1))
    torch.testing.assert_close(soft_dice(logits, truth, squared), theirs)


@pytest.mark.parametrize("ignored", [0.0, 0.3])
def test_soft_dice_is_smps_also_where_pixels_are_ignored(ignored: float) -> None:
    logits, truth = batch(3, ignored)
    theirs = smp.losses.DiceLoss("multiclass", ignore_index=255)(logits, truth)
    torch.testing.assert_close(soft_dice(logits, truth), theirs)


def test_soft_dice_is_kornias_on_one_image() -> None:
    import kornia

    logits, truth = batch(4)
    theirs = kornia.losses.dice_loss(logits[:1], truth[:1], average="macro", eps=1e-12)
    torch.testing.assert_close(soft_dice(logits[:1], truth[:1]), theirs)


def test_a_category_that_is_not_there_does_not_count_in_dice() -> None:
    logits, truth = batch(5)
    truth[truth == 3] = 1
    theirs = smp.losses.DiceLoss("multiclass")(logits, truth)  # a mean with 0 for those absent
    torch.testing.assert_close(soft_dice(logits, truth), theirs * CATEGORIES / 4)


@pytest.mark.parametrize("squared", [False, True])
def test_cross_entropy_and_dice_together_are_monais(squared: bool) -> None:
    from monai.losses import DiceCELoss

    logits, truth = batch(6)
    theirs = DiceCELoss(
        softmax=True,
        to_onehot_y=True,
        squared_pred=squared,
        batch=True,
        smooth_nr=0.0,
        smooth_dr=0.0,
    )(logits, truth.unsqueeze(1))
    chosen = TrainingSettings(loss=Loss.CE_DICE, dice_squared=squared)
    torch.testing.assert_close(Criterion(chosen, None).of(logits, truth), theirs)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_loss_is_kornias(gamma: float) -> None:
    import kornia

    logits, truth = batch(7)
    theirs = kornia.losses.focal_loss(logits, truth, alpha=None, gamma=gamma, reduction="none")
    # theirs is laid out by category; all but the true one's are 0
    torch.testing.assert_close(focal(logits, truth, gamma), theirs.sum(1).mean())


def test_focal_loss_of_gamma_0_is_cross_entropy_also_where_pixels_are_ignored() -> None:
    logits, truth = batch(8, 0.3)
    torch.testing.assert_close(focal(logits, truth, 0.0), cross_entropy(logits, truth))


def test_focal_loss_counts_pixels_by_their_categorys_weight() -> None:
    logits, truth = batch(9)
    weights = torch.tensor([0.5, 1.0, 3.0, 0.1, 2.0])
    shares = logits.softmax(1).gather(1, truth.unsqueeze(1)).squeeze(1)
    expected = (weights[truth] * (1 - shares) ** 2 * -shares.log()).mean()
    torch.testing.assert_close(focal(logits, truth, 2.0, weights), expected)


@pytest.mark.parametrize("loss", list(Loss))
def test_ignored_pixels_change_nothing_and_get_no_gradient(loss: Loss) -> None:
    logits, truth = batch(10, 0.4)
    ignored = (truth == 255).unsqueeze(1)
    criterion = Criterion(TrainingSettings(loss=loss), None)
    leaf = logits.clone().requires_grad_()
    value = criterion.of(leaf, truth)
    value.backward()
    other = criterion.of(logits + 50 * torch.randn_like(logits) * ignored, truth)
    torch.testing.assert_close(value.detach(), other)
    assert leaf.grad is not None
    assert (leaf.grad * ignored).abs().max() == 0
    assert (leaf.grad * ~ignored).abs().max() > 0


@pytest.mark.parametrize("loss", list(Loss))
def test_a_batch_with_nothing_labelled_has_a_loss_and_a_gradient_of_zero(loss: Loss) -> None:
    leaf = batch(11)[0].requires_grad_()
    truth = torch.full((2, 13, 17), 255)
    value = Criterion(TrainingSettings(loss=loss), torch.ones(CATEGORIES)).of(leaf, truth)
    value.backward()
    assert float(value.detach()) == 0
    assert leaf.grad is not None
    assert leaf.grad.abs().max() == 0


@pytest.mark.parametrize("of", [cross_entropy, soft_dice, focal])
def test_gradients_are_those_that_differences_tell(of: Callable[..., Tensor]) -> None:
    logits, truth = batch(12, 0.2)
    small = logits[:1, :, :3, :4].double().requires_grad_()
    assert torch.autograd.gradcheck(lambda leaf: of(leaf, truth[:1, :3, :4]), (small,))


def test_auxiliary_outputs_count_as_much_as_they_say() -> None:
    logits, truth = batch(13)
    others = batch(14)[0], batch(15)[0]
    criterion = Criterion(TrainingSettings(loss=Loss.CROSS_ENTROPY), None)
    outputs = {"out": logits, "aux": others[0], "deep": others[1]}
    told = criterion(outputs, truth, {"aux": 0.4, "deep": 0.25})
    of = functional.cross_entropy
    expected = of(logits, truth) + 0.4 * of(others[0], truth) + 0.25 * of(others[1], truth)
    torch.testing.assert_close(told, expected)
