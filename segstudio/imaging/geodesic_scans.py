"""Both distances of `geodesic`, by scans over the picture's rows, forth and back."""

from __future__ import annotations

from segstudio.imaging.compiling import Array, Scalar, compiled


@compiled
def scan(costs: Array, sums: Array, passes: Array, rounds: Scalar) -> None:
    """Lower `sums` and `passes`, zero at the seeds, to what paths from there cost.

    All float32 with a margin of one pixel, where they are FAR: `costs` (4, h + 2, w + 2), see
    `step_costs`; `sums` and `passes` (h + 2, w + 2). Ends after `rounds` (int64), or when nothing
    falls.
    """
    height, width = sums.shape
    for _ in range(rounds):
        fell = False
        for y in range(1, height - 1):
            for x in range(1, width - 1):
                least, lowest = sums[y, x], passes[y, x]
                cost = costs[0, y, x - 1]
                least = min(least, sums[y, x - 1] + cost)
                lowest = min(lowest, max(passes[y, x - 1], cost))
                cost = costs[1, y - 1, x]
                least = min(least, sums[y - 1, x] + cost)
                lowest = min(lowest, max(passes[y - 1, x], cost))
                cost = costs[2, y - 1, x - 1]
                least = min(least, sums[y - 1, x - 1] + cost)
                lowest = min(lowest, max(passes[y - 1, x - 1], cost))
                cost = costs[3, y - 1, x + 1]
                least = min(least, sums[y - 1, x + 1] + cost)
                lowest = min(lowest, max(passes[y - 1, x + 1], cost))
                fell |= least < sums[y, x] or lowest < passes[y, x]
                sums[y, x], passes[y, x] = least, lowest
        for y in range(height - 2, 0, -1):
            for x in range(width - 2, 0, -1):
                least, lowest = sums[y, x], passes[y, x]
                cost = costs[0, y, x]
                least = min(least, sums[y, x + 1] + cost)
                lowest = min(lowest, max(passes[y, x + 1], cost))
                cost = costs[1, y, x]
                least = min(least, sums[y + 1, x] + cost)
                lowest = min(lowest, max(passes[y + 1, x], cost))
                cost = costs[2, y, x]
                least = min(least, sums[y + 1, x + 1] + cost)
                lowest = min(lowest, max(passes[y + 1, x + 1], cost))
                cost = costs[3, y, x]
                least = min(least, sums[y + 1, x - 1] + cost)
                lowest = min(lowest, max(passes[y + 1, x - 1], cost))
                fell |= least < sums[y, x] or lowest < passes[y, x]
                sums[y, x], passes[y, x] = least, lowest
        if not fell:
            break
