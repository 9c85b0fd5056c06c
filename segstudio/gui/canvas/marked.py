"""The selected annotations and the one under the pointer, once more over the scene."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segstudio.core.annotation import Annotation
from segstudio.core.prompt import Candidate
from segstudio.gui.canvas.layers import MaskLayer, Pixels, Place
from segstudio.gui.canvas.overlay import Overlay
from segstudio.gui.canvas.pictures import Draw, PictureLayer, Pictures
from segstudio.gui.canvas.preview import (
    EDGE,
    Part,
    Picture,
    Style,
    dashes,
    image_of,
    part_of,
    picture_of,
)

HOVER_BOOST = 0.15
WHITE, BLACK = (255, 255, 255, 255), (0, 0, 0, 255)


class MarkedAnnotations:
    """Keeps two layers of pictures to what the overlay names."""

    def __init__(self, pictures: Pictures) -> None:
        self._selected, self._hovered = pictures.selected, pictures.hovered
        self._rows: dict[PictureLayer, tuple[Annotation, ...]] = {}

    def follow(self, over: Overlay, masks: MaskLayer) -> None:
        """Show other annotations, or the same ones as they are now. Cheap where nothing changed."""
        selected = _rows(masks, frozenset(over.selected))
        if self._is_new(self._selected, selected):
            self._selected.show(_selection(selected) if selected else None)
        hovered = _rows(masks, frozenset({over.hovered} - {None, *over.selected}))
        if self._is_new(self._hovered, hovered):
            self._hovered.show(_highlight(hovered[0], masks) if hovered else None)

    def _is_new(self, layer: PictureLayer, rows: tuple[Annotation, ...]) -> bool:
        old = self._rows.get(layer, ())
        self._rows[layer] = rows
        return not _same(rows, old) or (layer.draw is None and bool(rows))


def _rows(masks: MaskLayer, ids: frozenset[int | None]) -> tuple[Annotation, ...]:
    ids = ids - masks.hidden
    if not ids or not masks.visible:
        return ()
    return tuple(row for row in masks.annotations if row.id in ids)


def _same(one: Sequence[Annotation], other: Sequence[Annotation]) -> bool:
    """Whether they are the very same records: an edit makes new ones."""
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def _as_candidate(row: Annotation) -> Candidate:
    return Candidate(row.mask, 1.0, 1.0)


def _highlight(row: Annotation, masks: MaskLayer) -> Draw:
    candidate = _as_candidate(row)

    def draw(place: Place, ratio: float) -> Picture | None:
        return picture_of(candidate, place, Style(masks.colour(row), HOVER_BOOST), ratio)

    return draw


def _selection(rows: Sequence[Annotation]) -> Draw:
    def draw(place: Place, ratio: float) -> Picture | None:
        return selection_picture(rows, place, ratio)

    return draw


def selection_picture(rows: Sequence[Annotation], place: Place, ratio: float) -> Picture | None:
    """Outlines of all in sight, white below and dashes of black above: seen on every photo."""
    found = [part_of(_as_candidate(row), place) for row in rows]
    parts = [part for part in found if part is not None]
    if not parts:
        return None
    x0 = min(part.corner[0] for part in parts) - EDGE
    y0 = min(part.corner[1] for part in parts) - EDGE
    x1 = max(part.corner[0] + part.covered.shape[1] for part in parts) + EDGE
    y1 = max(part.corner[1] + part.covered.shape[0] for part in parts) + EDGE
    pixels = np.zeros((y1 - y0, x1 - x0, 4), dtype=np.uint8)
    rings = [ring for part in parts for ring in _rings(part, x0, y0)]
    _lines(pixels, rings, WHITE, max(2, round(2.5 * ratio)), closed=True)
    pieces = [piece for ring in rings for piece in dashes(ring, ratio)]
    _lines(pixels, pieces, BLACK, max(1, int(1.5 * ratio)), closed=False)
    whole = len(parts) == len(rows) and all(part.whole for part in parts)
    return Picture(image_of(pixels), (x0, y0), whole)


def _rings(part: Part, x0: int, y0: int) -> list[npt.NDArray[np.int32]]:
    covered = cv2.copyMakeBorder(part.covered, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    rings, _ = cv2.findContours(covered, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    offset = np.array((part.corner[0] - 1 - x0, part.corner[1] - 1 - y0), dtype=np.int32)
    return [np.asarray(ring, dtype=np.int32) + offset for ring in rings]


def _lines(pixels: Pixels, lines: Any, colour: Any, width: int, *, closed: bool) -> None:
    cv2.polylines(pixels, lines, closed, colour, width, cv2.LINE_AA)
