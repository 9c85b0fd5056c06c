"""Masks as vector shapes: what the canvas fills and outlines at any zoom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QRectF

from segstudio.core.annotation import Annotation
from segstudio.core.mask import Mask
from segstudio.imaging.contours import polygons

EXACT_TURNS = 4000
TOLERANCE = 0.75


@dataclass(frozen=True, eq=False)
class Shape:
    """One mask: `rings` are (N, 2) int32 xy corners, outer ones and holes, to be filled by the
    even-odd rule; `rect` holds them. All in image pixels.
    """

    rings: tuple[npt.NDArray[np.int32], ...]
    rect: QRectF


def mask_shape(mask: Mask) -> Shape:
    """The mask's outline, holes included.

    Exact along the pixels' edges up to `EXACT_TURNS` turns; a rougher one is drawn within
    `TOLERANCE` pixels. Costs what the mask's box holds; call it off the GUI thread.
    """
    rings = [ring for piece in polygons(mask) for ring in (piece.outer, *piece.holes)]
    if sum(len(ring) for ring in rings) > EXACT_TURNS:
        rings = [
            np.asarray(cv2.approxPolyDP(ring, TOLERANCE, True), dtype=np.int32).reshape(-1, 2)
            for ring in rings
        ]
    return Shape(tuple(rings), QRectF(*mask.bbox))


def annotation_shapes(annotations: Iterable[Annotation]) -> dict[int, Shape]:
    """Annotation id to shape."""
    return {annotation.id: mask_shape(annotation.mask) for annotation in annotations}
