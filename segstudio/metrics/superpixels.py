"""How well superpixels fit regions that people drew.

All take (H, W) integer label maps of the same image. Where there are several drawings of one
image, take the mean over them.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.integer[Any]]


def boundary_recall(superpixels: Labels, regions: Labels, tolerance: int = 2) -> float:
    """Share of the regions' boundary pixels with a superpixel's boundary nearby.

    Nearby is in the square of 2 * `tolerance` + 1 pixels around (Stutz, Hermans and Leibe 2018,
    "Superpixels: an evaluation of the state-of-the-art"). 1.0 where the regions have no boundary.
    Raises ValueError if the maps' shapes differ.
    """
    _check(superpixels, regions)
    drawn = boundaries(regions)
    if not drawn.any():
        return 1.0
    square = np.ones((2 * tolerance + 1, 2 * tolerance + 1), np.uint8)
    near = cv2.dilate(boundaries(superpixels).astype(np.uint8), square)
    return float(near[drawn].mean())


def undersegmentation_error(superpixels: Labels, regions: Labels) -> float:
    """How much superpixels leak over regions: 0 is perfect (Neubert and Protzel 2012).

    For each region and each superpixel that touches it, the smaller of the part inside and the
    part outside; the sum as a share of the image. Raises ValueError if the maps' shapes differ.
    """
    shared, of_superpixel, _ = _shared(superpixels, regions)
    area = np.bincount(of_superpixel, shared)
    leaks = np.minimum(shared, area[of_superpixel] - shared)
    return float(leaks.sum() / shared.sum())


def achievable_accuracy(superpixels: Labels, regions: Labels) -> float:
    """Share of pixels right if each superpixel is given to one region (Liu et al. 2011).

    The achievable segmentation accuracy: what labelling by whole superpixels can reach at best.
    Raises ValueError if the maps' shapes differ.
    """
    shared, of_superpixel, _ = _shared(superpixels, regions)
    largest = np.zeros(int(of_superpixel.max()) + 1)
    np.maximum.at(largest, of_superpixel, shared)
    return float(largest.sum() / shared.sum())


def boundaries(labels: Labels) -> npt.NDArray[np.bool_]:
    """(H, W) bool: the pixels whose label differs from that to the right or below."""
    edge = np.zeros(labels.shape, dtype=np.bool_)
    edge[:, :-1] |= labels[:, 1:] != labels[:, :-1]
    edge[:-1] |= labels[1:] != labels[:-1]
    return edge


def _shared(
    superpixels: Labels, regions: Labels
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Pixels of each pair that overlaps, and the pair: superpixel and region, both from 0."""
    _check(superpixels, regions)
    _, one = np.unique(superpixels, return_inverse=True)
    found, other = np.unique(regions, return_inverse=True)
    count = len(found)
    pairs = one.ravel().astype(np.int64) * count + other.ravel()
    key, shared = np.unique(pairs, return_counts=True)
    return shared.astype(np.float64), key // count, key % count


def _check(superpixels: Labels, regions: Labels) -> None:
    if superpixels.shape != regions.shape or superpixels.ndim != 2 or superpixels.size == 0:
        raise ValueError(f"label maps must match, not {superpixels.shape} and {regions.shape}")
