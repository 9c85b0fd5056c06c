"""Model cards: what may be said of a model without loading it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from segstudio.models.prompt.contract import PromptModel


@dataclass(frozen=True)
class WeightsFile:
    """A published checkpoint, pinned: its name on disk, URL, size in bytes and SHA-256 (hex).

    Where the publisher gives no hash, `sha256` is "" and `size` 0, and what is first used is pinned
    (see `models.pins`); `sha256_prefix` holds the digits that a file's name tells. `package` is the
    folder of an installed Python package that may hold the file, as "top/folder"; with `url` "" it
    is found there or nowhere, and without either it comes with the app (see `in_the_box`), but for
    a model that was tuned here: that lies in `folder` alone.
    """

    name: str
    url: str
    size: int
    sha256: str
    licence: str
    sha256_prefix: str = ""
    package: str = ""
    folder: str = ""

    @property
    def hash_known(self) -> bool:
        """Whether it is known beforehand what the whole SHA-256 must be."""
        return bool(self.sha256)

    @property
    def in_the_box(self) -> bool:
        """Whether it lies in the app's own resources, and is to be got from nowhere else."""
        return not (self.url or self.package or self.folder)


class Weighed(Protocol):
    """A card of anything that has weights: a prompt model, a semantic model, an encoder."""

    @property
    def key(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def weights(self) -> WeightsFile | None: ...


def remedy(card: Weighed) -> str:
    """How to get weights of a card that are the right ones, for the end of a sentence."""
    if card.weights is None:  # trained here: there is nowhere to get it from
        return f"train {card.title} again"
    if card.weights.folder:
        return f"tune {card.title} again"
    if card.weights.in_the_box:
        return f"install SegStudio again, as {card.title} comes with it"
    return f"get the weights of {card.title} with `segstudio models pull {card.key}`"


@dataclass(frozen=True)
class ModelCard:
    """A model before it is a network.

    `accepts` holds "point", "box" and "prior" as the model takes them. `weights` is None for a
    model that needs no file. `loader` names the function that loads it, as "module:function"; it
    takes the weights' path (or None) and a device name and returns the model. `score_scale` times
    a predicted IoU of SAM's scale is what this model's own scores say of masks as good. `by_grid`
    says whether "everything" prompts a grid of points, so that crop layers and the fast mode count;
    `converted` whether its encoder can be converted for a faster runtime (see `prepare`).
    """

    key: str
    title: str
    description: str
    accepts: frozenset[str]
    weights: WeightsFile | None
    loader: str
    score_scale: float = 1.0
    by_grid: bool = True
    converted: bool = True

    def load(self, weights: Path | None, device: str) -> PromptModel:
        """Import the model's code and load it on `device` ("cpu", "cuda", "mps").

        `weights` is a verified file (see `models.weights.ensure`), None where the card has none.
        Raises WeightsError if the file is not this model's, DeviceError if the device refuses.
        """
        module, function = self.loader.split(":")
        load = cast(
            "Callable[[ModelCard, Path | None, str], PromptModel]",
            getattr(import_module(module), function),
        )
        return load(self, weights, device)
