"""Outlines that walk through the border pixels of a mask, from one to one of its eight neighbours.

For formats whose readers take a polygon's corners for pixels and paint its edge as well as its
inside (OpenCV's `fillPoly`, Pillow's `polygon`). Every edge runs level, upright or diagonally, so
no two readers paint it differently; painted, the rings give the mask with its holes filled. The
outlines in `contours` run between pixels instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from segstudio.core.mask import Mask

Chain = npt.NDArray[np.int64]


def chain_outlines(mask: Mask) -> list[Chain]:
    """One closed walk a part, each (N, 2) xy of pixels; not closed, N >= 1, every pixel named.

    Parts are 8-connected; what lies in a hole of another part is not walked. In the order in which
    OpenCV finds them, which is the same for the same mask.
    """
    crop, (x0, y0) = mask.box_crop()
    if not mask.area:
        return []
    found, _ = cv2.findContours(crop.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    corner = np.array((x0, y0))
    return [np.asarray(ring, dtype=np.int64).reshape(-1, 2) + corner for ring in found]


def corners(chain: Chain) -> Chain:
    """The walk's pixels at which it turns; the same walk with fewer pixels named.

    At least three rows, as most readers ask of a polygon: of a single pixel and of a straight line
    some come again.
    """
    moves = np.any(chain != np.roll(chain, 1, axis=0), axis=1)
    ring = chain[moves] if moves.any() else chain[:1]
    before = np.sign(ring - np.roll(ring, 1, axis=0))
    after = np.sign(np.roll(ring, -1, axis=0) - ring)
    turning = ring[np.any(before != after, axis=1)] if len(ring) > 1 else ring
    if len(turning) < 3:
        turning = turning[np.arange(3) % len(turning)]
    return turning


def nearest_first(chains: Sequence[Chain]) -> list[Chain]:
    """The same walks, each followed by the one whose box has the nearest middle."""
    middles = np.array([(ring.min(axis=0) + ring.max(axis=0)) / 2 for ring in chains])
    left = np.arange(len(chains))
    order = []
    at = 0
    while len(left):
        order.append(int(left[at]))
        here, left = middles[left[at]], np.delete(left, at)
        if len(left):
            at = int(np.argmin(((middles[left] - here) ** 2).sum(axis=1)))
    return [chains[number] for number in order]


def bridges(chains: Sequence[Chain]) -> list[tuple[int, int]]:
    """Where to join each walk to the next one: a row of it, and a row of the next one.

    They are the two pixels of them that lie nearest to each other.
    """
    joints = []
    for one, other in pairwise(chains):
        distances, rows = cKDTree(one).query(other)
        start = int(np.argmin(distances))
        joints.append((int(rows[start]), start))
    return joints


def elbow(start: Chain, end: Chain) -> Chain:
    """Where a bridge from a pixel to another one turns: (2,) xy.

    It runs diagonally first and straight on, and so through the fewest pixels.
    """
    way = end - start
    steps = int(np.abs(way).min())
    return np.asarray(start + np.sign(way) * steps)


def bridge_pixels(start: Chain, end: Chain) -> Chain:
    """(N, 2) xy of the pixels between two that a bridge joins, without these two."""
    way = end - start
    steps = np.arange(1, int(np.abs(way).max()))[:, np.newaxis]
    return np.asarray(start + np.sign(way) * np.minimum(steps, np.abs(way)))


def joined(chains: Sequence[Chain]) -> Chain:
    """One closed walk around all of them, over `bridges` that it takes there and back."""
    joints = bridges(chains)
    there, back = [], []
    entrance = 0
    for number, ring in enumerate(chains):
        if number == len(joints):
            there.append(_along(ring, entrance, entrance))
            break
        leave, arrive = joints[number]
        turn = elbow(ring[leave], chains[number + 1][arrive])[np.newaxis]
        there += [_along(ring, entrance, leave) if leave != entrance else ring[[leave]], turn]
        back += [_along(ring, leave, entrance), turn]
        entrance = arrive
    return np.concatenate([*there, *reversed(back)])


def _along(ring: Chain, start: int, end: int) -> Chain:
    """The walk from a row to another one, both named; all around if they are the same."""
    length = (end - start) % len(ring) or len(ring)
    return ring[(start + np.arange(length + 1)) % len(ring)]
