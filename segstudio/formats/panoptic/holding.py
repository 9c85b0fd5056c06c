"""What COCO panoptic holds of each image, reckoned on masks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from segstudio.core.annotation import Annotation
from segstudio.core.image import ImageRecord
from segstudio.core.mask import Box, Mask
from segstudio.core.origin import Origin, OriginKind, mask_key
from segstudio.core.project_view import ProjectView
from segstudio.formats.coco.source import held_split
from segstudio.formats.holding import HeldAnnotation, HeldImage, Loss, LossKind
from segstudio.formats.panoptic.entries import KEY, said_box
from segstudio.formats.panoptic.segments import grouped
from segstudio.formats.visible import visible_parts


@dataclass(frozen=True)
class PanopticHolding:
    """`names` are those of the categories, `files` what the JSON calls each image; by id."""

    view: ProjectView
    names: Mapping[int, str]
    wanted: Mapping[int, str]  # as the project has them
    files: Mapping[int, str]
    merged: Collection[int]  # categories that are one segment an image
    splits: tuple[str, ...] = ()  # what becomes of those with other names

    @property
    def always_lost(self) -> tuple[str, ...]:
        return (
            "Which annotation lies in front: segments do not overlap.",
            "Prompts, reviews and times of annotations.",
            *self.splits,
        )

    def image(self, image: ImageRecord, annotations: Sequence[Annotation]) -> HeldImage:
        """See `Holding.image`."""
        visible = visible_parts([item.mask for item in annotations])
        seen = {item.id: mask for item, mask in zip(annotations, visible, strict=True)}
        groups = grouped([item for item in annotations if seen[item.id].area], self.merged)
        ids = [item.id for item in annotations]
        origins = self.view.origins(OriginKind.ANNOTATION, ids, KEY)
        held, together = [], {}
        for group in groups:
            mask = reduce(Mask.union, (seen[item.id] for item in group))
            box = _box(group, mask, origins)
            name = self.names[group[0].category_id]
            members = tuple(item.id for item in group)
            one = group[0] if len(group) == 1 else None  # of several, no segment says anything
            held.append(
                HeldAnnotation(
                    members,
                    name,
                    mask,
                    group[0].iscrowd,
                    box,
                    one.attributes if one else {},
                    (one.predicted_iou, one.stability) if one else (None, None),
                )
            )
            if len(group) > 1:
                together.update(dict.fromkeys(members, mask))
        losses = [
            loss
            for item in annotations
            for loss in self._losses(image, item, seen[item.id], together.get(item.id))
        ]
        return HeldImage(
            self.files[image.id],
            tuple(held),
            tuple(losses),
            ordered=not together,
            split=held_split(image.split),
        )

    def _losses(
        self, image: ImageRecord, item: Annotation, seen: Mask, together: Mask | None
    ) -> Iterator[Loss]:
        area = item.mask.area
        if not seen.area:
            text = "All of it lies under others: it is left out."
            yield Loss(LossKind.COVERED, image.path, item.id, text, area)
            return
        if seen.area < area:
            pixels = area - seen.area
            text = f"{pixels} of its {area} pixels lie under others and are left out."
            yield Loss(LossKind.OVERLAP, image.path, item.id, text, pixels)
        wanted, name = self.wanted[item.category_id], self.names[item.category_id]
        if together is not None:
            pixels = together.area - seen.area
            text = f"It becomes one segment with all else of “{wanted}”, which is stuff."
            yield Loss(LossKind.INSTANCES, image.path, item.id, text, pixels)
            if item.attributes:
                text = "A segment of stuff has no attributes of one annotation."
                yield Loss(LossKind.ATTRIBUTES, image.path, item.id, text)
        if wanted != name:
            text = f"Its category “{wanted}” is written as “{name}”."
            yield Loss(LossKind.CATEGORY, image.path, item.id, text)


def _box(group: Sequence[Annotation], mask: Mask, origins: Mapping[int, Origin]) -> Box | None:
    """The box that the file says where it is not the mask's: that of the source, if the segment is
    as it came."""
    origin = origins.get(group[0].id)
    if origin is None or len(group) > 1 or mask_key(mask) != origin.mask:
        return None
    return said_box(origin.record)
