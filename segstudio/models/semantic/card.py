"""What may be said of semantic models without loading one: architectures, encoders and cards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from segstudio.core.prediction import ModelCategory
from segstudio.models.card import WeightsFile

if TYPE_CHECKING:
    from segstudio.models.semantic.contract import SemanticModel, SemanticNet

Options = Mapping[str, bool | int | float | str]


@dataclass(frozen=True)
class Normalisation:
    """What is taken from RGB of 0 to 1, and what it is then divided by."""

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Encoder:
    """A backbone that architectures can stand on.

    `name` is what the library that has it calls it. `parameters` counts those of the backbone.
    `weights` are its ImageNet weights (None: it starts from nothing), `normalisation` what they
    want.
    """

    key: str
    title: str
    name: str
    parameters: int
    licence: str
    weights: WeightsFile | None = None
    normalisation: Normalisation = Normalisation()


@dataclass(frozen=True)
class NetworkSpec:
    """All that it takes to build a network: it fits the weights that were saved of one built so.

    `architecture` and `encoder` are keys of the registry (`encoder` "" where the architecture has
    its own), `categories` the number of channels of the logits, `options` the architecture's own.
    """

    architecture: str
    encoder: str
    categories: int
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class Architecture:
    """A network that can be trained.

    `builder` names the function that builds it, as "module:function"; it takes a `NetworkSpec` and
    returns a `SemanticNet` with random weights. `encoders` are those it goes with, the first one is
    the default; empty where it has its own. `options` are its options with their defaults. Sides
    of its inputs are padded to multiples of `multiple`. `licence` is that of the code.
    """

    key: str
    title: str
    description: str
    paper: str
    builder: str
    licence: str
    encoders: tuple[str, ...] = ()
    options: Options = field(default_factory=dict)
    multiple: int = 32

    def build(self, spec: NetworkSpec) -> SemanticNet:
        """The network, with random weights. Raises BadInputError for a spec that it cannot be."""
        module, function = self.builder.split(":")
        build = cast(
            "Callable[[NetworkSpec], SemanticNet]", getattr(import_module(module), function)
        )
        return build(spec)


@dataclass(frozen=True)
class SemanticCard:
    """A semantic model that can be used: published, or trained here.

    `side` is the length, in pixels, of the sliding window: that of the squares that it was
    trained on, or more, for what is around a pixel helps to tell what it is. Images are
    enlarged or shrunk by `scale` before. `weights` is the published file, or None where
    `folder` holds a model trained here. `noncommercial` weights may be used for research only;
    that is shown before a download. `temperature` divides the logits (Guo et al. 2017).
    `scores` are those measured when it was made, by name; `settings` and `trained_on` tell how
    and on what. `loader` names the function that loads it; it takes the card, the path and a
    device.
    """

    key: str
    title: str
    description: str
    spec: NetworkSpec
    categories: tuple[ModelCategory, ...]
    licence: str
    weights: WeightsFile | None = None
    folder: Path | None = None
    normalisation: Normalisation = Normalisation()
    side: int = 512
    scale: float = 1.0
    noncommercial: bool = False
    temperature: float = 1.0
    trained_on: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    created_at: float = 0.0
    loader: str = "segstudio.models.semantic.loading:load"

    def load(self, weights: Path | None, device: str) -> SemanticModel:
        """Import the model's code and load it on `device` ("cpu", "cuda", "mps").

        `weights` is a verified file (see `models.weights.ensure`); None for a model trained here.
        Raises WeightsError if the file is not this model's, DeviceError if the device refuses.
        """
        module, function = self.loader.split(":")
        load = cast(
            "Callable[[SemanticCard, Path | None, str], SemanticModel]",
            getattr(import_module(module), function),
        )
        return load(self, weights, device)
