"""Learning from a teacher's embedding besides its masks: tokens are drawn to what it sees there.

SAM's embedding has a cell for every 16 pixels of its square of 1024, nano's tokens one for every 8
of a square of 512: the same 64 x 64 places. A 1 x 1 convolution brings tokens to the teacher's
channels, as in FitNets (Romero et al. 2015); it is learnt along and thrown away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from segstudio.core.errors import BadInputError
from segstudio.models.nets.nano import SIDE, STRIDE, Nano
from segstudio.models.prompt_training.batches import PADDING, Batch
from segstudio.models.prompt_training.learner import Learner, normalised
from segstudio.models.prompt_training.scores import GRIDS
from segstudio.models.prompt_training.settings import NanoSettings

CELLS = SIDE // STRIDE


@dataclass(frozen=True, eq=False)
class Windows:
    """`images` (B, S, S, 3) uint8; `grids` (B, C, S / 8, S / 8) float32; `seen` (B, S / 8, S / 8)
    bool, where the image is."""

    images: npt.NDArray[np.uint8]
    grids: npt.NDArray[np.float32]
    seen: npt.NDArray[np.bool_]


class TeacherGrids:
    """The embeddings in `folder`/grids, (C, 64, 64) float16 each, and the images they are of."""

    def __init__(self, folder: Path, without: Sequence[str] = ()) -> None:
        """Raises BadInputError where there is none, or one of another form."""
        paths = sorted((folder / GRIDS).glob("*.npy"))
        self._paths = [path for path in paths if path.stem not in without]
        self._images = folder / "images"
        if not self._paths:
            raise BadInputError(f"There is no embedding of a teacher in {folder}; make them first.")
        self.channels = int(self._grid(self._paths[0]).shape[0])

    def draw(self, draw: np.random.Generator, count: int, side: int) -> Windows:
        """`count` windows of `side` pixels of images that fill the square's corner."""
        rows = [self._window(draw, side) for _ in range(count)]
        images, grids, seen = zip(*rows, strict=True)
        return Windows(np.stack(images), np.stack(grids), np.stack(seen))

    def _window(
        self, draw: np.random.Generator, side: int
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        path = self._paths[int(draw.integers(len(self._paths)))]
        image, (rows, columns) = self._fitted(path.stem)
        cells = side // STRIDE
        # The window lies on the image as far as that is large enough.
        top, left = (
            int(draw.integers(0, max(0, min(CELLS, -(-length // STRIDE)) - cells) + 1))
            for length in (rows, columns)
        )
        y, x = top * STRIDE, left * STRIDE
        seen = np.zeros((CELLS, CELLS), dtype=bool)
        seen[: rows // STRIDE, : columns // STRIDE] = True
        part = slice(top, top + cells), slice(left, left + cells)
        grid = self._grid(path)[:, part[0], part[1]].astype(np.float32)
        return image[y : y + side, x : x + side], grid, seen[part]

    def _fitted(self, name: str) -> tuple[npt.NDArray[np.uint8], tuple[int, int]]:
        """The square (SIDE, SIDE, 3), and the (h, w) of the image in its corner."""
        image = cv2.imread(str(self._images / f"{name}.jpg"), cv2.IMREAD_COLOR)
        if image is None:
            raise BadInputError(f"The image {name} in {self._images} cannot be read.")
        scale = SIDE / max(image.shape[:2])
        height, width = (max(1, round(length * scale)) for length in image.shape[:2])
        square = np.full((SIDE, SIDE, 3), PADDING, np.uint8)
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        square[:height, :width] = cv2.resize(image[..., ::-1], (width, height), interpolation=how)
        return square, (height, width)

    @staticmethod
    def _grid(path: Path) -> npt.NDArray[np.float16]:
        grid = np.load(path, mmap_mode="r", allow_pickle=False)
        if grid.ndim != 3 or grid.shape[1:] != (CELLS, CELLS):
            raise BadInputError(f"{path} is no embedding of {CELLS} x {CELLS} places; delete it.")
        return np.asarray(grid)


def unlikeness(made: Tensor, wanted: Tensor, seen: Tensor) -> Tensor:
    """The mean of 1 - cosine similarity of (B, C, h, w) over the places that are `seen` (B, h, w).

    A cosine, as teachers' embeddings are of any scale.
    """
    far = 1 - functional.cosine_similarity(made, wanted, dim=1)
    return (far * seen).sum() / seen.sum().clamp(min=1)


class DistillingLearner(Learner):
    """A learner whose tokens, projected, are also to be like a teacher's embedding."""

    def __init__(
        self, network: Nano, settings: NanoSettings, device: str, grids: TeacherGrids
    ) -> None:
        super().__init__(network, settings, device)
        self._grids = grids
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.head = nn.Conv2d(settings.width, grids.channels, 1).to(device)
        self.optimiser.add_param_group({"params": list(self.head.parameters()), "share": 1.0})

    def more_state(self) -> dict[str, Tensor]:
        return {name: one.detach() for name, one in self.head.state_dict().items()}

    def take_more(self, state: dict[str, Tensor]) -> None:
        self.head.load_state_dict(state)

    def _loss(self, batch: Batch, draw: np.random.Generator) -> tuple[Tensor, float, float]:
        loss, first, last = super()._loss(batch, draw)
        return loss + self.settings.likeness * self.unlikeness(draw, batch), first, last

    def unlikeness(self, draw: np.random.Generator, batch: Batch) -> Tensor:
        """How far tokens are from the teacher on as many windows, as large, as those of `batch`."""
        count, side = batch.images.shape[:2]
        windows = self._grids.draw(draw, count, side)
        with self._precision():
            tokens = self.network.encode(normalised(windows.images, self.device)).tokens
            made = self.head(tokens).float()
        wanted = torch.from_numpy(windows.grids).to(self.device)
        return unlikeness(made, wanted, torch.from_numpy(windows.seen).to(self.device))
