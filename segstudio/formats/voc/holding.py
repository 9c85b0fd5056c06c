"""What a VOC folder holds of each image, reckoned on masks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segstudio.core.annotation import Annotation
from segstudio.core.image import ImageRecord
from segstudio.core.mask import Mask
from segstudio.core.origin import OriginKind
from segstudio.core.project_view import ProjectView
from segstudio.formats.boxes import BOX_ONLY, box_mask, is_box_only
from segstudio.formats.holding import HeldAnnotation, HeldImage, Loss, LossKind, attributes_lost
from segstudio.formats.visible import visible_parts
from segstudio.formats.voc.pages import box_of
from segstudio.formats.voc.writing import (
    FLAGS,
    NO_POSE,
    VOC,
    as_flag,
    held_split,
    said_corners,
    source_name,
)
from segstudio.formats.xml_trees import xml_text


@dataclass(frozen=True)
class VocHolding:
    """`names` are those of the categories as the files have them; see `Holding`."""

    view: ProjectView
    names: Mapping[int, str]
    wanted: Mapping[int, str]  # as the project has them
    stems: Mapping[int, str]
    border: int
    splits: tuple[str, ...] = ()  # what becomes of those with other names

    @property
    def always_lost(self) -> tuple[str, ...]:
        return (
            "How far apart annotations lie in depth; their order is kept.",
            "Tools, models, prompts, scores, stages, reviews and times of annotations.",
            "Colours and groups of categories, and which of them are things.",
            *self.splits,
        )

    def image(self, image: ImageRecord, annotations: Sequence[Annotation]) -> HeldImage:
        """See `Holding.image`."""
        painted = [item for item in annotations if not is_box_only(item)]
        visible = visible_parts([item.mask for item in painted])
        seen = dict(zip((item.id for item in painted), visible, strict=True))
        kept = {number: _inner(mask, self.border) for number, mask in seen.items()}
        ids = [item.id for item in annotations]
        origins = self.view.origins(OriginKind.ANNOTATION, ids, VOC)
        held: list[HeldAnnotation] = []
        losses: list[Loss] = []
        for item in annotations:
            said = box_of(said_corners(item, origins.get(item.id)))
            mask = kept.get(item.id)
            if mask is None or not mask.area:  # only the box is left
                mask = box_mask(*said, image.size)
            name = self.names[item.category_id]
            box = None if said == mask.box else said
            alone = not (item.id in kept and kept[item.id].area)
            said_of = held_attributes(item, box_alone=alone)
            held.append(HeldAnnotation((item.id,), name, mask, box=box, attributes=said_of))
            if item.id in seen:
                losses.extend(_pixels_lost(image, item, seen[item.id], mask, kept[item.id]))
            losses.extend(self._words_lost(image, item, said_of))
        name = source_name(image, self.stems[image.id])
        return HeldImage(name, tuple(held), tuple(losses), split=held_split(image.split))

    def _words_lost(
        self, image: ImageRecord, item: Annotation, said: Mapping[str, Any]
    ) -> Iterator[Loss]:
        wanted, name = self.wanted[item.category_id], self.names[item.category_id]
        if wanted != name:
            text = f"Its category “{wanted}” is written as “{name}”."
            yield Loss(LossKind.CATEGORY, image.path, item.id, text)
        if item.iscrowd:
            text = "VOC has no crowds: it is marked difficult instead."
            yield Loss(LossKind.CROWD, image.path, item.id, text)
        if others := attributes_lost(item.attributes, said):
            text = f"VOC has no place for its attributes: {', '.join(others)}."
            yield Loss(LossKind.ATTRIBUTES, image.path, item.id, text)


def held_attributes(item: Annotation, *, box_alone: bool) -> dict[str, Any]:
    """The attributes that come back; `box_alone`: of no pixel in the maps."""
    said: dict[str, Any] = {flag: item.attributes.get(flag) for flag in FLAGS}
    said["difficult"] = item.attributes.get("difficult", item.iscrowd)
    held: dict[str, Any] = {flag: True for flag, value in said.items() if as_flag(value)}
    pose = xml_text(str(item.attributes.get("pose", NO_POSE))).strip()
    if pose and pose != NO_POSE:
        held["pose"] = pose
    return held | ({BOX_ONLY: True} if box_alone else {})


def _pixels_lost(
    image: ImageRecord, item: Annotation, seen: Mask, held: Mask, kept: Mask
) -> Iterator[Loss]:
    """`seen` is what nothing covers, `kept` what of that is no border, `held` what comes back."""
    if not seen.area:
        text = "All of it lies under others: only its box is left."
        yield Loss(LossKind.COVERED, image.path, item.id, text, _differing(item.mask, held))
    elif not kept.area:
        text = (
            "All that is seen of it becomes border, which belongs to nobody: only its box is left."
        )
        yield Loss(LossKind.BORDER, image.path, item.id, text, _differing(item.mask, held))
    else:
        if pixels := item.mask.area - seen.area:
            text = f"{pixels} of its {item.mask.area} pixels lie under others and are left out."
            yield Loss(LossKind.OVERLAP, image.path, item.id, text, pixels)
        if pixels := seen.area - kept.area:
            text = f"{pixels} of its pixels become border, which belongs to nobody."
            yield Loss(LossKind.BORDER, image.path, item.id, text, pixels)


def _differing(one: Mask, other: Mask) -> int:
    return one.area + other.area - 2 * one.intersect(other).area


def _inner(mask: Mask, width: int) -> Mask:
    """The mask without the pixels that have another within `width` of their row and column;
    beyond the image's edge lies nothing else."""
    if not width or not mask.area:
        return mask
    grown = outside = mask.inverted()
    for step in range(1, width + 1):
        grown = grown.union(_moved(outside, 0, step)).union(_moved(outside, 0, -step))
    outside = grown
    for step in range(1, width + 1):
        grown = grown.union(_moved(outside, step, 0)).union(_moved(outside, -step, 0))
    return mask.subtract(grown)


def _moved(mask: Mask, right: int, down: int) -> Mask:
    """The mask moved by whole pixels; what leaves the image is gone."""
    height, width = mask.size
    columns, tops, bottoms = mask.column_runs()
    columns, tops = columns + right, np.maximum(tops + down, 0)
    bottoms = np.minimum(bottoms + down, height)
    kept = (columns >= 0) & (columns < width) & (tops < bottoms)
    return Mask.from_column_runs(columns[kept], tops[kept], bottoms[kept], mask.size)
