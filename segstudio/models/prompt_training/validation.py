"""How well a network clicks on photos that it has not seen: the field's simulation of a user."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import torch

from segstudio.core.progress import CancelToken
from segstudio.models.nets.nano import CELL, SIDE, Nano
from segstudio.models.prompt_training.batches import PADDING
from segstudio.models.prompt_training.clicks import deepest, largest_part, next_click, tight_box
from segstudio.models.prompt_training.learner import PromptTable, normalised, preferred, repeated
from segstudio.models.prompt_training.scene import Scene

CLICKS = (1, 3, 5)
_LEAST_CELLS = 20


def fitted(
    scene: Scene, least_share: float = 0.0
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """The image in the square's corner, (h, w, 3) with sides of multiples of 32, and its masks.

    Masks (T, h / 2, w / 2) bool, those of at least `least_share` of the image.
    """
    height, width = scene.ids.shape
    scale = SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    inner = cv2.resize(scene.image, size, interpolation=cv2.INTER_AREA)
    rows, columns = (-(-length // 32) * 32 for length in (size[1], size[0]))
    image = np.full((rows, columns, 3), PADDING, np.uint8)
    image[: size[1], : size[0]] = inner
    masks = []
    for target in scene.targets:
        whole = np.zeros((rows, columns), np.uint8)
        mask = scene.mask(target).astype(np.uint8) * np.uint8(255)
        whole[: size[1], : size[0]] = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
        cells = cv2.resize(whole, (columns // CELL, rows // CELL), interpolation=cv2.INTER_AREA)
        if (cells > 127).sum() >= max(_LEAST_CELLS, least_share * cells.size):
            masks.append(cells > 127)
    return image, np.array(masks, dtype=bool).reshape(-1, rows // CELL, columns // CELL)


def validate(
    network: Nano, scenes: Sequence[Scene], device: str, cancel: CancelToken | None = None
) -> dict[str, float]:
    """Mean IoU "1", "3", "5" (clicks) and "box" of the masks that the network prefers.

    Raises Cancelled between two scenes.
    """
    found: dict[str, list[float]] = {}
    network.eval()
    with torch.inference_mode():
        for scene in scenes:
            if cancel is not None:
                cancel.check()
            image, masks = fitted(scene)
            if not len(masks):
                continue
            features = repeated(network.encode(normalised(image[None], device)), len(masks))
            by_clicks, by_box = (PromptTable(masks, (0, 0)) for _ in range(2))
            for row, mask in enumerate(masks):
                by_clicks.click(row, *deepest(largest_part(mask)), 1)
                by_box.box(row, tight_box(mask))
            for number in range(1, max(CLICKS) + 1):
                ious, said = _answers(network, features, by_clicks, device)
                if number in CLICKS:
                    found.setdefault(str(number), []).extend(ious)
                for row, mask in enumerate(masks):
                    click = next_click(mask, said[row])
                    if click is not None:
                        by_clicks.click(row, *click)
            found.setdefault("box", []).extend(_answers(network, features, by_box, device)[0])
    return {name: float(np.mean(values)) for name, values in found.items()}


def _answers(
    network: Nano, features: object, table: PromptTable, device: str
) -> tuple[list[float], npt.NDArray[np.bool_]]:
    logits, scores = network.decode(features, table.prompts(None, None, device))  # type: ignore[arg-type]
    chosen = preferred(scores, table.doubtful().to(device))
    said = (logits[torch.arange(len(chosen)), chosen] > 0).cpu().numpy()
    both = (said & table.masks).sum((1, 2))
    either = (said | table.masks).sum((1, 2))
    return (both / np.maximum(either, 1)).tolist(), said
