"""Masks as vector shapes: what the canvas fills and outlines at any zoom."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import cv2
import numpy.typing as npt
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QPainterPath, QPolygonF

from segstudio.core.annotation import Annotation
from segstudio.core.mask import Mask
from segstudio.imaging.contours import polygons

Shape = QPainterPath
EXACT_TURNS = 4000
TOLERANCE = 0.75


def mask_shape(mask: Mask) -> Shape:
    """The mask's outline in image pixels, holes included (odd-even fill).

    Exact along the pixels' edges up to `EXACT_TURNS` turns; a rougher one is drawn within
    `TOLERANCE` pixels. Costs what the mask's box holds; call it off the GUI thread.
    """
    rings: list[npt.NDArray[Any]] = [
        ring for piece in polygons(mask) for ring in (piece.outer, *piece.holes)
    ]
    if sum(len(ring) for ring in rings) > EXACT_TURNS:
        rings = [cv2.approxPolyDP(ring, TOLERANCE, True).reshape(-1, 2) for ring in rings]
    path = QPainterPath()
    path.setFillRule(Qt.FillRule.OddEvenFill)
    for ring in rings:
        path.addPolygon(QPolygonF([QPointF(x, y) for x, y in ring.tolist()]))
        path.closeSubpath()
    return path


def annotation_shapes(annotations: Iterable[Annotation]) -> dict[int, Shape]:
    """Annotation id to shape."""
    return {annotation.id: mask_shape(annotation.mask) for annotation in annotations}
