"""What things are pasted on: crops of photographs and of scenes, textures, mosaics of both."""

from __future__ import annotations

import cv2
import numpy as np

from segstudio.models.prompt_training.assets import Assets
from segstudio.models.prompt_training.canvas import Canvas, Floats, Rng
from segstudio.models.prompt_training.degrading import tone
from segstudio.models.prompt_training.scene import Scene
from segstudio.models.prompt_training.textures import patches, procedural

_ENLARGED = 2.0  # at most, where a crop is smaller than what is asked


class Backgrounds:
    """Draws from the photographs and scenes of `assets`."""

    def __init__(self, assets: Assets) -> None:
        self._assets = assets

    def photo(self, rng: Rng, height: int, width: int, least: float = 0.25) -> Floats:
        """(H, W, 3) float32: a crop of a photograph, `least` to all of it."""
        share = float(np.exp(rng.uniform(np.log(least), 0)))
        shelf = self._assets.halves
        if share * 512 < 0.8 * max(height, width):
            shelf = self._assets.photos
        if not len(shelf):
            return procedural(rng, height, width)
        photo = shelf.draw(rng)
        top, left, rows, columns = _window(rng, photo.shape[:2], (height, width), share)
        crop = photo[top : top + rows, left : left + columns]
        if rng.random() < 0.5:
            crop = crop[:, ::-1]
        return _resized(crop, height, width).astype(np.float32)

    def texture(self, rng: Rng, height: int, width: int) -> Floats:
        """The same for a surface: a small crop, or a procedural one."""
        if rng.random() < 0.2:
            return procedural(rng, height, width)
        photo = self._assets.halves.draw(rng) if len(self._assets.halves) else None
        if photo is None:
            return procedural(rng, height, width)
        share = float(np.exp(rng.uniform(np.log(0.08), np.log(0.7))))
        top, left, rows, columns = _window(rng, photo.shape[:2], (height, width), share)
        return _resized(photo[top : top + rows, left : left + columns], height, width).astype(
            np.float32
        )

    def mosaic(self, rng: Rng, height: int, width: int) -> Canvas:
        """Two to five textures beside each other, each a region."""
        count = int(rng.integers(2, 6))
        labels = patches(rng, height, width, count)
        canvas = Canvas(np.zeros((height, width, 3), np.float32))
        for number, name in enumerate(canvas.new_ids(count)):
            here = labels == number
            if not here.any():
                continue
            cloth = (
                self.texture(rng, height, width)
                if rng.random() < 0.6
                else self.photo(rng, height, width)
            )
            canvas.image[here] = tone(rng, cloth)[here]
            canvas.ids[here] = name
            canvas.add((name,), "region")
        canvas.image = np.asarray(
            cv2.GaussianBlur(canvas.image, (0, 0), rng.uniform(0.3, 1.2)), dtype=np.float32
        )
        return canvas

    def scene(self, rng: Rng, height: int, width: int, kinds: list[str]) -> Canvas:
        """A crop of a scene of one of these kinds; kinds are drawn by the root of their number."""
        shelves = [self._assets.scenes[kind] for kind in kinds]
        weights = np.sqrt([len(shelf) for shelf in shelves])
        shelf = shelves[int(rng.choice(len(shelves), p=weights / weights.sum()))]
        return cropped(rng, shelf.draw(rng), height, width)


def cropped(rng: Rng, scene: Scene, height: int, width: int) -> Canvas:
    """A random crop of a scene at (height, width), mirrored half of the time; near one of its
    targets when it is a small crop."""
    share = float(np.exp(rng.uniform(np.log(0.3), 0))) if rng.random() < 0.7 else 1.0
    least = max(height, width) / _ENLARGED / max(1, min(scene.ids.shape))
    share = min(1.0, max(share, least))
    middle = None
    if share < 0.8 and scene.targets:
        target = scene.targets[int(rng.integers(len(scene.targets)))]
        seen = np.flatnonzero(scene.ids[::8, ::8] == target.ids[0]) if target.ids else ()
        if len(seen):
            across = scene.ids[::8, ::8].shape[1]
            row, column = divmod(int(seen[int(rng.integers(len(seen)))]), across)
            middle = 8 * row, 8 * column
    top, left, rows, columns = _window(rng, scene.ids.shape, (height, width), share, middle)
    image = scene.image[top : top + rows, left : left + columns]
    ids = scene.ids[top : top + rows, left : left + columns]
    if rng.random() < 0.5:
        image, ids = image[:, ::-1], ids[:, ::-1]
    named = cv2.resize(
        np.ascontiguousarray(ids), (width, height), interpolation=cv2.INTER_NEAREST_EXACT
    )
    canvas_image = _resized(image, height, width).astype(np.float32)
    return Canvas(canvas_image, named.astype(np.uint16), scene.targets)


def _window(
    rng: Rng,
    whole: tuple[int, ...],
    asked: tuple[int, int],
    share: float,
    middle: tuple[int, int] | None = None,
) -> tuple[int, int, int, int]:
    """Top, left, rows, columns: `share` of the largest window of the asked form, which is stretched
    a little; about `middle` where one is given."""
    stretch = float(np.exp(rng.uniform(-0.2, 0.2)))
    form = asked[1] / asked[0] * stretch
    rows = min(whole[0], whole[1] / form) * share
    high, wide = max(4, round(rows)), max(4, round(rows * form))
    high, wide = min(high, whole[0]), min(wide, whole[1])
    room = whole[0] - high, whole[1] - wide
    if middle is None:
        top, left = int(rng.integers(room[0] + 1)), int(rng.integers(room[1] + 1))
    else:
        shift = rng.uniform(0.2, 0.8, 2)
        top = int(np.clip(middle[0] - shift[0] * high, 0, room[0]))
        left = int(np.clip(middle[1] - shift[1] * wide, 0, room[1]))
    return top, left, high, wide


def _resized(
    image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], height: int, width: int
) -> Floats:
    shrinks = image.shape[0] > height
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=how)  # type: ignore[return-value]
