"""The training of segstudio_nano from beginning to end, in a folder that it can go on in.

A folder holds `settings.json`, `checkpoint/`, `log.jsonl` and, at the end, the weights.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import torch
from safetensors.torch import save_file

from segstudio.core.progress import CancelToken
from segstudio.core.whole_files import put, put_by
from segstudio.models.nets.nano import Nano
from segstudio.models.prompt_training.batches import BatchStream
from segstudio.models.prompt_training.learner import Learner, Taught
from segstudio.models.prompt_training.pretrained import load_imagenet, load_start
from segstudio.models.prompt_training.scene import Scene
from segstudio.models.prompt_training.settings import NanoSettings
from segstudio.models.prompt_training.validation import validate
from segstudio.models.training.checkpoint import Checkpoint, load, save

SETTINGS, LOG, CHECKPOINT, WEIGHTS = "settings.json", "log.jsonl", "checkpoint", "nano.safetensors"
_TELL_EVERY = 20


def build(settings: NanoSettings, device: str) -> Nano:
    """The network that a run begins with."""
    torch.manual_seed(settings.seed)
    network = Nano(settings.width, settings.drawn)
    if settings.start:
        load_start(network, Path(settings.start))
    elif settings.pretrained:
        load_imagenet(network)
    return network.to(memory_format=torch.channels_last).to(device)


class Run:
    """One training in `folder`, on data in `data`, from where it was left."""

    def __init__(self, folder: Path, data: Path, settings: NanoSettings, device: str) -> None:
        self.folder, self.data, self.settings, self.device = folder, data, settings, device
        folder.mkdir(parents=True, exist_ok=True)
        self.learner = self._learner(build(settings, device))
        self.step, self.seconds = 0, 0.0
        self._resume()
        put(folder / SETTINGS, msgspec.json.format(msgspec.json.encode(settings)))

    def _learner(self, network: Nano) -> Learner:
        return Learner(network, self.settings, self.device)

    def go(
        self, held_out: Sequence[Scene], cancel: CancelToken, workers: int = 1, stop_at: int = 0
    ) -> None:
        """Until the last step of the settings or `stop_at`, or until it is cancelled; saved."""
        until = min(stop_at or self.settings.steps, self.settings.steps)
        stream = BatchStream(self.data, self.settings, self.step, workers)
        began, before = time.monotonic(), self.seconds
        recent: list[Taught] = []
        try:
            self.learner.train_mode()
            while self.step < until and not cancel.cancelled:
                recent.append(self.learner.step(self.step, next(stream)))
                self.step += 1
                self.seconds = before + time.monotonic() - began
                if self.step % _TELL_EVERY == 0:
                    self._tell(recent)
                    recent = []
                last = self.step == until
                if last or self.step % self.settings.validate_every == 0:
                    self._validate(held_out)
                if last or self.step % self.settings.save_every == 0:
                    self.save()
        finally:
            stream.close()
        self.save()

    def averaged(self) -> Nano:
        """A network of the averaged weights."""
        network = Nano(self.settings.width, self.settings.drawn)
        network.load_state_dict(self.learner.average)
        return network.to(memory_format=torch.channels_last).to(self.device).eval()

    def save(self) -> None:
        learner = self.learner
        tensors = {f"network.{k}": v for k, v in learner.network.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in learner.average.items()}
        for index, one in learner.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{k}": torch.as_tensor(v) for k, v in one.items()}
        tensors |= {f"more.{k}": v for k, v in learner.more_state().items()}
        state = json.dumps({"step": self.step, "seconds": self.seconds})
        save(self.folder / CHECKPOINT, Checkpoint(tensors, state))
        half = {k: _halved(v) for k, v in learner.average.items()}
        facts = {"width": str(self.settings.width), "drawn": str(int(self.settings.drawn))}
        facts |= {"step": str(self.step)}
        put_by(self.folder / WEIGHTS, lambda part: save_file(half, part, metadata=facts))

    def _resume(self) -> None:
        found = load(self.folder / CHECKPOINT)
        if found is None:
            return
        state, learner = json.loads(found.state), self.learner
        self.step, self.seconds = state["step"], state["seconds"]
        kinds = "network", "average", "optimiser", "more"
        parts: dict[str, dict[str, torch.Tensor]] = {kind: {} for kind in kinds}
        for name, tensor in found.tensors.items():
            kind, _, rest = name.partition(".")
            parts[kind][rest] = tensor.to(self.device)
        learner.network.load_state_dict(parts["network"])
        learner.average = parts["average"]
        learner.take_more(parts["more"])
        whole = learner.optimiser.state_dict()
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in parts["optimiser"].items():
            index, _, key = name.partition(".")
            moments.setdefault(int(index), {})[key] = tensor.cpu() if key == "step" else tensor
        learner.optimiser.load_state_dict({**whole, "state": moments})

    def _tell(self, recent: list[Taught]) -> None:
        loss, first, last = np.mean([(one.loss, one.first, one.last) for one in recent], axis=0)
        row = {"loss": round(loss, 4), "first": round(first, 4), "last": round(last, 4)}
        self._log({**row, "side": self.settings.side(self.step - 1)})

    def _validate(self, scenes: Sequence[Scene]) -> None:
        if scenes:
            scores = validate(self.averaged(), scenes, self.device)
            self._log({"held_out": {name: round(value, 4) for name, value in scores.items()}})

    def _log(self, row: dict[str, object]) -> None:
        line = json.dumps({"step": self.step, "minutes": round(self.seconds / 60, 2), **row})
        with (self.folder / LOG).open("a") as file:
            file.write(line + "\n")
        print(line, flush=True)


def _halved(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.half().contiguous() if tensor.dtype.is_floating_point else tensor.contiguous()
