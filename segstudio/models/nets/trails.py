"""Prompts as pictures that follow the image: how far each place is from clicks by its colours.

Convolutions see what is near, and tokens the whole, but coarsely. A path from a click that crosses
no edge shows how far a sky or a wall goes: geodesic distances as in DeepIGeoS (Wang et al. 2018),
of what is wanted and of what is not, where all beyond a box is not wanted; once over the image's
colours, once over the borders that the network sees in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from segstudio.imaging.geodesic import distances, step_costs, wall_costs

# Pictures, first over colours, then over borders: what is wanted, what is not; of each the cheapest
# path, then the lowest pass.
TRAILS = 8
TRAIL_CELL = 4  # pixels of the square along one side of a picture's cell

UNREACHED = 2.0  # what is drawn where no prompt of a kind is
_NEAR, _MIDDLE = (0.02, 0.01), (0.2, 0.1)  # distances that are all alike, and that are drawn as 0

Costs = npt.NDArray[np.float32]


def colours(x: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """(B, 3, H / 4, W / 4) CIELAB / 100 of (B, 3, H, W) pixels of sRGB, normalised by these."""
    gain, offset = (x.new_tensor(one).view(3, 1, 1) / 255 for one in (std, mean))
    rgb = functional.avg_pool2d(x, TRAIL_CELL).float() * gain + offset
    rgb = rgb.clamp(0, 1)
    linear = torch.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    to_xyz = linear.new_tensor(_XYZ_OF_RGB) / linear.new_tensor(_WHITE)[:, None]
    xyz = torch.einsum("ij,bjhw->bihw", to_xyz, linear)
    bent = torch.where(xyz > 216 / 24389, xyz.clamp(min=1e-6) ** (1 / 3), xyz * 841 / 108 + 4 / 29)
    light = 1.16 * bent[:, 1] - 0.16
    return torch.stack([light, 5 * (bent[:, 0] - bent[:, 1]), 2 * (bent[:, 1] - bent[:, 2])], 1)


# IEC 61966-2-1 to CIE 1931 XYZ, and its white, D65.
_XYZ_OF_RGB = [
    [0.4124564, 0.3575761, 0.1804375],
    [0.2126729, 0.7151522, 0.0721750],
    [0.0193339, 0.1191920, 0.9503041],
]
_WHITE = [0.95047, 1.0, 1.08883]


def image_costs(seen: Tensor, borders: Tensor) -> Costs:
    """(2, 4, h, w): what steps cost by one of the pictures (3, h, w) that `colours` gives, and by
    the logits (1, h, w) of borders."""
    lab = np.ascontiguousarray(seen.detach().permute(1, 2, 0).float().cpu().numpy())
    # Squared, so that many unlikely borders do not add up to a likely one.
    walls = borders.detach()[0].float().sigmoid().square().cpu().numpy()
    return np.stack([step_costs(lab), wall_costs(walls)])


def trails(
    costs: Sequence[Costs], points: Tensor, labels: Tensor, boxes: Tensor, corner: tuple[int, int]
) -> Tensor:
    """(N, 8, h, w) float32 of N prompts (see `Prompts`).

    `costs` of each one's image, or of the one that all are on. The window's upper left pixel lies
    at `corner` xy of the square that coordinates are of.
    """
    shift = np.array(corner, dtype=np.float32)
    at = (points.cpu().numpy() - shift) / TRAIL_CELL
    kinds, edges = labels.cpu().numpy(), (boxes.cpu().numpy() - np.tile(shift, 2)) / TRAIL_CELL
    height, width = costs[0].shape[2:]
    made = np.full((len(at), TRAILS, height, width), UNREACHED, dtype=np.float32)
    for row in range(len(at)):
        own = costs[row if len(costs) > 1 else 0]
        for first, kind in ((0, 1), (2, 0)):
            seeds = np.zeros((height, width), dtype=bool)
            if kind == 0 and np.isfinite(edges[row, 0]):
                seeds = _beyond(edges[row], height, width)
            cells = np.floor(at[row, kinds[row] == kind]).astype(np.int64)
            seeds[cells[:, 1].clip(0, height - 1), cells[:, 0].clip(0, width - 1)] = True
            if seeds.any():
                made[row, first : first + 2] = _logs(distances(own[0], seeds))
                made[row, first + 4 : first + 6] = _logs(distances(own[1], seeds))
    return torch.from_numpy(made).to(points.device)


def _logs(found: tuple[npt.NDArray[np.float32], ...]) -> npt.NDArray[np.float32]:
    """(2, h, w): of cheapest paths and of lowest passes, on a scale from about -1 to UNREACHED."""
    pairs = zip(found, _NEAR, _MIDDLE, strict=True)
    logs = [np.log((far + nearest) / middle) / 2 for far, nearest, middle in pairs]
    return np.asarray(np.minimum(logs, UNREACHED), dtype=np.float32)


def _beyond(box: npt.NDArray[np.float32], height: int, width: int) -> npt.NDArray[np.bool_]:
    """The cells whose centres lie outside of a box xyxy in cells; none where it holds none."""
    x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
    inside = ((y >= box[1]) & (y <= box[3]))[:, None] & ((x >= box[0]) & (x <= box[2]))
    return ~inside if inside.any() else np.zeros_like(inside)
