"""The pick-list: which of the raw results of "everything" are shown, and which one is meant.

The filters are those of SAM's automatic mask generator (Kirillov et al. 2023, section B) in its
order, so that its own thresholds leave exactly its own masks; area and what is labelled already
come after them, and only ever take away.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segstudio.core.annotation import Annotation
from segstudio.core.mask import BoolArray, Box, Runs
from segstudio.core.progress import CancelToken
from segstudio.core.prompt import Candidate
from segstudio.engine.everything_results import RawResults
from segstudio.engine.labelled import COVERED, Labelled
from segstudio.metrics.boxes import Float32s, box_areas, box_iou, corners

LEAST_OVERLAP = 0.3  # pairs of boxes that overlap less are not looked at
MOSTLY_INSIDE = 0.9  # a dragged rectangle takes a mask with this share of its pixels in it

_CROP_NMS = 0.7  # the official threshold between crops; it has no slider
_ROWS = 256  # boxes compared with all others at once

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PickFilters:
    """What is shown; the defaults are the official thresholds, on the model's own scale.

    `predicted_iou` must be exceeded, `stability` reached. Of two masks whose boxes have a larger
    IoU than `overlap` (at least `LEAST_OVERLAP`; 1: all stay) the one with the lower predicted IoU
    goes. `min_area` and `max_area` are shares of the image, both included. With `unlabelled_only`,
    masks that annotations cover to `COVERED` are left out.
    """

    predicted_iou: float = 0.88
    stability: float = 0.95
    overlap: float = 0.7
    min_area: float = 0.0
    max_area: float = 1.0
    unlabelled_only: bool = True


@dataclass(frozen=True)
class _Pairs:
    """Pairs of which the second one goes if the first one stays, largest IoU first."""

    first: Indices
    second: Indices
    iou: npt.NDArray[np.float64]

    def above(self, overlap: float) -> tuple[Indices, Indices]:
        count = int(np.searchsorted(-self.iou, -overlap, side="left"))
        return self.first[:count], self.second[:count]


class PickList:
    """Raw results prepared for filtering; immutable, may be used from any thread.

    Making it compares all boxes once (0.1 s for 3000 masks; call it off the GUI thread); `shown`
    then costs milliseconds. Masks are named by their index in the raw results. Raises Cancelled.
    """

    def __init__(self, raw: RawResults, cancel: CancelToken) -> None:
        items = raw.candidates.items
        self.raw = raw
        self.items: tuple[Candidate, ...] = items
        self.size = items[0].mask.size if items else (0, 0)
        self._iou = np.array([item.predicted_iou for item in items], dtype=np.float32)
        self._stability = np.array([item.stability for item in items], dtype=np.float32)
        self.areas = np.array([item.mask.area for item in items], dtype=np.int64)
        self.boxes = np.array([item.mask.box for item in items], dtype=np.float64).reshape(-1, 4)
        outermost = corners(self.boxes)
        crops, order = _crops(items)
        several = len(items) > 0 and bool((crops != crops[0]).any())
        self._within = _pairs(outermost, np.arange(len(items)), crops, LEAST_OVERLAP, cancel)
        self._across = _pairs(outermost, order, None, _CROP_NMS, cancel) if several else None
        self._alike: dict[tuple[int, int], list[int]] = {}
        for index, item in enumerate(items):
            self._alike.setdefault((item.mask.area, len(item.mask.runs)), []).append(index)

    def __len__(self) -> int:
        return len(self.items)

    def filtered(
        self,
        filters: PickFilters,
        covered: Covered | None = None,
        left_out: Iterable[int] = (),
    ) -> Indices:
        """(n,) indices of what is shown, best first.

        `covered` is what `unlabelled_only` goes by; those `left_out` (accepted, dismissed) still
        hide their duplicates.
        """
        # Scores are float32 where they come from a network, and compared as such there.
        kept = self._iou > np.float32(filters.predicted_iou)
        kept &= self._stability >= np.float32(filters.stability)
        kept = _greedy(kept, *self._within.above(filters.overlap))
        if self._across is not None:
            kept = _greedy(kept, self._across.first, self._across.second)
        pixels = self.size[0] * self.size[1]
        kept &= (self.areas >= filters.min_area * pixels) & (
            self.areas <= filters.max_area * pixels
        )
        kept[list(left_out)] = False
        found = np.flatnonzero(kept)
        if filters.unlabelled_only and covered is not None:
            found = found[covered.shares(found) < COVERED]
        return found

    def accepted(self, annotations: Iterable[Annotation]) -> frozenset[int]:
        """The masks that are annotations now, pixel for pixel; undo takes them away again."""
        found = set()
        for annotation in annotations:
            mask = annotation.mask
            for index in self._alike.get((mask.area, len(mask.runs)), ()):
                if self.items[index].mask == mask:
                    found.add(index)
        return frozenset(found)


class Covered:
    """How much of each pick the annotations cover; asked and counted at most once for each."""

    def __init__(self, picks: PickList, annotations: Sequence[Annotation]) -> None:
        self._masks = [item.mask for item in picks.items]
        self._labelled = Labelled(annotations, picks.size) if len(picks) else None
        self._shares = np.full(len(picks), np.nan)

    def shares(self, indices: Indices) -> npt.NDArray[np.float64]:
        """(n,) 0 to 1, of these picks."""
        if self._labelled is not None:
            for index in indices[np.isnan(self._shares[indices])].tolist():
                self._shares[index] = self._labelled.share(self._masks[index])
        return self._shares[indices]


class Shown:
    """The masks that are shown, for finding the one under the pointer or those in a rectangle."""

    def __init__(self, picks: PickList, indices: Indices) -> None:
        self.picks = picks
        self.indices = indices
        self._smallest_first = indices[np.argsort(picks.areas[indices], kind="stable")]
        self._members = frozenset(indices.tolist())
        self._boxes = picks.boxes[self._smallest_first]
        self._ends: dict[int, Runs] = {}

    def __len__(self) -> int:
        return len(self.indices)

    def __contains__(self, index: object) -> bool:
        return index in self._members

    @property
    def bounds(self) -> Box:
        """The smallest box around all of them; (0, 0, 0, 0) if there are none."""
        if not len(self.indices):
            return Box(0, 0, 0, 0)
        low, high = self._boxes[:, :2].min(axis=0), self._boxes[:, 2:].max(axis=0)
        return Box(*low.tolist(), *high.tolist())

    def in_sight(self, x0: float, y0: float, x1: float, y1: float) -> list[int]:
        """Those whose box meets that part of the image, largest first: the order of drawing."""
        left, top, right, bottom = self._boxes.T
        seen = (left < x1) & (right > x0) & (top < y1) & (bottom > y0)
        return [int(index) for index in self._smallest_first[seen][::-1]]

    def candidates(self, indices: Iterable[int]) -> tuple[Candidate, ...]:
        """These masks, largest first, so that small ones come to lie in front."""
        chosen = sorted(indices, key=lambda index: -int(self.picks.areas[index]))
        return tuple(self.picks.items[index] for index in chosen)

    def at(self, x: float, y: float) -> int | None:
        """The smallest mask that has the pixel under image position (x, y).

        Quick enough for every pointer move: boxes are compared at once, and a mask's run ends are
        summed up when its box is first hit, and kept.
        """
        x0, y0, x1, y1 = self._boxes.T
        hit = np.flatnonzero((x0 <= x) & (x < x1) & (y0 <= y) & (y < y1))
        pixel = int(x) * self.picks.size[0] + int(y)  # runs go column by column
        for place in hit.tolist():
            index = int(self._smallest_first[place])
            ends = self._ends.get(index)
            if ends is None:
                ends = self._ends[index] = np.cumsum(self.picks.items[index].mask.runs)
            if int(np.searchsorted(ends, pixel, side="right")) % 2:
                return index
        return None

    def inside(self, box: Box) -> tuple[int, ...]:
        """The masks that lie in `box` (image pixels) with `MOSTLY_INSIDE` of their pixels."""
        height, width = self.picks.size
        x0, x1 = (min(width, max(0, round(value))) for value in (box.x0, box.x1))
        y0, y1 = (min(height, max(0, round(value))) for value in (box.y0, box.y1))
        low = np.maximum(self._boxes[:, :2], (x0, y0))
        high = np.minimum(self._boxes[:, 2:], (x1, y1))
        room = np.prod(np.maximum(high - low, 0), axis=1)
        areas = self.picks.areas[self._smallest_first]
        found = []
        for place in np.flatnonzero(room >= MOSTLY_INSIDE * areas).tolist():
            index = int(self._smallest_first[place])
            left, top = (int(value) for value in low[place])
            right, bottom = (int(value) for value in high[place])
            part = self.picks.items[index].mask.crop(left, top, right, bottom)
            if np.count_nonzero(part) >= MOSTLY_INSIDE * areas[place]:
                found.append(index)
        return tuple(found)


def _crops(items: Sequence[Candidate]) -> tuple[Indices, Indices]:
    """(N,) a number for each item's crop, and (N,) its rank where smaller crops are preferred.

    Crops of equal size come as the official generator has them, left to right, then downwards, and
    the items of one crop in their own order.
    """
    whole = (0.0, 0.0, 0.0, 0.0)
    boxes = np.array([item.crop or whole for item in items], dtype=np.float64).reshape(-1, 4)
    unique, number = np.unique(boxes, axis=0, return_inverse=True)
    number = number.reshape(-1).astype(np.int64)
    area = np.prod(unique[:, 2:] - unique[:, :2], axis=1)
    area[area == 0] = np.inf  # no crop: the whole image
    order = np.lexsort((np.arange(len(items)), boxes[:, 1], boxes[:, 0], area[number]))
    rank = np.empty(len(items), dtype=np.int64)
    rank[order] = np.arange(len(items))
    return number, rank


def _pairs(
    boxes: Float32s, rank: Indices, crops: Indices | None, least: float, cancel: CancelToken
) -> _Pairs:
    """All pairs of boxes with an IoU above `least`, the one of lower rank first.

    With `crops`, only those of the same crop. IoU is computed as torchvision's `nms` does, in
    float32. Boxes are sorted by area: those of very different areas cannot overlap that much.
    """
    areas = box_areas(boxes)
    by_area = np.argsort(areas, kind="stable")
    sorted_areas, boxes = areas[by_area].astype(np.float64), boxes[by_area]
    firsts, seconds, ious = [], [], []
    for start in range(0, len(by_area), _ROWS):
        cancel.check()
        rows = slice(start, min(start + _ROWS, len(by_area)))
        limit = sorted_areas[rows.stop - 1] / (least * 0.999)
        stop = int(np.searchsorted(sorted_areas, limit, side="right"))
        overlap = box_iou(boxes[rows], boxes[start:stop])
        row, column = np.nonzero(overlap > np.float64(least))
        later = column > row
        row, column = row[later], column[later]
        one, other = by_area[start + row], by_area[start + column]
        if crops is not None:
            same = crops[one] == crops[other]
            one, other, row, column = one[same], other[same], row[same], column[same]
        swap = rank[one] > rank[other]
        firsts.append(np.where(swap, other, one))
        seconds.append(np.where(swap, one, other))
        ious.append(overlap[row, column].astype(np.float64))
    if not firsts:
        none = np.zeros(0, dtype=np.int64)
        return _Pairs(none, none, np.zeros(0))
    first, second, iou = map(np.concatenate, (firsts, seconds, ious))
    order = np.argsort(-iou, kind="stable")
    return _Pairs(first[order], second[order], iou[order])


def _greedy(alive: BoolArray, first: Indices, second: Indices) -> BoolArray:
    """Non-maximum suppression: of `alive`, those that no kept one before them suppresses.

    Everything is suppressed that might be, then what was suppressed by something that is itself
    suppressed comes back, and so on until nothing changes: the greedy result, in a few rounds.
    """
    both = alive[first] & alive[second]
    first, second = first[both], second[both]
    kept = alive
    while True:
        suppressed = np.zeros(len(alive), dtype=np.bool_)
        suppressed[second[kept[first]]] = True
        again = alive & ~suppressed
        if np.array_equal(again, kept):
            return again
        kept = again
