"""How long a click takes once the image is encoded: ours against the official predictor.

    python tests/benchmarks/click.py [--model mobile_sam] [--repeats 7] [--clock wall|cpu] [--json]

Ours gives candidates with stability scores and stored (run-length) masks; the official
`SamPredictor.predict`, around the same network and the same embedding, gives arrays. Both answer
one click with three masks, in turn, in one process; figures are medians. Where masks differ in a
single pixel, `equal` is false and there is no ratio.

With the published weights on this machine the masks are real ones. Without, weights are seeded
random numbers: the network then does its whole work, but its logits, which would be noise, are
replaced on both sides by three smooth blobs, as a mask of noise takes longer to store than any
real one. `weights` tells which. The built-in model has no baseline.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import skimage.data
import torch
from segment_anything import SamPredictor
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from seeded_weights import write_checkpoint  # noqa: E402

from segstudio.core.image import RgbImage  # noqa: E402
from segstudio.core.progress import CancelToken  # noqa: E402
from segstudio.core.prompt import Candidates, Embedding, Prompt  # noqa: E402
from segstudio.models import weights as weights_files  # noqa: E402
from segstudio.models.prompt.mobile_sam import build_mobile_sam  # noqa: E402
from segstudio.models.prompt.sam_model import IMAGE_EMBEDDING, SamModel  # noqa: E402
from segstudio.models.registry import EMBEDDED_MODEL, prompt_model  # noqa: E402

SIZES = ((1000, 1500), (3300, 4950))
CLICKS = ((0.30, 0.40), (0.52, 0.45), (0.71, 0.63))  # parts of the width and height

Row = dict[str, Any]


class BlobLogits(nn.Module):
    """A mask decoder that does all its work and then answers with smooth blobs."""

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder = decoder
        y, x = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
        wobble = 12 * torch.sin(x / 11) * torch.cos(y / 9)
        distance = torch.hypot(x - 110, y - 80) + wobble
        self.blobs = torch.stack([(radius - distance) / 2 for radius in (18.0, 40.0, 70.0)])

    def forward(self, **arguments: Any) -> tuple[Tensor, Tensor]:
        logits, scores = self.decoder(**arguments)
        return self.blobs[None, : logits.shape[1]].clone(), scores


def load_sam(key: str, folder: Path) -> tuple[SamModel, str]:
    """The model and what its weights are: "published" or "seeded"."""
    card = prompt_model(key)
    path = weights_files.find(card)
    kind = "published" if path is not None else "seeded"
    if path is None:
        with torch.device("meta"):
            network = build_network(key)
        path = write_checkpoint(network, folder / f"{key}.pt")
    model = card.load(path, "cpu")
    assert isinstance(model, SamModel)
    if kind == "seeded":
        model._network.mask_decoder = BlobLogits(model._network.mask_decoder)
    return model, kind


def build_network(key: str) -> Any:
    if key == "mobile_sam":
        return build_mobile_sam()
    from segment_anything import sam_model_registry

    return sam_model_registry[key.removeprefix("sam_")]()


def photo(size: tuple[int, int]) -> RgbImage:
    """A photograph that comes with scikit-image, at `size` (H, W)."""
    pixels = cv2.resize(skimage.data.coffee(), size[::-1], interpolation=cv2.INTER_CUBIC)
    return RgbImage(pixels)


def official_predictor(model: SamModel, image: RgbImage, embedding: Embedding) -> SamPredictor:
    """The official predictor, ready to answer, without encoding again."""
    predictor = SamPredictor(model._network)
    predictor.original_size = image.size
    height, width = image.size
    predictor.input_size = predictor.transform.get_preprocess_shape(height, width, 1024)
    predictor.features = torch.from_numpy(embedding.arrays[IMAGE_EMBEDDING])
    predictor.is_image_set = True
    return predictor


def timed(clock: Callable[[], float], call: Callable[[], Any]) -> tuple[float, Any]:
    start = clock()
    answer = call()
    return clock() - start, answer


def same(ours: Candidates, masks: np.ndarray) -> bool:
    return len(ours.items) == len(masks) and all(
        np.array_equal(item.mask.to_array(), mask)
        for item, mask in zip(ours.items, masks, strict=True)
    )


def prompts(size: tuple[int, int]) -> list[Prompt]:
    height, width = size
    return [Prompt(points=((x * width, y * height),), labels=(1,)) for x, y in CLICKS]


def sam_row(
    model: SamModel, kind: str, size: tuple[int, int], repeats: int, clock: Callable[[], float]
) -> Row:
    image = photo(size)
    embedding = model.encode(image, CancelToken())
    predictor = official_predictor(model, image, embedding)
    ours_s: list[float] = []
    theirs_s: list[float] = []
    equal = True
    for turn in range(repeats + 1):
        for prompt in prompts(size):
            points, labels = np.array(prompt.points), np.array(prompt.labels)
            ours, candidates = timed(clock, lambda p=prompt: model.predict(embedding, p))
            theirs, (masks, _, _) = timed(
                clock, lambda p=points, n=labels: predictor.predict(p, n, multimask_output=True)
            )
            if turn == 0:  # warms up, and compares
                equal = equal and same(candidates, masks)
            else:
                ours_s.append(ours)
                theirs_s.append(theirs)
            del masks
    ours, theirs = statistics.median(ours_s), statistics.median(theirs_s)
    return {
        "name": f"click {model.card.key} {size[1]}x{size[0]}",
        "ours_s": round(ours, 5),
        "baseline": "segment_anything SamPredictor.predict",
        "baseline_s": round(theirs, 5),
        "ratio": round(theirs / ours, 3) if equal else None,
        "equal": equal,
        "weights": kind,
    }


def embedded_row(size: tuple[int, int], repeats: int, clock: Callable[[], float]) -> Row:
    model = prompt_model(EMBEDDED_MODEL).load(None, "cpu")
    embedding = model.encode(photo(size), CancelToken())
    seconds = [
        timed(clock, lambda p=prompt: model.predict(embedding, p))[0]
        for _ in range(repeats)
        for prompt in prompts(size)
    ]
    return {
        "name": f"click {EMBEDDED_MODEL} {size[1]}x{size[0]}",
        "ours_s": round(statistics.median(seconds), 5),
        "baseline": None,
        "baseline_s": None,
        "ratio": None,
        "equal": None,
        "weights": "none",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Click to mask, with the image encoded.")
    parser.add_argument("--model", default="mobile_sam", help="a key of the SAM family")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    clock = time.perf_counter if asked.clock == "wall" else time.process_time
    with tempfile.TemporaryDirectory() as folder:
        model, kind = load_sam(asked.model, Path(folder))
    rows = [sam_row(model, kind, size, asked.repeats, clock) for size in SIZES]
    rows += [embedded_row(size, asked.repeats, clock) for size in SIZES]
    if asked.json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        ratio = "-" if row["ratio"] is None else f"{row['ratio']:.2f}x"
        baseline = "-" if row["baseline_s"] is None else f"{row['baseline_s'] * 1e3:.1f} ms"
        print(f"{row['name']:36} {row['ours_s'] * 1e3:8.1f} ms  {baseline:>10}  {ratio:>6}")


if __name__ == "__main__":
    main()
