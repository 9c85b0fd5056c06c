"""Batch norms whose statistics are those of the network as it is now."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def batch_norms(net: nn.Module) -> list[_BatchNorm]:
    """Those of a network that keep statistics for eval mode."""
    return [one for one in net.modules() if isinstance(one, _BatchNorm) and one.track_running_stats]


@torch.no_grad()
def settle(
    norms: Iterable[_BatchNorm], batches: Iterable[Tensor], run: Callable[[Tensor], object]
) -> None:
    """Put the mean statistics of `batches`, each of which `run` sends through, into `norms`.

    The network is in eval mode, and so are its norms again afterwards. While it learns, running
    averages are those of weights that it had before; where weights move fast, or few steps were
    taken, it may be useless in eval mode though it learns well. Computed anew from a few batches
    they are right (Wu and Johnson 2021, "Rethinking 'Batch' in BatchNorm", section 3: PreciseBN).
    """
    kept = [(one, one.momentum, _count(one).clone()) for one in norms]
    try:
        for one, _, _ in kept:
            one.train()
            one.momentum = None  # torch's word for the mean of all batches
            _count(one).zero_()
        for batch in batches:
            run(batch)
    finally:
        for one, momentum, count in kept:
            one.eval()
            one.momentum = momentum
            _count(one).copy_(count)


def _count(norm: _BatchNorm) -> Tensor:
    assert norm.num_batches_tracked is not None, "norms that keep statistics count their batches"
    return norm.num_batches_tracked
