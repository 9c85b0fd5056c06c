"""Which image of one label set is which of the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from segstudio.engine.label_set import SetImage


@dataclass(frozen=True)
class Pairs:
    """Images that both sets have, in the truth's order, and those that only one has."""

    both: tuple[tuple[SetImage, SetImage], ...]  # the prediction's, the truth's
    only_truth: tuple[SetImage, ...]
    only_predicted: tuple[SetImage, ...]


def pair(predicted: Sequence[SetImage], truth: Sequence[SetImage], split: str = "") -> Pairs:
    """Match images by their paths without suffix, else by file names that both have only once.

    With `split` only images of that split count: the truth's word, else the prediction's.
    """
    by_path = _by_path(predicted)
    by_stem = _unique((_stem(image.name), image) for image in predicted)
    stems = Counter(_stem(image.name) for image in truth)
    both, alone, used = [], [], set()
    for image in truth:
        found = next((by_path[name] for name in _paths(image) if name in by_path), None)
        if found is None and stems[_stem(image.name)] == 1:
            found = by_stem.get(_stem(image.name))
        if found is not None and found.key in used:
            found = None
        if split and (image.split or (found.split if found else "")) != split:
            if found is not None:
                used.add(found.key)
            continue
        if found is None:
            alone.append(image)
        else:
            used.add(found.key)
            both.append((found, image))
    rest = (image for image in predicted if image.key not in used)
    extra = tuple(image for image in rest if not split or image.split == split)
    return Pairs(tuple(both), tuple(alone), extra)


def _by_path(images: Iterable[SetImage]) -> dict[str, SetImage]:
    found: dict[str, SetImage] = {}
    for image in images:
        for name in _paths(image):
            found.setdefault(name, image)
    return found


def _paths(image: SetImage) -> list[str]:
    return [_path(name) for name in (image.name, *image.also)]


def _path(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix().casefold()


def _stem(name: str) -> str:
    return PurePosixPath(name).stem.casefold()


def _unique(pairs: Iterable[tuple[str, SetImage]]) -> dict[str, SetImage]:
    found: dict[str, SetImage | None] = {}
    for name, image in pairs:
        found[name] = None if name in found else image
    return {name: image for name, image in found.items() if image is not None}
