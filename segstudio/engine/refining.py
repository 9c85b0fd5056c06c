"""Refining: a model's answer to a prompt with a prior becomes a local edit of that prior."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segstudio.core.annotation import Annotation, Stage
from segstudio.core.mask import Box, Mask
from segstudio.core.prompt import Candidate, Candidates, Prompt


@dataclass(frozen=True)
class Refinement:
    """How a mask was made from an annotation's old one.

    `prompt` holds the old mask as its prior; `candidate` is the model's, with its scores;
    `seconds` is what a person spent on it; `attributes` are added to those there.
    """

    candidate: Candidate
    prompt: Prompt
    model_key: str
    seconds: float = 0.0
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def noted(self, annotation: Annotation) -> Annotation:
        """The annotation with this as what its mask was made with last."""
        return replace(
            annotation,
            attributes={**annotation.attributes, **self.attributes},
            stage=Stage.ASSISTED,
            model_key=self.model_key,
            prompt=self.prompt,
            predicted_iou=self.candidate.predicted_iou,
            stability=self.candidate.stability,
            seconds=annotation.seconds + self.seconds,
        )


# A model's outline is off by up to half a cell of its own grid, of which SAM has 256 along the
# longer side. What hangs on a region by a thread thinner than that is another outline's slack.
_SLACK = 1 / 512

# Where no model can be brought to see a click, a disc of this share of the image's longer side,
# but never more than a third of the way to a click that says the opposite.
_DAB = 1 / 100

# A region that a negative click names may take at most this share of the mask with it.
_MOST_REMOVED = 0.5

_FLOOD = 2

Predict = Callable[[Prompt], Candidates]
Bytes = npt.NDArray[np.uint8]
_Clicks = Sequence[tuple[float, float]]
_Window = tuple[int, int, int, int]  # x0, y0, x1, y1 in whole pixels, half-open


def refined(
    prior: Mask, answer: Candidates, prompt: Prompt, within: Box | None = None
) -> Candidates:
    """Each mask of `answer` as a local edit of `prior`; masks that come out equal are one.

    Positive points add the connected parts of (answer minus prior) that they lie in, negative ones
    remove those of (prior minus answer). Of such a part, what hangs on by no more than the slack
    between two outlines stays behind. A box limits all changes to its inside; without points, the
    answer replaces the prior there. `within` limits them as well: what the model looked at.
    Without points and box the prior is what comes back. Scores stay the answer's own.
    """
    limit = _limit(prior.size, prompt.box, within)
    items = [
        replace(item, mask=_edited(prior, item.mask, prompt, limit), logits=None)
        for item in answer.items
    ]
    return Candidates(_distinct(items), answer.model_key)


def kept(prompt: Prompt, model_key: str) -> Candidates | None:
    """The answer to a prior alone, which no model need be asked for: that prior; else None."""
    if prompt.prior is None or prompt.points or prompt.box is not None:
        return None
    return Candidates((Candidate(prompt.prior, 1.0, 1.0),), model_key)


def refine(
    predict: Predict, prompt: Prompt, model_key: str, within: Box | None = None
) -> Candidates:
    """The answer to a prompt with a prior: the prior, changed near the clicks or in the box only.

    Where the model's answer leaves a click unheard, the model is asked once more without the
    prior for what lies under such clicks: positive ones add that region, negative ones take it
    out. Where it still says nothing, a small disc does, so that every click inside the box and
    `within` is right in the end. `predict` asks the model. Raises what it raises, and ValueError
    for a prompt without a prior.
    """
    prior = prompt.prior
    if prior is None:
        raise ValueError("a prompt without a prior refines nothing")
    unchanged = kept(prompt, model_key)
    if unchanged is not None:
        return unchanged
    # Beside points the box is a limit, not a hint of where the object ends.
    answer = predict(replace(prompt, box=None) if prompt.points else prompt)
    found = refined(prior, answer, prompt, within)
    items = list(found.items) or [Candidate(prior, 0.0, 0.0)]
    if prompt.points:
        limit = _limit(prior.size, prompt.box, within)
        items = _heard(predict, prompt, items, limit)
    return Candidates(_distinct(items), model_key)


# -- edits of one mask ---------------------------------------------------------------------------


def _limit(size: tuple[int, int], *boxes: Box | None) -> _Window:
    """The pixels whose centres lie in all of the boxes."""
    x0, y0, x1, y1 = 0, 0, size[1], size[0]
    for box in boxes:
        if box is not None:
            x0, y0 = max(x0, math.ceil(box.x0 - 0.5)), max(y0, math.ceil(box.y0 - 0.5))
            x1, y1 = min(x1, math.ceil(box.x1 - 0.5)), min(y1, math.ceil(box.y1 - 0.5))
    return x0, y0, max(x0, x1), max(y0, y1)


def _edited(prior: Mask, answer: Mask, prompt: Prompt, limit: _Window) -> Mask:
    if prompt.points:
        positive, negative = _clicks(prompt, 1), _clicks(prompt, 0)
        added = _touched(answer, prior, positive, limit)
        return prior.union(added).subtract(_touched(prior, answer, negative, limit))
    if prompt.box is None or not _pixels(limit):
        return prior
    x0, y0, x1, y1 = limit
    whole = Mask.from_crop(np.ones((y1 - y0, x1 - x0), dtype=bool), (x0, y0), prior.size)
    return prior.subtract(whole).union(answer.intersect(whole))


def _clicks(prompt: Prompt, label: int) -> _Clicks:
    return [xy for xy, own in zip(prompt.points, prompt.labels, strict=True) if own == label]


def _pixels(window: _Window) -> int:
    return (window[2] - window[0]) * (window[3] - window[1])


def _touched(mask: Mask, other: Mask, clicks: _Clicks, limit: _Window) -> Mask:
    """The parts of (`mask` minus `other`), inside `limit`, that the clicks lie in."""
    box = mask.box
    x0, y0 = max(limit[0], int(box.x0)), max(limit[1], int(box.y0))
    x1, y1 = min(limit[2], int(box.x1)), min(limit[3], int(box.y1))
    if not clicks or x1 <= x0 or y1 <= y0:
        return Mask.empty(mask.size)
    field = (mask.crop(x0, y0, x1, y1) & ~other.crop(x0, y0, x1, y1)).view(np.uint8)
    kept = np.zeros(field.shape, dtype=bool)
    slack = max(mask.size) * _SLACK
    for x, y in clicks:
        column, row = math.floor(x) - x0, math.floor(y) - y0
        inside = 0 <= row < field.shape[0] and 0 <= column < field.shape[1]
        if inside and field[row, column] and not kept[row, column]:
            _keep_part(field, (column, row), slack, kept)
    return Mask.from_crop(kept, (x0, y0), mask.size)


def _keep_part(
    field: Bytes, at: tuple[int, int], slack: float, kept: npt.NDArray[np.bool_]
) -> None:
    """Add to `kept` the part of `field` around `at` (x, y), without what hangs on by a thread."""
    left, top, width, height = _flooded(field, at)
    here = np.s_[top : top + height, left : left + width]
    part = (field[here] == _FLOOD).astype(np.uint8)
    field[here][part != 0] = 1
    column, row = at[0] - left, at[1] - top
    depth = cv2.distanceTransform(np.pad(part, 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    reach = math.ceil(4 * slack)
    near = np.s_[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
    thread = min(slack, 0.25 * float(depth[near].max()))
    core = (depth > thread).astype(np.uint8)
    rows, columns = np.nonzero(core[near])
    rows, columns = rows + near[0].start, columns + near[1].start
    nearest = int(np.argmin((rows - row) ** 2 + (columns - column) ** 2))
    _flooded(core, (int(columns[nearest]), int(rows[nearest])))
    away = cv2.distanceTransform((core != _FLOOD).astype(np.uint8), cv2.DIST_L2, 5)
    kept[here] |= (part != 0) & (away <= 2 * thread + 1)
    kept[at[1], at[0]] = True


def _flooded(field: Bytes, at: tuple[int, int]) -> tuple[int, int, int, int]:
    """Write `_FLOOD` into the 4-connected part around `at` (x, y); its x, y, width and height."""
    _, _, _, (left, top, width, height) = cv2.floodFill(field, None, at, _FLOOD, flags=4)
    return left, top, width, height


def _distinct(items: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """In the same order; of equal masks the one with the highest predicted IoU."""
    best: dict[Mask, Candidate] = {}
    for item in items:
        known = best.get(item.mask)
        if known is None or item.predicted_iou > known.predicted_iou:
            best[item.mask] = item
    return tuple(best.values())


# -- clicks that the model did not hear ----------------------------------------------------------


def _heard(
    predict: Predict, prompt: Prompt, items: Sequence[Candidate], limit: _Window
) -> list[Candidate]:
    """The items, and each click that is still wrong in them put right."""
    positive, negative = (
        [xy for xy in _clicks(prompt, label) if _inside(xy, limit)] for label in (1, 0)
    )
    missed = [xy for xy in positive if any(not item.mask.contains(*xy) for item in items)]
    unheard = [xy for xy in negative if any(item.mask.contains(*xy) for item in items)]
    regions = _regions(predict, missed, _clicks(prompt, 0))
    against = _regions(predict, unheard, _clicks(prompt, 1))
    heard = []
    for item in items:
        lacking = [xy for xy in missed if not item.mask.contains(*xy)]
        found = [region for region in regions if _covers(region.mask, lacking)]
        for wider in _widened(item, found, lacking, limit):
            wrong = [xy for xy in unheard if wider.mask.contains(*xy)]
            mask = _without_region(wider.mask, against, wrong, limit)
            heard.append(replace(wider, mask=_dabbed(mask, prompt, limit)))
    return heard


def _regions(predict: Predict, clicks: _Clicks, others: _Clicks) -> tuple[Candidate, ...]:
    """What the model sees under `clicks`, with no prior in mind."""
    if not clicks:
        return ()
    labels = (1,) * len(clicks) + (0,) * len(others)
    return predict(Prompt((*clicks, *others), labels)).items


def _covers(mask: Mask, clicks: _Clicks) -> bool:
    return any(mask.contains(*xy) for xy in clicks)


def _widened(
    item: Candidate, regions: Sequence[Candidate], clicks: _Clicks, limit: _Window
) -> list[Candidate]:
    """The item with each region's part under the clicks; the item itself where there is none."""
    return [
        replace(region, mask=item.mask.union(_touched(region.mask, item.mask, clicks, limit)))
        for region in (replace(region, logits=None) for region in regions)
    ] or [item]


