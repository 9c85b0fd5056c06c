"""Where the scenes of a training come from, as its settings say."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from segstudio.models.prompt_training.composing import Composer, Mix
from segstudio.models.prompt_training.scene import Scene
from segstudio.models.prompt_training.settings import NanoSettings

_LABELLED = Mix(photos=1.0, scenes=0.0, shapes=0.0, pasted=0.0)
_MEBIBYTES = 300


class SceneStream(Protocol):
    """An endless stream of scenes in parts, each of which depends on its number alone."""

    def begin(self, part: int) -> None:
        """Go on as this part, whatever was drawn before."""
        ...

    def sample(self, height: int, width: int) -> Scene:
        """A scene of this size with at least one target."""
        ...


class Mixed:
    """Scenes of `first`, and by chance in a `share` of cases of `second`."""

    def __init__(self, first: SceneStream, second: SceneStream, share: float, seed: int) -> None:
        self._first, self._second, self._share, self._seed = first, second, share, seed
        self._draw = np.random.default_rng((seed, 11, 0))

    def begin(self, part: int) -> None:
        self._draw = np.random.default_rng((self._seed, 11, part))
        self._first.begin(part)
        self._second.begin(part)

    def sample(self, height: int, width: int) -> Scene:
        other = self._draw.random() < self._share
        return (self._second if other else self._first).sample(height, width)


def scene_stream(folder: Path, settings: NanoSettings) -> SceneStream:
    """The scenes that `folder` and the settings stand for."""
    if not settings.labelled:
        return Composer(folder, settings.seed, plain=settings.plain, without=settings.held_out)
    own = Composer(folder, settings.seed, without=settings.held_out, mix=_LABELLED)
    if not settings.composed or not settings.composed_share:
        return own
    other = Composer(Path(settings.composed), settings.seed, mebibytes=_MEBIBYTES)
    return Mixed(own, other, settings.composed_share, settings.seed)
