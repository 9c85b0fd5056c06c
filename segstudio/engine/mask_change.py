"""What a hand or an operation wants done to an image's masks, as data, before it is an edit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from segstudio.core.annotation import Annotation
from segstudio.core.mask import Mask

UNNUMBERED = 0


@dataclass(frozen=True)
class MaskChange:
    """One undo step: `masks` gives annotations (by id) other masks, `made` are new ones, `gone` go.

    An annotation whose new mask is empty goes as well. `made` annotations carry category, mask and
    provenance; id, image, depth (in front of all others) and times are given when it is carried
    out. With `keeps_depth` they lie at the depth they have: parts of something stay where it was.
    `text` is what undo and the history say.
    """

    text: str
    masks: Mapping[int, Mask] = field(default_factory=dict)
    made: tuple[Annotation, ...] = ()
    gone: tuple[int, ...] = ()
    keeps_depth: bool = False

    @property
    def touched(self) -> frozenset[int]:
        """Ids of the annotations that change or go."""
        return frozenset(self.masks) | frozenset(self.gone)


def made_annotation(mask: Mask, category_id: int, tool: str) -> Annotation:
    """An annotation for `MaskChange.made`."""
    return Annotation(UNNUMBERED, UNNUMBERED, category_id, mask, tool=tool)


def rows_of(
    change: MaskChange,
    annotations: tuple[Annotation, ...],
    image_id: int,
    new_id: Callable[[], int],
    now: float,
) -> tuple[tuple[Annotation, ...], tuple[Annotation, ...]]:
    """The annotations before and after `change`; those that would stay as they are are left out.

    `annotations` are the image's, by depth; `now` is in seconds since 1970.
    """
    gone = {row.id for row in annotations if row.id in change.gone}
    gone |= {id_ for id_, mask in change.masks.items() if not mask.area}
    changed = {
        row.id: replace(row, mask=change.masks[row.id], updated_at=now)
        for row in annotations
        if row.id in change.masks and row.id not in gone and change.masks[row.id] != row.mask
    }
    before = tuple(row for row in annotations if row.id in gone or row.id in changed)
    top = max((row.z_order for row in annotations), default=-1)
    made = tuple(
        replace(
            row,
            id=new_id(),
            image_id=image_id,
            z_order=row.z_order if change.keeps_depth else top + step,
            created_at=now,
            updated_at=now,
        )
        for step, row in enumerate((row for row in change.made if row.mask.area), start=1)
    )
    return before, (*changed.values(), *made)
