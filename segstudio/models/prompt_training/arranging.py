"""Which things lie on a canvas, where, and how large: alone, in crowds, joined, on a ground."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from segstudio.models.prompt_training import dressing
from segstudio.models.prompt_training.assets import Assets, Piece
from segstudio.models.prompt_training.backgrounds import Backgrounds
from segstudio.models.prompt_training.canvas import Canvas, Image, Rng
from segstudio.models.prompt_training.pasting import Pose, Stamp, paste, shadow, stamped
from segstudio.models.prompt_training.textures import blob

FLAT = frozenset({"clipart", "emoji"})  # kinds without light and texture of their own
REST = 8.0  # the weight of kinds that Setting does not name


@dataclass(frozen=True)
class Setting:
    """Chances of what happens to the things of a composite.

    `weights` of the kinds of cut-outs; `blobs`: random outlines among them. `least`, `most`: the
    longest side's share of the image's; sizes between are spread evenly by their logarithm.
    """

    weights: dict[str, float] = field(
        default_factory=lambda: {"3d": 56, "photos": 18, "clipart": 11, "emoji": 8, "fish": 2}
    )
    blobs: float = 0.05
    least: float = 0.04
    most: float = 0.9
    crowd: float = 0.12
    joined: float = 0.12
    ground: float = 0.25
    filled: float = 0.12
    textured: float = 0.55
    recoloured: float = 0.15
    jittered: float = 0.5
    matched: float = 0.45
    harmonised: float = 0.2
    softened: float = 0.5
    wrapped: float = 0.2
    shadow: float = 0.4


class Arranging:
    """Puts cut-outs of `assets` on canvases."""

    def __init__(self, assets: Assets, backgrounds: Backgrounds, setting: Setting) -> None:
        self._assets, self._texture, self._setting = assets, backgrounds.texture, setting
        self._kinds = list(assets.pieces)
        weights = np.array([setting.weights.get(kind, REST) for kind in self._kinds], float)
        self._chances = weights / max(1e-9, weights.sum())

    def many(self, rng: Rng, canvas: Canvas) -> None:
        """Two to nine things, crowds and joined things among them; the small ones mostly last."""
        count = int(rng.integers(2, 10))
        horizon = rng.uniform(0.2, 0.7) if rng.random() < self._setting.ground else None
        poses = [self._pose(rng, canvas.size, horizon) for _ in range(count)]
        if horizon is None:
            poses.sort(key=lambda pose: -np.log(pose.size) + rng.normal(0, 0.7))
        else:
            poses.sort(key=lambda pose: pose.y + pose.size / 2)
        crowd = int(rng.integers(count)) if rng.random() < self._setting.crowd else -1
        for number, pose in enumerate(poses):
            if number == crowd:
                self._crowd(rng, canvas, pose)
            elif rng.random() < self._setting.joined:
                self._joined(rng, canvas, pose)
            else:
                self._put(rng, canvas, self._draw(rng), pose, standing=horizon is not None)

    def few(self, rng: Rng, canvas: Canvas) -> None:
        """One to three things on a scene that has its own."""
        for _ in range(int(rng.integers(1, 4))):
            pose = self._pose(rng, canvas.size, None)
            self._put(
                rng,
                canvas,
                self._draw(rng),
                replace(pose, size=min(pose.size, 0.5 * max(canvas.size))),
            )

    def shapes(self, rng: Rng, canvas: Canvas) -> None:
        """Random outlines with textures."""
        for _ in range(int(rng.integers(2, 8))):
            self._put(rng, canvas, _blob(rng), self._pose(rng, canvas.size, None))

    def plain(self, rng: Rng, canvas: Canvas) -> None:
        """Cut-outs as they are, one over the other."""
        for _ in range(int(rng.integers(1, 6))):
            stamp = stamped(self._draw(rng), self._pose(rng, canvas.size, None), canvas.size)
            if stamp is not None:
                self._name(canvas, paste(canvas, stamp))

    def _draw(self, rng: Rng) -> Piece:
        if not self._kinds or rng.random() < self._setting.blobs:
            return _blob(rng)
        kind = self._kinds[int(rng.choice(len(self._kinds), p=self._chances))]
        return self._assets.pieces[kind].draw(rng)

    def _pose(self, rng: Rng, size: tuple[int, int], horizon: float | None) -> Pose:
        """Anywhere, or with the foot on a ground whose `horizon` (share of the height) it is under:
        then larger the lower."""
        height, width = size
        side = max(size)
        share = np.exp(rng.uniform(np.log(self._setting.least), np.log(self._setting.most)))
        x, y = rng.uniform(-0.02, 1.02) * width, rng.uniform(-0.02, 1.02) * height
        if horizon is not None:
            depth = rng.uniform(0.05, 1.1)
            share = np.clip(0.8 * depth**1.3 * np.exp(rng.normal(0, 0.3)), self._setting.least, 1)
            y = height * (horizon + (1 - horizon) * depth) - share * side / 2
        free = horizon is None and rng.random() < 0.15
        angle = rng.uniform(-np.pi, np.pi) if free else rng.normal(0, 0.06 if horizon else 0.15)
        return Pose(
            size=float(share * side),
            x=float(x),
            y=float(y),
            angle=float(angle),
            stretch=float(np.exp(rng.normal(0, 0.15))),
            shear=float(rng.normal(0, 0.08)),
            mirrored=bool(rng.random() < 0.5),
        )

    def _put(
        self, rng: Rng, canvas: Canvas, piece: Piece, pose: Pose, *, standing: bool = False
    ) -> tuple[int, ...]:
        """Dress a piece, paste it and name it with its parts; its ids."""
        stamp = stamped(piece, pose, canvas.size)
        if stamp is None:
            return ()
        self._dress(rng, piece, stamp, canvas)
        if rng.random() < self._setting.shadow:
            shadow(rng, canvas, stamp, standing=standing or rng.random() < 0.4)
        ids = paste(canvas, stamp)
        self._name(canvas, ids)
        return ids

    def _name(self, canvas: Canvas, ids: tuple[int, ...]) -> None:
        if ids:
            canvas.add(ids, "object")
        if len(ids) > 1:
            for number in ids:
                canvas.add((number,), "part")

    def _dress(self, rng: Rng, piece: Piece, stamp: Stamp, canvas: Canvas) -> None:
        setting = self._setting
        behind = canvas.image[stamp.window]
        flat = piece.kind in FLAT
        if piece.kind == "" or rng.random() < setting.filled * (1.5 if flat else 0.5):
            dressing.filled(rng, stamp, self._texture)
            flat = True
        elif flat and rng.random() < setting.textured:
            dressing.textured(rng, stamp, self._texture)
        elif rng.random() < setting.recoloured * (2 if stamp.parts.max(initial=0) > 1 else 1):
            dressing.recoloured(rng, stamp, self._texture)
        if flat and rng.random() < 0.6:
            dressing.shaded(rng, stamp)
        if rng.random() < setting.jittered:
            dressing.jittered(rng, stamp)
        if rng.random() < setting.matched:
            dressing.matched(rng, stamp, behind)
        if rng.random() < setting.harmonised:
            dressing.harmonised(rng, stamp, behind)
        dressing.bounded(stamp)
        if rng.random() < setting.wrapped:
            dressing.wrapped(rng, stamp, behind)
        if rng.random() < setting.softened:
            dressing.softened(rng, stamp)

    def _crowd(self, rng: Rng, canvas: Canvas, pose: Pose) -> None:
        """Four to fourteen of one kind about a place, nearly of one size; also one group."""
        first, count = self._draw(rng), int(rng.integers(4, 15))
        size = min(pose.size, 0.3 * max(canvas.size))
        spread = size * rng.uniform(0.5, 1.2) * count**0.5
        places = rng.normal(0, 0.6, (count, 2)) * [spread, spread * rng.uniform(0.2, 1)]
        members: list[int] = []
        for x, y in places[np.argsort(places[:, 1])]:
            piece = self._assets.another_view(rng, first) if first.kind else first
            near = replace(
                pose,
                size=size * float(np.exp(rng.normal(0, 0.12))),
                x=pose.x + float(x),
                y=pose.y + float(y),
                angle=pose.angle + float(rng.normal(0, 0.1)),
                mirrored=bool(rng.random() < 0.5),
            )
            members += self._put(rng, canvas, piece, near)
        if members:
            canvas.add(members, "group")

    def _joined(self, rng: Rng, canvas: Canvas, pose: Pose) -> None:
        """A thing upon or before another, as a rider on a horse: both, and the two as a group."""
        below = self._put(rng, canvas, self._draw(rng), pose)
        share = float(rng.uniform(0.4, 1.0))
        upper = replace(
            self._pose(rng, canvas.size, None),
            size=pose.size * share,
            x=pose.x + float(rng.normal(0, 0.12)) * pose.size,
            y=pose.y - float(rng.uniform(0, 0.45)) * pose.size,
            angle=pose.angle + float(rng.normal(0, 0.1)),
        )
        above = self._put(rng, canvas, self._draw(rng), upper)
        if below and above:
            canvas.add(below + above, "group")


def _blob(rng: Rng) -> Piece:
    alpha: Image = blob(rng, 160)
    return Piece(np.dstack([alpha] * 4), (alpha > 0).astype(np.uint8), "", "")
