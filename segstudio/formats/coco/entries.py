"""Entries of COCO instances files: their shape, their masks, and what SegStudio has fields for.

Keys follow cocodataset.org's data format. What COCO has no word for stands under keys of its own:
SA-1B's `predicted_iou` and `stability_score`, CVAT's `attributes`, panoptic COCO's `isthing` and
`color`, and `stage`, `tool`, `model`, `z_order`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from pycocotools import mask as coco_masks

from segstudio.core.annotation import Stage
from segstudio.core.errors import BadInputError
from segstudio.core.mask import Box, Mask
from segstudio.formats.boxes import BOX_ONLY, box_mask
from segstudio.formats.found import MaskMaker

KEY = "coco"
# Beyond these no image lies, and pycocotools, which walks along an outline in fifths of a pixel
# and holds every step, would take gigabytes.
MOST_COORDINATE = 1e6
MOST_OUTLINE = 2e6  # pixels along the outline of one part
MOST_OUTLINES = 2e7  # of all parts
MOST_PIXELS = 1 << 36
AS_RLE = "rle"  # in a kept entry, for run lengths that the mask itself gives back

_IDS = frozenset({"id", "image_id", "category_id"})
_STAGES = frozenset(Stage)

Id = Annotated[int, msgspec.Meta(ge=-(1 << 53), le=1 << 53)]
_Side = Annotated[int, msgspec.Meta(ge=1, le=1 << 31)]
_Flag = Literal[0, 1] | bool


class Rle(msgspec.Struct):
    """Run lengths, compressed (text) or not; `size` is (H, W)."""

    size: tuple[_Side, _Side]
    counts: str | list[int]


class AnnotationEntry(msgspec.Struct):
    """What must be right of an annotation; other keys may hold anything."""

    image_id: Id
    category_id: Id
    id: Id | None = None
    segmentation: list[list[float]] | Rle | None = None
    bbox: list[float] | None = None
    area: float | None = None
    iscrowd: _Flag | None = None


class ImageEntry(msgspec.Struct):
    """What must be right of an image."""

    id: Id
    file_name: str
    width: _Side | None = None
    height: _Side | None = None


class CategoryEntry(msgspec.Struct):
    """What must be right of a category."""

    id: Id
    name: str
    supercategory: str | None = None
    isthing: _Flag | None = None


@dataclass(frozen=True)
class Told:
    """What an annotation's entry says that SegStudio has a field for; fields as `Annotation`'s."""

    iscrowd: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)
    stage: Stage = Stage.ASSISTED
    tool: str = KEY
    model_key: str = ""
    predicted_iou: float | None = None
    stability: float | None = None


def told(entry: Mapping[str, Any]) -> Told:
    """Read an entry, or a `kept` one; a value of an unknown kind tells nothing."""
    attributes = entry.get("attributes")
    attributes = dict(attributes) if isinstance(attributes, Mapping) else {}
    if not entry.get("segmentation"):
        attributes.setdefault(BOX_ONLY, True)
    stage = entry.get("stage")
    return Told(
        bool(entry.get("iscrowd")),
        attributes,
        Stage(stage) if isinstance(stage, str) and stage in _STAGES else Stage.ASSISTED,
        _text(entry.get("tool")) or KEY,
        _text(entry.get("model")),
        _number(entry.get("predicted_iou")),
        _number(entry.get("stability_score")),
    )


def kept(entry: Mapping[str, Any], mask: Mask | None) -> dict[str, Any]:
    """What an origin keeps of an entry: all but the ids, which change, and, where the entry has
    `mask` in run lengths just as `Mask.to_coco` gives them, those."""
    record = {key: value for key, value in entry.items() if key not in _IDS}
    if mask is not None and record.get("segmentation") == mask.to_coco():
        record["segmentation"] = AS_RLE
    return record


def box_of(bbox: Sequence[float] | None) -> Box | None:
    """COCO's x, y, w, h as a half-open box; None for none. Raises BadInputError if it is no box."""
    if not bbox:
        return None
    if len(bbox) != 4 or not all(abs(value) <= MOST_COORDINATE for value in bbox):
        raise BadInputError("bbox: it is not four numbers that could lie on an image")
    x, y, width, height = bbox
    if width < 0 or height < 0:
        raise BadInputError("bbox: its width or height is negative")
    return Box(x, y, x + width, y + height)


def mask_of(entry: AnnotationEntry) -> Mask | MaskMaker:
    """The mask of run lengths, or what draws that of polygons or of a mere box.

    Raises BadInputError where the entry is not possible on an image of any size.
    """
    if isinstance(entry.segmentation, Rle):
        height, width = entry.segmentation.size
        if height * width > MOST_PIXELS:
            raise BadInputError(f"segmentation: it claims {width} x {height} pixels")
        return Mask.from_coco((height, width), entry.segmentation.counts)
    if entry.segmentation:
        parts = entry.segmentation
        check_parts(parts)
        return lambda size: _drawn(parts, size)
    box = box_of(entry.bbox)
    if box is None:
        raise BadInputError("it has neither a segmentation nor a bbox")
    return lambda size: box_mask(box.x0, box.y0, box.x1, box.y1, size)


def check_parts(parts: Sequence[Sequence[float]]) -> None:
    """What pycocotools would take for something else, or would not survive."""
    bound = 0.0
    for part in parts:
        if len(part) % 2 or len(part) < 6:
            raise BadInputError(
                f"segmentation: a polygon has {len(part)} coordinates; it takes three points or "
                "more, x and y each"
            )
        low, high = min(part), max(part)
        if low < -MOST_COORDINATE or high > MOST_COORDINATE:
            raise BadInputError("segmentation: a coordinate lies far outside any image")
        bound += (high - low) * len(part) / 2
    if not bound <= MOST_OUTLINE:  # seldom: then each step is measured
        _check_outlines(parts)


def _check_outlines(parts: Sequence[Sequence[float]]) -> None:
    total = 0.0
    for part in parts:
        corners = np.array(part, dtype=np.float64).reshape(-1, 2)
        outline = float(np.abs(corners - np.roll(corners, 1, axis=0)).max(axis=1).sum())
        total += outline
        if not (outline <= MOST_OUTLINE and total <= MOST_OUTLINES):
            raise BadInputError("segmentation: a polygon's outline is longer than any could be")


def _drawn(parts: list[list[float]], size: tuple[int, int]) -> Mask:
    """The union of all parts, as pycocotools draws it; decoded when somebody reads its pixels."""
    drawn = coco_masks.merge(coco_masks.frPyObjects(parts, *size))
    area = int(coco_masks.area(drawn))
    x, y, w, h = (int(value) for value in coco_masks.toBbox(drawn)) if area else (0, 0, 0, 0)
    make = partial(Mask.from_coco, size, drawn["counts"])
    box = Box(x, y, x + w, y + h)
    return Mask.deferred(size, make, counts=drawn["counts"], area=area, box=box)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
