"""Batches for training prompt models, made in other processes, the same for the same seed.

Batches come in blocks: each scene of a block is used in two of its batches, seen from another side
and asked for other masks, as making a scene costs more than cutting it out.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segstudio.models.nets.trails import TRAIL_CELL
from segstudio.models.prompt_training.scene import Scene, Target
from segstudio.models.prompt_training.settings import NanoSettings
from segstudio.models.prompt_training.streams import SceneStream, scene_stream

BLOCK = 16  # batches
UNKNOWN = 255
PADDING = 127  # a grey that is zero once normalised
_CELL = 2
_LEAST_CELLS = 12
_WEIGHTS = {"object": 1.0, "group": 0.4, "part": 0.4, "region": 0.6}
_AHEAD = 6  # batches that wait


Cut = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.uint8]]


@dataclass(frozen=True, eq=False)
class Batch:
    """`images` (B, S, S, 3) uint8 RGB; `masks` (B, T, S / 2, S / 2) uint8, 255 where covered;
    `borders` (B, S / 4, S / 4) uint8, see `borders`."""

    images: npt.NDArray[np.uint8]
    masks: npt.NDArray[np.uint8]
    borders: npt.NDArray[np.uint8]


class BatchStream:
    """Batches from step `start` on, made by `workers` processes; to be closed."""

    def __init__(self, folder: Path, settings: NanoSettings, start: int, workers: int = 1) -> None:
        context = multiprocessing.get_context("spawn")
        self._queues = [context.Queue(_AHEAD) for _ in range(workers)]
        self._processes = [
            context.Process(
                target=_work, args=(folder, settings, start, (index, workers), queue), daemon=True
            )
            for index, queue in enumerate(self._queues)
        ]
        for process in self._processes:
            process.start()
        self._step = start

    def __next__(self) -> Batch:
        """The batch of the next step. Raises RuntimeError where its maker has died."""
        worker = (self._step // BLOCK) % len(self._queues)
        while True:
            try:
                arrays = self._queues[worker].get(timeout=5)
                break
            except Exception as error:  # queue.Empty of any context
                if not self._processes[worker].is_alive():
                    raise RuntimeError("the process that makes training images has died") from error
        self._step += 1
        return Batch(*arrays)

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.join()


def _work(
    folder: Path, settings: NanoSettings, start: int, share: tuple[int, int], queue: Any
) -> None:
    """Make the blocks of one of `share` = (index, number of processes)."""
    cv2.setNumThreads(1)
    composer = scene_stream(folder, settings)
    block = start // BLOCK
    while block * BLOCK < settings.steps:
        if block % share[1] == share[0]:
            for step, batch in enumerate(make_block(composer, settings, block), block * BLOCK):
                if step >= start:
                    queue.put((batch.images, batch.masks, batch.borders))
        block += 1


def make_block(composer: SceneStream, settings: NanoSettings, block: int) -> Iterator[Batch]:
    """The BLOCK batches of a block, which depend on the seed, the block and the data alone."""
    draw = np.random.default_rng((settings.seed, block))
    composer.begin(block)
    steps = range(block * BLOCK, (block + 1) * BLOCK)
    kept: dict[int, list[Scene]] = {}
    for step in steps:
        side, images = settings.side(step), settings.images_at(step)
        scenes = kept.setdefault(side, [])
        cuts: list[Cut] = []
        while len(cuts) < images:
            if len(scenes) < 2 * images or draw.random() < 0.5:
                scenes.append(composer.sample(side, side))
            if len(scenes) > 4 * images:
                scenes.pop(0)
            made = cut(scenes[int(draw.integers(len(scenes)))], settings.targets, draw)
            if made is not None:
                cuts.append(made)
        yield Batch(*map(np.stack, zip(*cuts, strict=True)))


def cut(scene: Scene, targets: int, draw: np.random.Generator) -> Cut | None:
    """One image of a batch, with `targets` masks of the scene; None if it has none."""
    image, ids = scene.image, scene.ids
    if draw.random() < 0.5:
        image, ids = image[:, ::-1], ids[:, ::-1]
    if draw.random() < 0.3:
        image, ids = _padded(image, ids, draw)
    scene = Scene(image, ids, scene.targets)
    found: list[npt.NDArray[np.uint8]] = []
    for target in _shuffled(scene.targets, draw):
        mask = scene.mask(target).astype(np.uint8) * np.uint8(255)
        size = ids.shape[1] // _CELL, ids.shape[0] // _CELL
        cells = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        if _LEAST_CELLS <= np.count_nonzero(cells > 127) <= 0.8 * cells.size:
            found.append(cells)
        if len(found) == targets:
            break
    if not found:
        return None
    while len(found) < targets:
        found.append(found[int(draw.integers(len(found)))])
    return np.ascontiguousarray(image), np.stack(found), borders(ids)


def borders(ids: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint8]:
    """(h / 4, w / 4): 1 for cells where things of `ids` (h, w) meet, 0 within one, UNKNOWN where
    nothing is named."""
    meet = np.zeros(ids.shape, dtype=np.uint8)
    beside, below = ids[:, 1:] != ids[:, :-1], ids[1:] != ids[:-1]
    meet[:, 1:] |= beside
    meet[:, :-1] |= beside
    meet[1:] |= below
    meet[:-1] |= below
    height, width = (length // TRAIL_CELL for length in ids.shape)
    cells = height, TRAIL_CELL, width, TRAIL_CELL
    met, named = (one.reshape(cells).max(axis=(1, 3)) for one in (meet, ids))
    return np.where(met > 0, 1, np.where(named > 0, 0, UNKNOWN)).astype(np.uint8)


def _shuffled(targets: tuple[Target, ...], draw: np.random.Generator) -> list[Target]:
    """In a random order in which likelier kinds tend to come first (Efraimidis & Spirakis 2006)."""
    keys = [draw.random() ** (1 / _WEIGHTS[target.kind]) for target in targets]
    return [targets[i] for i in np.argsort(keys)[::-1]]


def _padded(
    image: npt.NDArray[np.uint8], ids: npt.NDArray[np.uint16], draw: np.random.Generator
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint16]]:
    """With a strip on the right or below that is no image, as photos are not square."""
    image, ids = image.copy(), ids.copy()
    cut_at = int(image.shape[0] * draw.uniform(0.7, 0.98))
    if draw.random() < 0.5:
        image[cut_at:], ids[cut_at:] = PADDING, 0
    else:
        image[:, cut_at:], ids[:, cut_at:] = PADDING, 0
    return image, ids
