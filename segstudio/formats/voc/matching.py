"""Which object of the XML an index of the maps is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from segstudio.core.errors import BadInputError
from segstudio.core.mask import Box, Mask
from segstudio.formats.index_maps import Indices
from segstudio.formats.voc.pages import VocObject

_MOST_COUNTED = 1 << 22  # pairs of indices that have a place in an array
_ALIKE = 0.5  # the least IoU of two boxes that may be of one object


def majority(objects: Indices, classes: Indices, nobody: frozenset[int]) -> dict[int, int]:
    """For each index of the (H, W) object map the class index that most of its pixels have.

    Classes in `nobody` count only where there is no other; then the index is left out.
    """
    kinds = int(classes.max()) + 1
    both = objects.astype(np.int64) * kinds + classes
    if int(objects.max()) * kinds < _MOST_COUNTED:
        counted = np.bincount(both.ravel())
        pairs = np.flatnonzero(counted)
        counts = counted[pairs]
    else:
        pairs, counts = np.unique(both, return_counts=True)
    best: dict[int, tuple[int, int]] = {}
    for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
        number, kind = divmod(pair, kinds)
        if kind not in nobody and count > best.get(number, (0, 0))[0]:
            best[number] = (count, kind)
    return {number: kind for number, (_, kind) in best.items()}


def matched(
    masks: Mapping[int, Mask],
    classes: Mapping[int, str],
    objects: Sequence[VocObject | BadInputError],
) -> dict[int, int]:
    """The place in `objects` (from 0) of each index in the object map that has one.

    `masks` and the names of `classes` are by index. VOC counts both alike: index i is object i.
    Where a class says otherwise, or where no class map is there and a box says otherwise, the
    numbers of this image mean nothing, and boxes and names decide.
    """
    if all(_may_be(number, masks[number], classes, objects) for number in masks):
        return {number: number - 1 for number in masks}
    pairs = []
    for number, mask in masks.items():
        for at, item in enumerate(objects):
            if isinstance(item, VocObject) and classes.get(number, item.name) == item.name:
                pairs.append((_overlap(mask.box, item.box), number, at))
    result: dict[int, int] = {}
    for overlap, number, at in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if overlap >= _ALIKE and number not in result and at not in result.values():
            result[number] = at
    return result


def _may_be(
    number: int,
    mask: Mask,
    classes: Mapping[int, str],
    objects: Sequence[VocObject | BadInputError],
) -> bool:
    if number > len(objects):
        return False
    item = objects[number - 1]
    if not isinstance(item, VocObject):
        return True
    if number in classes:
        return classes[number] == item.name
    return _overlap(mask.box, item.box) > 0


def _overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    shared = max(width, 0.0) * max(height, 0.0)
    areas = sum((box.x1 - box.x0) * (box.y1 - box.y0) for box in (one, other))
    return shared / (areas - shared) if shared else 0.0
