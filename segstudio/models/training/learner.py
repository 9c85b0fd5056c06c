"""The network, its optimiser and the device: one step at a time, and all of it in tensors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from segstudio.models.semantic.card import Normalisation
from segstudio.models.semantic.contract import SemanticNet
from segstudio.models.training.losses import Criterion
from segstudio.models.training.networks import optimiser_of, parameter_groups
from segstudio.models.training.norms import batch_norms, settle
from segstudio.models.training.settings import Precision, TrainingSettings


class Diverged(Exception):  # noqa: N818 - an outcome, told as a sentence
    """The loss or its gradient is infinite or not a number; nothing was stepped."""


def fabric_of(settings: TrainingSettings, device: str) -> Fabric:
    """Lightning's Fabric for a device key ("cpu", "cuda", "cuda:1", "mps"), not launched yet."""
    kind, _, index = device.partition(":")
    devices: int | list[int] = [int(index)] if index else max(1, settings.devices)
    precision = settings.precision
    if precision is Precision.AUTO:
        half = kind == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        precision = Precision.BFLOAT if half else Precision.FULL
    named = "32-true" if precision is Precision.FULL else precision.value
    return Fabric(
        accelerator=kind,
        devices=devices,
        num_nodes=max(1, settings.nodes),
        precision=cast(Any, named),
    )