def _without_region(
    mask: Mask, regions: Sequence[Candidate], clicks: _Clicks, limit: _Window
) -> Mask:
    """The mask less the likeliest of the regions under the clicks that leaves most of it."""
    for region in sorted(regions, key=lambda region: -region.predicted_iou):
        if _covers(region.mask, clicks):
            gone = _touched(mask.intersect(region.mask), Mask.empty(mask.size), clicks, limit)
            if gone.area <= _MOST_REMOVED * mask.area:
                return mask.subtract(gone)
    return mask


def _dabbed(mask: Mask, prompt: Prompt, limit: _Window) -> Mask:
    """The mask with a disc around each click that is still wrong, the last click on top."""
    for xy, label in zip(prompt.points, prompt.labels, strict=True):
        if _inside(xy, limit) and mask.contains(*xy) != bool(label):
            gaps = [math.dist(xy, other) / 3 for other in _clicks(prompt, 1 - label)]
            disc = _disc(xy, min([max(mask.size) * _DAB, *gaps]), limit, mask.size)
            mask = mask.union(disc) if label else mask.subtract(disc)
    return mask


def _inside(xy: tuple[float, float], limit: _Window) -> bool:
    return limit[0] <= math.floor(xy[0]) < limit[2] and limit[1] <= math.floor(xy[1]) < limit[3]


def _disc(xy: tuple[float, float], radius: float, limit: _Window, size: tuple[int, int]) -> Mask:
    """The pixels whose centres are no further away, inside `limit`; the click's own always."""
    column, row = math.floor(xy[0]), math.floor(xy[1])
    most = math.ceil(radius)
    x0, y0 = max(limit[0], column - most), max(limit[1], row - most)
    x1, y1 = min(limit[2], column + most + 1), min(limit[3], row + most + 1)
    ys, xs = np.mgrid[y0:y1, x0:x1]
    filled = (xs - column) ** 2 + (ys - row) ** 2 <= radius**2
    return Mask.from_crop(filled, (x0, y0), size)
