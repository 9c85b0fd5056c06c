"""How what the files say of one image differs from what they should: in sentences."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from segstudio.core.annotation import Annotation
from segstudio.core.mask import Box, Mask
from segstudio.formats.found import Place
from segstudio.formats.holding import (
    HeldAnnotation,
    HeldImage,
    Loss,
    LossKind,
    attributes_lost,
)

DIGEST = 16  # bytes
MOST_COMPARED = 50  # of one annotation that is not found as it should be


@dataclass(frozen=True)
class FoundRow:
    """An annotation as the files have it, without the ids that they may not know, and where."""

    held: HeldAnnotation
    place: Place


def digest(row: HeldAnnotation) -> bytes:
    """`DIGEST` bytes, equal for annotations of which a file says the same, and for no others."""
    found = blake2b(row.mask.counts, digest_size=DIGEST)
    box = row.box or row.mask.box
    text = f"{row.mask.size} {int(row.iscrowd)} {tuple(map(float, box))} {row.category}"
    if row.attributes is not None:
        said = _as_json(row.attributes) if row.attributes else "{}"  # mostly, and much quicker
        text = f"{said} {_scores(row)} {text}"
    found.update(text.encode("utf-8", "surrogatepass"))
    return found.digest()


def compare_rows(held: HeldImage, found: Sequence[FoundRow]) -> list[tuple[str, int]]:
    """A sentence, and the annotation's id (0: none), for each difference.

    Annotations that are equal are paired first; each one left over with the one that it shares
    most pixels with, so that one that is missing does not make all after it look wrong.
    """
    positions: dict[bytes, deque[int]] = defaultdict(deque)
    for place, row in enumerate(found):
        positions[digest(row.held)].append(place)
    pairs: list[int | None] = []
    for item in held.annotations:
        same = positions.get(digest(item))
        pairs.append(same.popleft() if same else None)
    rest = {place for left in positions.values() for place in left}
    told: list[tuple[str, int]] = []
    for number, item in enumerate(held.annotations):
        if pairs[number] is not None:
            continue
        first_id = item.ids[0] if item.ids else 0
        at = pairs[number] = _most_alike(item, found, rest)
        if at is None:
            told.append((f"{_named(item)} is not in the files.", first_id))
        else:
            rest.remove(at)
            told += [(text, first_id) for text in _between(item, found[at])]
    for left in sorted(rest):
        row = found[left]
        what = f"a “{row.held.category}” of {row.held.mask.area} pixels"
        told.append((f"{row.place}: {what} that should not be there.", 0))
    order = [at for at in pairs if at is not None]
    if held.ordered and order != sorted(order):
        told.append(("Its annotations lie over one another in another order.", 0))
    return told


def _most_alike(item: HeldAnnotation, found: Sequence[FoundRow], rest: set[int]) -> int | None:
    """The one left that shares most with it; None if none shares a pixel."""
    near = [at for at in sorted(rest) if _meet(item.mask.box, found[at].held.mask.box)]
    best, most = None, 0.0
    for at in near[:MOST_COMPARED]:
        other = found[at].held
        alike = item.mask.iou(other.mask)
        if alike > 0 and other.category == item.category:
            alike += 0.01  # of twins, the one of its category
        if alike > most:
            best, most = at, alike
    return best


def _meet(a: Box, b: Box) -> bool:
    return a.x0 < b.x1 and b.x0 < a.x1 and a.y0 < b.y1 and b.y0 < a.y1


def _between(item: HeldAnnotation, row: FoundRow) -> Iterator[str]:
    """What is different about one annotation, a sentence each."""
    other, start = row.held, _named(item, f", {row.place}")
    if other.category != item.category:
        yield f"{start} is a “{other.category}” in the files."
    if other.iscrowd != item.iscrowd:
        yield f"{start} is {'a' if other.iscrowd else 'no'} crowd in the files."
    if other.mask != item.mask:
        more, less = other.mask.subtract(item.mask), item.mask.subtract(other.mask)
        counts = [
            f"{mask.area} pixels {what}"
            for mask, what in ((more, "too many"), (less, "too few"))
            if mask.area
        ]
        columns, tops, _ = (more if more.area else less).column_runs()
        where = f"the first at x {columns[0]}, y {tops[0]}"
        yield f"{start} has {' and '.join(counts)} in the files, {where}."
    elif (other.box or other.mask.box) != (item.box or item.mask.box):
        box, wanted = (_corners(each.box or each.mask.box) for each in (other, item))
        yield f"{start} has the box {box} in the files and not {wanted}."
    if other.scores != item.scores:
        scores, wanted = _scores(other), _scores(item)
        yield f"{start} has the scores {scores} in the files and not {wanted}."
    said, known = other.attributes or {}, item.attributes or {}
    for key in sorted({*said, *known}, key=str):
        here, there = (_as_json(each[key]) if key in each else "none" for each in (said, known))
        if here != there:
            yield f"{start} has the attribute “{key}” as {here} in the files and not as {there}."


def _scores(row: HeldAnnotation) -> str:
    return ", ".join("none" if score is None else str(float(score)) for score in row.scores)


def _as_json(value: Any) -> str:
    """Equal for what JSON holds as equal."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def _named(item: HeldAnnotation, place: str = "") -> str:
    numbers = ", ".join(str(number) for number in item.ids[:5])
    more = "…" if len(item.ids) > 5 else ""
    return f"Annotation {numbers}{more} (“{item.category}”{place})"


