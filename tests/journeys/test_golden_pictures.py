"""The look of the window, guarded: pictures of today against pictures that somebody has looked at.

The photo is made here, so that every pixel of the canvas is known; the pictures are compared
coarsely, so that another font changes nothing, but a missing mask, a wrong colour or a panel that
went elsewhere does. After a wanted change of the look, run with SEGSTUDIO_GOLDEN=write, look at
what was written into `golden/`, and commit it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtGui import QFont, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from segstudio.config.settings import Settings
from segstudio.core.mask import Mask
from segstudio.engine.mask_change import MaskChange, made_annotation
from segstudio.gui.app import Studio
from segstudio.gui.demo_hand import Hand
from segstudio.gui.theme import apply_theme

GOLDEN = Path(__file__).parent / "golden"
SIZE = (300, 400)

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Look:
    """How closely: `cell` pixels a side become one, cells within `near` of 255 look alike, and a
    share of `unlike` may not."""

    cell: int
    near: int
    unlike: float


CANVAS = Look(cell=2, near=8, unlike=0.003)  # no text on it
WINDOW = Look(cell=16, near=28, unlike=0.01)


def photo() -> Pixels:
    """A sky, a field, and a few things on it: (300, 400, 3) uint8 RGB."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    pixels = np.stack((110 + rows // 6, 150 + rows // 8, 220 - rows // 4), axis=2)
    pixels[rows > 180 + 10 * np.sin(columns / 40)] = (96, 128, 60)
    for x, y, radius, colour in ((120, 200, 45, (190, 60, 50)), (270, 170, 60, (70, 80, 150))):
        pixels[(columns - x) ** 2 + (rows - y) ** 2 < radius**2] = colour
    return pixels.astype(np.uint8)


def disc(x: float, y: float, radius: float) -> Mask:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return Mask.from_array((columns - x) ** 2 + (rows - y) ** 2 < radius**2)


