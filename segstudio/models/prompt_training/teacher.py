"""What a larger prompt model says of a photo that nobody has labelled: masks, and its embedding.

Its answers to clicks all over the photo, and to boxes around what the clicks gave, are masks worth
learning where it is sure of them: its predicted IoU is high, and the box brings the same mask.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from segstudio.core.image import RgbImage
from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.core.prompt import Candidate, Embedding, Prompt
from segstudio.models.prompt.contract import EverythingSettings, PromptModel
from segstudio.models.prompt_training.labels import Label

_CELLS = 64  # along a side of SAM's embedding, and of nano's tokens
_WITHIN = 0.9  # of a mask that lies in another one: then it is a part of that


class TeacherSettings(msgspec.Struct, frozen=True):
    """How a teacher is asked, and which of its masks count.

    `clicks` are spread over the photo, one somewhere in each field of a grid. `everything` asks for
    all there is instead. Masks of a predicted IoU below `least_iou` (SAM's scale), or whose box
    brings another mask (IoU below `same`), do not count; of two that are the same (`same`) the
    surer one does, and at most `most` of a photo. `least_share` to `most_share` of the photo is
    what a mask may cover.
    """

    clicks: int = 36
    everything: bool = False
    least_iou: float = 0.85
    same: float = 0.8
    most: int = 40
    least_share: float = 0.0005
    most_share: float = 0.7
    seed: int = 0

    @property
    def key(self) -> str:
        """16 hex digits that tell settings apart."""
        return hashlib.blake2b(msgspec.json.encode(self), digest_size=8).hexdigest()


@dataclass(frozen=True, eq=False)
class TeacherAnswers:
    """Masks of the whole photo with their predicted IoU, the surest first, and the embedding
    (C, 64, 64) float16, None for a teacher that has none on that grid."""

    masks: tuple[Mask, ...]
    ious: tuple[float, ...]
    grid: npt.NDArray[np.float16] | None

    def labels(self) -> list[Label]:
        """What the masks are as targets: those that lie in another one are parts."""
        arrays = [mask.to_array() for mask in self.masks]
        return [
            Label(f"{index}", "part" if _lies_within(mask, self.masks) else "object", array)
            for index, (mask, array) in enumerate(zip(self.masks, arrays, strict=True))
        ]


def ask(
    model: PromptModel, image: RgbImage, settings: TeacherSettings, cancel: CancelToken
) -> TeacherAnswers:
    """What `model` says of an image. Raises DeviceError, Cancelled."""
    embedding = model.encode(image, cancel)
    least = settings.least_iou * model.card.score_scale
    if settings.everything:
        asked = EverythingSettings(predicted_iou=settings.least_iou)
        found = list(model.everything(embedding, asked, ignore_progress, cancel).items)
    else:
        found = _clicked(model, embedding, image.size, settings, cancel)
    area = image.size[0] * image.size[1]
    found = [
        one
        for one in sorted(found, key=lambda one: -one.predicted_iou)
        if one.predicted_iou >= least
        and max(1, settings.least_share * area) <= one.mask.area <= settings.most_share * area
    ]
    kept: list[Candidate] = []
    for one in found:
        cancel.check()
        if len(kept) == settings.most:
            break
        if all(one.mask.iou(other.mask) < settings.same for other in kept):
            sure = one if settings.everything else _boxed(model, embedding, one, settings)
            if sure is not None:
                kept.append(sure)
    masks = tuple(one.mask for one in kept)
    return TeacherAnswers(masks, tuple(float(one.predicted_iou) for one in kept), _grid(embedding))


def _clicked(
    model: PromptModel,
    embedding: Embedding,
    size: tuple[int, int],
    settings: TeacherSettings,
    cancel: CancelToken,
) -> list[Candidate]:
    found: list[Candidate] = []
    for x, y in places(size, settings):
        cancel.check()
        found += model.predict(embedding, Prompt(((x, y),), (1,))).items
    return found


def places(size: tuple[int, int], settings: TeacherSettings) -> list[tuple[float, float]]:
    """Where an image (h, w) is clicked: about `clicks` xy, the same ones for the same settings."""
    height, width = size
    across = max(1, round((settings.clicks * width / height) ** 0.5))
    down = max(1, round(settings.clicks / across))
    draw = np.random.default_rng((settings.seed, height, width))
    shift = draw.uniform(0.1, 0.9, (down, across, 2))
    return [
        (float(column + shift[row, column, 0]) * width / across,
         float(row + shift[row, column, 1]) * height / down)
        for row in range(down)
        for column in range(across)
    ]  # fmt: skip


def _boxed(
    model: PromptModel, embedding: Embedding, one: Candidate, settings: TeacherSettings
) -> Candidate | None:
    """What the box around a mask brings, where that is the same mask."""
    items = model.predict(embedding, Prompt(box=one.mask.box)).items
    best = max(items, key=lambda item: item.predicted_iou, default=None)
    if best is None or best.mask.iou(one.mask) < settings.same:
        return None
    return best if best.predicted_iou > one.predicted_iou else one


def _lies_within(mask: Mask, others: tuple[Mask, ...]) -> bool:
    return any(
        other.area > 1.2 * mask.area and mask.intersect(other).area >= _WITHIN * mask.area
        for other in others
    )


def _grid(embedding: Embedding) -> npt.NDArray[np.float16] | None:
    for array in embedding.arrays.values():
        if array.ndim == 4 and array.shape[0] == 1 and array.shape[2:] == (_CELLS, _CELLS):
            return np.asarray(array[0], dtype=np.float16)
    return None
