"""An endless stream of scenes for training, composed of all that a folder holds."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from segstudio.models.prompt_training.arranging import Arranging, Setting
from segstudio.models.prompt_training.assets import PHOTOS, Assets
from segstudio.models.prompt_training.backgrounds import Backgrounds
from segstudio.models.prompt_training.canvas import Canvas, Rng
from segstudio.models.prompt_training.degrading import Degrading, tone
from segstudio.models.prompt_training.scene import Scene
from segstudio.models.prompt_training.textures import procedural

_TURN = 64  # samples, after which other files are drawn from


@dataclass(frozen=True)
class Mix:
    """What a sample is, by chance; kinds that a folder does not hold give way to composites.

    `photos` labelled photographs, `scenes` rendered scenes, `shapes` outlines filled with textures;
    the rest are composites. `pasted`: how often cut-outs lie on a scene besides. The backgrounds of
    composites: `on_labelled` labelled photographs, `on_rendered` scenes, `on_texture`, `on_mosaic`,
    else photographs; `defocused`: how often these are blurred.
    """

    photos: float = 0.25
    scenes: float = 0.25
    shapes: float = 0.05
    pasted: float = 0.25
    on_labelled: float = 0.2
    on_rendered: float = 0.05
    on_texture: float = 0.08
    on_mosaic: float = 0.12
    defocused: float = 0.25
    setting: Setting = field(default_factory=Setting)


class Composer:
    """Composes scenes of what lies in `folder` (see assets.py); the seed decides everything.

    `plain`: cut-outs on photographs and nothing else, to measure what the rest is good for.
    `without`: names of photographs that must not be seen, nor anything made of them.
    `mebibytes`: of decoded pictures that are kept in memory, about.
    """

    def __init__(
        self,
        folder: Path,
        seed: int,
        *,
        plain: bool = False,
        without: Collection[str] = (),
        mix: Mix | None = None,
        mebibytes: int = 700,
    ) -> None:
        self._seed = seed
        self._rng = np.random.default_rng(seed)
        self._assets = Assets(folder, seed, without=without, mebibytes=mebibytes)
        self._backgrounds = Backgrounds(self._assets)
        self._mix = Mix() if mix is None else mix
        self._arranging = Arranging(self._assets, self._backgrounds, self._mix.setting)
        self._degrading = Degrading(seed)
        self._plain = plain
        self._part, self._made = 0, 0

    @property
    def rng(self) -> Rng:
        """What all chances are drawn from."""
        return self._rng

    def begin(self, part: int) -> None:
        """Go on as part number `part` of the stream, whatever was drawn before."""
        self._rng = np.random.default_rng((self._seed, part))
        self._part, self._made = part, 0
        self._assets.turn(part)

    def sample(self, height: int, width: int) -> Scene:
        """A scene of this size with at least one target, each of at least 30 px and at most 75 % of
        the image. Raises FileNotFoundError where the folder's files cannot be read."""
        self._made += 1
        if self._made % _TURN == 0:
            self._assets.turn(self._part + self._made // _TURN)
        while True:
            canvas = (
                self._plain_canvas(height, width) if self._plain else self._canvas(height, width)
            )
            scene = canvas.scene()
            if scene.targets:
                break
        if self._plain:
            return scene
        return Scene(self._degrading(self._rng, scene.image), scene.ids, scene.targets)

    def _plain_canvas(self, height: int, width: int) -> Canvas:
        canvas = Canvas(self._backgrounds.photo(self._rng, height, width))
        self._arranging.plain(self._rng, canvas)
        return canvas

    def _canvas(self, height: int, width: int) -> Canvas:
        rng, mix = self._rng, self._mix
        labelled = [kind for kind in self._assets.scenes if kind == PHOTOS]
        rendered = [kind for kind in self._assets.scenes if kind != PHOTOS]
        chance = rng.random()
        for kinds, share in ((labelled, mix.photos), (rendered, mix.scenes)):
            if chance < share and kinds:
                canvas = self._backgrounds.scene(rng, height, width, kinds)
                if rng.random() < mix.pasted:
                    self._arranging.few(rng, canvas)
                return canvas
            chance -= share
            if chance < 0:
                break
        if 0 <= chance < mix.shapes:
            canvas = self._background(height, width, labelled, rendered)
            self._arranging.shapes(rng, canvas)
            return canvas
        canvas = self._background(height, width, labelled, rendered)
        self._arranging.many(rng, canvas)
        return canvas

    def _background(
        self, height: int, width: int, labelled: list[str], rendered: list[str]
    ) -> Canvas:
        rng, mix, chance = self._rng, self._mix, self._rng.random()
        for kinds, share in ((labelled, mix.on_labelled), (rendered, mix.on_rendered)):
            if 0 <= chance < share and kinds:
                return self._defocused(self._backgrounds.scene(rng, height, width, kinds))
            chance -= share
        if 0 <= chance < mix.on_mosaic:
            return self._backgrounds.mosaic(rng, height, width)
        chance -= mix.on_mosaic
        if 0 <= chance < mix.on_texture:
            cloth = self._backgrounds.texture if rng.random() < 0.6 else procedural
            return Canvas(tone(rng, cloth(rng, height, width)))
        return self._defocused(Canvas(tone(rng, self._backgrounds.photo(rng, height, width))))

    def _defocused(self, canvas: Canvas) -> Canvas:
        """Blurred now and then; then its own regions are no targets where they are small."""
        rng = self._rng
        if rng.random() < self._mix.defocused:
            sigma = float(np.exp(rng.uniform(np.log(0.5), np.log(4)))) * max(canvas.size) / 256
            canvas.image = np.asarray(cv2.GaussianBlur(canvas.image, (0, 0), sigma), np.float32)
            if sigma > 2:
                canvas.targets = [target for target in canvas.targets if target.kind == "region"]
        return canvas
