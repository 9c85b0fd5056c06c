"""SLIC's two steps: each pixel to its nearest centre, each centre to the mean of its pixels.

The image is cut into a grid of cells, one for each centre. A pixel is compared with the centres of
its own cell and of the eight around it: all those whose seeds are within 2S of it. For one cell
they are the same nine for all its pixels, and a squared distance less what all nine have in common
is a linear function of L, a, b, x and y; so a cell is a few long loops of products and minima, on
vectors. Distances are Achanta et al.'s: dLab^2 + (compactness / S)^2 * dxy^2.
"""

from __future__ import annotations

import numpy as np

from segstudio.imaging.compiling import Array, Scalar, compiled
from segstudio.imaging.slic_lab import L_STEPS

_F = np.float32
_PIECE = 1024  # pixels at a time: their floats stay in the first cache
_PADDED = 64  # pieces are filled up to a multiple of the longest vector loop
_FAR = _F(1e30)
_LIGHT = _F(1 / L_STEPS**2)  # weight of a squared step of L

# Columns of `centres` and of the sums: L, a, b (steps of the planes, less 128), x, y.
COLUMNS = 5


@compiled
def sweep(
    planes: Array,
    xs: Array,
    ys: Array,
    centres: Array,
    space: Scalar,
    rows: Array,
    sums: Array,
    labels: Array,
) -> None:
    """Assign the pixels of some rows of cells and sum them up, or write their labels.

    `planes` (3, H, W) uint8 Lab; `xs`, `ys` int64 borders of the grid's columns and rows;
    `centres` (cells, 5) float32; `space` float32, the weight of a squared distance in pixels;
    `rows` int64: first and last (excluded) row of cells, and which rows of pixels take part: every
    `rows[3]`th from `rows[2]`. Adds to `sums` (cells, 6) float64: `COLUMNS`, then the number of
    pixels. If `labels` (H, W) int32 is not empty, it gets each pixel's cell, and nothing is added.
    """
    buffer, best = np.empty((5, _PIECE), _F), np.empty(_PIECE, _F)
    nearest, cells = np.empty(_PIECE, np.int32), np.empty(9, np.int32)
    linear, part = np.empty((9, 6), _F), np.empty(6, _F)
    # x and y of a piece's pixels for the two widths that cells have, side by side.
    places, widths = np.zeros((2, 2, _PIECE), _F), np.zeros(2, np.int64)
    step = rows[3]
    for row in range(rows[0], rows[1]):
        start = ys[row] + (rows[2] - ys[row]) % step
        for column in range(len(xs) - 1):
            _linear(centres, row, column, len(xs) - 1, xs[column], start, space, cells, linear)
            for left in range(xs[column], xs[column + 1], _PIECE):
                width = min(_PIECE, xs[column + 1] - left)
                place = places[width & 1]
                if widths[width & 1] != width:
                    widths[width & 1] = width
                    _lay_out(place, width, step)
                high = _PIECE // width
                for top in range(start, ys[row + 1], high * step):
                    bottom = min(ys[row + 1], top + high * step)
                    n = _load(planes, top, bottom, step, left, width, buffer)
                    padded = min(_PIECE, (n + _PADDED - 1) // _PADDED * _PADDED)
                    _choose(
                        buffer, place, linear, left - xs[column], top - start, padded, best, nearest
                    )
                    if labels.size:
                        _write(labels, top, bottom, left, width, nearest, cells)
                    else:
                        nearest[n:padded] = 15  # none
                        _sum_up(buffer, place, nearest, padded, cells, left, top, part, sums)


@compiled
def _linear(
    centres: Array,
    row: int,
    column: int,
    columns: int,
    left: int,
    top: int,
    space: Scalar,
    cells: Array,
    linear: Array,
) -> None:
    """The nine `cells` around one, -1 where there is none, and the linear function of each."""
    k = 0
    for other in range(row - 1, row + 2):
        for beside in range(column - 1, column + 2):
            cell = other * columns + beside
            if other < 0 or beside < 0 or beside >= columns or cell >= len(centres):
                cells[k] = -1
                linear[k, :] = 0
                linear[k, 5] = _FAR
            else:
                cells[k] = cell
                light, red, blue = centres[cell, 0], centres[cell, 1], centres[cell, 2]
                x, y = centres[cell, 3] - _F(left), centres[cell, 4] - _F(top)
                linear[k, 0] = _F(-2) * _LIGHT * light
                linear[k, 1] = _F(-2) * red
                linear[k, 2] = _F(-2) * blue
                linear[k, 3] = _F(-2) * space * x
                linear[k, 4] = _F(-2) * space * y
                colour = _LIGHT * light * light + red * red + blue * blue
                linear[k, 5] = colour + space * (x * x + y * y)
            k += 1


@compiled
def _lay_out(place: Array, width: int, step: int) -> None:
    """x and y of the pixels of a piece that is `width` wide, from its first pixel."""
    for k in range(_PIECE):
        place[0, k] = k % width
        place[1, k] = k // width * step


@compiled
def _load(
    planes: Array, top: int, bottom: int, step: int, left: int, width: int, buffer: Array
) -> int:
    """L, a and b of a piece's pixels as floats, row after row; how many there are."""
    for channel in range(3):
        k = 0
        for y in range(top, bottom, step):
            row, out = planes[channel, y, left : left + width], buffer[channel, k : k + width]
            for x in range(width):
                out[x] = _F(row[x]) - _F(128)
            k += width
    return k


@compiled
def _choose(
    buffer: Array,
    place: Array,
    linear: Array,
    right: int,
    down: int,
    n: int,
    best: Array,
    nearest: Array,
) -> None:
    """The number 0..8 of the nearest centre of each pixel; the nearer cells first."""
    for k in range(n):
        best[k] = _F(2e30)
    for k in range(n):
        nearest[k] = 4
    x, y = _F(right), _F(down)
    for first in (3, 0, 6):
        _three(buffer, place, linear, x, y, first, n, best, nearest)


@compiled
def _three(
    buffer: Array,
    place: Array,
    linear: Array,
    x0: Scalar,
    y0: Scalar,
    first: int,
    n: int,
    best: Array,
    nearest: Array,
) -> None:
    one, two, three = linear[first], linear[first + 1], linear[first + 2]
    a0, a1, a2, a3, a4 = one[0], one[1], one[2], one[3], one[4]
    b0, b1, b2, b3, b4 = two[0], two[1], two[2], two[3], two[4]
    c0, c1, c2, c3, c4 = three[0], three[1], three[2], three[3], three[4]
    a5, b5 = one[5] + a3 * x0 + a4 * y0, two[5] + b3 * x0 + b4 * y0
    c5 = three[5] + c3 * x0 + c4 * y0
    lights, reds, blues, xs, ys = buffer[0], buffer[1], buffer[2], place[0], place[1]
    i, j, m = np.int32(first), np.int32(first + 1), np.int32(first + 2)
    for k in range(n):
        light, red, blue, x, y = lights[k], reds[k], blues[k], xs[k], ys[k]
        least, who = best[k], nearest[k]
        d = a5 + a0 * light + a1 * red + a2 * blue + a3 * x + a4 * y
        who = i if d < least else who
        least = min(least, d)
        d = b5 + b0 * light + b1 * red + b2 * blue + b3 * x + b4 * y
        who = j if d < least else who
        least = min(least, d)
        d = c5 + c0 * light + c1 * red + c2 * blue + c3 * x + c4 * y
        who = m if d < least else who
        best[k] = min(least, d)
        nearest[k] = who


@compiled
def _write(
    labels: Array, top: int, bottom: int, left: int, width: int, nearest: Array, cells: Array
) -> None:
    k = 0
    for y in range(top, bottom):
        row, chosen = labels[y, left : left + width], nearest[k : k + width]
        for x in range(width):
            row[x] = cells[chosen[x]]
        k += width


@compiled
def _sum_up(
    buffer: Array,
    place: Array,
    nearest: Array,
    n: int,
    cells: Array,
    left: int,
    top: int,
    part: Array,
    sums: Array,
) -> None:
    """Add a piece's pixels to the sums of the cells that they belong to."""
    there = np.int32(0)
    for k in range(n):
        there |= np.int32(1) << nearest[k]
    for which in range(9):
        if there >> which & 1:
            _sum(buffer, place, nearest, n, np.int32(which), part)
            total, count = sums[cells[which]], part[5]
            for column in range(3):
                total[column] += part[column]
            total[3] += part[3] + count * left
            total[4] += part[4] + count * top
            total[5] += count


@compiled
def _sum(buffer: Array, place: Array, nearest: Array, n: int, which: Scalar, part: Array) -> None:
    lights, reds, blues, xs, ys = buffer[0], buffer[1], buffer[2], place[0], place[1]
    none = _F(0)
    light = red = blue = x = y = count = none
    for k in range(n):
        here = nearest[k] == which
        light += lights[k] if here else none
        red += reds[k] if here else none
        blue += blues[k] if here else none
        x += xs[k] if here else none
        y += ys[k] if here else none
        count += _F(1) if here else none
    part[0], part[1], part[2], part[3], part[4], part[5] = light, red, blue, x, y, count


@compiled
def move_centres(centres: Array, sums: Array) -> None:
    """Each centre to the mean of its pixels, if it has any; the sums begin anew."""
    for cell in range(len(centres)):
        count = sums[cell, 5]
        if count > 0:
            for column in range(COLUMNS):
                centres[cell, column] = sums[cell, column] / count
        sums[cell, :] = 0


@compiled
def seeds(planes: Array, xs: Array, ys: Array, centres: Array) -> None:
    """A centre for each cell: its middle, moved to the lowest gradient of the 3 x 3 around it."""
    columns = len(xs) - 1
    for row in range(len(ys) - 1):
        for column in range(columns):
            x0, y0 = (xs[column] + xs[column + 1]) // 2, (ys[row] + ys[row + 1]) // 2
            least, best_x, best_y = _gradient(planes, x0, y0), x0, y0
            for y in range(max(0, y0 - 1), min(planes.shape[1], y0 + 2)):
                for x in range(max(0, x0 - 1), min(planes.shape[2], x0 + 2)):
                    gradient = _gradient(planes, x, y)
                    if gradient < least:
                        least, best_x, best_y = gradient, x, y
            centre = centres[row * columns + column]
            for channel in range(3):
                centre[channel] = _F(planes[channel, best_y, best_x]) - _F(128)
            centre[3], centre[4] = best_x, best_y


@compiled
def _gradient(planes: Array, x: int, y: int) -> Scalar:
    """Squared length of the Lab gradient by central differences, one-sided at the border."""
    before, after = max(0, x - 1), min(planes.shape[2] - 1, x + 1)
    above, below = max(0, y - 1), min(planes.shape[1] - 1, y + 1)
    total = _F(0)
    for channel in range(3):
        plane = planes[channel]
        across = _F(plane[y, after]) - _F(plane[y, before])
        down = _F(plane[below, x]) - _F(plane[above, x])
        total += (across * across + down * down) * (_LIGHT if channel == 0 else _F(1))
    return total
