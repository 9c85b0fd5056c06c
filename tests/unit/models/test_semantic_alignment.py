"""A network that copies colours gives label maps that lie on the image, whatever is resized.

Discs of four colours stand in the corners of odd-sized images. A shift by half a pixel, or a
stretch (align_corners), moves their centres; that borders are uncertain by a pixel does not.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from network_model import NetworkModel
from torch import Tensor, nn
from torch.nn import functional

from segstudio.core.category import parse_colour
from segstudio.core.image import Rgb8, RgbImage
from segstudio.core.prediction import LabelMap
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.models.semantic.contract import CrfSettings, PredictSettings
from segstudio.models.semantic.network import Body, SizedNet
from segstudio.models.semantic.predicting import predict
from segstudio.models.training import validation
from segstudio.models.training.augmentation import augmented
from segstudio.models.training.label_maps import write_labels
from segstudio.models.training.settings import Augmentation, TrainingImage

COLOURS = np.array(
    [parse_colour(one) for one in ("#000000", "#ff0000", "#00ff00", "#0000ff", "#ffffff")],
    dtype=np.uint8,
)
RADIUS = 22
SIZES = [(131, 173), (173, 130), (197, 197)]


class Nearest(nn.Module):
    """(N, 3, H, W) of 0 to 1 to (N, 5, h, w): how near each colour is to the mean of squares."""

    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        self._stride = stride
        colours = torch.from_numpy(COLOURS).float() / 255
        self.convolution = nn.Conv2d(3, len(COLOURS), 1).requires_grad_(False)
        self.convolution.weight.copy_(16 * colours[:, :, None, None])
        self.convolution.bias.copy_(-8 * (colours**2).sum(dim=1))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.convolution(functional.avg_pool2d(images, self._stride))
        return logits


class Strided(Body):
    """The same as the body of a network, with logits at `stride`."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.nearest = Nearest(stride)

    @property
    def backbone(self) -> nn.Module:
        return self.nearest

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"out": self.nearest(images)}


def discs(height: int, width: int) -> tuple[Rgb8, LabelMap]:
    """An image with a disc near each corner, and its label map."""
    y, x = np.mgrid[:height, :width] + 0.5
    labels = np.zeros((height, width), dtype=np.uint8)
    far = RADIUS + 5.3
    corners = ((far, far), (width - far, far), (far, height - far), (width - far, height - far))
    for label, (middle, row) in enumerate(corners, start=1):
        labels[(x - middle) ** 2 + (y - row) ** 2 < RADIUS**2] = label
    return COLOURS[labels], labels


def centres(labels: LabelMap) -> np.ndarray:
    """(4, 2) xy of the discs' centres of mass."""
    return np.array([np.argwhere(labels == label)[:, ::-1].mean(axis=0) for label in range(1, 5)])


def moved(model: NetworkModel, size: tuple[int, int], **how) -> float:
    """How far, in pixels, the discs of a prediction lie from those of the image, at most."""
    pixels, labels = discs(*size)
    asked = PredictSettings(**how)
    found = predict(model, RgbImage(pixels), asked, ignore_progress, CancelToken())
    assert np.mean(found.labels == labels) > 0.97
    return float(np.abs(centres(found.labels) - centres(labels)).max())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("side", [64, 512])
@pytest.mark.parametrize("scale", [0.25, 0.37, 0.5, 1.0, 1.75])
def test_scales_and_windows_do_not_move_labels(size, side: int, scale: float) -> None:
    model = NetworkModel(Nearest(), len(COLOURS), side=side)
    assert moved(model, size, scales=(scale,)) < (0.08 if scale < 1 else 1e-9)


@pytest.mark.parametrize("size", SIZES)
def test_neither_do_mirror_images_and_a_cards_scale(size) -> None:
    model = NetworkModel(Nearest(), len(COLOURS), side=64)
    assert moved(model, size, scales=(0.5, 1.0, 1.75), flip=True) < 0.05
    assert moved(NetworkModel(Nearest(), len(COLOURS), side=64, scale=0.5), size) < 0.08


def test_the_crf_does_not_move_labels() -> None:
    model = NetworkModel(Nearest(), len(COLOURS), side=512)
    assert moved(model, (97, 130), crf=CrfSettings()) < 0.05


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stride", [2, 4, 8])
def test_logits_at_a_stride_are_enlarged_onto_their_pixels(size, stride: int) -> None:
    net = SizedNet(Strided(stride), 32).eval()
    model = NetworkModel(lambda images: net(images)["out"], len(COLOURS), side=96)
    assert moved(model, size) < 0.04 * stride
    assert moved(model, size, scales=(1.75,)) < 0.02 * stride


@pytest.mark.parametrize("whole", [1 << 20, 1 << 10])
def test_a_validation_sees_labels_where_its_images_have_them(
    whole: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validation, "WHOLE", whole)
    pixels, labels = discs(131, 173)
    cv2.imwrite(str(tmp_path / "image.png"), pixels[..., ::-1])
    write_labels(tmp_path / "labels.png", labels)
    image = TrainingImage("image", "image.png", "labels.png")
    looking = validation.Validator(tmp_path, (image,), len(COLOURS), 50)
    scores, nearest = looking.begin(), Nearest()
    looking.look(
        0, scores, lambda images: nearest(images / 255), functional.cross_entropy,
        torch.device("cpu"),
    )  # fmt: skip
    assert scores.confusion.mean_iou() == 1.0
    assert np.array_equal(scores.worst[0].labels, labels)


@pytest.mark.parametrize("scale", [0.55, 0.7, 1.6, 2.0])
@pytest.mark.parametrize("rotate", [0.0, 20.0])
def test_training_squares_have_their_labels_on_their_pixels(scale: float, rotate: float) -> None:
    pixels, labels = (part.repeat(3, 0).repeat(3, 1) for part in discs(131, 131))
    how = Augmentation(scale=(scale, scale), flip=0.0, rotate=rotate, colour=0.0)
    shifts = []
    for seed in range(4):
        got, known = augmented(pixels, labels, 255, how, np.random.default_rng(seed))
        far = np.square(got[..., None, :].astype(int) - COLOURS.astype(int)).sum(axis=-1)
        seen = np.where(known == 255, 0, far.argmin(axis=-1))
        for label in range(1, 5):
            inside = known == label
            if np.count_nonzero(inside) > 500:
                one, other = (np.argwhere(part).mean(axis=0) for part in (inside, seen == label))
                shifts.append(one - other)
    assert len(shifts) > 3
    assert np.abs(np.mean(shifts, axis=0)).max() < 0.1