def _corners(box: Box) -> str:
    return ", ".join(f"{value:g}" for value in box)


def unannounced(
    held: HeldImage,
    annotations: Sequence[Annotation],
    names: Mapping[int, str],
    always: frozenset[LossKind],
) -> Iterator[tuple[str, int]]:
    """Where `held` is not what the project has and no loss says so: a sentence and the id.

    `annotations` are those that the holding was reckoned from, `names` the category names by id,
    `always` what the format loses of every annotation.
    """
    losses: dict[int, list[Loss]] = defaultdict(list)
    for loss in held.losses:
        losses[loss.annotation_id].append(loss)
    by_id: dict[int, list[HeldAnnotation]] = defaultdict(list)
    for item in held.annotations:
        for number in item.ids:
            by_id[number].append(item)
    for row in annotations:
        told = losses[row.id]
        kinds = always.union(loss.kind for loss in told)
        changes = _changes(row, by_id[row.id], names[row.category_id], kinds)
        for change in changes:
            yield f"Annotation {row.id} {change}, which was not announced.", row.id
        if [item.ids for item in by_id[row.id]] == [(row.id,)]:
            changed = _differing(by_id[row.id][0].mask, row.mask)
            if changed != (known := sum(loss.pixels for loss in told)):
                text = f"{changed} pixels of annotation {row.id} change, and {known} were announced"
                yield f"{text}.", row.id
    once = [item.ids[0] for item in held.annotations if len(item.ids) == 1]
    kept = set(once)
    order = [row.id for row in annotations if row.id in kept]
    if held.ordered and len(kept) == len(once) and once != order:
        yield "Its annotations change their order, which was not announced.", 0


def _changes(
    row: Annotation, held: Sequence[HeldAnnotation], name: str, kinds: frozenset[LossKind]
) -> Iterator[str]:
    """What becomes of an annotation other than its pixels, and is none of the kinds."""
    if not held:
        if not kinds:
            yield "is gone"
        return
    if (len(held) > 1 or len(held[0].ids) > 1) and not kinds:
        yield "does not stay one"
    if any(item.category != name for item in held) and LossKind.CATEGORY not in kinds:
        yield "gets another category"
    if any(item.iscrowd != row.iscrowd for item in held) and LossKind.CROWD not in kinds:
        yield "changes its crowd mark"
    kept = held[0].attributes
    lost = {} if kept is None else attributes_lost(row.attributes, kept)
    if lost and LossKind.ATTRIBUTES not in kinds:
        yield f"loses its attributes ({', '.join(lost)})"


def _differing(a: Mask, b: Mask) -> int:
    """How many pixels are in one of the two only."""
    if a is b or a == b:
        return 0
    return a.area + b.area - 2 * a.intersect(b).area
