"""Connected superpixels: small parts join the neighbour that is nearest in colour.

Works on runs of equal labels along rows: they are about a tenth as many as pixels.
"""

from __future__ import annotations

import numpy as np

from segstudio.imaging.compiling import Array, Scalar, compiled

_F = np.float32
_ENDLESS = 1 << 30  # more pixels than small parts can have


@compiled
def count_runs(labels: Array) -> int:
    """Runs of equal labels along the rows of (H, W) int32 `labels`."""
    height, width = labels.shape
    count = height
    for y in range(height):
        row, more = labels[y], 0
        for x in range(1, width):
            more += row[x] != row[x - 1]
        count += more
    return int(count)


@compiled
def find_runs(labels: Array, starts: Array, first: Array, top: int, bottom: int) -> None:
    """For rows top..bottom: `starts` (runs,) gets columns, `first` (H + 1,) each row's first run.

    The rows above must have been done, and `first[0]` be 0.
    """
    n = first[top]
    for y in range(top, bottom):
        row = labels[y]
        starts[n] = 0
        n += 1
        for x in range(1, len(row)):
            if row[x] != row[x - 1]:
                starts[n] = x
                n += 1
        first[y + 1] = n


@compiled
def join_runs(
    labels: Array, starts: Array, first: Array, parent: Array, top: int, bottom: int
) -> None:
    """Join the runs of rows top..bottom to those of equal label that they touch above.

    `parent` (runs,) int32: a root is its own parent, and is the first run of its part.
    """
    width = labels.shape[1]
    for run in range(first[top], first[bottom]):
        parent[run] = run
    for y in range(max(1, top), bottom):
        above, row = labels[y - 1], labels[y]
        i, r, last = first[y - 1], first[y], first[y + 1]
        until = r
        end_i = starts[i + 1] if i + 1 < until else width
        end_r = starts[r + 1] if r + 1 < last else width
        while True:
            if above[end_i - 1] == row[end_r - 1]:
                _join(parent, i, r)
            ahead = end_i - end_r
            if ahead <= 0:
                i += 1
                if i == until:
                    break
                end_i = starts[i + 1] if i + 1 < until else width
            if ahead >= 0:
                r += 1
                end_r = starts[r + 1] if r + 1 < last else width


@compiled
def _join(parent: Array, one: int, other: int) -> None:
    a, b = parent[one], parent[other]
    while parent[a] != a:
        a = parent[a]
    while parent[b] != b:
        b = parent[b]
    if a < b:
        parent[b] = a
    else:
        parent[a] = b


@compiled
def measure_parts(
    starts: Array, first: Array, parent: Array, area: Array, width: int, top: int, bottom: int
) -> None:
    """Each run's parent becomes its root, whose `area` (runs,) int32 counts the part's pixels."""
    for y in range(top, bottom):
        for run in range(first[y], first[y + 1]):
            end = starts[run + 1] if run + 1 < first[y + 1] else width
            root = parent[parent[run]]
            parent[run] = root
            area[root] += end - starts[run]


@compiled
def number_parts(
    labels: Array,
    starts: Array,
    first: Array,
    parent: Array,
    centres: Array,
    weights: Array,
    least: int,
    number: Array,
    room: Array,
    count: int,
    top: int,
    bottom: int,
) -> int:
    """Turn areas in `number` (runs,) into final labels, from `count` on; returns the next one.

    A part of fewer than `least` pixels takes the number of a part that is met before it and
    touches its first run; of several, of the one whose centre's colour is nearest to its own.
    Where small parts find no large one, `4 * least` of their pixels make one label: `room`
    (runs,) int32 says by label how many more it takes.
    """
    width = labels.shape[1]
    for y in range(top, bottom):
        for run in range(first[y], first[y + 1]):
            if parent[run] != run:
                continue
            area, target = number[run], -1
            if area < least:
                end = starts[run + 1] if run + 1 < first[y + 1] else width
                target = _neighbour(
                    labels, starts, first, parent, number, room, y, run, end, centres, weights
                )
            if target >= 0:
                number[run] = target
                room[target] -= area
            else:
                number[run] = count
                room[count] = 4 * least - area if area < least else _ENDLESS
                count += 1
    return int(count)


@compiled
def _neighbour(
    labels: Array,
    starts: Array,
    first: Array,
    parent: Array,
    number: Array,
    room: Array,
    y: int,
    run: int,
    end: int,
    centres: Array,
    weights: Array,
) -> int:
    """The final label with room, to the left of or above `run`, nearest in colour; or -1."""
    start = starts[run]
    own = labels[y, start]
    target, nearest = np.int64(-1), _F(0)
    if start > 0:
        label = number[parent[run - 1]]
        if room[label] > 0:
            target, nearest = label, _away(centres, own, labels[y, start - 1], weights)
    if y == 0:
        return int(target)
    low, high = first[y - 1], first[y] - 1  # the run above that has the column `start`
    while low < high:
        middle = (low + high + 1) // 2
        if starts[middle] <= start:
            low = middle
        else:
            high = middle - 1
    while low < first[y] and starts[low] < end:
        label = number[parent[low]]
        if room[label] > 0:
            away = _away(centres, own, labels[y - 1, max(starts[low], start)], weights)
            if target < 0 or away < nearest:
                target, nearest = label, away
        low += 1
    return int(target)


@compiled
def _away(centres: Array, one: int, other: int, weights: Array) -> Scalar:
    total = _F(0)
    for channel in range(3):
        step = centres[one, channel] - centres[other, channel]
        total += weights[channel] * step * step
    return total


@compiled
def write_numbers(
    labels: Array, starts: Array, first: Array, parent: Array, number: Array, top: int, bottom: int
) -> None:
    """The final labels of rows top..bottom in place of the cells'."""
    width = labels.shape[1]
    for y in range(top, bottom):
        row = labels[y]
        for run in range(first[y], first[y + 1]):
            end = starts[run + 1] if run + 1 < first[y + 1] else width
            row[starts[run] : end] = number[parent[run]]
