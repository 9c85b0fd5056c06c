"""A contact sheet of what a prompt model answers on photos, drawn as outlines, as one PNG.

    python tests/benchmarks/prompt_sheet.py OUT.png [--model KEY[=FILE]] [--weights FILE]
        [--ask PHOTO PROMPT] ... [--targets N [--every-kind]] [--data DIR] [--seed N]
        [--columns N] [--side PIXELS]

A PROMPT by hand is "+120,80 -30,40" (clicks that add and remove, x,y in image pixels), "box
10,20,200,300" (half-open; clicks may follow), or "everything" with the app's settings. `--targets`
takes N objects by the protocol of `prompt_quality.py`: the truth, one click, three clicks, the box
(and "everything"), each with the predicted and the true IoU of the mask that the app would show.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from prompt_quality import DATA, one_thread
from prompt_segmenters import Asked
from prompt_targets import Bools, Target, iou, next_click, targets

from segstudio.core.image import RgbImage
from segstudio.core.mask import Box
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.core.prompt import Candidates, Embedding, Prompt
from segstudio.imaging.read import read_image
from segstudio.models.prompt.contract import EverythingSettings, PromptModel
from segstudio.models.registry import EMBEDDED_MODEL

Picture = npt.NDArray[np.uint8]

CAPTION = 22  # pixels of height
GAP = 6
ANSWER, TRUTH, ADDED, REMOVED, BOX = (
    (255, 214, 0),
    (0, 220, 120),
    (40, 200, 60),
    (230, 40, 40),
    (80, 170, 255),
)
EVERYTHING = "everything"


def parsed(text: str) -> Prompt | None:
    """A prompt by hand; None for "everything". Raises ValueError for what is neither."""
    if text.strip() == EVERYTHING:
        return None
    prompt, words = Prompt(), text.split()
    if words and words[0] == "box":
        prompt = prompt.with_box(Box(*(float(value) for value in words[1].split(","))))
        words = words[2:]
    for word in words:
        if word[0] not in "+-":
            raise ValueError(f"a click begins with + or -, not {word!r}")
        x, y = (float(value) for value in word[1:].split(","))
        prompt = prompt.with_point(x, y, int(word[0] == "+"))
    if not prompt:
        raise ValueError("the prompt is empty")
    return prompt


@dataclass(frozen=True, eq=False)
class Asking:
    """A model that has encoded one photo."""

    model: PromptModel
    image: RgbImage
    embedding: Embedding

    @classmethod
    def of(cls, model: PromptModel, path: Path) -> Asking:
        image = read_image(path)
        return cls(model, image, model.encode(image, CancelToken()))

    def mask(self, prompt: Prompt) -> tuple[Bools, float]:
        """What the app would show, and its predicted IoU."""
        found = self.model.predict(self.embedding, prompt)
        if not found.items:
            return np.zeros(self.image.size, bool), 0.0
        chosen = found.items[found.best]
        return chosen.mask.to_array(), chosen.predicted_iou

    def everything(self) -> Candidates:
        """On the app's default settings, mapped to the model's scores as the app does."""
        return self.model.everything(
            self.embedding, EverythingSettings(), ignore_progress, CancelToken()
        )


# -- drawing ---------------------------------------------------------------------------------------


class Cell:
    """One small picture with a caption; what is drawn on it is in image pixels."""

    def __init__(self, image: RgbImage, side: int) -> None:
        height, width = image.size
        self._scale = side / max(height, width)
        size = max(1, round(width * self._scale)), max(1, round(height * self._scale))
        way = cv2.INTER_AREA if self._scale < 1 else cv2.INTER_LINEAR
        self.pixels: Picture = cv2.resize(image.pixels, size, interpolation=way)
        self._side = side

    def outline(self, mask: Bools, colour: tuple[int, int, int], *, fill: float = 0.25) -> None:
        size = self.pixels.shape[1], self.pixels.shape[0]
        share = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        inside = share >= 0.5
        blended = self.pixels[inside] * (1 - fill) + np.array(colour) * fill
        self.pixels[inside] = blended.astype(np.uint8)
        edges, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(self.pixels, edges, -1, (0, 0, 0), 3, cv2.LINE_AA)
        cv2.drawContours(self.pixels, edges, -1, colour, 1, cv2.LINE_AA)

    def prompt(self, prompt: Prompt) -> None:
        if prompt.box is not None:
            x0, y0, x1, y1 = (round(value * self._scale) for value in prompt.box)
            cv2.rectangle(self.pixels, (x0, y0), (x1 - 1, y1 - 1), BOX, 2)
        for (x, y), label in zip(prompt.points, prompt.labels, strict=True):
            place = int(x * self._scale), int(y * self._scale)
            cv2.circle(self.pixels, place, 5, (255, 255, 255), -1, cv2.LINE_AA)
            cv2.circle(self.pixels, place, 4, ADDED if label else REMOVED, -1, cv2.LINE_AA)

    def captioned(self, text: str) -> Picture:
        cell = np.full((self._side + CAPTION, self._side, 3), 255, np.uint8)
        height, width = self.pixels.shape[:2]
        cell[CAPTION : CAPTION + height, :width] = self.pixels
        at, black = (2, CAPTION - 7), (0, 0, 0)
        cv2.putText(cell, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, black, 1, cv2.LINE_AA)
        return cell


def everything_cell(asking: Asking, side: int) -> Picture:
    """Every mask in its own colour, large ones below small ones."""
    cell, found = Cell(asking.image, side), asking.everything().items
    draw = np.random.default_rng(0)
    for item in sorted(found, key=lambda item: -item.mask.area):
        hue = np.array([[[draw.integers(180), 200, 255]]], np.uint8)
        red, green, blue = (int(value) for value in cv2.cvtColor(hue, cv2.COLOR_HSV2RGB)[0, 0])
        cell.outline(item.mask.to_array(), (red, green, blue), fill=0.4)
    return cell.captioned(f"everything: {len(found)} masks")


def prompt_cell(asking: Asking, prompt: Prompt, side: int, name: str, truth: Any = None) -> Picture:
    cell = Cell(asking.image, side)
    mask, predicted = asking.mask(prompt)
    cell.outline(mask, ANSWER)
    cell.prompt(prompt)
    real = "" if truth is None else f", IoU {iou(mask, truth):.2f}"
    return cell.captioned(f"{name}: predicted {predicted:.2f}{real}")


def target_row(asking: Asking, target: Target, side: int, every_kind: bool) -> list[Picture]:
    """The truth, one click, three clicks, the box (and everything)."""
    truth = target.truth.to_array()
    drawn = Cell(asking.image, side)
    drawn.outline(truth, TRUTH)
    row = [drawn.captioned(f"truth, {100 * target.share:.1f} % of {target.image.stem}")]
    prompt = Prompt((target.first_click,), (1,))
    row.append(prompt_cell(asking, prompt, side, "1 click", truth))
    for _ in range(2):
        following = next_click(truth, asking.mask(prompt)[0])
        if following is not None:
            prompt = prompt.with_point(*following[0], following[1])
    row.append(prompt_cell(asking, prompt, side, "3 clicks", truth))
    row.append(prompt_cell(asking, Prompt(box=target.box), side, "box", truth))
    if every_kind:
        row.append(everything_cell(asking, side))
    return row


def sheet(cells: Sequence[Picture], columns: int) -> Picture:
    """Cells of one size in rows of so many, RGB."""
    height, width = cells[0].shape[:2]
    rows = -(-len(cells) // columns)
    whole = np.full((rows * (height + GAP), columns * (width + GAP), 3), 255, np.uint8)
    for number, cell in enumerate(cells):
        top, left = number // columns * (height + GAP), number % columns * (width + GAP)
        whole[top : top + height, left : left + width] = cell
    return whole


# -- what is asked ---------------------------------------------------------------------------------


def asked_by_hand(
    model: PromptModel, asked: Sequence[tuple[str, str]], side: int
) -> Iterator[Picture]:
    asking, last = None, None
    for photo, text in asked:
        prompt = parsed(text)
        if asking is None or photo != last:
            asking, last = Asking.of(model, Path(photo)), photo
        if prompt is None:
            yield everything_cell(asking, side)
        else:
            yield prompt_cell(asking, prompt, side, Path(photo).stem)


def asked_by_protocol(
    model: PromptModel, objects: Sequence[Target], side: int, every_kind: bool
) -> Iterator[Picture]:
    for target in objects:
        yield from target_row(Asking.of(model, target.image), target, side, every_kind)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="What a prompt model answers, as a picture.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default=EMBEDDED_MODEL, metavar="KEY[=FILE]")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--ask", nargs=2, action="append", default=[], metavar=("PHOTO", "PROMPT"))
    parser.add_argument("--targets", type=int, default=0, help="objects by the protocol")
    parser.add_argument("--every-kind", action="store_true", help="with 'everything' beside")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--columns", type=int, default=4, help="for prompts by hand (4)")
    parser.add_argument("--side", type=int, default=320, help="of a cell, in pixels (320)")
    options = parser.parse_args(arguments)
    one_thread()
    model = Asked.parsed(options.model, options.weights).load()
    columns = 4 + options.every_kind if options.targets else options.columns
    cells = list(asked_by_hand(model, options.ask, options.side))
    if options.targets:
        # Whole rows: what was asked by hand fills its last one.
        blank = np.full((options.side + CAPTION, options.side, 3), 255, np.uint8)
        cells += [blank] * (-len(cells) % columns)
        half = options.targets // 2
        objects = targets(options.data, (options.targets - half, half), options.seed)
        cells += asked_by_protocol(model, objects, options.side, options.every_kind)
    if not cells:
        parser.error("nothing is asked: give --ask or --targets")
    if not cv2.imwrite(str(options.out), sheet(cells, columns)[..., ::-1]):
        parser.error(f"{options.out} cannot be written")


if __name__ == "__main__":
    main()
