"""Masks of everything: ours against the official automatic mask generator.

Both start from the image's pixels and end with run-length masks, with the official thresholds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import psutil
import torch
from segment_anything import SamAutomaticMaskGenerator

from segstudio.core.image import RgbImage
from segstudio.core.mask import Box
from segstudio.core.progress import CancelToken, Progress, ProgressSink, ignore_progress
from segstudio.core.prompt import Candidates, Embedding
from segstudio.metrics.mask_matching import recall
from segstudio.models.benchmarks.comparison import Verdict, compare_everything, row
from segstudio.models.benchmarks.pair import Pair, Row
from segstudio.models.benchmarks.timing import Clock, Side, Turn, median, take_turns
from segstudio.models.prompt.contract import EverythingSettings

BASELINE = "segment_anything SamAutomaticMaskGenerator.generate"
EXACT = "our exact mode"
OFFICIAL_BATCH = 64

# What the official generator holds for each point: some copies of three float32 masks of the
# image, and the decoder's own tensors (measured on the CPU, with and without the former).
_BYTES_PER_PIXEL, _BYTES_BESIDE = 28, 80 << 20
_PART_OF_MEMORY = 0.6
# The rest of the official work takes about this much of what decoding and upsampling do.
_POSTPROCESSING = 1.4


@dataclass(frozen=True)
class Plan:
    """What is asked of both sides. `official_batch` None: what its default is, or what fits."""

    settings: EverythingSettings
    official_batch: int | None = None
    with_fast: bool = False


def everything_rows(
    pair: Pair,
    images: Sequence[RgbImage],
    repeats: int,
    plan: Plan,
    *,
    report: ProgressSink,
    say: Callable[[str], None],
) -> Iterator[Row]:
    """A row for each image, anew after each repeat: the last one of a name is the one to keep.

    With `plan.with_fast` each image has a second row, of our fast mode against our exact one.
    """
    for image in images:
        name = f"everything {pair.model.card.key} {image.size[1]}x{image.size[0]}"
        ours = Side(partial(_ours, pair, image, plan.settings, report), pair.threads)
        facts: Row = {"points_per_side": plan.settings.points_per_side, **pair.facts}
        if pair.official is None:
            _ours(pair, image, replace(plan.settings, points_per_side=2), ignore_progress)
            turns = take_turns([ours], repeats, pair.clock, memory=True)
            yield from _rows(name, turns, facts)
        else:
            batch = plan.official_batch or fitting_batch(image.size, pair.model.device)
            _warm_up(pair, image, plan, batch, say)
            call = partial(_official, pair, image, plan, batch, report)
            sides = [ours, Side(call, pair.official_threads)]
            turns = take_turns(sides, repeats, pair.clock, memory=True)
            facts["baseline_points_per_batch"] = batch
            yield from _rows(name, turns, facts, BASELINE)
        if plan.with_fast:
            sides = [
                Side(partial(_ours, pair, image, settings, report), pair.threads)
                for settings in (replace(plan.settings, fast=True), plan.settings)
            ]
            yield _fast_row(f"{name} fast", list(take_turns(sides, repeats, pair.clock)), facts)


def fitting_batch(size: tuple[int, int], device: str) -> int:
    """How many points the official generator may take at once: 64, or fewer if memory is short."""
    if device.partition(":")[0] == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
    else:
        free = psutil.virtual_memory().available
    each = _BYTES_PER_PIXEL * size[0] * size[1] + _BYTES_BESIDE
    return int(min(OFFICIAL_BATCH, max(1, _PART_OF_MEMORY * free / each)))


def _rows(
    name: str, turns: Iterable[Turn], facts: Row, baseline: str | None = None
) -> Iterator[Row]:
    """After each turn, the row of all turns so far; where one of them differed, so does the row."""
    ours: list[float] = []
    theirs: list[float] = []
    peaks: list[tuple[int, ...]] = []
    verdicts: list[Verdict] = []
    for turn in turns:
        ours.append(turn.seconds[0])
        theirs += turn.seconds[1:]
        peaks.append(turn.peak_bytes)
        verdicts.append(_verdict(turn.answers))
        worst = min(verdicts, key=lambda verdict: bool(verdict.equal))
        memory = [round(max(side) / 1e6) for side in zip(*peaks, strict=True)]
        measured: Row = dict(zip(("peak_mb", "baseline_peak_mb"), memory, strict=False))
        both = {**measured, **facts}
        yield row(name, ours, worst, both, baseline=baseline, theirs=theirs)


def _verdict(answers: Sequence[Any]) -> Verdict:
    masks = [item.mask for item in answers[0].items]
    if len(answers) == 1:
        return Verdict(None, facts={"masks": len(masks)})
    return compare_everything(masks, [record["segmentation"] for record in answers[1]])


def _fast_row(name: str, turns: Sequence[Turn], facts: Row) -> Row:
    """Approximate by design, so there is no `equal`; `recall` says how much is found."""
    found, wanted = ([item.mask for item in answer.items] for answer in turns[-1].answers)
    ours, theirs = ([turn.seconds[side] for turn in turns] for side in (0, 1))
    share = round(recall(wanted, found), 4)
    facts = {"recall": share, "masks": len(found), "baseline_masks": len(wanted), **facts}
    made = row(
        name, ours, Verdict(None), {"approximate": True, **facts}, baseline=EXACT, theirs=theirs
    )
    return {**made, "ratio": round(median(theirs) / median(ours), 3)}


# -- the two sides --------------------------------------------------------------------------------


def _ours(
    pair: Pair, image: RgbImage, settings: EverythingSettings, report: ProgressSink
) -> Candidates:
    def encode(part: RgbImage) -> Embedding:
        return pair.model.encode(part, CancelToken())

    def encode_crop(box: Box) -> Embedding:
        x0, y0, x1, y1 = (int(value) for value in box)
        return encode(RgbImage(image.pixels[y0:y1, x0:x1]))

    crop = encode_crop if settings.crop_layers else None
    return pair.model.everything(encode(image), settings, report, CancelToken(), crop)


def _official(
    pair: Pair, image: RgbImage, plan: Plan, batch: int, report: ProgressSink
) -> list[dict[str, Any]]:
    settings = plan.settings
    generator = SamAutomaticMaskGenerator(
        pair.official,
        points_per_side=settings.points_per_side,
        points_per_batch=batch,
        pred_iou_thresh=settings.predicted_iou,
        stability_score_thresh=settings.stability,
        stability_score_offset=settings.stability_offset,
        box_nms_thresh=settings.box_nms,
        crop_n_layers=settings.crop_layers,
        crop_nms_thresh=settings.crop_nms,
        crop_overlap_ratio=settings.crop_overlap,
        crop_n_points_downscale_factor=settings.crop_downscale,
        min_mask_region_area=settings.min_region,
        output_mode="coco_rle",
    )
    grids = generator.point_grids
    total = sum(4**layer * -(-len(grid) // batch) for layer, grid in enumerate(grids))
    with _batches_counted(pair.official, total, report):
        records: list[dict[str, Any]] = generator.generate(image.pixels)
    return records


@contextmanager
def _batches_counted(network: Any, total: int, report: ProgressSink) -> Iterator[None]:
    done = 0

    def count(*_: object) -> None:
        nonlocal done
        report(Progress(done, total, "The official generator at work"))
        done += 1

    hook = network.mask_decoder.register_forward_pre_hook(count)
    try:
        yield
    finally:
        hook.remove()


def _warm_up(
    pair: Pair, image: RgbImage, plan: Plan, batch: int, say: Callable[[str], None]
) -> None:
    """Run both sides on a few points, and say how long the whole official run may take."""
    few = replace(plan.settings, points_per_side=2, crop_layers=0)
    _ours(pair, image, few, ignore_progress)
    predictor = pair.predictor()
    size = min(4, batch)
    points = np.linspace(100.0, 500.0, 2 * size).reshape(size, 1, 2)
    coordinates = torch.from_numpy(points).to(pair.model.device)
    labels = torch.ones((size, 1), dtype=torch.int, device=pair.model.device)
    torch.set_num_threads(pair.official_threads)
    clock = Clock("wall", pair.model.device)  # what the person waits for
    encode_s, _ = clock.time(lambda: predictor.set_image(image.pixels))
    decode_s, _ = clock.time(
        lambda: predictor.predict_torch(coordinates, labels, return_logits=True)
    )
    torch.set_num_threads(pair.threads)
    layers = range(plan.settings.crop_layers + 1)
    sides = [int(plan.settings.points_per_side / plan.settings.crop_downscale**i) for i in layers]
    points_in_all = sum(4**i * side**2 for i, side in enumerate(sides))
    crops = sum(4**i for i in layers)
    seconds = crops * encode_s + points_in_all / size * decode_s * _POSTPROCESSING
    height, width = image.size
    text = f"{width}x{height}: the official generator will take about {_spoken(seconds)} a run"
    if batch < OFFICIAL_BATCH and plan.official_batch is None:
        text += f", {batch} points at once, as its {OFFICIAL_BATCH} do not fit into memory"
    say(f"{text}.")


def _spoken(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"
