"""What an operation with a number would do to the selection, before it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from segstudio.core.annotation import Annotation
from segstudio.core.mask import Mask
from segstudio.core.mask_difference import difference, flipped, shared
from segstudio.core.progress import CancelToken
from segstudio.engine.pixel_rights import without_locked
from segstudio.engine.tuned_operations import Tuning
from segstudio.imaging.mask_parts import part_count


@dataclass(frozen=True)
class Reshaping:
    """What one annotation would gain and lose; `vanishes`: nothing would be left, so it stays."""

    annotation: Annotation
    gained: Mask
    lost: Mask
    vanishes: bool = False

    @cached_property
    def lost_parts(self) -> int:
        """How many parts what it loses has."""
        return part_count(self.lost)


def reshapings(
    annotations: Sequence[Annotation],
    ids: Sequence[int],
    tuning: Tuning,
    cancel: CancelToken | None = None,
) -> tuple[Reshaping, ...]:
    """One for each of `ids` that is not locked, by depth; `annotations` are all of the image.

    Pixels of locked ones are not gained. Raises `Cancelled` when `cancel` is set.
    """
    locked = tuple(row for row in annotations if row.locked)
    wanted = set(ids)
    found = []
    for row in annotations:
        if row.id in wanted and not row.locked:
            new = tuning.of(row.mask, cancel)
            vanishes = not new.area
            changed = difference(row.mask, row.mask if vanishes else new)
            lost = shared(row.mask, changed)
            gained = without_locked(flipped(changed, lost), locked)
            found.append(Reshaping(row, gained, lost, vanishes))
    return tuple(found)
