"""Outlines on the canvas: lines and handles where they belong, and few of them where many fall."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage, QPainter
from pytestqt.qtbot import QtBot

from segstudio.gui.canvas.outline_marks import OutlineMarks, on_screen
from segstudio.gui.canvas.view import View
from segstudio.tools.contract import OutlineShown

VIEW = View((100, 200), (400.0, 200.0), 2.0, 0.0, 0.0)
RING = ((20.0, 20.0), (120.0, 20.0), (120.0, 70.0), (20.0, 70.0))


def drawn(marks: OutlineMarks, view: View = VIEW) -> np.ndarray:
    """(200, 400) bool: where anything was drawn."""
    image = QImage(400, 200, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.gray)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    marks.paint(painter, view)
    painter.end()
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(200, 400, 4)
    changed: np.ndarray = (pixels != pixels[199, 399]).any(axis=2)
    return changed


@pytest.fixture(autouse=True)
def application(qtbot: QtBot) -> QtBot:
    return qtbot


def test_a_ring_is_a_closed_line_with_a_handle_at_each_corner() -> None:
    seen = drawn(OutlineMarks(OutlineShown((RING,))))
    for x, y in on_screen(RING, VIEW).astype(int):
        assert seen[y - 3 : y + 4, x - 3 : x + 4].all()
    assert seen[90, 38:43].any()  # the edge that closes it
    assert not seen[60:120, 60:220].any()


def test_a_line_is_open_and_a_lassos_has_no_handles() -> None:
    line = (*RING[:3], (100.0, 60.0))
    clicked = drawn(OutlineMarks(OutlineShown(line=line)))
    dragged = drawn(OutlineMarks(OutlineShown(line=line), corners=False))
    assert clicked[40, 237:244].all()
    assert dragged.sum() < clicked.sum()
    corner = slice(137, 144), slice(237, 244)
    assert not dragged[corner].all()


def test_what_is_hot_stands_out_and_nothing_is_nothing() -> None:
    plain = drawn(OutlineMarks(OutlineShown((RING,))))
    for inserts in (False, True):
        hot = drawn(OutlineMarks(OutlineShown((RING,), hot=(70.0, 20.0), inserts=inserts)))
        assert (hot & ~plain)[30:50, 130:150].any()
    assert not drawn(OutlineMarks(OutlineShown())).any()
    assert not OutlineMarks(OutlineShown())
    assert OutlineMarks(OutlineShown((RING,)))


def test_a_hand_that_moves_on_leaves_nothing_behind() -> None:
    many = tuple((20.0 + step / 40, 20.0 + step % 7) for step in range(3000))
    tracemalloc.start()
    drawn(OutlineMarks(OutlineShown((many,), many)))
    before = tracemalloc.get_traced_memory()[0]
    for step in range(40):  # moves, each with another outline and a longer line
        there = ((120.0, float(step)),)
        drawn(OutlineMarks(OutlineShown((many + there, RING), many + there)))
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 300_000


def test_thousands_of_corners_draw_no_more_handles_than_can_be_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts: list[int] = []
    draw = QPainter.drawPoints

    def counted(self: QPainter, points: object) -> None:
        counts.append(len(points))  # type: ignore[arg-type]
        draw(self, points)

    monkeypatch.setattr(QPainter, "drawPoints", counted)
    angle = np.linspace(0, 2 * np.pi, 20_000, endpoint=False)
    ring = tuple(zip(60 + 30 * np.cos(angle), 50 + 30 * np.sin(angle), strict=True))
    drawn(OutlineMarks(OutlineShown((ring,))))
    assert max(counts) < 120
    counts.clear()
    drawn(OutlineMarks(OutlineShown((ring,))), View((100, 200), (400.0, 200.0), 2.0, -900.0, 0.0))
    assert max(counts) == 0  # none in sight


def test_of_very_many_corners_only_the_ring_in_the_hand_has_lines() -> None:
    x, y = np.meshgrid(np.arange(130, 196, 2.0), np.arange(4, 96, 2.0))
    small = tuple(
        ((a, b), (a + 1.0, b), (a + 1.0, b + 1.0)) for a, b in zip(x.flat, y.flat, strict=True)
    )
    rings = (*small, RING)
    calm = drawn(OutlineMarks(OutlineShown(rings)))
    held = drawn(OutlineMarks(OutlineShown(rings, hot=RING[0])))
    assert (held & ~calm)[40, 60:220].mean() > 0.2
    assert calm.any()
