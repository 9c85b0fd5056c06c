"""One step of training a prompt model: clicks, boxes, answers, corrections, and what they teach.

Kirillov et al. 2023, section A: the first prompt is a click or a box; the next ones are clicks into
the error of the last answer, which is handed back. Here a round with gradient comes first and one
last, and those between only bring about what the last one corrects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from segstudio.models.nets.nano import CELL, PIXEL_MEAN, PIXEL_STD, SIDE, STRIDE, Features, Nano
from segstudio.models.nets.nano import Prompts as NetPrompts
from segstudio.models.prompt_training.batches import Batch
from segstudio.models.prompt_training.clicks import drawn_box, first_click, next_click
from segstudio.models.prompt_training.losses import border_loss, mask_losses, prompt_loss
from segstudio.models.prompt_training.settings import NanoSettings

MOST_CLICKS = 8
_CLICK_ONLY, _BOX_ONLY = 0.55, 0.35  # the rest have both
_PRIOR = 0.5  # so often the last answer is handed back


@dataclass(frozen=True)
class Taught:
    """A step's loss, and the mean IoU of the answers that the model itself prefers."""

    loss: float
    first: float
    last: float


class PromptTable:
    """The prompts of N masks on windows of the square at `corner` xy, as they grow."""

    def __init__(self, masks: npt.NDArray[np.bool_], corner: tuple[int, int]) -> None:
        count = len(masks)
        self.masks = masks
        self.corner = np.array(corner, dtype=np.float32)
        self.points = np.zeros((count, MOST_CLICKS, 2), np.float32)
        self.labels = np.full((count, MOST_CLICKS), -1, np.float32)
        self.boxes = np.full((count, 4), np.nan, np.float32)
        self.clicks = np.zeros(count, dtype=np.int64)

    def begin(self, draw: np.random.Generator) -> None:
        for row, mask in enumerate(self.masks):
            kind = draw.random()
            if kind < _CLICK_ONLY or kind >= _CLICK_ONLY + _BOX_ONLY:
                click = first_click(mask, draw)
                self.click(row, click.x, click.y, click.label)
            if kind >= _CLICK_ONLY:
                self.box(row, drawn_box(mask, draw))

    def box(self, row: int, cells: npt.NDArray[np.float32]) -> None:
        self.boxes[row] = cells * CELL + np.tile(self.corner, 2)

    def click(self, row: int, x: float, y: float, label: int) -> None:
        if self.clicks[row] < MOST_CLICKS:
            at = self.clicks[row]
            self.points[row, at] = np.array([x, y], np.float32) * CELL + self.corner
            self.labels[row, at] = label
            self.clicks[row] += 1

    def correct(self, said: npt.NDArray[np.bool_], draw: np.random.Generator, most: int) -> None:
        for row, (mask, answer) in enumerate(zip(self.masks, said, strict=True)):
            for _ in range(int(draw.integers(1, most + 1))):
                click = next_click(mask, answer, draw)
                if click is not None:
                    self.click(row, *click)

    def doubtful(self) -> Tensor:
        """(N,) bool: a single click and no box."""
        return torch.from_numpy((self.clicks == 1) & np.isnan(self.boxes[:, 0]))

    def prompts(self, prior: Tensor | None, has_prior: Tensor | None, device: str) -> NetPrompts:
        used = max(1, int(self.clicks.max()))
        arrays = self.points[:, :used], self.labels[:, :used], self.boxes
        points, labels, boxes = (torch.from_numpy(one.copy()).to(device) for one in arrays)
        return NetPrompts(points, labels, boxes, prior, has_prior)


def normalised(images: npt.NDArray[np.uint8], device: str) -> Tensor:
    """(B, H, W, 3) uint8 RGB to (B, 3, H, W) float32, laid out as convolutions like it."""
    x = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float()
    mean, std = (torch.tensor(one, device=device).view(3, 1, 1) for one in (PIXEL_MEAN, PIXEL_STD))
    return ((x - mean) / std).contiguous(memory_format=torch.channels_last)


def repeated(features: Features, times: int) -> Features:
    """Each image's features as often as it has prompts."""
    return Features(*(one.repeat_interleave(times, 0) for one in features))


def preferred(scores: Tensor, doubtful: Tensor) -> Tensor:
    """(N,) int64: the mask that the model hands out, as `predict` of the app chooses."""
    return torch.where(doubtful, 1 + scores[:, 1:].argmax(1), 0)


