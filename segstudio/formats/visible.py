"""What is seen of masks that lie over one another, reckoned on their runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segstudio.core.mask import Mask, Runs


def visible_parts(masks: Sequence[Mask]) -> list[Mask]:
    """Each mask without what those after it cover; they come from the back to the front.

    All are of one (H, W). The pixels that no mask begins or ends between are one piece, and each
    piece belongs to the last mask over it: no pixel is ever painted, so that this can prove those
    who paint. Costs as much as there are runs.
    """
    if not masks:
        return []
    intervals = [_intervals(mask) for mask in masks]
    positions = np.unique(np.concatenate([edge for pair in intervals for edge in pair]))
    owner = np.full(max(len(positions) - 1, 0), -1, dtype=np.int64)
    for number, (starts, ends) in enumerate(intervals):
        if not len(starts):
            continue
        first, last = np.searchsorted(positions, starts), np.searchsorted(positions, ends)
        low, high = int(first[0]), int(last[-1])
        steps = np.zeros(high - low + 1, dtype=np.int64)
        steps[first - low] = 1
        steps[last - low] -= 1
        owner[low:high][np.cumsum(steps[:-1]) > 0] = number
    order = np.argsort(owner, kind="stable")
    cuts = np.searchsorted(owner[order], np.arange(len(masks) + 1))
    parts = []
    for number, mask in enumerate(masks):
        pieces = order[cuts[number] : cuts[number + 1]]
        column = np.zeros(len(pieces), dtype=np.int64)
        parts.append(
            Mask.from_column_runs(column, positions[pieces], positions[pieces + 1], mask.size)
        )
    return parts


def _intervals(mask: Mask) -> tuple[Runs, Runs]:
    """Where the foreground's runs start and end, as pixel indices down the columns."""
    bounds = np.cumsum(mask.runs)
    ends = bounds[1::2]
    return bounds[0::2][: len(ends)], ends
