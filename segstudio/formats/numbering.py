"""Numbers of records that leave: those that they came with, and new ones beside them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping


def kept_numbers(
    ids: Iterable[int], wanted: Mapping[int, int], reserved: Collection[int] = ()
) -> dict[int, int]:
    """A number for each of the project's `ids`, no two alike and none of `reserved`.

    A record keeps the number that `wanted` has for it; of several that want the same, the first in
    `ids` gets it. Where no record wants one, all keep the project's ids; else the others are
    counted on above the largest that is kept.
    """
    order, taken = list(ids), set(reserved)
    result: dict[int, int] = {}
    for number in order:
        kept = wanted.get(number, None if wanted else number)
        if kept is not None and kept not in taken:
            result[number] = kept
            taken.add(kept)
    following = max(result.values(), default=0) + 1
    for number in order:
        if number not in result:
            while following in taken:
                following += 1
            result[number] = following
            taken.add(following)
    return {number: result[number] for number in order}
