"""Masks of everything: the lasting regions of a tree of merged superpixels.

Neighbours are merged, weakest common boundary first (a greedy hierarchy as in Arbelaez et al.
2011, "Contour Detection and Hierarchical Image Segmentation"). A region that exists over a long
range of boundary strengths, and has a strong outline, is likely a thing of its own.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.core.prompt import Candidate
from segstudio.metrics.boxes import box_iou, corners
from segstudio.models.prompt.contract import EverythingSettings
from segstudio.models.prompt.cut_masks import FullFrame
from segstudio.models.prompt.min_cut import Bools
from segstudio.models.prompt.superpixel_graph import Floats, SuperpixelGraph

# Small regions merge before large ones of the same boundary.
_SIZE_POWER = 0.15

# Regions from a thousandth of the image up to nine tenths are looked at.
_SMALLEST, _LARGEST = 0.001, 0.9

# One merging step: the level moves by this part of itself (times `stability_offset`).
_LEVEL_STEP = 0.06

# Logistic regression of a region's IoU with the best matching segment of any annotator, 100
# train photos of BSDS500. Terms: log of the level where it is merged away, share of that level
# over which it lasts, mean boundary probability of its outline, log share of the image, its
# square, constant.
REGION_WEIGHTS = np.array([0.212, 0.619, 2.432, 0.287, -0.036, 0.309])


@dataclass(frozen=True)
class RegionTree:
    """Nodes 0..n-1 are superpixels, then each merge adds one.

    `parent` (nodes,) int, -1 at the top; `level` (nodes,) at which the node was made, 0 for
    superpixels, never above its parent's; `area` (nodes,) pixels; `outline` (nodes,) mean
    boundary probability around it.
    """

    parent: npt.NDArray[np.int64]
    level: Floats
    area: Floats
    outline: Floats

    def death(self) -> Floats:
        """(nodes,) the level at which the node is merged away; 1 at the top."""
        return np.where(self.parent >= 0, self.level[self.parent], 1.0)

    def leaves(self, count: int) -> list[npt.NDArray[np.int64]]:
        """For each node the superpixels in it, of `count`."""
        members: list[list[npt.NDArray[np.int64]]] = [[] for _ in self.parent]
        found: list[npt.NDArray[np.int64]] = []
        for node, parent in enumerate(self.parent):
            own = np.array([node]) if node < count else np.concatenate(members[node])
            found.append(own)
            if parent >= 0:
                members[parent].append(own)
        return found


def build_tree(graph: SuperpixelGraph, cancel: CancelToken) -> RegionTree:
    """Merge until one region per connected part is left. Raises Cancelled."""
    area = [*graph.area]
    mean_area = float(graph.area.mean())
    around: list[dict[int, tuple[float, float]]] = [{} for _ in area]
    heap: list[tuple[float, int, int]] = []

    def push(one: int, other: int) -> None:
        strength, length = around[one][other]
        size = (min(area[one], area[other]) / mean_area) ** _SIZE_POWER
        heapq.heappush(heap, (strength / length * size, one, other))

    for (one, other), length, edge in zip(
        graph.pairs.tolist(), graph.length, graph.boundary, strict=True
    ):
        around[one][other] = around[other][one] = (float(edge * length), float(length))
        push(one, other)
    parent, level = [-1] * len(area), [0.0] * len(area)
    outline = [_mean_boundary(edges) for edges in around]
    while heap:
        cost, one, other = heapq.heappop(heap)
        if parent[one] >= 0 or parent[other] >= 0:
            continue
        if len(parent) % 256 == 0:
            cancel.check()
        node = len(parent)
        parent[one] = parent[other] = node
        parent.append(-1)
        level.append(max(cost, level[one], level[other]))
        area.append(area[one] + area[other])
        around.append(_joined(around, one, other, node))
        outline.append(_mean_boundary(around[node]))
        for neighbour in around[node]:
            push(node, neighbour)
    top = max(1e-9, *level)
    return RegionTree(np.array(parent), np.array(level) / top, np.array(area), np.array(outline))


def _joined(
    around: list[dict[int, tuple[float, float]]], one: int, other: int, node: int
) -> dict[int, tuple[float, float]]:
    """The neighbours of `one` and `other` together, which from now on know `node` instead."""
    joined: dict[int, tuple[float, float]] = {}
    for part in (one, other):
        for neighbour, (strength, length) in around[part].items():
            if neighbour in (one, other):
                continue
            before = joined.get(neighbour, (0.0, 0.0))
            joined[neighbour] = before[0] + strength, before[1] + length
            around[neighbour].pop(part, None)
    for neighbour, edge in joined.items():
        around[neighbour][node] = edge
    return joined


def _mean_boundary(edges: dict[int, tuple[float, float]]) -> float:
    length = sum(edge[1] for edge in edges.values())
    return sum(edge[0] for edge in edges.values()) / length if length else 0.0


def region_terms(tree: RegionTree) -> Floats:
    """(nodes, 6) the terms of `REGION_WEIGHTS`."""
    death = np.maximum(tree.death(), 1e-6)
    share = np.log(tree.area / tree.area.max())
    return np.stack(
        (
            np.log(death),
            (death - tree.level) / death,
            tree.outline,
            share,
            share**2,
            np.ones(len(share)),
        ),
        axis=1,
    )


def region_stability(tree: RegionTree, offset: float) -> Floats:
    """(nodes,) IoU of what the region is at a slightly lower and a slightly higher level."""
    death = tree.death()
    middle, step = (tree.level + death) / 2, _LEVEL_STEP * offset
    nodes = np.flatnonzero(tree.parent >= 0)
    largest = np.zeros(len(tree.area))
    np.maximum.at(largest, tree.parent[nodes], tree.area[nodes])
    above = np.where(tree.parent >= 0, tree.area[tree.parent], tree.area)
    lower = np.where(tree.level > middle * (1 - step), largest / tree.area, 1.0)
    upper = np.where(death < middle * (1 + step), tree.area / above, 1.0)
    return lower * upper


def everything(
    graph: SuperpixelGraph,
    frame: FullFrame,
    settings: EverythingSettings,
    report: ProgressSink,
    cancel: CancelToken,
) -> list[Candidate]:
    """The regions that pass `settings`, best first, box NMS applied.

    `points_per_side` leaves out what lies between the points of such a grid; `predicted_iou` is on
    this model's own scale; holes and islands below `min_region` go, and so does a region that is
    itself smaller.
    """
    report(Progress(0, 3, "Merging superpixels"))
    tree = build_tree(graph, cancel)
    report(Progress(1, 3, "Choosing regions"))
    leaves = tree.leaves(graph.count)
    score = 1 / (1 + np.exp(-region_terms(tree) @ REGION_WEIGHTS))
    stability = region_stability(tree, settings.stability_offset)
    whole = graph.area.sum()
    pixels = frame.image_pixels * tree.area / whole
    # Compared in float32 and with these signs, as SAM's scores are.
    wanted = (
        (score.astype(np.float32) > np.float32(settings.predicted_iou))
        & (stability.astype(np.float32) >= np.float32(settings.stability))
        & (tree.area > _SMALLEST * whole)
        & (tree.area < _LARGEST * whole)
        & (pixels >= settings.min_region)
    )
    hit = _hit_by_grid(graph, settings.points_per_side)
    order = [n for n in np.argsort(-score, kind="stable") if wanted[n] and hit[leaves[n]].any()]
    found: list[Candidate] = []
    taken = np.empty((0, 4), dtype=np.float32)
    for done, node in enumerate(order):
        cancel.check()
        report(Progress(done, len(order), "Drawing masks"))
        side = np.zeros(graph.count, dtype=bool)
        side[leaves[node]] = True
        mask = frame.region(side, settings.min_region)
        box = corners(np.array(mask.box))
        repeats = bool((box_iou(box, taken) > np.float64(settings.box_nms)).any())
        if mask.area > max(0, settings.min_region - 1) and not repeats:
            found.append(Candidate(mask, float(score[node]), float(stability[node])))
            taken = np.vstack((taken, box))
    report(Progress(len(order), len(order), "Drawing masks"))
    return found


def _hit_by_grid(graph: SuperpixelGraph, points_per_side: int) -> Bools:
    """(n,) whether a point of the grid lies in the superpixel."""
    steps = (np.arange(max(1, points_per_side)) + 0.5) / max(1, points_per_side)
    rows = (steps * graph.height).astype(np.int64)
    columns = (steps * graph.width).astype(np.int64)
    hit = np.zeros(graph.count, dtype=bool)
    hit[graph.labels[np.ix_(rows, columns)].ravel()] = True
    return hit
