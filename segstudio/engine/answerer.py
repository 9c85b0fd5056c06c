"""What answers prompts in image pixels: a model and the embeddings of what it looks at."""

from __future__ import annotations

from dataclasses import dataclass, replace

from segstudio.core.mask import Box
from segstudio.core.prompt import Candidate, Candidates, Embedding, Prompt
from segstudio.models.prompt.contract import PromptModel


@dataclass(frozen=True, eq=False)
class Crop:
    """A part of the image: its half-open `box` of whole pixels and the embedding of those."""

    box: Box
    embedding: Embedding

    def holds(self, prompt: Prompt) -> bool:
        """Whether every point, the box and all of the prior lie in this part."""
        x0, y0, x1, y1 = self.box
        if not all(x0 <= x <= x1 and y0 <= y <= y1 for x, y in prompt.points):
            return False
        boxes = [] if prompt.box is None else [prompt.box]
        if prompt.prior is not None and prompt.prior.area:
            boxes.append(prompt.prior.box)
        return all(x0 <= box.x0 and y0 <= box.y0 and box.x1 <= x1 and box.y1 <= y1 for box in boxes)


@dataclass(frozen=True, eq=False)
class Answerer:
    """One model on one image; frozen, so that work in the background can hold it for a while.

    `embedding` is of the whole image. With a `crop`, a prompt that lies wholly in it is answered
    there, at the crop's resolution; one that does not is answered on the whole image, which is
    always at hand. Give it up after the work: as long as it is held, its model stays in memory.
    """

    model: PromptModel
    embedding: Embedding
    crop: Crop | None = None

    def predict(self, prompt: Prompt) -> Candidates:
        """The masks for one prompt, both in image pixels; called on the device lane.

        Masks found in the crop are placed in the image exactly, pixel by pixel. Raises what the
        model raises.
        """
        crop = self.crop
        if crop is None or not crop.holds(prompt):
            return self.model.predict(self.embedding, prompt)
        found = self.model.predict(crop.embedding, _moved_into(crop.box, prompt))
        size = self.embedding.image_size
        return replace(
            found, items=tuple(_moved_out_of(crop.box, item, size) for item in found.items)
        )


def _moved_into(crop: Box, prompt: Prompt) -> Prompt:
    """The prompt as it reads in the crop's own pixels."""
    left, top = crop.x0, crop.y0
    box, prior = prompt.box, prompt.prior
    if box is not None:
        box = Box(box.x0 - left, box.y0 - top, box.x1 - left, box.y1 - top)
    if prior is not None:
        prior = prior.part(*(int(value) for value in crop))
    points = tuple((x - left, y - top) for x, y in prompt.points)
    return replace(prompt, points=points, box=box, prior=prior)


def _moved_out_of(crop: Box, candidate: Candidate, size: tuple[int, int]) -> Candidate:
    """The candidate of a crop as one of the whole image, of `size` (H, W)."""
    left, top = int(crop.x0), int(crop.y0)
    logits, point = candidate.logits, candidate.point
    if logits is not None:
        logits = replace(logits, origin=(logits.origin[0] + left, logits.origin[1] + top))
    if point is not None:
        point = point[0] + left, point[1] + top
    mask = candidate.mask.placed((left, top), size)
    return replace(candidate, mask=mask, logits=logits, point=point)
