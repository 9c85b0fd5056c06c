"""The images that are trained on: what is in them, and which square comes when."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from segstudio.core.errors import BadInputError
from segstudio.core.image import Rgb8
from segstudio.core.prediction import IGNORE, LabelMap
from segstudio.imaging.read import read_image, read_size
from segstudio.models.training.augmentation import augmented
from segstudio.models.training.folder import located
from segstudio.models.training.label_maps import read_labels
from segstudio.models.training.settings import TrainingImage, TrainingSet, TrainingSettings

_NAMED = 3  # images that a sentence names


@dataclass(frozen=True)
class Survey:
    """What is in a training set.

    `data` has no images without a labelled pixel. `pixels` (C,) int64 counts the labelled pixels of
    each category in its training images, `of` (C,) all labelled pixels of those that have it.
    `val_pixels` counts all pixels of the validation images. `notes` are sentences on what is
    unusual.
    """

    data: TrainingSet
    pixels: npt.NDArray[np.int64]
    of: npt.NDArray[np.int64]
    val_pixels: int
    notes: tuple[str, ...]


def survey(folder: Path, data: TrainingSet) -> Survey:
    """Look at every label map. Raises BadInputError for what cannot be trained on."""
    categories = len(data.categories)
    if categories < 2:
        raise BadInputError("Training needs at least two categories; one may be the background.")
    if not data.train:
        raise BadInputError("There is no training image; label some, or put them into “train”.")
    found = {one: _counted(folder, one, categories) for one in (*data.train, *data.val)}
    counts = {one: pixels for one, (_, pixels) in found.items()}
    kept = {one for one, count in counts.items() if count.any()}
    train = tuple(one for one in data.train if one in kept)
    val = tuple(one for one in data.val if one in kept)
    if not train:
        raise BadInputError(
            "No training image has a labelled pixel; label some, or take unlabelled pixels as "
            "background."
        )
    rows = np.stack([counts[one] for one in train])
    pixels = rows.sum(axis=0)
    of = ((rows > 0) * rows.sum(axis=1, keepdims=True)).sum(axis=0)
    notes = _notes(data, pixels, [one for one in counts if one not in kept], len(val))
    whole = sum(found[one][0] for one in val or train)
    return Survey(replace(data, train=train, val=val or train), pixels, of, whole, tuple(notes))


def _notes(
    data: TrainingSet, pixels: npt.NDArray[np.int64], empty: Sequence[TrainingImage], val: int
) -> Iterator[str]:
    if empty:
        yield f"Left out, as no pixel is labelled: {_listed([one.name for one in empty])}."
    missing = [one.name for one, count in zip(data.categories, pixels, strict=True) if not count]
    if missing:
        yield (
            f"No training image shows {_listed(missing)}; the model will not find "
            f"{'it' if len(missing) == 1 else 'them'}."
        )
    if not val:
        yield (
            "There is no labelled validation image, so the scores are those of the training images "
            "and too good; label more images."
        )


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    shown = ", ".join(f"“{name}”" for name in names[:_NAMED])
    return f"{shown} and {more} more" if more > 0 else shown


def _counted(
    folder: Path, one: TrainingImage, categories: int
) -> tuple[int, npt.NDArray[np.int64]]:
    """Pixels of the image, and (C,) of each category.

    The image itself is only opened, and so is a map that was counted before.
    """
    size = read_size(located(folder, one.image))
    if len(one.pixels) == categories and read_size(located(folder, one.labels)) == size:
        return math.prod(size), np.array(one.pixels, dtype=np.int64)
    labels = read_labels(located(folder, one.labels), size, categories)
    return math.prod(size), np.bincount(labels.reshape(-1), minlength=IGNORE + 1)[:categories]


def read_pair(folder: Path, one: TrainingImage, categories: int) -> tuple[Rgb8, LabelMap]:
    """An image (H, W, 3) and its label map (H, W). Raises BadInputError."""
    pixels = read_image(located(folder, one.image)).pixels
    height, width = pixels.shape[:2]
    return pixels, read_labels(located(folder, one.labels), (height, width), categories)


class Squares(Dataset[tuple[Tensor, Tensor] | BadInputError]):
    """Square number n of a whole training, the same one whenever it is asked for.

    Each epoch takes every image once, in an order of its own; if that does not fill its last batch,
    it begins again. Chance comes from (seed, n) alone, so neither the number of reading processes
    nor a stop in between changes it. An item is (3, S, S) uint8 RGB and (S, S) uint8 labels; an
    image that cannot be read is its error, which a reading process could not raise as it is.
    """

    def __init__(
        self, folder: Path, data: TrainingSet, settings: TrainingSettings, per_epoch: int
    ) -> None:
        self._folder, self._data, self._settings = folder, data, settings
        self._per_epoch = per_epoch
        self._order = lru_cache(2)(self._shuffled)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor] | BadInputError:
        epoch, place = divmod(number, self._per_epoch)
        images, settings = self._data.train, self._settings
        one = images[int(self._order(epoch)[place % len(images)])]
        try:
            pixels, labels = read_pair(self._folder, one, len(self._data.categories))
        except BadInputError as error:
            return error
        chance = np.random.default_rng((settings.seed, 1, number))
        pixels, labels = augmented(pixels, labels, settings.side, settings.augmentation, chance)
        return torch.from_numpy(pixels).permute(2, 0, 1), torch.from_numpy(labels)

    def _shuffled(self, epoch: int) -> npt.NDArray[np.int64]:
        return np.random.default_rng((self._settings.seed, 0, epoch)).permutation(
            len(self._data.train)
        )


class Batches(Sampler[list[int]]):
    """Numbers of squares for each step from `start` to `steps`, those of one device of `world`."""

    def __init__(self, start: int, steps: int, batch: int, rank: int = 0, world: int = 1) -> None:
        self._start, self._steps = start, steps
        self._batch, self._rank, self._world = batch, rank, world

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self._start, self._steps):
            first = (step * self._world + self._rank) * self._batch
            yield list(range(first, first + self._batch))

    def __len__(self) -> int:
        return max(0, self._steps - self._start)


def joined(
    items: Sequence[tuple[Tensor, Tensor] | BadInputError],
) -> tuple[Tensor, Tensor] | BadInputError:
    """A batch: (N, 3, S, S) and (N, S, S) uint8; or the first error among the items."""
    pairs = []
    for item in items:
        if isinstance(item, BadInputError):
            return item
        pairs.append(item)
    images, labels = zip(*pairs, strict=True)
    return torch.stack(images), torch.stack(labels)
