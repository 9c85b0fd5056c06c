"""Where things stand: on the floor without touching, in rows, on tables, at walls."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from segstudio.models.prompt_training.rendering.catalogue import Piece
from segstudio.models.prompt_training.rendering.stage import Model

_FLAT_TOP = re.compile(
    r"table|desk|cabinet|chest|stand|bench|island|dresser|drawers|vanity|crate|trunk|biurko",
    re.IGNORECASE,
)
# They hang, or sit on a chair that is not there.
_NOT_ALONE = re.compile(
    r"ceiling|hanging|chandelier|hood|^sitMale0[12]|^sitFemale03|boySitting|SittingTable|holdingF|"
    r"elevator|escalator|swimming|pool|parque|jacuzzi|railing|wall",
    re.IGNORECASE,
)
_ROOMS = {"Living room", "Bedroom", "Office", "Kitchen", "Bathroom", "Lights", "Miscellaneous"}
_OUTSIDE = {"Exterior", "Vehicles"}
_SMALL = 0.55  # metres: what may lie on a table


@dataclass(frozen=True)
class Thing:
    """A model on the stage. `group` is the same for copies; `on` is the thing below, or None."""

    piece: Piece
    model: Model
    place: tuple[float, float, float]
    turn: float
    scale: float
    group: int
    on: int | None = None

    @property
    def footprint(self) -> tuple[tuple[float, float], tuple[float, float], float]:
        """OpenCV's rotated rectangle in the plane of x and z."""
        wide, deep = self.piece.size[0] * self.scale, self.piece.size[2] * self.scale
        return (self.place[0], self.place[2]), (wide, deep), -float(np.degrees(self.turn))


@dataclass
class Arrangement:
    """Things so far."""

    things: list[Thing] = field(default_factory=list)

    @property
    def radius(self) -> float:
        """Of the circle about the origin that holds all footprints."""
        corners = [cv2.boxPoints(thing.footprint) for thing in self.things]
        return float(np.linalg.norm(np.concatenate(corners), axis=1).max())

    def free(self, thing: Thing) -> bool:
        """Whether it meets none on the floor."""
        mine = thing.footprint
        return all(
            cv2.rotatedRectangleIntersection(mine, other.footprint)[0] == cv2.INTERSECT_NONE
            for other in self.things
            if other.on is None
        )


def fits(piece: Piece, theme: str) -> bool:
    """Whether a piece may be in a scene: "room", "outside" or "table"."""
    if not piece.useful or _NOT_ALONE.search(piece.path.stem):
        return False
    largest = max(piece.size)
    if theme == "table":
        return 0.04 < largest < _SMALL and piece.category not in _OUTSIDE | {"Vehicles"}
    person = piece.category == "Characters" and largest > 0.3
    if theme == "outside":
        return person or (piece.category in _OUTSIDE and 0.35 < largest < 13)
    return person or (piece.category in _ROOMS and 0.3 < largest < 3.2 and piece.elevation < 0.3)


def arrange(
    choice: list[tuple[Piece, Model]],
    small: list[tuple[Piece, Model]],
    count: int,
    rng: np.random.Generator,
) -> Arrangement:
    """About `count` things from a choice, some in rows, with small ones on what has a flat top."""
    made = Arrangement()
    reach = 0.2 * float(np.mean([max(p.size[0], p.size[2]) for p, _ in choice])) * count**0.5
    group = 0
    for _ in range(6 * count):
        if len(made.things) >= count:
            break
        piece, model = choice[int(rng.integers(len(choice)))]
        copies = 1
        if rng.random() < 0.3:
            copies = min(int(rng.integers(2, 7)), count - len(made.things))
        row = _row((piece, model), max(copies, 1), reach, group, rng)
        # What stands in the way of others is left out; the rest of a row stays.
        before = len(made.things)
        for thing in row:
            if made.free(thing):
                made.things.append(thing)
        if len(made.things) == before:
            reach *= 1.06
        group += 1
    for index in range(len(made.things)):
        if small and _FLAT_TOP.search(made.things[index].piece.path.stem):
            made.things += _on_top(made.things[index], index, small, group, rng)
            group += 6
    return made


def _row(
    pair: tuple[Piece, Model], copies: int, reach: float, group: int, rng: np.random.Generator
) -> list[Thing]:
    piece, model = pair
    turn = rng.normal() * 0.7 if rng.random() < 0.7 else rng.uniform(-np.pi, np.pi)
    along = rng.uniform(0, np.pi)
    step = np.array([np.cos(along), np.sin(along)])
    side = max(piece.size[0], piece.size[2])
    far = side * rng.uniform(0.75, 1.5)
    if rng.random() < 0.6:  # side by side
        step, far = np.array([np.cos(turn), -np.sin(turn)]), piece.size[0] * rng.uniform(1.02, 1.5)
    start = rng.normal(size=2) * reach * [1.0, 0.8] - step * far * (copies - 1) / 2
    scale = rng.uniform(0.92, 1.08)
    loose = rng.random() < 0.5
    out = []
    for copy in range(copies):
        spot = start + step * far * copy
        if loose:
            spot = spot + rng.normal(size=2) * 0.1 * side
        own = turn + (rng.normal() * 0.25 if loose else 0.0)
        place = (float(spot[0]), 0.0, float(spot[1]))
        out.append(Thing(piece, model, place, float(own), float(scale), group))
    return out


def _on_top(
    table: Thing,
    index: int,
    small: list[tuple[Piece, Model]],
    group: int,
    rng: np.random.Generator,
) -> list[Thing]:
    wide, high, deep = (side * table.scale for side in table.piece.size)
    there = Arrangement()
    for number in range(int(rng.integers(1, 6))):
        piece, model = small[int(rng.integers(len(small)))]
        if max(piece.size[0], piece.size[2]) > 0.6 * max(wide, deep):
            continue
        x, z = rng.uniform(-0.36, 0.36) * wide, rng.uniform(-0.36, 0.36) * deep
        c, s = np.cos(table.turn), np.sin(table.turn)
        place = (
            float(table.place[0] + c * x + s * z),
            table.place[1] + high,
            float(table.place[2] - s * x + c * z),
        )
        turn = table.turn + rng.normal()
        thing = Thing(piece, model, place, float(turn), 1.0, group + number)
        if there.free(thing):
            there.things.append(thing)
    return [
        Thing(t.piece, t.model, t.place, t.turn, t.scale, t.group, on=index) for t in there.things
    ]


def extent(things: list[Thing], way: npt.NDArray[np.float64]) -> float:
    """How far the footprints reach in a direction (2,) of the plane of x and z."""
    corners = np.concatenate([cv2.boxPoints(thing.footprint) for thing in things])
    return float((corners @ way).max())
