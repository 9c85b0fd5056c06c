"""What answers prompts in image pixels: a model and the embeddings of what it looks at."""

from __future__ import annotations

from dataclasses import dataclass, replace

from segstudio.core.mask import Box
from segstudio.core.prompt import Candidate, Candidates, Embedding, Prompt
from segstudio.engine.refining import refine
from segstudio.models.prompt.contract import PromptModel


@dataclass(frozen=True, eq=False)
class Crop:
    """A part of the image: its half-open `box` of whole pixels and the embedding of those."""

    box: Box
    embedding: Embedding

    def holds(self, prompt: Prompt) -> bool:
        """Whether every point and the box lie in this part; a prior may reach beyond it."""
        x0, y0, x1, y1 = self.box
        if not all(x0 <= x <= x1 and y0 <= y <= y1 for x, y in prompt.points):
            return False
        box = prompt.box or self.box
        return x0 <= box.x0 and y0 <= box.y0 and box.x1 <= x1 and box.y1 <= y1


@dataclass(frozen=True, eq=False)
class Answerer:
    """One model on one image; frozen, so that work in the background can hold it for a while.

    `embedding` is of the whole image. With a `crop`, a prompt that lies wholly in it is answered
    there, at the crop's resolution; one that does not is answered on the whole image, which is
    always at hand. A prior is refined: it changes where it is clicked or boxed and nowhere else,
    see `refining`. Give it up after the work: as long as it is held, its model stays in memory.
    """

    model: PromptModel
    embedding: Embedding
    crop: Crop | None = None

    def predict(self, prompt: Prompt) -> Candidates:
        """The masks for one prompt, both in image pixels; called on the device lane.

        Masks found in the crop are placed in the image exactly, pixel by pixel. Raises what the
        model raises.
        """
        crop = self.crop if self.crop is not None and self.crop.holds(prompt) else None
        if prompt.prior is None:
            return self._ask(prompt, crop)
        return refine(
            lambda question: self._ask(question, crop),
            prompt,
            self.model.model_key,
            within=None if crop is None else crop.box,
        )

    def _ask(self, prompt: Prompt, crop: Crop | None) -> Candidates:
        if crop is None:
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
