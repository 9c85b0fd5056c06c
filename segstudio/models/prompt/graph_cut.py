"""The prompt model that is always there: minimum cuts over superpixels, no weights file, no torch.

A click or a box gives every superpixel log odds of belonging to the object (`prompt_evidence`);
a minimum cut weighs them against the boundaries that it would have to cross. Three cuts, with the
odds lowered, as they are, and raised, are the three candidates: nested, of growing extent.
Everything is deterministic: nothing here draws a random number.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from segstudio.core.image import RgbImage
from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.core.prompt import Candidate, Candidates, Embedding, Prompt
from segstudio.imaging.shrink import area_shrunk
from segstudio.models.card import ModelCard
from segstudio.models.prompt.contract import EncodeCrop, EverythingSettings
from segstudio.models.prompt.cut_masks import FullFrame
from segstudio.models.prompt.min_cut import Bools, CutGraph
from segstudio.models.prompt.prompt_evidence import SmallPrompt, corrected_log_odds, log_odds
from segstudio.models.prompt.region_layers import in_layers
from segstudio.models.prompt.region_tree import everything
from segstudio.models.prompt.superpixel_graph import Floats, SuperpixelGraph, graph_arrays

# Part of the model key: change it whenever `encode` gives other arrays.
VERSION = 2

LONGEST_SIDE = 512
SUPERPIXELS = 2200  # about 120 pixels each: small enough for small objects, cut in milliseconds

# Log odds added for the candidates, and how far to either side their stability is looked at.
_OFFSETS = (-1.0, 0.0, 1.0)
_STABILITY_STEP = 0.5

# What borders cost, tuned on COCO and BSDS500 train objects: a box already says the extent.
_SMOOTH_CLICKS, _SMOOTH_BOX = 0.7, 0.2

# Outside a box nothing is possible.
_IMPOSSIBLE = -8.0

# Log odds of a superpixel wholly inside the prior mask.
_PRIOR_ODDS = 4.0

# Predicted IoU: logistic regression of the real IoU on 255 objects of COCO 2017 train and BSDS500
# train (1, 3 and 5 clicks and the box each). Terms: logit of the IoU that the log odds promise,
# stability, mean boundary probability along the cut, log of the share of the image, box, log of
# 1 + corrections, constant.
IOU_WEIGHTS = np.array([0.479, 1.1, 0.39, -0.078, 0.107, 0.445, -1.458])


def load(card: ModelCard, weights: Path | None, device: str) -> GraphCut:
    """The model; it has no weights and always runs on the CPU."""
    del weights, device
    return GraphCut(card)


class GraphCut:
    """A `PromptModel`; see the contract. Stability is the IoU of two cuts, with log odds half a
    unit lower and higher, as SAM's is of two thresholds."""

    device = "cpu"

    def __init__(self, card: ModelCard) -> None:
        self.card = card

    @property
    def model_key(self) -> str:
        return f"{self.card.key}-{VERSION}"

    def prepare(self, report: ProgressSink, cancel: CancelToken) -> None:
        """There is nothing to prepare."""

    def encode(self, image: RgbImage, cancel: CancelToken) -> Embedding:
        """Superpixels of the image scaled to at most 512 pixels; see `graph_arrays`."""
        cancel.check()
        height, width = image.size
        scale = LONGEST_SIDE / max(height, width)
        small = image.pixels
        if scale < 1:
            size = max(1, round(height * scale)), max(1, round(width * scale))
            small = area_shrunk(small, size, cancel)
        cancel.check()
        arrays = graph_arrays(small, min(SUPERPIXELS, max(1, small[..., 0].size // 40)))
        cancel.check()
        return Embedding(self.model_key, image.key, image.size, arrays)

    def predict(self, embedding: Embedding, prompt: Prompt) -> Candidates:
        """Three nested masks of growing extent (they may coincide).

        Every positive point lies in all of them and every negative one outside; with a box they
        lie inside it, but for the positive points. There are none for a prompt without a positive
        point, a box or a prior, since it names nothing.
        """
        self._check(embedding)
        if not (1 in prompt.labels or prompt.box is not None or prompt.prior is not None):
            return Candidates((), self.model_key)
        return Candidates(tuple(_predict(embedding, prompt)), self.model_key)

    def everything(
        self,
        embedding: Embedding,
        settings: EverythingSettings,
        report: ProgressSink,
        cancel: CancelToken,
        encode_crop: EncodeCrop | None = None,
    ) -> Candidates:
        """Lasting regions of the image's region tree, best first; see `region_tree`."""
        least = settings.predicted_iou * self.card.score_scale
        own = replace(settings, predicted_iou=least)

        def find(
            part: Embedding, wanted: EverythingSettings, told: ProgressSink
        ) -> list[Candidate]:
            self._check(part)
            graph = SuperpixelGraph(part.arrays)
            return everything(graph, FullFrame(graph, part.image_size), wanted, told, cancel)

        found = in_layers(find, embedding, own, encode_crop, report=report, cancel=cancel)
        return Candidates(tuple(found), self.model_key)

    def _check(self, embedding: Embedding) -> None:
        if embedding.model_key != self.model_key:
            raise ValueError(f"an embedding of {embedding.model_key}, not of {self.model_key}")


def _predict(embedding: Embedding, prompt: Prompt) -> list[Candidate]:
    graph = SuperpixelGraph(embedding.arrays)
    frame = FullFrame(graph, embedding.image_size)
    small = frame.small_prompt(prompt)
    share = None if prompt.prior is None else frame.small_share(prompt.prior)
    odds = _odds(graph, small, share)
    positive = [graph.at(*xy) for xy in small.positive]
    taken = set(positive)
    negative = [at for xy in small.negative if (at := graph.at(*xy)) not in taken]
    cuts = CutGraph(graph, _SMOOTH_CLICKS if small.box is None else _SMOOTH_BOX)
    if share is not None:
        cuts = CutGraph(graph, _SMOOTH_BOX)
    if not positive and small.box is not None and share is None:
        odds = _at_least_something(odds)
    steps = sorted({off + d for off in _OFFSETS for d in (-_STABILITY_STEP, 0, _STABILITY_STEP)})
    sides = {step: cuts.cut(odds + step, positive, negative) for step in steps}
    found = []
    for offset in _OFFSETS:
        side = sides[offset]
        stability = _area_ratio(
            graph, sides[offset - _STABILITY_STEP], sides[offset + _STABILITY_STEP]
        )
        terms = iou_terms(graph, odds + offset, side, stability, small)
        score = float(1 / (1 + np.exp(-terms @ IOU_WEIGHTS)))
        mask = frame.mask(side, prompt, small)
        if share is not None and prompt.prior is not None:
            mask = frame.corrected(prompt.prior, share, side, prompt)
        found.append(Candidate(mask, score if mask.area else 0.0, stability))
    if prompt.prior is not None and not prompt.points and prompt.box is None:
        return _kept_prior(prompt.prior, found)
    return found


def _odds(graph: SuperpixelGraph, small: SmallPrompt, share: Floats | None) -> Floats:
    """(n,) log odds; a prior is kept but where clicks say otherwise."""
    if share is None:
        odds = log_odds(graph, small)
    else:
        odds = corrected_log_odds(graph, _PRIOR_ODDS * (2 * share - 1), share, small)
    if small.box is not None:
        box = small.box
        half = (box.x1 - box.x0) / 2, (box.y1 - box.y0) / 2
        centre = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
        beyond = (np.abs(graph.xy - centre) / np.maximum(1.0, half)).max(axis=1) >= 1.1
        odds = np.where(beyond, _IMPOSSIBLE, odds)
    return odds


def _at_least_something(odds: Floats) -> Floats:
    """Raise odds that are all hopeless so far that the likeliest superpixel is likely."""
    return odds + max(0.0, 1.0 - float(odds.max()))


def _area_ratio(graph: SuperpixelGraph, inner: Bools, outer: Bools) -> float:
    """IoU of two nested sets of superpixels."""
    whole = float(graph.area[outer].sum())
    return float(graph.area[inner].sum()) / whole if whole else 0.0


def iou_terms(
    graph: SuperpixelGraph, odds: Floats, side: Bools, stability: float, small: SmallPrompt
) -> Floats:
    """(7,) the terms of `IOU_WEIGHTS`."""
    likely = graph.area / (1 + np.exp(-odds))
    inside = float(graph.area[side].sum())
    promised = float(likely[side].sum()) / max(1.0, inside + float(likely[~side].sum()))
    promised = float(np.clip(promised, 0.01, 0.99))
    crossed = side[graph.pairs[:, 0]] != side[graph.pairs[:, 1]]
    contrast = (
        float(np.average(graph.boundary[crossed], weights=graph.length[crossed]))
        if crossed.any()
        else 0.0
    )
    clicks = len(small.positive) + len(small.negative)
    return np.array(
        [
            np.log(promised / (1 - promised)),
            stability,
            contrast,
            np.log(max(1.0, inside) / graph.area.sum()),
            float(small.box is not None),
            np.log(max(1, clicks)),
            1.0,
        ]
    )


def _kept_prior(prior: Mask, found: list[Candidate]) -> list[Candidate]:
    """Nobody said what is wrong with the prior: it is the best; the cuts are worth their IoU."""
    score = max(candidate.predicted_iou for candidate in found)
    smaller, _, larger = (Candidate(c.mask, score * c.mask.iou(prior), c.stability) for c in found)
    return [smaller, Candidate(prior, score, found[1].stability), larger]
