"""What a training is told: the network, the data's treatment, the loss, the schedule."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from segstudio.core.prediction import ModelCategory
from segstudio.models.semantic.card import Options


class Loss(StrEnum):
    """What is made small."""

    CROSS_ENTROPY = "cross-entropy"
    DICE = "dice"
    CE_DICE = "ce-dice"
    FOCAL = "focal"


class ClassWeights(StrEnum):
    """How much a pixel of each category counts in the cross-entropy."""

    EQUAL = "equal"
    MEDIAN_FREQUENCY = "median-frequency"  # Eigen and Fergus 2015; SegNet


class Optimiser(StrEnum):
    """What steps the parameters."""

    ADAMW = "adamw"
    SGD = "sgd"


class Schedule(StrEnum):
    """How the learning rate falls."""

    POLY = "poly"  # (1 - t) ** 0.9, as DeepLab's
    COSINE = "cosine"
    CONSTANT = "constant"


class Precision(StrEnum):
    """What is computed in; AUTO is bf16 on a CUDA device that has it, else 32 bits."""

    AUTO = "auto"
    FULL = "32"
    HALF = "16-mixed"
    BFLOAT = "bf16-mixed"


@dataclass(frozen=True)
class Augmentation:
    """Chance treatment of training images; all at 0 leaves them as they are.

    Scaled by a factor of `scale`, then a square of `TrainingSettings.side` is cut out; mirrored
    with the chance `flip`; turned by up to `rotate` degrees; brightness, contrast, saturation by up
    to the fraction `colour`; blurred with the chance `blur`.
    """

    scale: tuple[float, float] = (0.5, 2.0)
    flip: float = 0.5
    rotate: float = 0.0
    colour: float = 0.3
    blur: float = 0.0


@dataclass(frozen=True)
class TrainingSettings:
    """All that decides a training, so that equal settings, data and machine give equal curves.

    `epochs` are passes over the training images; `minutes` ends it earlier (0: never), and then the
    learning rate falls by the clock, so that two runs are equal no more; so does `patience`, epochs
    without a better mIoU (0: never). It validates after each `validate_every` epochs, or after the
    least multiple of them that has `validate_steps` optimiser steps: few images have short epochs.
    `side` is that of the training squares in pixels; `batch`
    squares at once, on each device. `learning_rate` is the decoder's; the encoder's is that times
    `encoder_rate`, if it was trained before. `dice_squared` takes squares in Dice's denominator
    (Milletari et al. 2016). `clip` is the largest norm of the gradient (0: any). `pretrained`
    starts the encoder from its ImageNet weights; `start` (a model's key) starts all that fits from
    that model. `devices` and `nodes` are counts for the launcher. `workers` processes read images
    (0: the training itself; -1: none on the CPU, else up to 8).
    """

    architecture: str = "deeplabv3plus"
    encoder: str = ""
    options: Options = field(default_factory=dict)
    pretrained: bool = True
    start: str = ""
    side: int = 512
    batch: int = 4
    epochs: int = 100
    minutes: float = 0.0
    patience: int = 0
    loss: Loss = Loss.CE_DICE
    class_weights: ClassWeights = ClassWeights.EQUAL
    dice_squared: bool = False
    focal_gamma: float = 2.0
    optimiser: Optimiser = Optimiser.ADAMW
    learning_rate: float = 1e-3
    encoder_rate: float = 0.1
    weight_decay: float = 1e-2
    momentum: float = 0.9
    warmup: int = 20
    schedule: Schedule = Schedule.POLY
    clip: float = 1.0
    precision: Precision = Precision.AUTO
    augmentation: Augmentation = Augmentation()
    seed: int = 0
    device: str = "auto"
    devices: int = 1
    nodes: int = 1
    workers: int = -1
    validate_every: int = 1
    validate_steps: int = 20


@dataclass(frozen=True)
class TrainingImage:
    """An image file and its label map, a PNG of (H, W) uint8 with the same size; 255 is ignored.

    `name` is what the user calls it, `image_id` its id in the project (0: it is in none). `pixels`
    are those of each category, where whoever drew the map has counted them; else it is read.
    """

    name: str
    image: str
    labels: str
    image_id: int = 0
    pixels: tuple[int, ...] = ()


@dataclass(frozen=True)
class TrainingSet:
    """What is trained on. Paths are absolute or relative to the run's folder."""

    categories: tuple[ModelCategory, ...]
    train: tuple[TrainingImage, ...]
    val: tuple[TrainingImage, ...]