class Learner:
    """A network and its optimiser on one device; `step` teaches it one batch."""

    def __init__(self, network: Nano, settings: NanoSettings, device: str) -> None:
        self.network = network
        self.settings = settings
        self.device = device
        backbone = list(network.encoder.backbone.parameters())
        known = {id(one) for one in backbone}
        rest = [one for one in network.parameters() if id(one) not in known]
        share = settings.encoder_rate if settings.pretrained else 1.0
        groups = [{"params": backbone, "share": share}, {"params": rest, "share": 1.0}]
        self.optimiser = torch.optim.AdamW(
            groups, lr=settings.rate, weight_decay=settings.weight_decay
        )
        self._trailing = True
        self.average = {name: one.clone() for name, one in network.state_dict().items()}

    def train_mode(self) -> None:
        self.network.train()
        if self.settings.pretrained:  # small batches would spoil ImageNet's statistics
            for module in self.network.encoder.backbone.modules():
                if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                    module.eval()

    def more_state(self) -> dict[str, Tensor]:
        """What is learnt beside the network, for checkpoints."""
        return {}

    def take_more(self, state: dict[str, Tensor]) -> None:
        """Take back what `more_state` gave."""

    def step(self, number: int, batch: Batch) -> Taught:
        draw = np.random.default_rng((self.settings.seed, 7, number))
        self._trailing = number >= self.settings.trails_from
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.rate * self.settings.rate_share(number) * group["share"]
        loss, first, last = self._loss(batch, draw)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self._follow(number)
        return Taught(float(loss.detach()), first, last)

    def _loss(self, batch: Batch, draw: np.random.Generator) -> tuple[Tensor, float, float]:
        side, times = batch.images.shape[1], batch.masks.shape[1]
        room = (SIDE - side) // STRIDE
        corner = tuple(STRIDE * int(draw.integers(0, room + 1)) for _ in range(2))
        corner_xy = (corner[0], corner[1])
        masks = batch.masks.reshape(-1, *batch.masks.shape[2:])
        truth = torch.from_numpy(masks).to(self.device).float() / 255
        table = PromptTable(masks > 127, corner_xy)
        table.begin(draw)
        with self._precision():
            seen = self.network.encode(normalised(batch.images, self.device))
            features = repeated(seen, times)
            total, first, said = self._round(features, table, truth, None, None)
            total = total + self.settings.border_weight * border_loss(seen.borders, batch.borders)
            for _ in range(int(draw.integers(0, 3))):
                table.correct(_cells(said), draw, 1)
                with torch.no_grad():
                    _, _, said = self._round(features, table, truth, said, self._handed(draw, said))
            table.correct(_cells(said), draw, 2)
            more, last, _ = self._round(features, table, truth, said, self._handed(draw, said))
        return total + more, first, last

    def _round(
        self,
        features: Features,
        table: PromptTable,
        truth: Tensor,
        prior: Tensor | None,
        has_prior: Tensor | None,
    ) -> tuple[Tensor, float, Tensor]:
        """The loss, the mean IoU of the preferred masks, and their logits (N, 1, h, w)."""
        prompts = table.prompts(prior, has_prior, self.device)
        logits, scores = self.network.decode(features, prompts, _corner(table), self._trailing)
        logits, scores = logits.float(), scores.float()
        losses = mask_losses(logits, truth, self.settings.gamma, self.settings.focal_weight)
        doubtful = table.doubtful().to(self.device)
        rows = torch.arange(len(scores), device=self.device)
        chosen = preferred(scores, doubtful)
        said = logits[rows, chosen][:, None].detach()
        loss = prompt_loss(losses, scores, doubtful)
        return loss, float(losses.iou[rows, chosen].mean()), said

    def _handed(self, draw: np.random.Generator, said: Tensor) -> Tensor:
        chosen = draw.random(len(said)) < _PRIOR
        return torch.from_numpy(chosen.astype(np.float32)).to(self.device)

    def _precision(self) -> torch.autocast:
        on_cuda = self.device.startswith("cuda")
        return torch.autocast(self.device.partition(":")[0], torch.bfloat16, enabled=on_cuda)

    def _follow(self, number: int) -> None:
        """The running average of the weights, which is what gets used."""
        keep = min(self.settings.average, (number + 1) / (number + 10))
        with torch.no_grad():
            for name, one in self.network.state_dict().items():
                if one.dtype.is_floating_point:
                    self.average[name].lerp_(one, 1 - keep)
                else:
                    self.average[name].copy_(one)


def _corner(table: PromptTable) -> tuple[int, int]:
    return int(table.corner[0]), int(table.corner[1])


def _cells(said: Tensor) -> npt.NDArray[np.bool_]:
    return np.asarray(said[:, 0].cpu().numpy() > 0)
