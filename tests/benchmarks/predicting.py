"""What a semantic prediction takes of memory and time, and the CRF against pydensecrf.

    python tests/benchmarks/predicting.py windows [--megapixels 2 8 50] [--categories 150] [--json]
    python tests/benchmarks/predicting.py crf [--categories 2 21 150] [--megapixels 1] [--json]
    python tests/benchmarks/predicting.py cancel [--megapixels 8] [--categories 150 4] [--json]

`windows` compares three ways, each in a process of its own (Linux): ours; the same windows with all
probabilities of the image kept until the end; the whole image at once. The peak is that of the
process (VmHWM) less what it held before. A way that would not fit into the machine's memory is not
run, and the table says what its probabilities alone take. The network is a small one (stride 4), so
that the table is about everything around it. `crf` takes CPU seconds on one thread: `ours` against
pydensecrf where it is installed, with the labels that agree. `cancel` is the longest that a
prediction computes, in CPU milliseconds on one thread, before it looks again whether it was
cancelled, and the function that looked then; the network's own passes are told beside it.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import torch
from skimage import data
from torch import Tensor, nn
from torch.nn import functional

from segstudio.core.errors import Cancelled
from segstudio.core.image import RgbImage
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.imaging.dense_crf import dense_crf
from segstudio.models.semantic.contract import CrfSettings, PredictSettings
from segstudio.models.semantic.predicting import predict
from segstudio.models.semantic.tiling import spans

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
from network_model import NetworkModel

WAYS = ("ours", "all probabilities kept", "whole image at once")
SIDE = 512
_SHARE = 0.8  # of the free memory that a way may want


class Small(nn.Module):
    """A convolution of stride 4, one of 1 x 1, and enlarged logits."""

    def __init__(self, categories: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 32, 4, stride=4)
        self.second = nn.Conv2d(32, categories, 1)
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        small = self.second(torch.relu(self.first(images)))
        return functional.interpolate(8 * small, images.shape[-2:], mode="bilinear")


def photo(height: int, width: int) -> np.ndarray:
    """Real texture at every place: a photo and its mirror images, side by side."""
    tile = data.astronaut()
    block = np.block([[[tile], [tile[:, ::-1]]], [[tile[::-1]], [tile[::-1, ::-1]]]])
    times = -(-height // block.shape[0]), -(-width // block.shape[1]), 1
    return np.ascontiguousarray(np.tile(block, times)[:height, :width])


def _mib(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    raise OSError(f"no {name} on this system")


# -- windows -------------------------------------------------------------------------------------


def kept_whole(model: NetworkModel, image: RgbImage) -> np.ndarray:
    """Windows' probabilities added up for the whole image, labels taken at the end."""
    height, width = image.size
    total = torch.zeros(len(model.card.categories), height, width)
    for y in spans(height, SIDE, 0.25, 32):
        for x in spans(width, SIDE, 0.25, 32):
            window = image.pixels[y.start : y.stop, x.start : x.stop]
            part = torch.from_numpy(window).permute(2, 0, 1)[None].float() / 255
            chances = torch.softmax(model.logits(part), dim=1)[0]
            weights = torch.outer(torch.tensor(y.weights()), torch.tensor(x.weights()))
            inner = chances[:, y.first - y.start :, x.first - x.start :]
            inner = inner[:, : y.last - y.first, : x.last - x.first]
            total[:, y.first : y.last, x.first : x.last] += inner * weights
    return total.argmax(dim=0).numpy()


def at_once(model: NetworkModel, image: RgbImage) -> np.ndarray:
    part = torch.from_numpy(image.pixels).permute(2, 0, 1)[None].float() / 255
    return torch.softmax(model.logits(part), dim=1)[0].argmax(dim=0).numpy()


