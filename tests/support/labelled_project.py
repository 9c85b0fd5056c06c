"""A project file whose images are boxes of categories, for tests that compare label sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.changes import Edit, Records
from segstudio.core.image import ImageRecord, ImageState
from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken
from segstudio.store.project import NewImage, ProjectStore
from segstudio.store.runs import RunStep

SIZE = (40, 60)
Place = tuple[int, int, int, int]


def box_mask(place: Place, size: tuple[int, int] = SIZE) -> Mask:
    """The pixels x0 <= x < x1, y0 <= y < y1."""
    x0, y0, x1, y1 = place
    array = np.zeros(size, dtype=np.bool_)
    array[y0:y1, x0:x1] = True
    return Mask.from_array(array)


@dataclass
class LabelledProject:
    """A store, its categories by name, and hands that draw boxes."""

    store: ProjectStore
    categories: dict[str, Category] = field(default_factory=dict)

    @classmethod
    def make(cls, path: Path, things: str = "car", stuff: str = "road", images: int = 2) -> Any:
        store = ProjectStore.create(path, path.parent / "photos")
        made = cls(store)
        for name in [*things.split(), *stuff.split()]:
            row = Category(store.new_category_id(), name, "#0072b2", isthing=name in things)
            store.commit(Edit("Add category", 0, Records(), Records(categories=(row,))))
            made.categories[name] = row
        names = [f"street/{number}.jpg" for number in range(1, images + 1)]
        store.add_images([NewImage(n, SIZE[1], SIZE[0], f"{i:064x}") for i, n in enumerate(names)])
        return made

    def image(self, at: int) -> ImageRecord:
        return self.store.images()[at]

    def annotation(self, at: int, name: str, place: Place, **more: Any) -> Annotation:
        image = self.image(at)
        number = self.store.new_annotation_id()
        values = {"z_order": number, **more}
        return Annotation(
            number, image.id, self.categories[name].id, box_mask(place, image.size), **values
        )

    def draw(self, at: int, name: str, place: Place, **more: Any) -> Annotation:
        row = self.annotation(at, name, place, **more)
        self.store.commit(Edit("Draw", row.image_id, Records(), Records(annotations=(row,))))
        return row

    def change(self, row: Annotation, **values: Any) -> Annotation:
        after = replace(row, **values)
        records = Records(annotations=(row,)), Records(annotations=(after,))
        self.store.commit(Edit("Change", row.image_id, *records))
        return after

    def run(self, kind: str, rows: Mapping[int, list[Annotation]]) -> int:
        steps = (
            RunStep(Edit("Run", self.image(at).id, Records(), Records(annotations=tuple(some))))
            for at, some in rows.items()
        )
        return self.store.carry_out(kind, {}, steps, CancelToken())

    def mark(self, at: int, state: ImageState, split: str = "") -> None:
        image = self.image(at)
        after = replace(image, state=state, split=split or image.split)
        records = Records(images=(image,)), Records(images=(after,))
        self.store.commit(Edit("Mark", image.id, *records))


def working_as(patch: pytest.MonkeyPatch, name: str) -> None:
    """From now on edits are this user's."""
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        patch.setenv(variable, name)
