"""Entries of COCO panoptic files: their shape, and what of a segment SegStudio has a field for.

Keys follow cocodataset.org's data format; a pixel of colour (R, G, B) belongs to the segment with
the id R + 256 G + 65536 B, and 0 to none. What COCO has no word for stands under keys of its own,
those of our COCO instances: `attributes`, `predicted_iou`, `stability_score`, `stage`, `tool`,
`model`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from segstudio.core.annotation import Annotation, Stage
from segstudio.core.errors import BadInputError
from segstudio.core.mask import Box, Mask
from segstudio.core.origin import Origin
from segstudio.formats.coco.entries import Id

KEY = "coco-panoptic"
MOST_SEGMENT_ID = (1 << 24) - 1
MOST_COORDINATE = 1e6

# What COCO has no word for: the key of ours, and the field that has it.
_WORDS = {
    "stage": "stage",
    "tool": "tool",
    "model": "model_key",
    "predicted_iou": "predicted_iou",
    "stability_score": "stability",
    "attributes": "attributes",
}
_NOTHING: dict[str, Any] = {
    "stage": Stage.ASSISTED,
    "tool": "",
    "model_key": "",
    "predicted_iou": None,
    "stability": None,
    "attributes": {},
}


class Segment(msgspec.Struct):
    """What must be right of a segment; other keys may hold anything."""

    id: Annotated[int, msgspec.Meta(ge=1, le=MOST_SEGMENT_ID)]
    category_id: Id
    iscrowd: Literal[0, 1] | bool | None = None


class Segmented(msgspec.Struct):
    """What must be right of the annotation of an image."""

    image_id: Id
    file_name: str
    segments_info: list[Any]


def said_box(entry: Mapping[str, Any]) -> Box | None:
    """The half-open box of a segment's x, y, w, h; None for none.

    Raises BadInputError if it is no box that could lie on an image.
    """
    bbox = entry.get("bbox")
    if not bbox:
        return None
    numbers = [_number(value) for value in bbox] if isinstance(bbox, list) else []
    x, y, width, height = numbers if len(numbers) == 4 else [None] * 4
    if x is None or y is None or width is None or height is None:
        raise BadInputError("bbox: it is not four numbers")
    if any(abs(value) > MOST_COORDINATE for value in (x, y, width, height)):
        raise BadInputError("bbox: no image is so large")
    return Box(x, y, x + width, y + height)


def kept_of_segment(entry: Mapping[str, Any], mask: Mask) -> dict[str, Any]:
    """What an origin keeps: all but the category's id, and area and box only where they are not
    those of the mask."""
    record = {key: value for key, value in entry.items() if key != "category_id"}
    for key, value in geometry(mask).items():
        if record.get(key) == value:
            del record[key]
    return record


def geometry(mask: Mask) -> dict[str, Any]:
    """`area` and `bbox` of a mask, as whole numbers."""
    return {"area": mask.area, "bbox": [int(value) for value in mask.bbox]}


def told(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `FoundAnnotation` that a segment's entry says; a value of an unknown kind
    tells nothing."""
    attributes = entry.get("attributes")
    stage = entry.get("stage")
    fields: dict[str, Any] = {
        "iscrowd": bool(entry.get("iscrowd")),
        "attributes": dict(attributes) if isinstance(attributes, Mapping) else {},
        "predicted_iou": _number(entry.get("predicted_iou")),
        "stability": _number(entry.get("stability_score")),
    }
    if isinstance(stage, str) and stage in set(Stage):
        fields["stage"] = Stage(stage)
    for key, field in (("tool", "tool"), ("model", "model_key")):
        if isinstance(entry.get(key), str):
            fields[field] = entry[key]
    return fields


def returned(annotation: Annotation, origin: Origin | None, *, as_it_came: bool) -> dict[str, Any]:
    """The keys of a segment's entry beside its ids and what `geometry` gives: those it came with,
    and what COCO has no word for. Its source's own area and box only if the mask is `as_it_came`.
    """
    record = dict(origin.record) if origin else {}
    record.pop("id", None)
    if not as_it_came:
        record.pop("area", None)
        record.pop("bbox", None)
    was, now = told(record), _now(annotation)
    record["iscrowd"] = int(annotation.iscrowd)
    for key, field in _WORDS.items():
        if was.get(field, _NOTHING[field]) != now[field]:
            record[key] = now[field]
            if now[field] == _NOTHING[field]:
                del record[key]
    return record


def _now(annotation: Annotation) -> dict[str, Any]:
    return {
        "stage": annotation.stage.value,
        "tool": "" if annotation.tool == KEY else annotation.tool,
        "model_key": annotation.model_key,
        "predicted_iou": annotation.predicted_iou,
        "stability": annotation.stability,
        "attributes": dict(annotation.attributes),
    }


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
