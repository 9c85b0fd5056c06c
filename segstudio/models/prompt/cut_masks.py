"""Sets of superpixels to masks of the full image, and prompts to the small image."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from segstudio.core.image import Rgb8
from segstudio.core.mask import Box, Mask
from segstudio.core.prompt import Prompt
from segstudio.models.prompt.min_cut import Bools
from segstudio.models.prompt.prompt_evidence import SmallPrompt
from segstudio.models.prompt.superpixel_graph import Floats, SuperpixelGraph

Window = tuple[int, int, int, int]  # x0, y0, x1, y1, half-open

# Holes of less than this share of a mask are filled; islands without a click are dropped below it.
_SMALL_HOLE, _SMALL_ISLAND = 0.02, 0.1

# The outline of superpixels is jagged and up to two pixels off. It is blurred, then moved within
# the blur to where pixels look more like the other side's nearby mean. Widths are in pixels of the
# small image, the contrast a squared CIELAB difference; chosen on COCO and BSDS500 train objects.
_OUTLINE_SIGMA, _SMOOTH_SIGMA = 1.5, 0.8
_NEARBY = 13
_SNAP, _SNAP_CONTRAST = 0.5, 100.0


class FullFrame:
    """The way between an image of `size` (H, W) and the small one that `graph` was made of."""

    def __init__(self, graph: SuperpixelGraph, size: tuple[int, int]) -> None:
        self._graph, self._size = graph, size
        self._down = graph.width / size[1], graph.height / size[0]

    def small_prompt(self, prompt: Prompt) -> SmallPrompt:
        kx, ky = self._down
        at = [(x * kx, y * ky) for x, y in prompt.points]
        box = prompt.box
        return SmallPrompt(
            positive=[xy for xy, label in zip(at, prompt.labels, strict=True) if label],
            negative=[xy for xy, label in zip(at, prompt.labels, strict=True) if not label],
            box=Box(box.x0 * kx, box.y0 * ky, box.x1 * kx, box.y1 * ky) if box else None,
        )

    def small_share(self, mask: Mask) -> Floats:
        """(n,) what share of each superpixel the mask covers."""
        full = mask.to_array().view(np.uint8) * np.uint8(255)
        size = self._graph.width, self._graph.height
        small = cv2.resize(full, size, interpolation=cv2.INTER_AREA)
        return self._graph.mean(small) / 255

    def mask(self, side: Bools, prompt: Prompt, small: SmallPrompt) -> Mask:
        """The parts of `side` that the prompt means, smoothly scaled up, with every click right."""
        field = side[self._graph.labels]
        return self._clicked(self._enlarged(_meant_parts(field, small)), prompt)

    @property
    def image_pixels(self) -> int:
        return self._size[0] * self._size[1]

    def region(self, side: Bools, min_region: int) -> Mask:
        """All of `side`, without small holes, nor holes and islands below `min_region` pixels."""
        crop, origin = self._enlarged(_without_holes(side[self._graph.labels], []))
        if min_region > 0:
            crop = _without_specks(_without_specks(crop, min_region, True), min_region, False)
        return self._as_mask(crop, origin)

    def corrected(self, prior: Mask, share: Floats, after: Bools, prompt: Prompt) -> Mask:
        """`prior`, pixel for pixel, but for the superpixels that changed sides.

        `share` says what of each superpixel the prior covers. One that it covers in part and that
        did not change sides, beside one that did, loses its crumbs or has its gap closed.
        """
        labels, before = self._graph.labels, share > 0.5
        come, gone = after & ~before, before & ~after
        come |= after & (share < 1) & self._beside(come)
        gone |= ~after & (share > 0) & self._beside(gone)
        added = self._as_mask(*self._enlarged(come[labels]))
        removed = self._as_mask(*self._enlarged(gone[labels]))
        mask = prior.union(added).subtract(removed)
        x0, y0, x1, y1 = _grown(mask.box, prompt, self._size)
        return self._clicked((mask.crop(x0, y0, x1, y1), (x0, y0)), prompt)

    def _beside(self, side: Bools) -> Bools:
        """The superpixels with a neighbour in `side`."""
        one, other = self._graph.pairs.T
        beside = np.zeros_like(side)
        beside[one[side[other]]] = True
        beside[other[side[one]]] = True
        return beside

    def _as_mask(self, crop: Bools, origin: tuple[int, int]) -> Mask:
        return Mask.from_crop(crop, origin, self._size)

    def _enlarged(self, field: Bools) -> tuple[Bools, tuple[int, int]]:
        """The field's box in image pixels as a crop, and the crop's top left pixel."""
        rows, columns = np.flatnonzero(field.any(axis=1)), np.flatnonzero(field.any(axis=0))
        if not len(rows):
            return np.zeros((1, 1), dtype=bool), (0, 0)
        height, width = self._size
        kx, ky = self._down
        if max(field.shape) <= _NEARBY:  # a superpixel may be one pixel: no outline to speak of
            return field, (0, 0)
        top, bottom = max(0, rows[0] - 4), min(field.shape[0], rows[-1] + 5)
        left, right = max(0, columns[0] - 4), min(field.shape[1], columns[-1] + 5)
        part = field[top:bottom, left:right]
        soft = _without_crumbs(_snapped(part, self._graph.pixels[top:bottom, left:right]), part)
        x0, x1 = math.floor(left / kx), min(width, math.ceil(right / kx))
        y0, y1 = math.floor(top / ky), min(height, math.ceil(bottom / ky))
        # Pixel centres: small = (full + 0.5) * k - 0.5.
        way = np.array(
            [
                [kx, 0, (x0 + 0.5) * kx - 0.5 - left],
                [0, ky, (y0 + 0.5) * ky - 0.5 - top],
            ]
        )
        full = cv2.warpAffine(
            soft,
            way,
            (x1 - x0, y1 - y0),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        inside: Bools = full > 0.5
        return inside, (x0, y0)

    def _clicked(self, placed: tuple[Bools, tuple[int, int]], prompt: Prompt) -> Mask:
        """The mask cut to the box, then with each click's own surroundings put right."""
        crop, (left, top) = placed
        box = Box(left, top, left + crop.shape[1], top + crop.shape[0])
        x0, y0, x1, y1 = _grown(box, prompt, self._size)
        canvas = np.zeros((y1 - y0, x1 - x0), dtype=np.uint8)
        canvas[top - y0 : top - y0 + crop.shape[0], left - x0 : left - x0 + crop.shape[1]] = crop
        if prompt.box is not None:
            _clip_to_box(canvas, prompt.box, (x0, y0))
        reach = self._click_reach(prompt)
        for label in (1, 0):
            for (x, y), own, radius in zip(prompt.points, prompt.labels, reach, strict=True):
                if own == label and 0 <= x < self._size[1] and 0 <= y < self._size[0]:
                    at = math.floor(x) - x0, math.floor(y) - y0
                    cv2.circle(canvas, at, radius, label, -1)
        for (x, y), own in zip(prompt.points, prompt.labels, strict=True):
            if 0 <= x < self._size[1] and 0 <= y < self._size[0]:
                canvas[math.floor(y) - y0, math.floor(x) - x0] = own
        if prompt.box is not None:
            kept = [p for p, own in zip(prompt.points, prompt.labels, strict=True) if own]
            _clip_to_box(canvas, prompt.box, (x0, y0), kept)
        return self._as_mask(canvas != 0, (x0, y0))

    def _click_reach(self, prompt: Prompt) -> list[int]:
        """Radius around each click that is surely its own: a third of the way to an opposite
        click, at most that of half a superpixel."""
        most = 0.5 * math.sqrt(self._graph.area.mean() / (self._down[0] * self._down[1]) / math.pi)
        reach = []
        for xy, label in zip(prompt.points, prompt.labels, strict=True):
            others = [
                math.dist(xy, other)
                for other, its in zip(prompt.points, prompt.labels, strict=True)
                if its != label
            ]
            reach.append(int(min([most, *(gap / 3 for gap in others)])))
        return reach


