"""What a scene grows on: an image in float, the ids of its atoms, and what may be asked for."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
import numpy.typing as npt

from segstudio.models.prompt_training.scene import Kind, Scene, Target

Floats = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]
Ids = npt.NDArray[np.uint16]
Rng = np.random.Generator

LEAST_AREA = 30  # px that must be seen of a target
MOST_SHARE = 0.75  # of the image that a target may cover


class Canvas:
    """`image` (H, W, 3) float32 RGB of 0 to 255; `ids` (H, W) uint16, 0 where nothing is named."""

    def __init__(
        self, image: Floats, ids: Ids | None = None, targets: Iterable[Target] = ()
    ) -> None:
        self.image = image
        self.ids = np.zeros(image.shape[:2], np.uint16) if ids is None else ids
        self.targets = list(targets)
        named = max((max(target.ids, default=0) for target in self.targets), default=0)
        self._last = max(int(self.ids.max()), named)

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)"""
        return self.ids.shape[0], self.ids.shape[1]

    def new_ids(self, count: int) -> tuple[int, ...]:
        """Ids that nothing has yet."""
        first = self._last + 1
        self._last += count
        return tuple(range(first, first + count))

    def add(self, ids: Iterable[int], kind: Kind) -> None:
        """Name a target."""
        self.targets.append(Target(tuple(ids), kind))

    def scene(self) -> Scene:
        """The image in uint8, with the targets of which enough is seen (see `seen_targets`)."""
        return Scene(to_bytes(self.image), self.ids, seen_targets(self.ids, self.targets))


def to_bytes(image: Floats) -> Image:
    """Rounded, and cut off at 0 and 255."""
    rounded = cv2.addWeighted(image, 1, image, 0, 0, dtype=cv2.CV_8U)
    return np.asarray(rounded, dtype=np.uint8)


def seen_targets(ids: Ids, targets: Iterable[Target]) -> tuple[Target, ...]:
    """Targets of at least LEAST_AREA px and at most MOST_SHARE of the image, each mask once.

    Ids of which nothing is seen are left out of them. Where two have one mask, the first stays.
    """
    areas = np.bincount(ids.ravel())
    kept: dict[tuple[int, ...], Target] = {}
    for target in targets:
        seen = tuple(sorted({n for n in target.ids if 0 < n < len(areas) and areas[n]}))
        area = int(areas[list(seen)].sum()) if seen else 0
        if LEAST_AREA <= area <= MOST_SHARE * ids.size and seen not in kept:
            kept[seen] = Target(seen, target.kind)
    return tuple(kept.values())
