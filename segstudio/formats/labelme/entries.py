"""Annotations as entries of labelme's `shapes`; as they came, while nobody changed the mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from segstudio.core.annotation import Annotation
from segstudio.core.origin import Origin, mask_key
from segstudio.formats.checked import tidy_name
from segstudio.formats.labelme.reading import KEY, SHAPE_ATTRIBUTES, SHAPE_KEYS, attributes_of
from segstudio.formats.labelme.shapes import mask_shape, polygon_shapes
from segstudio.imaging.chain_outlines import chain_outlines

GroupId = int | str | None
Shapes = Sequence[Mapping[str, Any]]

# Of a shape, what the project says; what a source said of it is out of date.
_OURS = SHAPE_KEYS | set(SHAPE_ATTRIBUTES)
_OURS |= {"attributes", "iscrowd", "stage", "tool", "model", "predicted_iou", "stability_score"}
_MOST_GROUP = 2**53  # JSON readers lose larger numbers


def own_shapes(row: Annotation, origin: Origin | None, *, as_polygons: bool) -> Shapes | None:
    """The shapes that the annotation came as; None if it did not, or its mask was changed since.

    With `as_polygons` also None if one of them is a mask.
    """
    if origin is None or origin.mask != mask_key(row.mask):
        return None
    shapes = _recorded(origin)
    if as_polygons and any(shape.get("shape_type") == "mask" for shape in shapes):
        return None
    return shapes or None


def _recorded(origin: Origin | None) -> Shapes:
    found = origin.record.get("shapes") if origin else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def group_ids(
    rows: Sequence[Annotation],
    names: Mapping[int, str],
    shapes: Mapping[int, Shapes | None],
    as_polygons: bool,
) -> dict[int, GroupId]:
    """The group of each annotation of an image: its attribute `group_id`, if it is free.

    Two annotations of one category must not share a group, or they would come back as one; the
    first keeps it. One of several shapes needs a group, and gets a free number.
    """
    wanted = {row.id: _group_id(row) for row in rows}
    taken = {(tidy_name(names[row.category_id]), wanted[row.id]) for row in rows}
    used: set[tuple[str, GroupId]] = set()
    result: dict[int, GroupId] = {}
    for row in rows:
        name, group = tidy_name(names[row.category_id]), wanted[row.id]
        if group is not None and (name, group) in used:
            group = None
        if group is None and _is_several(row, shapes[row.id], as_polygons):
            group = next(number for number in count() if (name, number) not in taken)
            taken.add((name, group))
        used.add((name, group))
        result[row.id] = group
    return result


def _group_id(row: Annotation) -> GroupId:
    value = row.attributes.get("group_id")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MOST_GROUP:
        return value
    return value if isinstance(value, str) else None


def _is_several(row: Annotation, shapes: Shapes | None, as_polygons: bool) -> bool:
    if shapes is not None:
        return len(shapes) > 1
    return as_polygons and len(chain_outlines(row.mask)) > 1


def shapes_of(
    row: Annotation,
    label: str,
    group: GroupId,
    own: Shapes | None,
    origin: Origin | None,
    *,
    as_polygons: bool,
) -> list[dict[str, Any]]:
    """The entries of one annotation; `own` are those that it came as, if they still hold."""
    if own is not None:
        drawn = [dict(shape) for shape in own]
    else:
        drawn = polygon_shapes(row.mask) if as_polygons else [mask_shape(row.mask)]
        recorded = _recorded(origin)
        more = recorded[0] if recorded else {}
        extras = {key: value for key, value in more.items() if key not in _OURS}
        drawn = [extras | {"flags": {}, "description": ""} | shape for shape in drawn]
    as_it_came = own is not None and _without_group(attributes_of(own)) == _without_group(
        row.attributes
    )
    entries = []
    for number, shape in enumerate(drawn):
        entry = {"label": label, **shape, "group_id": group}
        entry["label"] = label
        entry.setdefault("flags", {})
        if not as_it_came:  # then the first says it all
            _tell_attributes(entry, row.attributes if number == 0 else {})
        if number == 0:
            _tell(entry, row)
        entries.append(entry)
    return entries


def _without_group(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in attributes.items() if key != "group_id"}


def held_attributes(row: Annotation, group: GroupId) -> dict[str, Any]:
    """The attributes that are read of its entries: labelme's own keys say nothing where they are
    empty, and its group is the one that it gets."""
    held = _without_group(row.attributes)
    for key, empty in (("description", ""), ("flags", {})):
        if held.get(key) == empty:
            del held[key]
    return held if group is None else held | {"group_id": group}


def _tell_attributes(entry: dict[str, Any], wanted: Mapping[str, Any]) -> None:
    """Write these attributes into an entry, and no others; its group is not one of them."""
    attributes = _without_group(wanted)
    description = attributes.get("description")
    if isinstance(description, str):
        entry["description"] = attributes.pop("description")
    elif entry.get("description"):
        entry["description"] = None
    flags = attributes.get("flags")
    entry["flags"] = attributes.pop("flags") if isinstance(flags, dict) else {}
    for name in SHAPE_ATTRIBUTES:
        if isinstance(attributes.get(name), bool | int | str):
            entry[name] = attributes.pop(name)
        else:
            entry.pop(name, None)
    if attributes:
        entry["attributes"] = attributes
    elif entry.get("attributes"):
        del entry["attributes"]


def _tell(entry: dict[str, Any], row: Annotation) -> None:
    """Write into an entry what else the project says of the annotation, and nothing that it no
    longer says; keys that say the same stay as they are."""
    said = {
        "iscrowd": int(row.iscrowd),
        "stage": row.stage.value,
        "tool": "" if row.tool == KEY else row.tool,
        "model": row.model_key,
        "predicted_iou": row.predicted_iou,
        "stability_score": row.stability,
    }
    silent = {"iscrowd": 0, "stage": "assisted", "tool": "", "model": ""}
    for key, value in said.items():
        if value != silent.get(key):
            entry[key] = value
        elif key in entry and _says_otherwise(key, entry[key]):
            del entry[key]


def _says_otherwise(key: str, value: object) -> bool:
    """Whether a reader would take this for more than nothing."""
    if key in {"predicted_iou", "stability_score"}:
        return value is not None
    return bool(value) and not (key == "stage" and value == "assisted")