def _snapped(part: Bools, pixels: Rgb8) -> npt.NDArray[np.float32]:
    """(h, w) soft mask, 0.5 on its outline, of a jagged one; `pixels` (h, w, 3) uint8 RGB."""
    lab = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    inside = part.astype(np.float32)
    means = []
    for weight in (inside, 1 - inside):
        total = np.maximum(_nearby(weight), 1e-3)[..., np.newaxis]
        means.append(_nearby(lab * weight[..., np.newaxis]) / total)
    to_inner, to_outer = (((lab - mean) ** 2).sum(axis=2) for mean in means)
    contrast = ((means[0] - means[1]) ** 2).sum(axis=2) + _SNAP_CONTRAST
    alike = np.clip((to_outer - to_inner) / contrast, -1, 1)
    soft = _blurred(inside, _OUTLINE_SIGMA)
    band = 1 - np.abs(2 * soft - 1)
    return _blurred(soft + _SNAP * alike * band, _SMOOTH_SIGMA)


def _without_crumbs(soft: npt.NDArray[np.float32], part: Bools) -> npt.NDArray[np.float32]:
    """`soft` (h, w), 0.5 on its outline, less what its smoothing cut off the islands of `part`."""
    count, islands, stats, _ = cv2.connectedComponentsWithStats((soft > 0.5).astype(np.uint8))
    if count <= 2:
        return soft
    _, whole = cv2.connectedComponents(part.astype(np.uint8))
    area = stats[:, cv2.CC_STAT_AREA]
    largest: dict[int, int] = {}  # of each island before, the largest that is left of it
    origin = [0] * count
    for island in sorted(range(1, count), key=lambda one: -area[one]):
        origin[island] = int(np.bincount(whole[islands == island]).argmax())
        largest.setdefault(origin[island], island)
    crumbs = [
        island
        for island in range(1, count)
        if area[island] < _SMALL_ISLAND * area[largest[origin[island]]]
    ]
    return np.where(np.isin(islands, crumbs), np.float32(0), soft) if crumbs else soft


