"""What a prompt says of every superpixel: the log odds that it belongs to the object.

Each prompt gives a table of terms, one row a superpixel; the log odds are a weighted sum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segstudio.core.mask import Box
from segstudio.models.prompt.evidence_weights import BOX_WEIGHTS, CLICK_WEIGHTS, CORRECTED_WEIGHTS
from segstudio.models.prompt.superpixel_graph import Floats, SuperpixelGraph

Positions = list[tuple[float, float]]

# A colour's density is estimated from at most so many superpixels: enough, and always fast.
_MOST_SOURCES = 250

# Corrections of a prior, tuned on 80 COCO objects with a part cut off or stuck on: the share of
# the prior's radius within which distance costs nothing, the log odds that each further such step
# costs, and how many places of the prior stand against a click that takes a part of it away.
_CORRECTION_REACH, _CORRECTION_PULL, _HELD = 0.5, 4.0, 4


@dataclass(frozen=True)
class SmallPrompt:
    """A prompt in the pixels of the small image."""

    positive: Positions
    negative: Positions
    box: Box | None


def log_odds(graph: SuperpixelGraph, prompt: SmallPrompt) -> Floats:
    """(n,) log odds of foreground."""
    odds = np.zeros(graph.count)
    clicked = bool(prompt.positive or prompt.negative)
    if prompt.box is not None:
        odds += box_terms(graph, prompt.box) @ BOX_WEIGHTS
    if clicked:
        # Beside a box, clicks correct rather than decide.
        share = 1.0 if prompt.box is None else 0.5
        weights = CORRECTED_WEIGHTS if prompt.negative else CLICK_WEIGHTS
        odds += share * (click_terms(graph, prompt.positive, prompt.negative) @ weights)
    return np.clip(odds, -8, 8)


def click_terms(graph: SuperpixelGraph, positive: Positions, negative: Positions) -> Floats:
    """(n, 13) for clicks without a negative one among them, (n, 18) with one."""
    seeds = [graph.at(*xy) for xy in positive]
    against = [graph.at(*xy) for xy in negative]
    near, away = _nearness(graph, positive, seeds), _nearness(graph, negative, against)
    frame = np.union1d(graph.frame, against).astype(np.int64)
    to_frame = graph.geodesic(graph.frame)
    path, distance, colour = near
    many = np.full(graph.count, np.log(max(1, len(seeds))))
    terms = [
        np.log1p(path),
        path / (path + to_frame + 0.1),
        np.log1p(to_frame),
        np.log(distance + 0.02),
        distance,
        np.log1p(colour),
        _colour_density(graph, np.asarray(seeds or [0]), 10.0) * bool(seeds),
        _colour_density(graph, frame, 10.0),
        many,
        np.log(distance + 0.02) * many,
        np.log1p(path) * many,
        np.full(graph.count, np.log(graph.area.sum() / graph.diagonal**2)),
        np.ones(graph.count),
    ]
    if negative:
        terms += [
            np.log((path + 0.1) / (away[0] + 0.1)),
            np.log((distance + 0.01) / (away[1] + 0.01)),
            np.log((colour + 2.0) / (away[2] + 2.0)),
            np.log(away[1] + 0.02),
            np.full(graph.count, np.log(len(negative))),
        ]
    return np.stack(terms, axis=1)


def _nearness(
    graph: SuperpixelGraph, positions: Positions, seeds: list[int]
) -> tuple[Floats, Floats, Floats]:
    """To the nearest of the clicks: geodesic, distance in diagonals, and colour difference."""
    if not positions:
        return np.ones(graph.count), np.full(graph.count, 0.2), np.full(graph.count, 20.0)
    steps = [np.hypot(*(graph.xy - xy).T) for xy in positions]
    weight = np.array([0.5, 1.0, 1.0])  # shading changes lightness more than chroma
    colours = [np.sqrt((((graph.lab - graph.lab[s]) * weight) ** 2).sum(axis=1)) for s in seeds]
    return (
        graph.geodesic(seeds),
        np.min(steps, axis=0) / graph.diagonal,
        np.min(colours, axis=0),
    )


def _colour_density(
    graph: SuperpixelGraph, sources: npt.NDArray[np.integer], bandwidth: float
) -> Floats:
    """(n,) log of the Gaussian kernel density of each superpixel's colour among `sources`."""
    if len(sources) > _MOST_SOURCES:
        picks = np.linspace(0, len(sources) - 1, _MOST_SOURCES).astype(np.int64)
        sources = sources[picks]
    lab, among = graph.lab, graph.lab[sources]
    squares = (lab**2).sum(1)[:, np.newaxis] + (among**2).sum(1) - 2 * lab @ among.T
    kernel = np.exp(-np.maximum(squares, 0) / (2 * bandwidth**2))
    weight = graph.area[sources] / graph.area[sources].sum()
    density: Floats = np.log(kernel @ weight + 1e-4)
    return density


