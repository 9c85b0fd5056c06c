"""Everything of the graph cut in crops too, so that small things are more than a superpixel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from segstudio.core.errors import BadInputError
from segstudio.core.mask import Box
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.core.prompt import Candidate, Embedding
from segstudio.metrics.boxes import box_iou, corners
from segstudio.models.prompt.contract import EncodeCrop, EverythingSettings
from segstudio.models.prompt.crops import crop_grids, cut_off

# What finds the regions of an embedding, with a grid of so many points a side.
Find = Callable[[Embedding, EverythingSettings, ProgressSink], list[Candidate]]


def in_layers(
    find: Find,
    embedding: Embedding,
    settings: EverythingSettings,
    encode_crop: EncodeCrop | None,
    *,
    report: ProgressSink,
    cancel: CancelToken,
) -> list[Candidate]:
    """The regions of the image and of its crops, best first; each names the crop it was found in.

    Regions that a crop cuts off are dropped, and of those whose boxes overlap by more than
    `crop_nms`, the one of the smaller crop is kept. Raises BadInputError if there are to be crops
    and `encode_crop` is None.
    """
    grids = crop_grids(settings, embedding.image_size)
    if len(grids) == 1:
        return find(embedding, settings, report)
    if encode_crop is None:
        raise BadInputError("Crop layers need the image's crops, and there are none here.")
    found: list[tuple[Box, Candidate]] = []
    for number, grid in enumerate(grids):
        cancel.check()
        part = embedding if number == 0 else encode_crop(grid.box)
        own = replace(settings, points_per_side=grid.points_per_side)
        inside = find(part, own, _numbered(report, number + 1, len(grids)))
        for item in inside:
            x0, y0 = int(grid.box.x0), int(grid.box.y0)
            mask = item.mask.placed((x0, y0), embedding.image_size)
            box = corners(np.array(mask.box))
            if not cut_off(box, grid.box, embedding.image_size)[0]:
                found.append((grid.box, replace(item, mask=mask, crop=grid.box)))
    found.sort(key=lambda one: (_area(one[0]), -one[1].predicted_iou))
    kept: list[Candidate] = []
    taken = np.empty((0, 4), dtype=np.float32)
    for _, item in found:
        box = corners(np.array(item.mask.box))
        if not (box_iou(box, taken) > np.float64(settings.crop_nms)).any():
            kept.append(item)
            taken = np.vstack((taken, box))
    return sorted(kept, key=lambda item: -item.predicted_iou)


def _area(box: Box) -> float:
    return (box.x1 - box.x0) * (box.y1 - box.y0)


def _numbered(report: ProgressSink, number: int, of: int) -> ProgressSink:
    def tell(progress: Progress) -> None:
        report(replace(progress, text=f"{progress.text} (part {number} of {of})"))

    return tell