class Learner:
    """A network that learns on a launched fabric.

    `encoder_rate` times the learning rate is the encoder's. Images are (N, 3, H, W) uint8 RGB,
    labels (N, H, W) uint8, on any device.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        net: nn.Module,
        criterion: Criterion,
        normalisation: Normalisation,
        fabric: Fabric,
        *,
        encoder_rate: float,
    ) -> None:
        self._settings, self._criterion, self._fabric = settings, criterion, fabric
        # Convolutions take two thirds of the time so, on the CPU too.
        net = net.to(memory_format=torch.channels_last)
        shaped = cast("SemanticNet", net)
        groups = parameter_groups(net, shaped.encoder(), settings, encoder_rate)
        self._aux_weights = dict(shaped.aux_weights)
        self._bare, self._plain = net, optimiser_of(settings, groups)
        self._norms = batch_norms(net)
        self._net, self._optimiser = fabric.setup(net, self._plain)
        self._mean = _channels(normalisation.mean).to(fabric.device)
        self._std = _channels(normalisation.std).to(fabric.device)

    @property
    def device(self) -> torch.device:
        return self._fabric.device

    @property
    def parameters(self) -> int:
        return sum(one.numel() for one in self._bare.parameters())

    def step(self, images: Tensor, labels: Tensor, factor: float) -> float:
        """One optimiser step with learning rates times `factor`; the loss before it.

        Raises Diverged, with the parameters as they were.
        """
        self._net.train()
        for group in self._plain.param_groups:
            group["lr"] = group["rate"] * factor
        outputs = self._net(self._normalised(images))
        truth = labels.to(self.device, non_blocking=True).long()
        loss = self._criterion(outputs, truth, self._aux_weights)
        told = loss.detach()
        if self._fabric.world_size > 1:
            told = cast("Tensor", self._fabric.all_reduce(told, reduce_op="mean"))
        value = float(told)
        if not math.isfinite(value):
            raise Diverged
        self._optimiser.zero_grad()
        self._fabric.backward(loss)
        norm = self._fabric.clip_gradients(
            self._net,
            self._optimiser,
            max_norm=self._settings.clip or math.inf,
            error_if_nonfinite=False,
        )
        # With 16 bits a step too large for them is left out, and the scale of losses made smaller.
        scaled = self._fabric.strategy.precision.state_dict()
        if norm is not None and not scaled and not math.isfinite(float(norm)):
            raise Diverged
        self._optimiser.step()
        return value

    @torch.no_grad()
    def logits(self, images: Tensor) -> Tensor:
        """(N, C, H, W) float32 in eval mode."""
        self._net.eval()
        found: Tensor = self._net(self._normalised(images))["out"].float()
        return found

    def settle_norms(self, batches: Iterable[Tensor]) -> None:
        """Let batch norms know the network as it is now; see `norms.settle`. Learning is not by it.

        Several devices may have different batches, as many each.
        """

        def run(images: Tensor) -> None:
            with self._fabric.autocast():
                self._bare(self._normalised(images))

        self._net.eval()
        settle(self._norms, batches, run)
        if self._fabric.world_size > 1:
            for norm in self._norms:
                for value in (norm.running_mean, norm.running_var):
                    assert value is not None, "those without statistics are not among them"
                    value.copy_(cast("Tensor", self._fabric.all_reduce(value, reduce_op="mean")))

    @property
    def has_norms(self) -> bool:
        """Whether there is anything to settle."""
        return bool(self._norms)

    @torch.no_grad()
    def loss_of(self, logits: Tensor, truth: Tensor) -> Tensor:
        return self._criterion.of(logits, truth)

    def _normalised(self, images: Tensor) -> Tensor:
        there = images.to(self.device, non_blocking=True).float()
        found = (there / 255 - self._mean) / self._std
        return found.contiguous(memory_format=torch.channels_last)

    # -- all of it, to go on later ----------------------------------------------------------------

    def net_state(self) -> dict[str, Tensor]:
        return self._bare.state_dict()

    def scaling(self) -> dict[str, float]:
        """How losses are scaled for 16 bits; empty for others."""
        return dict(self._fabric.strategy.precision.state_dict())

    def tensors(self) -> dict[str, Tensor]:
        """Parameters, buffers, what the optimiser remembers, and the state of chance."""
        found = {f"net/{name}": one for name, one in self.net_state().items()}
        for index, memory in self._plain.state_dict()["state"].items():
            for name, one in memory.items():
                if isinstance(one, Tensor):
                    found[f"optimiser/{index}/{name}"] = one
        found["chance/cpu"] = torch.get_rng_state()
        if self.device.type == "cuda":
            found["chance/cuda"] = torch.cuda.get_rng_state(self.device)
        return found

    def begin_anew(self, state: Mapping[str, Tensor]) -> None:
        """Be as one that took no step yet, with a network of that state dict."""
        self._bare.load_state_dict(state)
        self._plain.state.clear()

    def restore(self, tensors: Mapping[str, Tensor], scaling: Mapping[str, float]) -> None:
        """Be as one was whose `tensors` these are. Raises RuntimeError if the network differs."""
        kept = {name: one for name, one in tensors.items() if name.startswith("net/")}
        self._bare.load_state_dict({name[4:]: one for name, one in kept.items()})
        parameters = [one for group in self._plain.param_groups for one in group["params"]]
        state: dict[int, dict[str, Tensor]] = {}
        for name, one in tensors.items():
            if name.startswith("optimiser/"):
                _, index, what = name.split("/", 2)
                like = parameters[int(index)]
                # In the parameter's memory order, on which the last bits of sums depend.
                same = one.shape == like.shape
                value = torch.empty_like(like, dtype=one.dtype).copy_(one) if same else one
                state.setdefault(int(index), {})[what] = value.detach()
        groups = self._plain.state_dict()["param_groups"]
        self._plain.load_state_dict({"state": state, "param_groups": groups})
        if scaling:
            self._fabric.strategy.precision.load_state_dict(dict(scaling))
        if not self._fabric.is_global_zero:
            return  # the chance that was kept is the first process's; each has its own
        torch.set_rng_state(tensors["chance/cpu"])
        if self.device.type == "cuda" and "chance/cuda" in tensors:
            torch.cuda.set_rng_state(tensors["chance/cuda"], self.device)


def _channels(values: tuple[float, float, float]) -> Tensor:
    return torch.tensor(values).view(1, 3, 1, 1)
