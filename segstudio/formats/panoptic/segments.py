"""Which annotations make one segment of COCO panoptic, and the ids that segments get."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.origin import Origin
from segstudio.formats.panoptic.entries import MOST_SEGMENT_ID

# How far a channel goes from its category's colour, so that things can be told apart by eye.
_STEPS = (0, 24, -24, 12, -12, 36, -36, 6, -6, 18, -18, 30, -30)


def grouped(
    annotations: Sequence[Annotation], merged: Collection[int]
) -> list[tuple[Annotation, ...]]:
    """The annotations of each segment, in the order of the first of each.

    Of a category in `merged` there is one segment an image (Kirillov et al. 2019, "Panoptic
    Segmentation": stuff has no instances); crowds stay by themselves.
    """
    groups: dict[tuple[str, int], list[Annotation]] = {}
    for annotation in annotations:
        joins = annotation.category_id in merged and not annotation.iscrowd
        key = ("stuff", annotation.category_id) if joins else ("one", annotation.id)
        groups.setdefault(key, []).append(annotation)
    return [tuple(group) for group in groups.values()]


def merged_categories(categories: Sequence[Category], *, merge_stuff: bool) -> frozenset[int]:
    """The ids of the categories whose annotations on an image become one."""
    return frozenset(item.id for item in categories if merge_stuff and not item.isthing)


def segment_ids(
    groups: Sequence[tuple[Annotation, ...]],
    origins: Mapping[int, Origin],
    colours: Mapping[int, tuple[int, int, int]],
) -> list[int]:
    """An id for each group, unique in the image: the one that it came with, else one whose colour
    is near that of its category."""
    taken: set[int] = set()
    result: list[int | None] = []
    for group in groups:
        own = next((_own_id(origins[item.id]) for item in group if item.id in origins), None)
        kept = None if own in taken else own
        result.append(kept)
        if kept is not None:
            taken.add(kept)
    ids = []
    for group, kept in zip(groups, result, strict=True):
        number = kept
        if number is None:
            number = next(new for new in _near(colours[group[0].category_id]) if new not in taken)
            taken.add(number)
        ids.append(number)
    return ids


def _own_id(origin: Origin) -> int | None:
    own = origin.record.get("id")
    return own if type(own) is int and 1 <= own <= MOST_SEGMENT_ID else None


def _near(colour: tuple[int, int, int]) -> Iterator[int]:
    """Ids: first those of the colour and of colours like it, then all there are."""
    for steps in product(_STEPS, repeat=3):
        red, green, blue = (
            min(max(part + step, 0), 255)
            for part, step in zip(colour, reversed(steps), strict=True)
        )
        if number := red + 256 * green + 65536 * blue:
            yield number
    yield from range(1, MOST_SEGMENT_ID + 1)
