"""Entries of a COCO export: what came from COCO leaves as it came, but for what was changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord
from segstudio.core.mask import Box
from segstudio.core.origin import Origin, mask_key
from segstudio.formats.boxes import BOX_ONLY
from segstudio.formats.coco.entries import AS_RLE, Told, box_of, check_parts, told
from segstudio.imaging.contours import keyhole_rings


def unchanged(annotation: Annotation, origin: Origin) -> bool:
    """Whether the outline, box and area that the source gave still hold."""
    same_kind = bool(origin.record.get("iscrowd")) == annotation.iscrowd
    return same_kind and origin.mask == mask_key(annotation.mask)


def own_box(annotation: Annotation, origin: Origin | None) -> Box | None:
    """The box that the entry of an annotation says, where it is not that of the mask."""
    if origin is None or not unchanged(annotation, origin):
        return None
    return box_of(origin.record.get("bbox"))


def held_attributes(annotation: Annotation, origin: Origin | None) -> dict[str, Any]:
    """The attributes that are read of its entry; one of a mere box says so by what it lacks."""
    held = dict(annotation.attributes)
    if origin is None or origin.record.get("segmentation"):
        return held
    if unchanged(annotation, origin):
        return {BOX_ONLY: True} | held
    held.pop(BOX_ONLY, None)  # it has become a mask since
    return held


def annotation_entry(
    annotation: Annotation, origin: Origin | None, *, as_polygons: bool
) -> dict[str, Any]:
    """The entry of an annotation, but for the ids."""
    if origin is not None:
        return _returned(annotation, origin, as_polygons=as_polygons)
    entry = _geometry(annotation, as_polygons=as_polygons)
    entry |= {"iscrowd": int(annotation.iscrowd), "z_order": annotation.z_order}
    said = _fields(_told_of(annotation))
    return entry | {key: value for key, value in said.items() if value not in ("", None, {})}


def image_entry(
    image: ImageRecord, number: int, name: str, origin: Origin | None
) -> dict[str, Any]:
    """The entry of an image; its path in the project stands there if the file has another name."""
    entry = dict(origin.record) if origin is not None else {}
    renamed = entry.get("file_name") != name
    entry |= {"id": number, "file_name": name, "width": image.width, "height": image.height}
    if renamed or "source_path" in entry:
        entry["source_path"] = as_text(image.path)
    return entry


def category_entry(category: Category, number: int, origin: Origin | None) -> dict[str, Any]:
    """The entry of a category."""
    entry = dict(origin.record) if origin is not None else {}
    return entry | {
        "id": number,
        "name": category.name,
        "supercategory": category.supercategory,
        "isthing": int(category.isthing),
        "color": list(category.rgb),
    }


def as_text(path: str) -> str:
    """A path as JSON can hold it: bytes that are not UTF-8 become "?"."""
    return path.encode("utf-8", "replace").decode()


def _returned(annotation: Annotation, origin: Origin, *, as_polygons: bool) -> dict[str, Any]:
    entry = dict(origin.record)
    if not unchanged(annotation, origin):
        entry |= _geometry(annotation, as_polygons=as_polygons)
    elif entry.get("segmentation") == AS_RLE:
        entry["segmentation"] = annotation.mask.to_coco()
    if entry.get("area") is None:
        entry["area"] = annotation.mask.area
    if entry.get("bbox") is None:
        entry["bbox"] = _bbox(annotation)
    if entry.get("iscrowd") is None:
        entry["iscrowd"] = 0
    if "z_order" in entry:
        entry["z_order"] = annotation.z_order
    was, now = _fields(told(entry)), _fields(_told_of(annotation))
    if not origin.record.get("segmentation") and entry.get("segmentation"):
        now["attributes"].pop(BOX_ONLY, None)
    return entry | {key: value for key, value in now.items() if value != was[key]}


def _geometry(annotation: Annotation, *, as_polygons: bool) -> dict[str, Any]:
    mask = annotation.mask
    segmentation: object = mask.to_coco()
    if as_polygons and not annotation.iscrowd:
        parts = [ring.ravel().tolist() for ring in keyhole_rings(mask)]
        if _drawable(parts):
            segmentation = parts
    return {"segmentation": segmentation, "area": mask.area, "bbox": _bbox(annotation)}


def _drawable(parts: Sequence[Sequence[float]]) -> bool:
    """Whether pycocotools could draw them; of noise on a huge image, run lengths are written."""
    try:
        check_parts(parts)
    except BadInputError:
        return False
    return True


def _bbox(annotation: Annotation) -> list[float]:
    return [float(value) for value in annotation.mask.bbox]


def _told_of(annotation: Annotation) -> Told:
    return Told(
        annotation.iscrowd,
        annotation.attributes,
        annotation.stage,
        annotation.tool,
        annotation.model_key,
        annotation.predicted_iou,
        annotation.stability,
    )


def _fields(said: Told) -> dict[str, Any]:
    """The keys of an entry for what was told."""
    return {
        "iscrowd": int(said.iscrowd),
        "stage": said.stage.value,
        "tool": said.tool,
        "model": said.model_key,
        "predicted_iou": said.predicted_iou,
        "stability_score": said.stability,
        "attributes": dict(said.attributes),
    }
