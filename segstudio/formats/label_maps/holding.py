"""What label maps hold of a project: one category, or one object, a pixel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.image import ImageRecord
from segstudio.core.mask import Mask
from segstudio.formats.holding import HeldAnnotation, HeldImage, Loss, LossKind
from segstudio.formats.label_maps.cityscapes import PER_CLASS
from segstudio.formats.visible import visible_parts
from segstudio.imaging.enclosed import union_of

_ALWAYS_LOST = (
    "Which annotation lies in front: only what is seen from the front is written.",
    "Attributes, scores, tools, models, review notes and the time spent are not written.",
)


@dataclass(frozen=True)
class LabelMapsHolding:
    """All of a category on an image become one; with `by_instance`, things stay apart.

    `categories` are the project's, by id; `name` gives an image's name as it is read back.
    """

    categories: Mapping[int, Category]
    name: Callable[[ImageRecord], str]
    by_instance: bool

    @property
    def always_lost(self) -> tuple[str, ...]:
        return _ALWAYS_LOST

    def image(self, image: ImageRecord, annotations: Sequence[Annotation]) -> HeldImage:
        """See `Holding.image`."""
        seen = visible_parts([row.mask for row in annotations])
        groups: dict[tuple[int, int], list[int]] = {}
        counts: dict[int, int] = {}
        for index, row in enumerate(annotations):
            groups.setdefault(self._group(row, counts), []).append(index)
        held: list[HeldAnnotation] = []
        losses: list[Loss] = []
        for (category_id, number), members in groups.items():
            category = self.categories[category_id]
            mask = union_of((seen[index] for index in members), image.size)
            crowd = self.by_instance and category.isthing and not number
            rows = [annotations[index] for index in members]
            kept = tuple(row.id for row in rows if row.mask.intersect(mask).area)
            if kept:
                held.append(HeldAnnotation(kept, category.name, mask, crowd))
            for row in rows:
                losses += _losses(image.path, row, mask, crowd, kept)
        order = {row.id: index for index, row in enumerate(annotations)}
        losses.sort(key=lambda loss: order[loss.annotation_id])
        return HeldImage(self.name(image), tuple(held), tuple(losses), ordered=False)

    def _group(self, row: Annotation, counts: dict[int, int]) -> tuple[int, int]:
        """The category and, for an object that keeps a number of its own, that number."""
        category = self.categories[row.category_id]
        if not self.by_instance or not category.isthing or row.iscrowd:
            return row.category_id, 0
        counts[row.category_id] = counts.get(row.category_id, 0) + 1
        number = counts[row.category_id]
        return row.category_id, number if number <= PER_CLASS else 0


def _losses(path: str, row: Annotation, mask: Mask, crowd: bool, kept: Sequence[int]) -> list[Loss]:
    """How the annotation differs from `mask`, which stands for those of the ids `kept`."""
    if row.id not in kept:
        text = "Others cover all of it, so it is not in the map."
        return [Loss(LossKind.COVERED, path, row.id, text, row.mask.area)]
    found = []
    covered = row.mask.subtract(mask).area
    if covered:
        text = f"{covered} pixels of it lie behind others and are theirs in the map."
        found.append(Loss(LossKind.OVERLAP, path, row.id, text, covered))
    if len(kept) > 1:
        text = f"It becomes one annotation with {len(kept) - 1} more of its category."
        found.append(Loss(LossKind.INSTANCES, path, row.id, text))
    if row.iscrowd and not crowd:
        text = "Label maps do not mark crowds."
        found.append(Loss(LossKind.CROWD, path, row.id, text))
    if crowd and not row.iscrowd:
        text = f"An instance map numbers {PER_CLASS} of a category; it joins their crowd."
        found.append(Loss(LossKind.CROWD, path, row.id, text))
    return found
