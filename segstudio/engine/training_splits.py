"""Which images train and which validate: the project's own splits, the rest by a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from segstudio.core.image import ImageRecord
from segstudio.engine.split_assignment import Unsplit, at_random, wanted
from segstudio.engine.training_choices import SetChoices


@dataclass(frozen=True)
class SharedOut:
    """Ids of the images of both parts, and sentences about what the splits did not say."""

    train: frozenset[int]
    val: frozenset[int]
    warnings: tuple[str, ...] = ()


def share_out(images: Sequence[ImageRecord], choices: SetChoices) -> SharedOut:
    """Share images of the two splits, or of none, out; each part gets one where there are two.

    Copies of one file go where the first of them goes: a model that is checked with what it learnt
    from looks too good.
    """
    firsts: dict[str, ImageRecord] = {}
    for image in sorted(images, key=lambda image: (not image.split, image.path)):
        firsts.setdefault(content_of(image), image)
    found, warnings = _shared_out(list(firsts.values()), choices)
    moved = []
    for image in images:
        first = firsts[content_of(image)]
        found[image.id] = part = found[first.id]
        if image.split not in {"", part, first.split}:
            moved.append(f"{image.path} is the same image as {first.path} of “{part}”")
    if moved:
        more = f", and {len(moved) - 1} more are copies, too" if len(moved) > 1 else ""
        warnings.append(f"{moved[0]}{more}; copies count where the first of them is.")
    return SharedOut(
        frozenset(number for number, name in found.items() if name == choices.train),
        frozenset(number for number, name in found.items() if name == choices.val),
        tuple(warnings),
    )


def content_of(image: ImageRecord) -> str:
    """What copies of an image have in common."""
    return image.sha256 or str(image.id)


def _shared_out(
    images: Sequence[ImageRecord], choices: SetChoices
) -> tuple[dict[int, str], list[str]]:
    """The split of each image by id, and warnings; no two images are the same."""
    rows = [Unsplit(image.id, image.path, {}) for image in images]
    split = {image.id: image.split for image in images}
    free = [row for row in rows if not split[row.id]]
    kept = {
        name: float(sum(part == name for part in split.values()))
        for name in (choices.train, choices.val)
    }
    ratio = (1.0 - choices.val_share, choices.val_share)
    shares = wanted((choices.train, choices.val), ratio, len(rows), kept)
    found = {number: name for number, name in split.items() if name}
    found |= at_random(free, shares, choices.seed) if free else {}
    warnings: list[str] = []
    for name, other in ((choices.val, choices.train), (choices.train, choices.val)):
        if name in found.values() or len(rows) < 2:
            continue
        movable = [row for row in rows if not split[row.id]] or rows
        count = max(1, round(len(rows) * ratio[name == choices.val]))
        count = min(count, len(rows) - 1, len(movable))
        given = {other: float(len(movable) - count), name: float(count)}
        found |= at_random(movable, given, choices.seed)
        if movable is rows:
            warnings.append(
                f"No image that counts is of the split “{name}”, so {count} of “{other}” "
                f"{'are' if count > 1 else 'is'} taken for it."
            )
    return found, warnings
