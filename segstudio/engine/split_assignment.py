"""Which image goes to which split: at random, by folder, or with every category shared out.

All here depends on image paths and the seed alone, not on ids or the order of rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

# What folders of the usual splits are also called.
_ALSO = {"training": "train", "valid": "val", "validation": "val", "testing": "test"}


@dataclass(frozen=True)
class Unsplit:
    """An image without a split: its path below the image folder, annotations by category id."""

    id: int
    path: str
    categories: Mapping[int, int]


Shares = dict[str, float]  # by split: how many are still wanted; below 0 where there are too many


def wanted(names: Sequence[str], ratio: Sequence[float], total: float, kept: Shares) -> Shares:
    """How many of `total` each split wants by the ratio, over what it has already."""
    whole = sum(ratio)
    pairs = zip(names, ratio, strict=True)
    return {name: total * part / whole - kept.get(name, 0.0) for name, part in pairs}


def at_random(images: Sequence[Unsplit], shares: Shares, seed: int) -> dict[int, str]:
    """Each image alone, in an order that the seed shuffles."""
    counts = _whole_numbers(shares, len(images))
    splits = [name for name, count in counts.items() for _ in range(count)]
    return {image.id: split for image, split in zip(_shuffled(images, seed), splits, strict=True)}


def by_folder(
    images: Sequence[Unsplit], shares: Shares, names: Sequence[str], seed: int
) -> dict[int, str]:
    """Images of one folder stay together.

    A folder called like one of the splits' `names`, or in one, goes there. Of the others the
    largest comes first, to where most images are wanted; the seed decides between folders of one
    size.
    """
    left = dict(shares)
    folders: dict[str, list[Unsplit]] = {}
    found: dict[int, str] = {}
    for image in images:
        named = _named(image.path, names)
        if named:
            found[image.id] = named
            left[named] = left.get(named, 0.0) - 1
        else:
            folders.setdefault(str(PurePosixPath(image.path).parent), []).append(image)
    order = sorted(folders, key=lambda name: (-len(folders[name]), _place(name, seed)))
    for folder in order:
        split = max(shares, key=left.__getitem__)
        left[split] -= len(folders[folder])
        found |= {image.id: split for image in folders[folder]}
    return found


def _named(path: str, names: Sequence[str]) -> str:
    """The split that a folder of this path is called after, the innermost first; "" if none."""
    by_name = {name.casefold(): name for name in names}
    for part in reversed(PurePosixPath(path).parts[:-1]):
        plain = part.casefold()
        if found := by_name.get(plain) or by_name.get(_ALSO.get(plain, "")):
            return found
    return ""


def by_category(
    images: Sequence[Unsplit], shares: Shares, of_category: Mapping[int, Shares], seed: int
) -> dict[int, str]:
    """Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011), on annotations.

    The category with the fewest annotations left is shared out first: each of its images goes to
    the split that wants most of that category, then to the one that wants most images. Images
    without annotations follow by the number of images alone. `of_category` are the shares of each
    category's annotations.
    """
    left, wants = dict(shares), {number: dict(row) for number, row in of_category.items()}
    order = {image.id: place for place, image in enumerate(_shuffled(images, seed))}
    on: dict[int, dict[int, Unsplit]] = {}
    for image in images:
        for category in image.categories:
            on.setdefault(category, {})[image.id] = image
    amounts = {
        category: sum(image.categories[category] for image in rows.values())
        for category, rows in on.items()
    }
    found: dict[int, str] = {}
    while on:
        rarest = min(on, key=lambda category: (amounts[category], category))
        rows = on[rarest].values()
        for image in sorted(rows, key=lambda row: (-row.categories[rarest], order[row.id])):
            want = wants[rarest]
            found[image.id] = split = max(left, key=lambda name: (want[name], left[name]))
            left[split] -= 1
            for category, count in image.categories.items():
                wants[category][split] -= count
                amounts[category] -= count
                del on[category][image.id]
        for category in [number for number, rows in on.items() if not rows]:
            del on[category]
    plain = [image for image in _shuffled(images, seed) if image.id not in found]
    return found | at_random(plain, left, seed)


def _whole_numbers(shares: Shares, total: int) -> dict[str, int]:
    """Whole numbers that sum to `total`, as near to the shares as can be (largest remainder)."""
    positive = {name: max(0.0, share) for name, share in shares.items()}
    whole = sum(positive.values())
    if whole <= 0:
        positive, whole = dict.fromkeys(shares, 1.0), float(len(shares))
    exact = {name: total * share / whole for name, share in positive.items()}
    counts = {name: int(share) for name, share in exact.items()}
    nearest = sorted(exact, key=lambda name: counts[name] - exact[name])
    for name in nearest[: total - sum(counts.values())]:
        counts[name] += 1
    return counts


def _shuffled(images: Sequence[Unsplit], seed: int) -> list[Unsplit]:
    return sorted(images, key=lambda image: _place(image.path, seed))


def _place(path: str, seed: int) -> tuple[bytes, str]:
    text = f"{seed}\n{path}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).digest(), path
