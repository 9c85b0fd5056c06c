"""What turning a label map into annotations would come to, before anything is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from segstudio.core.annotation import Annotation
from segstudio.core.image import ImageRecord
from segstudio.engine.label_map_annotations import turned
from segstudio.engine.label_map_parts import LabelMapPlan, Part


@dataclass(frozen=True)
class TurnPreview:
    """`added` counts new annotations by the name of the model's category; those of categories that
    become one stand under the first of them. `replaced` former predictions would go.
    """

    added: Mapping[str, int]
    replaced: int = 0

    @property
    def total(self) -> int:
        return sum(self.added.values())


def preview(
    parts: Sequence[Part],
    plan: LabelMapPlan,
    image: ImageRecord,
    annotations: tuple[Annotation, ...],
    *,
    partition: bool,
) -> TurnPreview:
    """What of an image's parts would become annotations beside those that it has, by depth."""
    places = {index: target.category_id or -1 - index for index, target in enumerate(plan.targets)}
    numbers = count(-1, -1)
    done = turned(
        parts,
        plan,
        {str(index): places[index] for index in {part.category for part in parts}},
        image,
        annotations,
        new_id=lambda: next(numbers),
        partition=partition,
    )
    names = {places[index]: plan.categories[index].name for index in plan.first if index >= 0}
    added = Counter(names[row.category_id] for row in done.after if row.id < 0)
    return TurnPreview(dict(added), done.replaced)