def pixels_of(widget: QWidget) -> Pixels:
    """(H, W, 3) uint8 RGB of what the widget shows."""
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    flat = np.frombuffer(image.constBits(), dtype=np.uint8)
    rows = flat.reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def cells(pixels: Pixels, look: Look) -> Pixels:
    """The picture with `cell` x `cell` pixels averaged into one."""
    cell = look.cell
    height, width = pixels.shape[0] // cell, pixels.shape[1] // cell
    cut = pixels[: height * cell, : width * cell]
    return np.asarray(cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def unlike(one: Pixels, other: Pixels, look: Look) -> float:
    """The share of cells that look different, 0 to 1; 1 for pictures of different sizes."""
    if one.shape != other.shape:
        return 1.0
    return float((np.abs(one.astype(int) - other).max(axis=2) > look.near).mean())


def alike(one: Pixels, other: Pixels, look: Look) -> bool:
    return unlike(one, other, look) <= look.unlike


def check(name: str, pixels: Pixels, look: Look) -> None:
    """Compare with the golden picture of that name, or write it where that is asked for."""
    now, path = cells(pixels, look), GOLDEN / f"{name}.png"
    if os.environ.get("SEGSTUDIO_GOLDEN") == "write":
        GOLDEN.mkdir(exist_ok=True)
        Image.fromarray(now).save(path)
    share = unlike(now, np.array(Image.open(path).convert("RGB")), look)
    assert share <= look.unlike, (
        f"{share:.1%} of {name} looks different; see this file's first lines"
    )


@pytest.fixture
def hand(qapp: QApplication, qtbot: QtBot, tmp_path: Path) -> Iterator[Hand]:
    apply_theme(qapp, "dark")
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(photo()).save(folder / "field.png")
    hand = Hand(Studio(Settings(model="graph_cut", prefetch_neighbours=0, hover_preview=False)))
    qtbot.addWidget(hand.window)
    hand.show()
    hand.studio.desks.project.open(folder)
    hand.wait(lambda: hand.workspace.session is not None, "nothing opens")
    hand.name_category("ball")
    draw(hand, disc(120, 200, 45), disc(270, 170, 60))
    yield hand
    hand.close()
    apply_theme(qapp, "system")


def draw(hand: Hand, *masks: Mask) -> None:
    """Annotations as if somebody had drawn them."""
    category = hand.workspace.category_id or 0
    made = tuple(made_annotation(mask, category, "brush") for mask in masks)
    hand.workspace.edit(
        "drawing", lambda session: session.change(lambda _: MaskChange("Draw", made=made))
    )
    hand.settle()


def move(hand: Hand, x: float, y: float) -> None:
    QTest.mouseMove(hand.canvas, hand.screen(x, y))
    hand.settle()


def held(hand: Hand, *places: tuple[float, float]) -> None:
    """A drag whose button stays down, so that the picture shows it under way."""
    points = [hand.screen(*place) for place in places]
    QTest.mousePress(hand.canvas, Qt.MouseButton.LeftButton, pos=points[0])
    for point in points[1:]:
        QTest.mouseMove(hand.canvas, point)
    hand.settle()


def selected(hand: Hand) -> None:
    hand.press("E")
    hand.click(120, 200)
    move(hand, 20, 20)


def hovered(hand: Hand) -> None:
    hand.press("E")
    move(hand, 270, 170)


def locked(hand: Hand) -> None:
    selected(hand)
    hand.press("Ctrl+L")
    hand.settle()


def prompted(hand: Hand) -> None:
    hand.wait(lambda: hand.studio.prompts.state.value == "ready", "no embedding")
    hand.press("P")
    hand.click(40, 250)
    hand.wait_for_answer()
    move(hand, 20, 20)


def brushed(hand: Hand) -> None:
    hand.press("R")
    held(hand, (40, 100), (120, 60), (220, 80))


def erased(hand: Hand) -> None:
    selected(hand)
    hand.press("Shift+R")
    held(hand, (80, 200), (150, 210))


def lassoed(hand: Hand) -> None:
    hand.press("Shift+L")
    held(hand, (180, 40), (330, 60), (300, 100), (200, 90))


def superpixels(hand: Hand) -> None:
    hand.press("S")
    hand.wait(lambda: hand.studio.desks.tools.superpixels is not None, "no superpixels")
    move(hand, 265, 165)


def polygon_begun(hand: Hand) -> None:
    hand.press("L")
    for place in ((30, 30), (150, 40), (140, 120)):
        hand.click(*place)
    move(hand, 50, 110)


def polygon_edited(hand: Hand) -> None:
    selected(hand)
    hand.press("L")
    move(hand, 20, 20)


def grown(hand: Hand) -> None:
    selected(hand)
    hand.press("W")
    hand.settle()


SCENES: dict[str, Callable[[Hand], None]] = {
    "selected": selected,
    "hovered": hovered,
    "locked": locked,
    "prompted": prompted,
    "brush": brushed,
    "eraser": erased,
    "lasso": lassoed,
    "superpixel": superpixels,
    "polygon-begun": polygon_begun,
    "polygon-edited": polygon_edited,
    "grow": grown,
}


@pytest.mark.parametrize("name", SCENES)
def test_the_canvas_looks_as_it_did(hand: Hand, name: str) -> None:
    SCENES[name](hand)
    check(name, pixels_of(hand.canvas), CANVAS)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_window_looks_as_it_did(hand: Hand, qapp: QApplication, theme: str) -> None:
    apply_theme(qapp, theme)
    hand.window.follow_theme()
    hand.settle()
    check(f"window-{theme}", pixels_of(hand.window), WINDOW)


def test_another_font_looks_alike(hand: Hand, qapp: QApplication) -> None:
    before = cells(pixels_of(hand.window), WINDOW)
    usual = qapp.font()
    qapp.setFont(QFont("monospace", usual.pointSize()))
    try:
        hand.settle()
        assert alike(cells(pixels_of(hand.window), WINDOW), before, WINDOW)
    finally:
        qapp.setFont(usual)


def test_what_is_missing_or_elsewhere_is_noticed(hand: Hand, qapp: QApplication) -> None:
    hovered(hand)
    canvas, window = cells(pixels_of(hand.canvas), CANVAS), cells(pixels_of(hand.window), WINDOW)
    move(hand, 20, 20)
    assert not alike(cells(pixels_of(hand.canvas), CANVAS), canvas, CANVAS), "no highlight"
    hand.press("H")
    hand.settle()
    assert not alike(cells(pixels_of(hand.canvas), CANVAS), canvas, CANVAS), "no masks"
    apply_theme(qapp, "light")
    hand.settle()
    assert not alike(cells(pixels_of(hand.window), WINDOW), window, WINDOW), "another theme"


def test_a_picture_of_another_size_is_never_alike() -> None:
    assert not alike(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8), CANVAS)
