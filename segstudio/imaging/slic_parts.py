"""Connected superpixels: small parts join the neighbour that is nearest in colour.

Works on runs of equal labels along rows: they are about a tenth as many as pixels.
"""

from __future__ import annotations

import numpy as np

from segstudio.imaging.compiling import Array, Scalar, compiled

_F = np.float32


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
def find_runs(labels: Array, starts: Array, first: Array) -> None:
    """Fill `starts` (runs + 1,) with columns and `first` (H + 1,) with each row's first run."""
    n = 0
    for y in range(labels.shape[0]):
        row = labels[y]
        first[y] = n
        starts[n] = 0
        n += 1
        for x in range(1, len(row)):
            if row[x] != row[x - 1]:
                starts[n] = x
                n += 1
    first[labels.shape[0]] = n
    starts[n] = 0


@compiled
def join_runs(labels: Array, starts: Array, first: Array, parent: Array) -> None:
    """Join the runs of equal label that touch (4-neighbours): `parent` (runs,) int32.

    A root is its own parent, and is the first run of its part. Afterwards every run's parent is
    its root.
    """
    width = labels.shape[1]
    for run in range(len(parent)):
        parent[run] = run
    for y in range(1, labels.shape[0]):
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
    for run in range(len(parent)):
        parent[run] = parent[parent[run]]


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
def number_parts(
    labels: Array,
    starts: Array,
    first: Array,
    parent: Array,
    centres: Array,
    weights: Array,
    least: int,
    number: Array,
) -> int:
    """Fill `number` (runs,) int32 with the final label of each root; returns how many there are.

    A part of fewer than `least` pixels takes the number of a part that is met before it and
    touches its first run; of several, of the one whose centre's colour is nearest to its own.
    """
    height, width = labels.shape
    number[:] = 0
    for y in range(height):
        for run in range(first[y], first[y + 1]):
            end = starts[run + 1] if run + 1 < first[y + 1] else width
            number[parent[run]] += end - starts[run]
    count = 0
    for y in range(height):
        for run in range(first[y], first[y + 1]):
            if parent[run] != run:
                continue
            target = -1
            if number[run] < least:
                end = starts[run + 1] if run + 1 < first[y + 1] else width
                target = _neighbour(labels, starts, first, y, run, end, centres, weights)
            if target >= 0:
                number[run] = number[parent[target]]
            else:
                number[run] = count
                count += 1
    return count


@compiled
def _neighbour(
    labels: Array,
    starts: Array,
    first: Array,
    y: int,
    run: int,
    end: int,
    centres: Array,
    weights: Array,
) -> int:
    """The run to the left of or above `run` that is nearest in colour; -1 for the very first."""
    start = starts[run]
    own = labels[y, start]
    target, nearest = -1, _F(0)
    if start > 0:
        target = run - 1
        nearest = _away(centres, own, labels[y, start - 1], weights)
    if y == 0:
        return target
    low, high = first[y - 1], first[y] - 1  # the run above that has the column `start`
    while low < high:
        middle = (low + high + 1) // 2
        if starts[middle] <= start:
            low = middle
        else:
            high = middle - 1
    while low < first[y] and starts[low] < end:
        away = _away(centres, own, labels[y - 1, max(starts[low], start)], weights)
        if target < 0 or away < nearest:
            target, nearest = low, away
        low += 1
    return target


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