def box_terms(graph: SuperpixelGraph, box: Box) -> Floats:
    """(n, 13): where in the box, of what colour against its surroundings, behind what edges."""
    centre = ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)
    half = np.maximum(1.0, np.array([box.x1 - box.x0, box.y1 - box.y0]) / 2)
    across = np.abs((graph.xy - centre) / half)
    radius, square = np.hypot(*across.T), across.max(axis=1)
    outside = square >= 1
    ring = outside & (square < 1 + 0.5 * max(1.0, 20 / float(half.min())))
    middle = np.array([graph.at(*centre)])
    inner = _or_else(np.flatnonzero(~outside), middle)
    core = _or_else(np.flatnonzero(radius < 0.6), inner)
    around = _or_else(np.flatnonzero(ring), np.flatnonzero(outside))
    if len(around):
        unlike, from_outside = _colour_density(graph, around, 8.0), graph.geodesic(around)
    else:  # the box is the whole image
        unlike, from_outside = np.full(graph.count, np.log(1e-4)), np.full(graph.count, 2.0)
    like_core, from_middle = _colour_density(graph, core, 8.0), graph.geodesic(middle)
    terms = (
        radius,
        radius**2,
        square**2,
        np.minimum(square, 2) ** 4,
        _colour_density(graph, inner, 8.0) - unlike,
        like_core - unlike,
        like_core,
        unlike,
        np.log1p(from_outside),
        np.log1p(graph.geodesic(core)),
        np.log1p(from_middle),
        (from_middle - from_outside) / (from_middle + from_outside + 0.1),
        np.ones(graph.count),
    )
    return np.stack(terms, axis=1)


def _or_else(
    wanted: npt.NDArray[np.integer], other: npt.NDArray[np.integer]
) -> npt.NDArray[np.integer]:
    return wanted if len(wanted) else other


def corrected_log_odds(
    graph: SuperpixelGraph, prior_odds: Floats, share: Floats, prompt: SmallPrompt
) -> Floats:
    """(n,) `prior_odds`, but for what lies around the clicks that a prior mask has wrong.

    `share` says what of each superpixel the prior covers. A correction is mostly smaller than what
    it corrects, so distance from the click counts against it; and a click that takes a part away
    says nothing against the rest of the prior, of which some places are held against it.
    """
    wrong_out = [xy for xy in prompt.positive if share[graph.at(*xy)] < 0.5]
    wrong_in = [xy for xy in prompt.negative if share[graph.at(*xy)] >= 0.5]
    reach = _CORRECTION_REACH * math.sqrt(max(1.0, float(share @ graph.area)) / math.pi)
    odds = prior_odds
    if wrong_out:
        odds = np.maximum(odds, _around(graph, wrong_out, prompt.negative, reach))
    if wrong_in:
        held = _spread(graph, wrong_in, share > 0.9)
        odds = np.minimum(odds, -_around(graph, wrong_in, prompt.positive + held, reach))
    return odds


def _around(graph: SuperpixelGraph, inside: Positions, against: Positions, reach: float) -> Floats:
    """(n,) log odds of the region around the clicks `inside`, bounded by those `against`."""
    away = np.min([np.hypot(*(graph.xy - xy).T) for xy in inside], axis=0)
    beyond = np.maximum(0.0, away / reach - 1.0)
    odds: Floats = log_odds(graph, SmallPrompt(inside, against, None)) - _CORRECTION_PULL * beyond
    return odds


def _spread(graph: SuperpixelGraph, clicks: Positions, side: npt.NDArray[np.bool_]) -> Positions:
    """Up to `_HELD` superpixels of `side`, each as far as can be from the clicks and each other."""
    away = np.min([np.hypot(*(graph.xy - xy).T) for xy in clicks], axis=0)
    away = np.where(side, away, 0.0)
    found: Positions = []
    while len(found) < _HELD and away.max(initial=0.0) > 0.0:
        x, y = graph.xy[int(away.argmax())]
        found.append((float(x), float(y)))
        away = np.minimum(away, np.hypot(*(graph.xy - (x, y)).T))
    return found
