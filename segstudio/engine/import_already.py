"""Which annotations of a source an image of the project has already."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from segstudio.core.annotation import Annotation
from segstudio.core.origin import Origin, mask_key
from segstudio.store.spool import SpooledAnnotation


def new_ones(
    found: Sequence[SpooledAnnotation],
    places: Mapping[str, int],
    existing: Sequence[Annotation],
    origins: Mapping[int, Origin],
) -> list[SpooledAnnotation]:
    """Those of `found` that the image does not have yet, in their order.

    It has one if that was imported before from the same entry with the same mask, whatever people
    did to it since, or if category, mask and crowd flag are equal. Each of `existing` stands for
    one alone, so that twins of a source both arrive, once. `places` gives the project's category
    of a source's (0: a new one), `origins` those of `existing` in the source's format.
    """
    if not existing:
        return list(found)
    imported = _Pool()
    alike = _Pool()
    for row in existing:
        origin = origins.get(row.id)
        if origin is not None and origin.key:
            imported.add((origin.key, origin.mask), row.id)
        alike.add((row.category_id, mask_key(row.mask), row.iscrowd), row.id)
    used: set[int] = set()
    # By origin first: what was imported from an entry must not stand for another, equal one.
    matched = [
        bool(each.origin.key) and imported.take((each.origin.key, each.origin.mask), used)
        for each in found
    ]
    return [
        each
        for each, there in zip(found, matched, strict=True)
        if not there
        and not alike.take((places.get(each.category, 0), each.origin.mask, each.iscrowd), used)
    ]


class _Pool:
    """Annotations by what makes them equal; each is taken once."""

    def __init__(self) -> None:
        self._ids: dict[Hashable, list[int]] = {}

    def add(self, key: Hashable, number: int) -> None:
        self._ids.setdefault(key, []).append(number)

    def take(self, key: Hashable, used: set[int]) -> bool:
        """Whether there was one that is not in `used`; it is now."""
        left = self._ids.get(key, [])
        while left:
            number = left.pop()
            if number not in used:
                used.add(number)
                return True
        return False
