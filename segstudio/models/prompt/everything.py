"""A grid of prompts, and the masks that survive: everything in the image.

The steps and thresholds are those of SAM's automatic mask generator (Kirillov et al. 2023,
section B), and so are the masks. No full-size logits are made: stability is counted, and masks are
cut, on level sets of the decoder's own logits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchvision.ops import nms

from segstudio.core.errors import BadInputError
from segstudio.core.mask import Box, Mask
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.core.prompt import Candidate
from segstudio.models.prompt.contract import EverythingSettings
from segstudio.models.prompt.coverage import LARGEST_SHARE, Coverage, coarse_to_fine
from segstudio.models.prompt.crops import CropGrid, crop_grids, cut_off
from segstudio.models.prompt.frame import CELL, ModelFrame
from segstudio.models.prompt.level_sets import LevelSets
from segstudio.models.prompt.point_batches import PointBatches, Points
from segstudio.models.prompt.sam_decoder import PointDecoder
from segstudio.models.prompt.sam_masks import candidate, stability
from segstudio.models.prompt.small_regions import remove_small_regions

# A mask's stability, counted on the decoder's own 256 x 256 cells, is off by less than this: a
# part for the shape of its edge, and a part that shrinks with the square root of its cells.
_ESTIMATE_ERROR, _ESTIMATE_ERROR_SMALL = 0.05, 3.0

# Masks of a crop that is not the whole image, for which the model needs an embedding of its own.
CropDecoder = Callable[[Box], PointDecoder]


@dataclass(frozen=True)
class _Found:
    mask: Mask
    predicted_iou: float
    stability: float
    point: tuple[float, float]
    crop: Box


def point_grid(points_per_side: int, image_size: tuple[int, int]) -> Points:
    """(n * n, 2) float64 xy in image pixels, row by row: the centres of n x n equal cells."""
    offset = 1 / (2 * points_per_side)
    side = np.linspace(offset, 1 - offset, points_per_side)
    y, x = np.meshgrid(side, side, indexing="ij")
    height, width = image_size
    return np.stack((x.ravel() * width, y.ravel() * height), axis=1)


def segment_everything(
    decode: PointDecoder,
    image_size: tuple[int, int],
    settings: EverythingSettings,
    report: ProgressSink,
    cancel: CancelToken,
    *,
    decode_crop: CropDecoder | None = None,
) -> tuple[Candidate, ...]:
    """The masks of everything in an image of `image_size` (H, W), highest predicted IoU first.

    `decode` answers points of the whole image, `decode_crop` gives what answers points of a part
    of it. With `settings.fast` the masks are some of those that there are without it. If the
    device's memory runs out, batches get smaller, and the progress text says so.

    Raises Cancelled between masks; BadInputError if the settings ask for a grid without points, or
    for crops without a `decode_crop`; torch.OutOfMemoryError if one point is too much.
    """
    grids = crop_grids(settings, image_size)
    if len(grids) > 1 and decode_crop is None:
        raise BadInputError("This model cannot look at crops of the image.")
    batches = PointBatches(sum(grid.points_per_side**2 for grid in grids), report, cancel)
    found: list[_Found] = []
    for grid in grids:
        cancel.check()
        whole = grid is grids[0]
        decode_here = decode if whole or decode_crop is None else decode_crop(grid.box)
        seeker = _Seeker(decode_here, grid, image_size, settings, cancel)
        inside = list(seeker.masks(batches))
        scores = [item.predicted_iou for item in inside]
        found += _without_duplicates(inside, scores, settings.box_nms)
    if len(grids) > 1:
        scores = [1 / ((b.x1 - b.x0) * (b.y1 - b.y0)) for b in (item.crop for item in found)]
        found = _without_duplicates(found, scores, settings.crop_nms)
    if settings.min_region > 0:
        found = _without_small_regions(found, settings, cancel)
    batches.finish()
    found.sort(key=lambda item: -item.predicted_iou)
    return tuple(
        candidate(f.mask, f.predicted_iou, f.stability, point=f.point, crop=f.crop) for f in found
    )


class _Seeker:
    """Looks for masks in one crop."""

    def __init__(
        self,
        decode: PointDecoder,
        grid: CropGrid,
        image_size: tuple[int, int],
        settings: EverythingSettings,
        cancel: CancelToken,
    ) -> None:
        self._decode = decode
        self._grid = grid
        self._image_size = image_size
        self._settings = settings
        self._cancel = cancel
        x0, y0, x1, y1 = (int(value) for value in grid.box)
        self._origin = x0, y0
        self._frame = ModelFrame((y1 - y0, x1 - x0))
        self._levels = LevelSets(self._frame)

    def masks(self, batches: PointBatches) -> Iterator[_Found]:
        """What passes the thresholds, in the order in which the grid's points are asked."""
        settings = self._settings
        points = point_grid(self._grid.points_per_side, self._frame.image_size)
        in_frame = self._frame.to_model(points)
        covered = Coverage(in_frame, self._frame)
        side = self._grid.points_per_side
        order = coarse_to_fine(side) if settings.fast else np.arange(side**2)
        most = math.ceil(LARGEST_SHARE * side**2) if settings.fast else side**2
        while len(asked := covered.next(order, min(batches.size, most))):
            most -= len(asked)
            answer = batches.decoded(self._decode, in_frame[asked], settings.predicted_iou)
            for part, logits, ious, kept in answer:
                covered.asked(asked[part])
                if settings.fast:
                    batches.skip(covered.answered(logits))
                answered = points[asked[part]][kept.cpu().numpy()]
                yield from self._survivors(logits, ious[kept], answered)
        batches.skip(covered.close())

    def _survivors(self, logits: Tensor, ious: Tensor, points: Points) -> Iterator[_Found]:
        """Of one batch's masks (n, K, 256, 256), those that pass the thresholds (0: no threshold).

        `ious` is (n, K), `points` (n, 2).
        """
        settings = self._settings
        scores = ious.flatten()
        passed = torch.ones_like(scores, dtype=torch.bool)
        if settings.predicted_iou > 0:
            passed = scores > settings.predicted_iou
        chosen = torch.nonzero(passed).flatten()
        fields = logits.flatten(0, 1)[chosen]
        if settings.stability > 0:
            likely = self._may_be_stable(fields)
            fields, chosen = fields[likely], chosen[likely]
        values = fields.float().cpu().numpy()
        for field, index in zip(values, chosen.tolist(), strict=True):
            self._cancel.check()
            score = stability(self._levels, field, settings.stability_offset)
            if settings.stability > 0 and score < np.float32(settings.stability):
                continue
            mask = self._levels.mask(field)
            if not mask.area:
                continue
            if self._frame.image_size != self._image_size:
                mask = mask.placed(self._origin, self._image_size)
                if cut_off(_corners([mask]), self._grid.box, self._image_size)[0]:
                    continue
            x, y = points[index // logits.shape[1]] + self._origin
            place = float(x), float(y)
            yield _Found(mask, float(scores[index]), float(score), place, self._grid.box)

    def _may_be_stable(self, fields: Tensor) -> Tensor:
        """(n,) bool: which of (n, 256, 256) are worth counting exactly."""
        rows, columns = (-(-length // CELL) for length in self._frame.size)
        inside, offset = fields[:, :rows, :columns], abs(self._settings.stability_offset)
        inner = torch.count_nonzero(inside > offset, dim=(1, 2)).float()
        outer = torch.count_nonzero(inside > -offset, dim=(1, 2)).float().clamp(min=1.0)
        error = _ESTIMATE_ERROR + _ESTIMATE_ERROR_SMALL / outer.sqrt()
        return inner / outer + error >= self._settings.stability


def _corners(masks: list[Mask]) -> npt.NDArray[np.float32]:
    """(N, 4) xyxy of the outermost pixels' indices, as the official generator has boxes."""
    boxes = np.array([mask.box for mask in masks], dtype=np.float32)
    return np.asarray(boxes - np.array([0, 0, 1, 1], dtype=np.float32))


def _without_duplicates(found: list[_Found], scores: list[float], threshold: float) -> list[_Found]:
    """Box non-maximum suppression, in the order of `scores`, best first."""
    if not found:
        return []
    boxes = torch.from_numpy(_corners([item.mask for item in found]))
    kept = nms(boxes, torch.tensor(scores, dtype=torch.float32), threshold)
    return [found[index] for index in kept.tolist()]


def _without_small_regions(
    found: list[_Found], settings: EverythingSettings, cancel: CancelToken
) -> list[_Found]:
    cleaned, scores = [], []
    for item in found:
        cancel.check()
        mask, changed = remove_small_regions(item.mask, settings.min_region)
        cleaned.append(replace(item, mask=mask))
        # A mask that was whole is preferred to one that had to be mended.
        scores.append(0.0 if changed else 1.0)
    return _without_duplicates(cleaned, scores, max(settings.box_nms, settings.crop_nms))
