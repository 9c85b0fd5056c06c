"""Cut-outs laid onto a canvas: warped, dressed by the caller, blended, and named."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segstudio.models.prompt_training.assets import Piece
from segstudio.models.prompt_training.canvas import Canvas, Floats, Image, Rng

SEEN = 0.5  # of alpha, from which on a pixel is the thing's


@dataclass(frozen=True)
class Pose:
    """Where and how a piece lies: `size` px of its longest side, its middle `x`, `y` in px,
    `angle` in radians, `stretch` of width to height, `shear`, and whether it is mirrored."""

    size: float
    x: float
    y: float
    angle: float = 0.0
    stretch: float = 1.0
    shear: float = 0.0
    mirrored: bool = False


@dataclass(eq=False)
class Stamp:
    """A warped piece within the canvas: its corner `left`, `top`; `colour` (h, w, 3) float32 of 0
    to 255 with alpha multiplied in, `alpha` (h, w) float32 of 0 to 1, `parts` (h, w) uint8."""

    left: int
    top: int
    colour: Floats
    alpha: Floats
    parts: Image

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the canvas."""
        height, width = self.alpha.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


def matrix(piece: Piece, pose: Pose) -> npt.NDArray[np.float64]:
    """(2, 3): from the piece's pixel edges to the canvas's."""
    height, width = piece.parts.shape
    scale = pose.size / max(height, width)
    wide, high = scale * pose.stretch**0.5, scale / pose.stretch**0.5
    cos, sin = np.cos(pose.angle), np.sin(pose.angle)
    turn = np.array([[cos, -sin], [sin, cos]]) @ np.array([[1, pose.shear], [0, 1]])
    linear = turn @ np.diag([-wide if pose.mirrored else wide, high])
    offset = np.array([pose.x, pose.y]) - linear @ np.array([width / 2, height / 2])
    return np.hstack([linear, offset[:, None]])


def stamped(piece: Piece, pose: Pose, size: tuple[int, int]) -> Stamp | None:
    """The piece in this pose, as far as a canvas of `size` (H, W) has it; None where nothing."""
    to_canvas = matrix(piece, pose)
    height, width = piece.parts.shape
    corners = np.array([[0, width, width, 0], [0, 0, height, height], [1, 1, 1, 1]])
    x, y = to_canvas @ corners
    left, top = max(0, int(np.floor(x.min())) - 2), max(0, int(np.floor(y.min())) - 2)
    right = min(size[1], int(np.ceil(x.max())) + 2)
    bottom = min(size[0], int(np.ceil(y.max())) + 2)
    if right - left < 3 or bottom - top < 3:
        return None
    rgba, parts = piece.rgba, piece.parts
    scale = pose.size / max(height, width)
    if scale < 0.7:  # bilinear sampling alone would skip pixels
        smaller = max(2, round(width * scale * 1.1)), max(2, round(height * scale * 1.1))
        rgba = cv2.resize(rgba, smaller, interpolation=cv2.INTER_AREA).astype(np.uint8)
        parts = cv2.resize(parts, smaller, interpolation=cv2.INTER_NEAREST_EXACT).astype(np.uint8)
        to_canvas = to_canvas.copy()
        to_canvas[:, 0] *= width / smaller[0]
        to_canvas[:, 1] *= height / smaller[1]
    to_canvas = _by_centres(to_canvas, left, top)
    extent = right - left, bottom - top
    warped = cv2.warpAffine(rgba, to_canvas, extent, flags=cv2.INTER_LINEAR).astype(np.float32)
    parts = cv2.warpAffine(parts, to_canvas, extent, flags=cv2.INTER_NEAREST).astype(np.uint8)
    return Stamp(left, top, warped[..., :3].copy(), warped[..., 3] / np.float32(255), parts)


def _by_centres(linear: npt.NDArray[np.float64], left: int, top: int) -> npt.NDArray[np.float64]:
    """OpenCV counts from pixel centres, we from edges: half a pixel before and after."""
    moved = linear.copy()
    moved[:, 2] += linear[:, :2] @ np.array([0.5, 0.5]) - 0.5 - np.array([left, top])
    return moved


