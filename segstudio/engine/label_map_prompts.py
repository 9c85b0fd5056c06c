"""A label map as the prompt: each part's box, inner points and shape go to the prompt model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from segstudio.core.image import RgbImage
from segstudio.core.mask import Mask
from segstudio.core.mask_difference import boxes_meet, flipped, shared
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.core.prompt import Embedding, Prompt
from segstudio.engine.embedding_cache import EmbeddingCache
from segstudio.engine.encoding import encode_image
from segstudio.engine.label_map_parts import LabelMapPlan, Part
from segstudio.engine.model_slot import ModelSlot
from segstudio.models.prompt.contract import PromptModel

MOST_POINTS = 5  # in one part
_LOOKED_AT = 1 << 20  # pixels of a part's box, at most, that distances are measured on
_THIN = 0.4  # a further point is this deep inside, in terms of the first one's depth


@dataclass(frozen=True)
class Prompting:
    """A prompt model that parts are shown to, and its embedding cache.

    Its mask is taken where its IoU with the part is `agreement` or more, else the part stays. Stuff
    is left as it is, unless `stuff`: prompt models segment objects.
    """

    model: ModelSlot | PromptModel
    cache: EmbeddingCache
    agreement: float = 0.7
    stuff: bool = False

    def asks(self, parts: Sequence[Part], plan: LabelMapPlan) -> bool:
        """Whether the model would be shown any of the parts."""
        return bool(self.shown(parts, plan))

    def shown(self, parts: Sequence[Part], plan: LabelMapPlan) -> list[int]:
        """The places of the parts that the model is shown."""
        return [at for at, part in enumerate(parts) if self.stuff or plan.isthing[part.category]]


def prompted(  # noqa: PLR0917 - what is shown to which model
    parts: Sequence[Part],
    plan: LabelMapPlan,
    image: RgbImage,
    prompting: Prompting,
    report: ProgressSink,
    cancel: CancelToken,
) -> list[Part]:
    """The parts with the prompt model's masks where it agrees; still no two share a pixel.

    Of two masks that want a pixel the smaller gets it; a part that was left as it is gives way.
    Blocks; call it on the device lane. Raises Cancelled, DeviceError, what loading raises.
    """
    asked = prompting.shown(parts, plan)
    if not asked:
        return list(parts)

    def work(model: PromptModel) -> list[Part]:
        embedding = encode_image(model, prompting.cache, image, cancel)
        answers = list(parts)
        for done, at in enumerate(asked):
            cancel.check()
            report(Progress(done, len(asked), f"Prompting with {model.card.title}"))
            answers[at] = _answer(model, embedding, parts[at], prompting.agreement)
        return _disjoint(answers)

    if isinstance(prompting.model, ModelSlot):
        return prompting.model.use(work, cancel, report)
    return work(prompting.model)


def part_prompt(mask: Mask, accepts: frozenset[str]) -> Prompt:
    """The prompt for a part: inner points, its box, and itself as the prior, as far as a model
    `accepts` "point", "box" and "prior".
    """
    points = tuple(inner_points(mask)) if "point" in accepts else ()
    return Prompt(
        points,
        (1,) * len(points),
        mask.box if "box" in accepts else None,
        mask if "prior" in accepts else None,
    )


def inner_points(mask: Mask) -> list[tuple[float, float]]:
    """Points (x, y) of a mask that lie deep inside, pixel centres, the deepest first.

    The first is the pixel farthest from the border (the image's edge is one); long and branching
    masks get up to `MOST_POINTS`, apart from each other, each the deepest of what is left.
    """
    if not mask.area:
        return []
    x0, y0, x1, y1 = (int(value) for value in mask.box)
    step = max(1, math.ceil(math.sqrt((x1 - x0) * (y1 - y0) / _LOOKED_AT)))
    pixels = mask.crop(x0, y0, x1, y1)[::step, ::step].astype(np.uint8)
    if not pixels.any():  # thinner than a step all over
        column, row, _ = (values[len(values) // 2] for values in mask.column_runs())
        return [(float(column) + 0.5, float(row) + 0.5)]
    padded = cv2.copyMakeBorder(pixels, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    depth = np.array(cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1])
    spacing = max(pixels.shape) / MOST_POINTS
    points: list[tuple[float, float]] = []
    deepest = float(depth.max())
    while len(points) < MOST_POINTS:
        row, column = divmod(int(depth.argmax()), depth.shape[1])
        here = float(depth[row, column])
        if here <= 0 or (points and here < _THIN * deepest):
            break
        points.append((x0 + column * step + 0.5, y0 + row * step + 0.5))
        around = max(2.5 * here, spacing)
        cv2.circle(depth, (column, row), math.ceil(around), 0.0, -1)
    return points


def _answer(model: PromptModel, embedding: Embedding, part: Part, agreement: float) -> Part:
    """The part, or what the model sees there where the two agree."""
    prompt = part_prompt(part.mask, model.card.accepts)
    if not prompt:
        return part
    items = model.predict(embedding, prompt).items
    if not items:
        return part
    agrees, best = max(
        ((item.mask.iou(part.mask), item) for item in items), key=lambda pair: pair[0]
    )
    if agrees < agreement:
        return part
    return replace(
        part,
        mask=best.mask,
        prompt=prompt,
        stability=best.stability,
        prompt_model=model.model_key,
    )


def _disjoint(parts: Sequence[Part]) -> list[Part]:
    """The parts without pixels in common: prompted ones first, of these the smaller ones."""
    order = sorted(parts, key=lambda part: (not part.prompt_model, part.mask.area))
    taken: list[Mask] = []
    done: list[Part] = []
    for part in order:
        mask = part.mask
        for other in taken:
            if boxes_meet(other, mask):
                mask = flipped(mask, shared(other, mask))
        if part.prompt_model:
            taken.append(mask)
        if mask.area:
            done.append(part if mask is part.mask else replace(part, mask=mask))
    return sorted(done, key=lambda part: -part.mask.area)