def _nearby(layer: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    mean = cv2.blur(layer, (_NEARBY, _NEARBY), borderType=cv2.BORDER_REPLICATE)
    return mean.astype(np.float32)


def _blurred(layer: npt.NDArray[np.float32], sigma: float) -> npt.NDArray[np.float32]:
    soft = cv2.GaussianBlur(layer, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return soft.astype(np.float32)


def _clip_to_box(
    canvas: npt.NDArray[np.uint8],
    box: Box,
    origin: tuple[int, int],
    kept: list[tuple[float, float]] | None = None,
) -> None:
    """Clear the pixels whose centre is outside the box, but for those under `kept` points."""
    rows, columns = canvas.shape
    x0, x1 = (min(columns, max(0, math.ceil(v - 0.5) - origin[0])) for v in (box.x0, box.x1))
    y0, y1 = (min(rows, max(0, math.ceil(v - 0.5) - origin[1])) for v in (box.y0, box.y1))
    points = [(math.floor(x) - origin[0], math.floor(y) - origin[1]) for x, y in kept or ()]
    held = [(x, y) for x, y in points if 0 <= x < columns and 0 <= y < rows and canvas[y, x]]
    canvas[:y0], canvas[y1:], canvas[:, :x0], canvas[:, x1:] = 0, 0, 0, 0
    for x, y in held:
        canvas[y, x] = 1


def _grown(box: Box, prompt: Prompt, size: tuple[int, int]) -> Window:
    """The smallest window around the box and all clicks, within the image, never empty."""
    inside = [(x, y) for x, y in prompt.points if 0 <= x < size[1] and 0 <= y < size[0]]
    xs = [box.x0, box.x1, *(math.floor(x) for x, _ in inside)]
    ys = [box.y0, box.y1, *(math.floor(y) for _, y in inside)]
    x0, y0 = int(min(xs)), int(min(ys))
    x1 = int(max([box.x1, x0 + 1, *(math.floor(x) + 1 for x, _ in inside)]))
    y1 = int(max([box.y1, y0 + 1, *(math.floor(y) + 1 for _, y in inside)]))
    return x0, y0, min(size[1], x1), min(size[0], y1)


def _meant_parts(field: Bools, small: SmallPrompt) -> Bools:
    """The islands that hold a positive click (without one: the large ones), holes filled."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(field.astype(np.uint8))
    area = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
    area[0] = 0
    keep = area > _SMALL_ISLAND * area.max()
    if small.positive:
        keep = np.zeros(count, dtype=bool)
        keep[[parts[_pixel(field, xy)] for xy in small.positive]] = True
    keep[0] = False
    return _without_holes(keep[parts], small.negative)


def _without_holes(field: Bools, kept: list[tuple[float, float]]) -> Bools:
    """Fill holes that are small for the field's area and hold none of the `kept` positions."""
    outside = np.pad(~field, 1, constant_values=True).astype(np.uint8)
    _, parts, stats, _ = cv2.connectedComponentsWithStats(outside, connectivity=4)
    fill = stats[:, cv2.CC_STAT_AREA] < _SMALL_HOLE * max(1, int(field.sum()))
    parts = parts[1:-1, 1:-1]
    fill[[0, parts[0, 0]]] = False
    for xy in kept:
        fill[parts[_pixel(field, xy)]] = False
    filled: Bools = field | fill[parts]
    return filled


def _without_specks(field: Bools, smallest: int, inside: bool) -> Bools:
    """Turn over islands (`inside`) or holes below `smallest` pixels."""
    looked_at = field if inside else np.pad(~field, 1, constant_values=True)
    _, parts, stats, _ = cv2.connectedComponentsWithStats(
        looked_at.astype(np.uint8), connectivity=8 if inside else 4
    )
    turn = stats[:, cv2.CC_STAT_AREA] < smallest
    turn[0] = False
    if not inside:
        turn[parts[0, 0]] = False
        parts = parts[1:-1, 1:-1]
    turned: Bools = field ^ turn[parts]
    return turned


def _pixel(field: Bools, xy: tuple[float, float]) -> tuple[int, int]:
    rows, columns = field.shape
    return min(rows - 1, max(0, int(xy[1]))), min(columns - 1, max(0, int(xy[0])))
