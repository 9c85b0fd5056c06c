"""What a person asks of a prompt model, and what comes back. All in image pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from segstudio.core.mask import Box, Mask


@dataclass(frozen=True)
class Prompt:
    """Points, a box and a prior mask, in image pixels (pixel centres at +0.5).

    `points` are (x, y); `labels` has 1 (add) or 0 (remove) for each; `box` is half-open xyxy;
    `prior` is a mask of the whole image to start from.
    """

    points: tuple[tuple[float, float], ...] = ()
    labels: tuple[int, ...] = ()
    box: Box | None = None
    prior: Mask | None = None

    def __post_init__(self) -> None:
        if len(self.points) != len(self.labels):
            raise ValueError("a prompt needs one label for each point")
        if any(label not in (0, 1) for label in self.labels):
            raise ValueError("a point's label is 1 (add) or 0 (remove)")

    def __bool__(self) -> bool:
        return bool(self.points) or self.box is not None or self.prior is not None

    def with_point(self, x: float, y: float, label: int) -> Prompt:
        return replace(self, points=(*self.points, (x, y)), labels=(*self.labels, label))

    def with_box(self, box: Box | None) -> Prompt:
        return replace(self, box=box)

    def without_last(self) -> Prompt:
        """Take back the last point, or the box when there is no point."""
        if self.points:
            return replace(self, points=self.points[:-1], labels=self.labels[:-1])
        return replace(self, box=None)

    @property
    def xy(self) -> npt.NDArray[np.float32]:
        """(N, 2) float32."""
        return np.asarray(self.points, dtype=np.float32).reshape(-1, 2)

    @property
    def point_labels(self) -> npt.NDArray[np.int32]:
        """(N,) int32 of 1 and 0."""
        return np.asarray(self.labels, dtype=np.int32)

    def to_json(self) -> dict[str, Any]:
        """Plain data for the project file."""
        data: dict[str, Any] = {"points": [list(p) for p in self.points], "labels": [*self.labels]}
        if self.box is not None:
            data["box"] = list(self.box)
        if self.prior is not None:
            data["prior"] = self.prior.to_coco()
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Prompt:
        """The inverse of `to_json`."""
        prior = data.get("prior")
        return cls(
            points=tuple((float(x), float(y)) for x, y in data.get("points", ())),
            labels=tuple(int(label) for label in data.get("labels", ())),
            box=Box(*data["box"]) if data.get("box") is not None else None,
            prior=Mask.from_coco(prior["size"], prior["counts"]) if prior else None,
        )


@dataclass(frozen=True, eq=False)
class MaskLogits:
    """A mask as its model gave it, on a coarse grid: for drawing it at any zoom.

    `values` is (h, w) float32, positive inside the mask; between cell centres it is bilinear. The
    centre of cell (row, column) lies at image point `origin` + (column + 0.5, row + 0.5) * `step`.
    Beyond the grid there is no mask.
    """

    values: npt.NDArray[np.float32]
    origin: tuple[float, float]
    step: tuple[float, float]


@dataclass(frozen=True)
class Candidate:
    """One mask that a model proposes.

    `predicted_iou` is the model's own estimate of its mask's IoU, 0 to 1. `stability` is the IoU
    of the mask cut at a higher and at a lower threshold (Kirillov et al. 2023), 0 to 1. `logits`
    are there where the model has any. `point` is the (x, y) of the grid's prompt that gave the
    mask and `crop` the part of the image that it was found in, for a mask of "everything".
    """

    mask: Mask
    predicted_iou: float
    stability: float
    logits: MaskLogits | None = field(default=None, compare=False, repr=False)
    point: tuple[float, float] | None = None
    crop: Box | None = None


@dataclass(frozen=True)
class Candidates:
    """The K masks that one prompt returns, in the model's own order."""

    items: tuple[Candidate, ...]
    model_key: str

    @property
    def best(self) -> int:
        """Index of the highest predicted IoU. Raises ValueError where there are none."""
        return max(range(len(self.items)), key=lambda index: self.items[index].predicted_iou)


@dataclass(frozen=True, eq=False)
class Embedding:
    """What a model's encoder gives for one image: named arrays that only that model reads.

    `image_size` is (H, W) of the image; `image_key` its pixels' key; `model_key` names the model
    together with its weights and preprocessing, so that equal keys mean equal embeddings.
    """

    model_key: str
    image_key: str
    image_size: tuple[int, int]
    arrays: Mapping[str, npt.NDArray[Any]]

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self.arrays.values())
