"""Rooms, grounds and table tops with several things, as scenes with all that may be asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from segstudio.models.prompt_training.rendering import grounds
from segstudio.models.prompt_training.rendering.catalogue import Piece
from segstudio.models.prompt_training.rendering.lighting import lights
from segstudio.models.prompt_training.rendering.obj_files import Material
from segstudio.models.prompt_training.rendering.placing import Arrangement, Thing, arrange, extent
from segstudio.models.prompt_training.rendering.rasterizer import Camera
from segstudio.models.prompt_training.rendering.stage import (
    Model,
    Picture,
    Stage,
    developed,
    recoloured,
)
from segstudio.models.prompt_training.rendering.surfaces import Bytes, encoded
from segstudio.models.prompt_training.scene import Scene, Target

_FLOOR, _WALL, _SIDE_WALL, _SKY, _FIRST = 1, 2, 3, 4, 5
_LEAST = 40  # pixels of a thing or a part that may be asked for
_LEAST_REGION = 400

Photos = list[npt.NDArray[np.uint8]]
Choice = list[tuple[Piece, Model]]


@dataclass(frozen=True, eq=False)
class Supplies:
    """What scenes are made from: things for the theme, small ones, photos and textures."""

    theme: str
    choice: Choice
    small: Choice
    photos: Photos = field(default_factory=list)
    textures: list[Bytes] = field(default_factory=list)


def make_scene(
    supplies: Supplies, rng: np.random.Generator, longest: tuple[int, int] = (384, 512)
) -> Scene | None:
    """A scene whose longer side has between `longest` pixels; None where no two things are seen."""
    choice = _alike_in_size(supplies.choice, rng)
    small = supplies.small if supplies.theme == "room" else []
    made = arrange(choice, small, int(rng.integers(4, 15)), rng)
    stage, numbers = Stage(), []
    first = _FIRST
    for thing in made.things:
        recolour = rng.random() < (0.2 if thing.on is None else 0.4)
        model = recoloured(thing.model, rng) if recolour else thing.model
        stage.put(model, first, thing.place, thing.turn, thing.scale)
        numbers.append(tuple(range(first, first + thing.model.mesh.parts)))
        first += thing.model.mesh.parts
    camera = _camera(made, supplies.theme, longest, rng)
    _surround(stage, made, supplies, camera, rng)
    photo = supplies.photos[rng.integers(len(supplies.photos))] if supplies.photos else None
    light = lights(rng, photo, outside=supplies.theme == "outside")
    height = float(np.mean([thing.piece.size[1] for thing in made.things]))
    softness = rng.uniform(0.7, 3) if supplies.theme == "outside" else rng.uniform(2, 12)
    picture = stage.photograph(
        camera, light, softness=softness, nearby=0.3 * height, shadow_side=1024
    )
    behind = supplies.photos[rng.integers(len(supplies.photos))] if supplies.photos else None
    behind = behind if rng.random() < 0.65 else None
    # What a photo shows far behind has no name; a made-up sky is one thing.
    ids = picture.ids if behind is not None else np.where(picture.ids == 0, _SKY, picture.ids)
    targets = _targets(ids, made.things, numbers)
    if sum(target.kind == "object" for target in targets) < 2:
        return None
    image = _developed(picture, grounds.far_away(rng, behind, camera.width, camera.height), rng)
    return Scene(image, ids.astype(np.uint16), targets)


def _alike_in_size(choice: Choice, rng: np.random.Generator) -> Choice:
    """Things that can be seen together: none a tenth of another."""
    size = max(choice[int(rng.integers(len(choice)))][0].size)
    near = [pair for pair in choice if 0.4 * size < max(pair[0].size) < 2.2 * size]
    return [near[int(i)] for i in rng.permutation(len(near))[: rng.integers(3, 11)]]


def _camera(
    made: Arrangement, theme: str, longest: tuple[int, int], rng: np.random.Generator
) -> Camera:
    pixels = int(rng.integers(longest[0], longest[1] + 1))
    shape = ((4, 3), (4, 3), (3, 4), (1, 1), (3, 2))[int(rng.integers(5))]
    width, height = (round(pixels * side / max(shape)) for side in shape)
    low, high = {"table": (12, 60), "outside": (1, 22)}.get(theme, (4, 35))
    tilt, turn = np.radians(rng.uniform(low, high)), rng.normal() * 0.6
    open_ = np.radians(rng.uniform(30, 62))
    heart = made.things[int(rng.integers(len(made.things)))]
    tall = heart.piece.size[1] * heart.scale
    share = rng.uniform(0.1, 0.9)
    at = np.array(heart.place) * share + [0, tall * rng.uniform(0.2, 0.7), 0]
    at += rng.normal(size=3) * 0.05 * made.radius
    way = np.array([np.sin(turn) * np.cos(tilt), np.sin(tilt), np.cos(turn) * np.cos(tilt)])
    far = made.radius / np.sin(open_ / 2) * rng.uniform(0.4, 0.95)
    place = at + far * way
    for _ in range(20):
        if _clear_of(made.things, place):
            break
        far *= 1.12
        place = at + far * way
    place[1] = max(place[1], 0.15 * tall)
    focal = max(width, height) / 2 / np.tan(open_ / 2)
    return Camera.looking(place, at, focal, (width, height), rng.normal() * 0.03)


def _clear_of(things: list[Thing], place: npt.NDArray[np.float64]) -> bool:
    """Whether a camera stands in no thing and has none right before it."""
    return all(
        float(np.linalg.norm(place[[0, 2]] - [thing.place[0], thing.place[2]]))
        > 0.9 * max(thing.piece.size) * thing.scale
        or place[1] > thing.place[1] + 1.6 * thing.piece.size[1]
        for thing in things
    )


def _surround(
    stage: Stage,
    made: Arrangement,
    supplies: Supplies,
    camera: Camera,
    rng: np.random.Generator,
) -> None:
    """A floor, and in rooms one or two walls behind the things."""
    outside, radius = supplies.theme == "outside", made.radius
    large = radius * 14 + (30 if outside else 0)
    few = 0.5 if outside else 0.12
    tile = radius * float(np.exp(rng.uniform(np.log(few), np.log(8 * few))))
    kinds = grounds.OUTSIDE if outside else grounds.FLOORS
    found = [] if outside else supplies.textures
    _rectangle(
        stage,
        (-large, 0, large),
        ((2 * large, 0, 0), (0, 0, -2 * large)),
        (_FLOOR, grounds.texture(rng, kinds, found), tile),
        rng,
    )
    if rng.random() > {"room": 0.92, "table": 0.5}.get(supplies.theme, 0.12):
        return
    turn = np.arctan2(camera.place[0], camera.place[2]) + rng.normal() * 0.3
    out = np.array([np.sin(turn), np.cos(turn)])
    along = np.array([out[1], -out[0]])
    high = max(3.2, 6 * radius)
    paper = grounds.texture(rng, grounds.WALLS, supplies.textures)
    tile = radius * float(np.exp(rng.uniform(np.log(0.2), np.log(1.2))))
    far = extent(made.things, -out) + radius * rng.uniform(0.03, 1.2)
    start = -out * far - along * large
    _wall(stage, (start, along * 2 * large), high, (_WALL, paper, tile), rng)
    if rng.random() < 0.45:
        # On the side where the camera is not.
        side = -along if camera.place[[0, 2]] @ along > 0 else along
        far_side = extent(made.things, side) + radius * rng.uniform(0.05, 0.8)
        start = side * far_side - out * far
        _wall(stage, (start, out * large), high, (_SIDE_WALL, paper, tile), rng)


def _wall(
    stage: Stage,
    foot: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]],
    high: float,
    look: tuple[int, Bytes, float],
    rng: np.random.Generator,
) -> None:
    start, along = foot
    corner, side = (start[0], 0, start[1]), (along[0], 0, along[1])
    _rectangle(stage, corner, (side, (0, high, 0)), look, rng)


def _rectangle(
    stage: Stage,
    corner: npt.ArrayLike,
    sides: tuple[npt.ArrayLike, npt.ArrayLike],
    look: tuple[int, Bytes, float],
    rng: np.random.Generator,
) -> None:
    number, image, tile = look
    gloss = float(rng.uniform(0.2, 0.9)) if rng.random() < 0.3 else 0.0
    paint = Material("", (1, 1, 1), (gloss, gloss, gloss), float(rng.uniform(5, 120)))
    stage.put_rectangle(corner, sides, number, image, tile=tile, material=paint)


def _targets(
    ids: npt.NDArray[np.int32], things: list[Thing], numbers: list[tuple[int, ...]]
) -> tuple[Target, ...]:
    areas = np.bincount(ids.ravel(), minlength=numbers[-1][-1] + 1)
    seen = [int(areas[list(mine)].sum()) >= _LEAST for mine in numbers]
    targets = []
    for mine, there in zip(numbers, seen, strict=True):
        if there:
            targets.append(Target(mine, "object"))
            total = areas[list(mine)].sum()
            large = [one for one in mine if areas[one] >= max(_LEAST, 0.02 * total)]
            if len([one for one in mine if areas[one]]) > 1:
                targets += [Target((one,), "part") for one in large]
    groups: dict[tuple[str, int], list[int]] = {}
    for index, thing in enumerate(things):
        if seen[index]:
            groups.setdefault(("copies", thing.group), []).append(index)
            if thing.on is not None:
                groups.setdefault(("on", thing.on), [thing.on]).append(index)
    for members in groups.values():
        if len(members) > 1:
            joined = [number for member in members for number in numbers[member]]
            targets.append(Target(tuple(joined), "group"))
    regions = [number for number in range(_FLOOR, _FIRST) if areas[number] >= _LEAST_REGION]
    return (*targets, *(Target((number,), "region") for number in regions))


def _developed(
    picture: Picture, behind: npt.NDArray[np.float32], rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8: exposed, with what a camera adds."""
    light = picture.light
    mean = float(light.sum(axis=-1)[picture.cover > 0.5].mean()) / 3
    exposure = np.clip(rng.uniform(0.18, 0.42) / max(mean, 1e-3), 0.4, 3.0)
    image = developed(light, float(exposure)) + behind * (1 - picture.cover[..., None])
    if rng.random() < 0.3:
        image = _focused(image, picture.depth, rng)
    if rng.random() < 0.5:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 0.8)))
    shape = image.shape[:2]
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    image = image * (1 - rng.uniform(0, 0.12) * (x * x + y * y))[..., None]
    shown = encoded(np.asarray(image, np.float32))
    grain = rng.normal(size=(*shape, 3)) * abs(rng.normal()) * 0.012
    return np.round(np.clip(shown + grain, 0, 1) * 255).astype(np.uint8)


def _focused(
    image: npt.NDArray[np.float32], depth: npt.NDArray[np.float32], rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Sharp at one depth only: a thin lens, in four steps of blur."""
    finite = depth[np.isfinite(depth)]
    sharp = float(np.quantile(finite, rng.uniform(0.1, 0.6)))
    wide = rng.uniform(1.5, 6)
    circle = wide * np.abs(1 - sharp / np.maximum(depth, 1e-3))
    blur = cv2.GaussianBlur(circle.astype(np.float32), (0, 0), 1.5)
    steps = (0.0, 1.0, 2.0, 4.0)
    layers = [image, *(cv2.GaussianBlur(image, (0, 0), sigma) for sigma in steps[1:])]
    out = layers[-1]
    for k in range(len(steps) - 2, -1, -1):
        share = np.clip((blur - steps[k]) / (steps[k + 1] - steps[k]), 0, 1)[..., None]
        out = layers[k] * (1 - share) + out * share
    return np.asarray(out, np.float32)
