"""Things cut out of labelled photographs, with an edge that takes nothing of the old background."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from segstudio.models.prompt_training.preparing import SIDE, shrunk

_LEAST, _MOST_SHARE = 1500, 0.6  # px, and of the image, that a thing covers
_CUT_OFF = 0.12  # of its outline, at most, may lie on the image's border
_INSIDE = 0.9  # of a part that must lie in the thing

Bools = npt.NDArray[np.bool_]
Pixels = npt.NDArray[np.uint8]


def cut(image: Pixels, mask: Bools, parts: Sequence[Bools]) -> tuple[Pixels, Pixels] | None:
    """A thing of `image` (H, W, 3) uint8 under `mask` (H, W), at most 320 px long: (h, w, 4) uint8,
    the image's channels and alpha, and its parts (h, w) uint8, 0 outside, 1 where no part is named.

    None where it is small, fills the image, or is cut off by the image's border.
    """
    area = int(mask.sum())
    if not _LEAST <= area <= _MOST_SHARE * mask.size or _cut_off(mask) > _CUT_OFF:
        return None
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, left = max(0, rows[0] - 3), max(0, columns[0] - 3)
    window = slice(top, rows[-1] + 4), slice(left, columns[-1] + 4)
    inside = mask[window]
    named = inside.astype(np.uint8)
    number = 1
    for part in sorted(parts, key=np.count_nonzero, reverse=True):
        if number < 255 and np.count_nonzero(part & mask) > _INSIDE * np.count_nonzero(part):
            number += 1
            named[part[window] & inside] = number
    alpha = _edge(inside)
    colours = _clean(np.asarray(image[window], dtype=np.uint8), inside)
    rgba = shrunk(np.dstack([colours, alpha]), SIDE / max(inside.shape))
    height, width = rgba.shape[:2]
    small = cv2.resize(named, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return rgba, small.astype(np.uint8)


def _cut_off(mask: Bools) -> float:
    """The share of the outline that lies on the image's border."""
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=(0.0,))
    outline = int(mask.sum()) - int(inner.sum())
    border = mask[0].sum() + mask[-1].sum() + mask[:, 0].sum() + mask[:, -1].sum()
    return float(border) / max(1, outline)


def _edge(inside: Bools) -> Pixels:
    """Alpha that falls over about two pixels, the outermost of the mask left out."""
    padded = cv2.erode(inside.astype(np.uint8) * np.uint8(255), np.ones((2, 2), np.uint8))
    return np.asarray(cv2.GaussianBlur(padded, (0, 0), 0.8), dtype=np.uint8)


def _clean(image: Pixels, inside: Bools) -> Pixels:
    """Near the edge colours are drawn outwards from further in: what is there is mixed with the
    background."""
    core = cv2.erode(inside.astype(np.uint8), np.ones((5, 5), np.uint8))
    weight = cv2.GaussianBlur(core.astype(np.float32), (0, 0), 2.5)
    spread = cv2.GaussianBlur(image * core[..., None].astype(np.float32), (0, 0), 2.5)
    inner = spread / np.maximum(weight, 1e-3)[..., None]
    known = (weight > 0.02) & (core == 0)
    return np.where(known[..., None], np.clip(inner, 0, 255), image).astype(np.uint8)
