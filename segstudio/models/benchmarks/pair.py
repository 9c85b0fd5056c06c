"""The two that are compared: our loaded model, and the official network from the same weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import skimage.data
import torch
from segment_anything import SamPredictor, sam_model_registry

from segstudio.core.image import Rgb8, RgbImage
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.models import weights as weights_files
from segstudio.models.benchmarks.plausible_weights import (
    write_plausible_checkpoint,
    write_random_nano,
)
from segstudio.models.benchmarks.timing import Clock
from segstudio.models.card import ModelCard
from segstudio.models.device import choose_device
from segstudio.models.prompt.checkpoint import load_network
from segstudio.models.prompt.contract import PromptModel
from segstudio.models.prompt.mobile_sam import build_mobile_sam

PUBLISHED, SEEDED, NO_WEIGHTS = "published", "seeded", "none"

Row = dict[str, Any]


@dataclass(frozen=True)
class Pair:
    """Our model and the official package's network, which is None where there is no such model.

    Threads are what torch uses while either side runs. `weights` is "published", "seeded" (random
    numbers, arranged; no published ones are on this machine) or "none".
    """

    model: PromptModel
    official: Any | None
    weights: str
    clock: Clock
    threads: int
    official_threads: int

    @property
    def facts(self) -> Row:
        """What belongs into every row."""
        return {
            "weights": self.weights,
            "device": self.model.device,
            "clock": self.clock.kind,
            "threads": self.threads,
            "baseline_threads": self.official_threads if self.official is not None else None,
        }

    def predictor(self) -> SamPredictor:
        assert self.official is not None
        return SamPredictor(self.official)


@contextmanager
def load_pair(
    card: ModelCard,
    *,
    device: str,
    clock: str,
    threads: int | None,
    report: ProgressSink,
    weights: Path | None = None,
) -> Iterator[Pair]:
    """Load both sides; ours is prepared, as it is on a user's machine after the first minute.

    `threads` None: each side has as many as it takes by itself. Raises what loading raises.
    """
    device = choose_device(device) if card.weights else "cpu"
    with TemporaryDirectory(prefix="segstudio-bench-") as folder:
        path = weights_files.find(card, weights)
        kind = NO_WEIGHTS if card.weights is None else PUBLISHED
        build = _official_build(card.key) if card.weights else None
        if path is None and card.weights is not None:
            kind = SEEDED
            report(Progress(0, 0, f"Making weights for {card.title}, as the published are absent"))
            path = Path(folder) / card.weights.name
            if build is None:
                write_random_nano(path)
            else:
                write_plausible_checkpoint(build, path)
        theirs = threads or torch.get_num_threads()
        official = None
        if build is not None and path is not None:
            official = load_network(build, card, path, device)
        model = card.load(path, device)
        ours = threads or torch.get_num_threads()
        torch.set_num_threads(ours)
        model.prepare(report, CancelToken())
        yield Pair(model, official, kind, Clock(clock, device), ours, theirs)


def _official_build(key: str) -> Callable[[], Any] | None:
    """None for the network in the box, which is nobody else's."""
    if key == "segstudio_nano":
        return None
    if key == "mobile_sam":
        return build_mobile_sam
    build: Callable[[], Any] = sam_model_registry[key.removeprefix("sam_")]
    return build


def benchmark_photo(size: tuple[int, int], photo: Rgb8 | None = None) -> RgbImage:
    """`photo`, or one that comes with scikit-image, scaled to `size` (H, W)."""
    coffee: Callable[[], Any] = skimage.data.coffee
    pixels = coffee() if photo is None else photo
    if pixels.shape[:2] != size:
        pixels = cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_CUBIC)
    return RgbImage(pixels)