def paste(canvas: Canvas, stamp: Stamp) -> tuple[int, ...]:
    """Blend a stamp in and name it: new ids, one for each part that it has here; () for nothing."""
    rows, columns = stamp.window
    behind = canvas.image[rows, columns]
    behind *= (1 - stamp.alpha)[..., None]
    behind += stamp.colour
    seen = stamp.alpha > SEEN
    if not seen.any():
        return ()
    parts = _within(stamp.parts, seen) * seen
    numbers = np.flatnonzero(np.bincount(parts.ravel())[1:]) + 1
    ids = canvas.new_ids(len(numbers))
    table = np.zeros(256, np.uint16)
    table[numbers] = ids
    np.copyto(canvas.ids[rows, columns], table[parts], where=seen)
    return ids


def _within(parts: Image, seen: npt.NDArray[np.bool_]) -> Image:
    """Parts with none of 0 where something is seen: the border takes its neighbour's."""
    bare = seen & (parts == 0)
    if not bare.any():
        return parts
    grown = np.asarray(cv2.dilate(parts, np.ones((5, 5), np.uint8)), dtype=np.uint8)
    first = int(parts[parts > 0].min()) if parts.any() else 1
    grown[grown == 0] = first
    return np.where(bare, grown, parts)


def shadow(rng: Rng, canvas: Canvas, stamp: Stamp, *, standing: bool) -> None:
    """Darken what lies under a stamp that is to be pasted: beneath its foot, or to one side."""
    height, width = stamp.alpha.shape
    if standing:
        depth = max(2, round(height * rng.uniform(0.04, 0.12)))
        foot = stamp.alpha[height // 2 :].max(0)
        x = np.flatnonzero(foot > SEEN)
        rows = np.flatnonzero(stamp.alpha.max(1) > SEEN)
        if not len(x) or rows[-1] + stamp.top >= canvas.size[0] - 2:
            return
        shade = np.zeros(canvas.size, np.uint8)
        middle = round((x[0] + x[-1]) / 2) + stamp.left, int(rows[-1]) + stamp.top
        axes = max(1, round((x[-1] - x[0]) * rng.uniform(0.4, 0.6))), depth
        cv2.ellipse(shade, middle, axes, 0, 0, 360, (255.0,), -1)
        dark, soft, top, left = shade, depth * rng.uniform(0.4, 1.0), 0, 0
    else:
        reach = max(1.0, 0.08 * max(height, width))
        x_shift, y_shift = np.rint(rng.uniform(-reach, reach, 2)).astype(int)
        top, left = stamp.top + int(y_shift), stamp.left + int(x_shift)
        dark, soft = (stamp.alpha * 255).astype(np.uint8), rng.uniform(0.2, 1) * reach
    _darken(canvas, dark, (top, left), max(0.5, soft), rng.uniform(0.2, 0.65))


def _darken(
    canvas: Canvas, shade: Image, corner: tuple[int, int], soft: float, strength: float
) -> None:
    margin = int(3 * soft) + 1
    rows, columns = np.flatnonzero(shade.any(1)), np.flatnonzero(shade.any(0))
    if not len(rows):
        return
    shade = shade[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    shade = cv2.copyMakeBorder(shade, *(margin,) * 4, cv2.BORDER_CONSTANT, value=(0.0,)).astype(
        np.uint8
    )
    shade = cv2.GaussianBlur(shade, (0, 0), soft).astype(np.uint8)
    top, left = corner[0] + int(rows[0]) - margin, corner[1] + int(columns[0]) - margin
    height, width = canvas.size
    first_row, first_column = max(0, -top), max(0, -left)
    last_row, last_column = min(shade.shape[0], height - top), min(shade.shape[1], width - left)
    if first_row >= last_row or first_column >= last_column:
        return
    piece = shade[first_row:last_row, first_column:last_column].astype(np.float32)
    under = canvas.image[top + first_row : top + last_row, left + first_column : left + last_column]
    under *= (1 - piece * np.float32(strength / 255))[..., None]