def one_way(way: str, megapixels: float, categories: int) -> dict[str, Any]:
    """Measured in this process."""
    torch.set_num_threads(1)
    height = round(math.sqrt(megapixels * 1e6 / 1.5)) // 4 * 4
    image = RgbImage(photo(height, height * 3 // 2 // 4 * 4))
    model = NetworkModel(Small(categories), categories, side=SIDE)
    predict(model, RgbImage(photo(64, 64)), PredictSettings(), ignore_progress, CancelToken())
    before, wall, own = _mib("VmRSS"), time.perf_counter(), time.process_time()
    with torch.inference_mode():
        if way == WAYS[0]:
            how = PredictSettings()
            labels = predict(model, image, how, ignore_progress, CancelToken()).labels
        else:
            labels = (kept_whole if way == WAYS[1] else at_once)(model, image)
    return {
        "name": way,
        "megapixels": round(image.size[0] * image.size[1] / 1e6, 1),
        "wall_s": round(time.perf_counter() - wall, 1),
        "cpu_s": round(time.process_time() - own, 1),
        "peak_mib": round(_mib("VmHWM") - before),
        "labels": int(labels.astype(np.int64).sum()),
    }


def windows(megapixels: list[float], categories: int) -> list[dict[str, Any]]:
    rows = []
    for size in megapixels:
        for way, copies in zip(WAYS, (0, 1, 3), strict=True):
            wanted = copies * size * 1e6 * categories * 4
            if wanted > _SHARE * psutil.virtual_memory().available:
                mib = round(size * 1e6 * categories * 4 / 2**20)
                rows.append({"name": way, "megapixels": size, "probabilities_mib": mib})
                continue
            command = [sys.executable, __file__, "one", way, str(size), str(categories)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            rows.append(json.loads(done.stdout))
    return rows


# -- the CRF -------------------------------------------------------------------------------------


def patches(categories: int, height: int, width: int) -> np.ndarray:
    """(C, H, W) float32 in soft patches; of many categories some 20 are anywhere likely."""
    rng = np.random.default_rng(0)
    likely = min(categories, 20)
    fields = np.full((categories, height, width), -12.0, np.float32)
    for number in range(likely):
        noise = rng.normal(size=(height, width)).astype(np.float32)
        fields[number] = 80 * cv2.GaussianBlur(noise, (0, 0), 12)
    odds = np.exp(fields - fields.max(axis=0))
    return odds / odds.sum(axis=0)


def crf(megapixels: float, counts: list[int]) -> list[dict[str, Any]]:
    """CPU milliseconds a megapixel for five iterations of the default settings."""
    cv2.setNumThreads(1)
    side = round(math.sqrt(megapixels * 1e6))
    pixels = cv2.resize(data.astronaut(), (side, side), interpolation=cv2.INTER_CUBIC)
    per_megapixel = 1000 / (side * side / 1e6)
    rows = []
    for count in counts:
        chances = patches(count, side, side)
        ours, mine = _timed(lambda chances=chances: dense_crf(chances, pixels))
        row = {"name": f"crf, {count} categories", "ours_ms": round(ours * per_megapixel)}
        theirs = _pydensecrf(chances, pixels)
        if theirs is not None:
            seconds, made = theirs
            row["pydensecrf_ms"] = round(seconds * per_megapixel)
            row["ratio"] = round(seconds / ours, 2)
            row["equal"] = round(float(np.mean(mine.argmax(axis=0) == made.argmax(axis=0))), 4)
        rows.append(row)
    return rows


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """The least of three, and the result."""
    taken = []
    for _ in range(3):
        before = time.process_time()
        result = work()
        taken.append(time.process_time() - before)
    return min(taken), result


def _pydensecrf(chances: np.ndarray, pixels: np.ndarray) -> tuple[float, np.ndarray] | None:
    try:
        densecrf = import_module("pydensecrf.densecrf")
    except ImportError:
        return None
    count, height, width = chances.shape
    unary = np.ascontiguousarray(-np.log(np.maximum(chances.reshape(count, -1), 1e-30)))

    def work() -> np.ndarray:
        field = densecrf.DenseCRF2D(width, height, count)
        field.setUnaryEnergy(unary)
        field.addPairwiseGaussian(sxy=3, compat=3)
        field.addPairwiseBilateral(sxy=50, srgb=13, rgbim=pixels, compat=10)
        return np.array(field.inference(5)).reshape(chances.shape)

    return _timed(work)


# -- cancelling ----------------------------------------------------------------------------------

ASKED = {
    "plain": PredictSettings(),
    "scales and mirror images": PredictSettings(scales=(0.5, 1.0, 1.75), flip=True),
    "crf": PredictSettings(crf=CrfSettings()),
}
_ENOUGH_S = 90.0  # of CPU: then it is cancelled, as all has been seen that comes again and again


class Stretches(CancelToken):
    """Measures what is computed between two looks, but for the network's passes."""

    def __init__(self) -> None:
        super().__init__()
        self.longest, self.where, self.network = 0.0, "", 0.0
        self._until = time.thread_time() + _ENOUGH_S
        self._last = time.thread_time()

    def check(self) -> None:
        now = time.thread_time()
        if now - self._last > self.longest:
            self.longest, self.where = now - self._last, sys._getframe(1).f_code.co_qualname
        if now > self._until:
            self.cancel()
        super().check()
        self._last = time.thread_time()

    def passed(self, began: float) -> None:
        """The network has been at work since then."""
        took = time.thread_time() - began
        self.network = max(self.network, took)
        self._last += took


def cancelling(megapixels: float, counts: list[int]) -> list[dict[str, Any]]:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    height = round(math.sqrt(megapixels * 1e6 / 1.5))
    image = RgbImage(photo(height, height * 3 // 2))
    rows = []
    for count in counts:
        for name, how in ASKED.items():
            net, token = Small(count), Stretches()

            def network(images: Tensor, net: Small = net, token: Stretches = token) -> Tensor:
                began = time.thread_time()
                logits: Tensor = net(images)
                token.passed(began)
                return logits

            model = NetworkModel(network, count, side=SIDE)
            with suppress(Cancelled):
                predict(model, image, how, ignore_progress, token)
            rows.append(
                {
                    "name": f"{name}, {count} categories",
                    "longest_ms": round(1000 * token.longest),
                    "up_to": token.where,
                    "pass_ms": round(1000 * token.network),
                }
            )
    return rows


def main() -> int:
    if sys.argv[1:2] == ["one"]:
        print(json.dumps(one_way(sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))))
        return 0
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("windows", "crf", "cancel"))
    parser.add_argument("--megapixels", type=float, nargs="+")
    parser.add_argument("--categories", type=int, nargs="+")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.what == "windows":
        rows = windows(given.megapixels or [2, 8, 50], (given.categories or [150])[0])
    elif given.what == "cancel":
        rows = cancelling((given.megapixels or [8])[0], given.categories or [150, 4])
    else:
        rows = crf((given.megapixels or [1])[0], given.categories or [2, 21, 150])
    if given.json:
        print(json.dumps(rows, indent=1))
    else:
        for row in rows:
            print("  ".join(f"{key} {value}" for key, value in row.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
