"""A grid of prompts, and the masks that survive: everything in the image.

The steps and thresholds are those of SAM's automatic mask generator (Kirillov et al. 2023,
section B, without crops), and so are the masks. Memory is bounded: logits exist for one small
batch of prompts at 256 x 256, and at full size for one mask at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchvision.ops import nms

from segstudio.core.errors import BadInputError
from segstudio.core.mask import BoolArray, Mask
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.core.prompt import Candidate
from segstudio.models.prompt.contract import EverythingSettings
from segstudio.models.prompt.frame import ModelFrame
from segstudio.models.prompt.sam_masks import candidate, cut

# Prompts at once. Larger batches fall out of a CPU's cache and are slower there.
BATCH = 16

# After small regions are removed, duplicates are looked for again at this IoU at least: the
# official generator takes the larger of its two NMS thresholds here, the one for crops being 0.7.
SECOND_NMS = 0.7

# (B, 2) points of the model's frame to logits (B, K, 256, 256) and predicted IoU (B, K).
Decode = Callable[[npt.NDArray[np.float64]], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class _Found:
    mask: Mask
    predicted_iou: float
    stability: float
    changed: bool = False


def point_grid(points_per_side: int, image_size: tuple[int, int]) -> npt.NDArray[np.float64]:
    """(n * n, 2) float64 xy in image pixels, row by row: the centres of n x n equal cells."""
    offset = 1 / (2 * points_per_side)
    side = np.linspace(offset, 1 - offset, points_per_side)
    y, x = np.meshgrid(side, side, indexing="ij")
    height, width = image_size
    return np.stack((x.ravel() * width, y.ravel() * height), axis=1)


def segment_everything(
    decode: Decode,
    frame: ModelFrame,
    settings: EverythingSettings,
    report: ProgressSink,
    cancel: CancelToken,
) -> tuple[Candidate, ...]:
    """The masks of everything in the image, highest predicted IoU first.

    Raises Cancelled between masks, BadInputError if the settings ask for no points.
    """
    if settings.points_per_side < 1:
        raise BadInputError("Everything needs a grid of at least one point a side.")
    points = frame.to_model(point_grid(settings.points_per_side, frame.image_size))
    found: list[_Found] = []
    for start in range(0, len(points), BATCH):
        cancel.check()
        report(Progress(start, len(points), "Segmenting everything"))
        logits, ious = decode(points[start : start + BATCH])
        found += _survivors(logits, ious, frame, settings, cancel)
    found = _without_duplicates(found, [item.predicted_iou for item in found], settings.box_nms)
    if settings.min_region > 0:
        found = _without_small_regions(found, settings, cancel)
    report(Progress(len(points), len(points), "Segmenting everything"))
    found.sort(key=lambda item: -item.predicted_iou)
    return tuple(candidate(item.mask, item.predicted_iou, item.stability) for item in found)


def _survivors(
    logits: Tensor,
    ious: Tensor,
    frame: ModelFrame,
    settings: EverythingSettings,
    cancel: CancelToken,
) -> list[_Found]:
    """Of one batch's masks, those that pass both thresholds (0 or less: no threshold)."""
    scores = ious.flatten().cpu()
    kept = torch.arange(len(scores))
    if settings.predicted_iou > 0:
        kept = torch.nonzero(scores > settings.predicted_iou).flatten()
    survivors = logits.flatten(0, 1)[kept.to(logits.device)].cpu()
    found = []
    for index, score in enumerate(scores[kept].tolist()):
        cancel.check()
        mask, stability = cut(survivors[index], frame, settings.stability_offset)
        stable = settings.stability <= 0 or stability >= np.float32(settings.stability)
        if stable and mask.area:
            found.append(_Found(mask, score, float(stability)))
    return found


def _without_duplicates(
    found: list[_Found], scores: Sequence[float], threshold: float
) -> list[_Found]:
    """Box non-maximum suppression, in the order of `scores`, best first."""
    if not found:
        return []
    # Corners are the outermost pixels' indices, as the official generator has them.
    corners = np.array([item.mask.box for item in found], dtype=np.float32) - (0, 0, 1, 1)
    boxes = torch.from_numpy(corners.astype(np.float32))
    kept = nms(boxes, torch.tensor(scores, dtype=torch.float32), threshold)
    return [found[index] for index in kept.tolist()]


def _without_small_regions(
    found: list[_Found], settings: EverythingSettings, cancel: CancelToken
) -> list[_Found]:
    cleaned = []
    for item in found:
        cancel.check()
        mask = remove_small_regions(item.mask, settings.min_region)
        cleaned.append(replace(item, mask=mask, changed=mask != item.mask))
    # A mask that was whole is preferred to one that had to be mended.
    scores = [0.0 if item.changed else 1.0 for item in cleaned]
    return _without_duplicates(cleaned, scores, max(settings.box_nms, SECOND_NMS))


def remove_small_regions(mask: Mask, min_area: int) -> Mask:
    """Fill holes, then drop islands, of fewer than `min_area` pixels (8-connected).

    If every island is small, the largest stays. Background that reaches the image's border counts
    as a hole as well when it is that small, as in the official generator.
    """
    if not mask.area:
        return mask
    # With a margin of `min_area` pixels, background that runs out of the crop has that many
    # pixels inside it already, so the crop decides as the whole image would.
    x0, y0, x1, y1 = (int(value) for value in mask.box)
    height, width = mask.size
    x0, y0 = max(0, x0 - min_area), max(0, y0 - min_area)
    x1, y1 = min(width, x1 + min_area), min(height, y1 + min_area)
    crop = mask.crop(x0, y0, x1, y1)
    filled = crop | _small_components(~crop, min_area)
    islands = _small_components(filled, min_area)
    kept = filled & ~islands
    if not kept.any():
        kept = _largest_component(filled)
    return Mask.from_crop(kept, (x0, y0), mask.size)


def _small_components(region: BoolArray, min_area: int) -> BoolArray:
    """The pixels of `region` that lie in components of fewer than `min_area` pixels."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(region.view(np.uint8), connectivity=8)
    small = stats[:, cv2.CC_STAT_AREA] < min_area
    small[0] = False  # what is not in the region
    return np.asarray(small[labels], dtype=np.bool_)


def _largest_component(region: BoolArray) -> BoolArray:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(region.view(np.uint8), connectivity=8)
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    return np.asarray(labels == largest, dtype=np.bool_)
