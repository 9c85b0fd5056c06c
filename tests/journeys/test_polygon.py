"""Stories of polygons: clicked corner by corner, and the corners of any mask taken hold of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot
from skimage.draw import disk, polygon

from segstudio.config.settings import Settings
from segstudio.core.annotation import Annotation
from segstudio.core.mask import Mask
from segstudio.core.prompt import Candidate
from segstudio.gui.app import Studio
from segstudio.gui.canvas.outline_marks import OutlineMarks
from segstudio.gui.demo_hand import Hand
from segstudio.imaging.sample_photos import write_sample_photos

SIZE = (512, 512)
LEFT, CONTROL = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier
CORNERS = [(100.0, 90.0), (300.0, 120.0), (280.0, 330.0), (120.0, 280.0)]


@pytest.fixture
def hand(qtbot: QtBot, tmp_path: Path) -> Iterator[Hand]:
    write_sample_photos(tmp_path / "photos")
    hand = Hand(Studio(Settings(model="graph_cut", prefetch_neighbours=0)))
    qtbot.addWidget(hand.window)
    hand.show()
    hand.studio.desks.project.open(tmp_path / "photos")
    hand.wait(lambda: hand.workspace.session is not None, "nothing opens")
    hand.open_image("astronaut.png")
    hand.name_category("person")
    hand.press("L")
    yield hand
    hand.close()


def click(hand: Hand, x: float, y: float, held: Qt.KeyboardModifier | None = None) -> None:
    at = hand.screen(x, y)
    QTest.mouseMove(hand.canvas, at)
    QTest.mouseClick(hand.canvas, LEFT, held or Qt.KeyboardModifier.NoModifier, at)


def drag(hand: Hand, start: tuple[float, float], end: tuple[float, float]) -> None:
    first, last = hand.screen(*start), hand.screen(*end)
    QTest.mouseMove(hand.canvas, first)
    QTest.mousePress(hand.canvas, LEFT, pos=first)
    for step in (0.25, 0.6, 1.0):
        QTest.mouseMove(hand.canvas, first + (last - first) * step)
    QTest.mouseRelease(hand.canvas, LEFT, pos=last)


def accept_disc(hand: Hand, x: int = 220, y: int = 220, radius: int = 70) -> Annotation:
    array = np.zeros(SIZE, dtype=bool)
    array[disk((y, x), radius, shape=SIZE)] = True
    candidate = Candidate(Mask.from_array(array), 0.9, 0.9)
    hand.workspace.edit(
        "labelling",
        lambda session: session.accept([candidate], session.categories[0].id, tool="grid"),
    )
    hand.wait(lambda: bool(hand.workspace.annotations), "nothing is labelled")
    row = hand.workspace.annotations[-1]
    hand.workspace.select((row.id,))
    hand.settle()
    return row


def marks(hand: Hand) -> OutlineMarks:
    found = hand.canvas.overlay.outline
    assert found is not None
    return found


def vertices(hand: Hand) -> list[tuple[float, float]]:
    return [vertex for ring in marks(hand).shown.rings for vertex in ring]


def nearest(hand: Hand, x: float, y: float) -> tuple[float, float]:
    return min(vertices(hand), key=lambda at: (at[0] - x) ** 2 + (at[1] - y) ** 2)


def only(hand: Hand) -> Annotation:
    [row] = hand.workspace.annotations
    return row


def filled(corners: list[tuple[float, float]]) -> Mask:
    array = np.zeros(SIZE, dtype=bool)
    xs, ys = zip(*corners, strict=True)
    array[polygon(np.array(ys) - 0.5, np.array(xs) - 0.5, shape=SIZE)] = True
    return Mask.from_array(array)


def test_clicks_around_a_thing_and_one_on_the_first_corner_label_it(hand: Hand) -> None:
    for corner in CORNERS:
        click(hand, *corner)
    assert len(marks(hand).shown.line) == 5  # and the pointer
    click(hand, *CORNERS[0])
    hand.wait(lambda: len(hand.workspace.annotations) == 1, "nothing is labelled")
    hand.settle()
    row = only(hand)
    assert row.mask.iou(filled(CORNERS)) > 0.98
    assert row.tool == "polygon"
    assert hand.workspace.selected == (row.id,)
    [ring] = marks(hand).shown.rings
    for found, corner in zip(ring, CORNERS, strict=True):
        assert found == pytest.approx(corner, abs=1)
    hand.press("Ctrl+Z")
    hand.settle()
    assert hand.workspace.annotations == ()
    assert hand.canvas.overlay.outline is None


def test_keys_take_a_corner_back_close_the_polygon_and_give_it_up(hand: Hand) -> None:
    for corner in CORNERS[:2]:
        click(hand, *corner)
    hand.press("Return")
    assert "three corners" in hand.window.status.message.whole_text
    for corner in (CORNERS[2], (40.0, 40.0)):
        click(hand, *corner)
    hand.press("Backspace")
    assert marks(hand).shown.line[:-1] == pytest.approx(np.array(CORNERS[:3]), abs=1)
    hand.press("Return")
    hand.wait(lambda: len(hand.workspace.annotations) == 1, "Enter closes nothing")
    hand.settle()
    assert only(hand).mask.iou(filled(CORNERS[:3])) > 0.98
    for corner in CORNERS[1:3]:
        click(hand, corner[0] + 120, corner[1] + 60)
    hand.press("Esc")
    assert marks(hand).shown.line == ()
    hand.press("Return")  # this thing is done
    hand.settle()
    assert hand.workspace.selected == ()
    assert hand.canvas.overlay.outline is None
    assert len(hand.workspace.annotations) == 1


def test_a_corner_of_any_mask_is_dragged_and_only_pixels_beside_it_change(hand: Hand) -> None:
    row = accept_disc(hand)
    right = nearest(hand, 290, 220)
    drag(hand, right, (340.0, 220.0))
    hand.wait(lambda: only(hand).mask != row.mask, "nothing moves")
    hand.settle()
    old, new = row.mask.to_array(), only(hand).mask.to_array()
    rows, columns = np.nonzero(old != new)
    assert columns.min() > 250
    assert rows.min() > 150
    assert rows.max() < 290
    assert new[220, 330]
    assert pytest.approx(nearest(hand, 340, 220), abs=1) == (340.0, 220.0)
    assert only(hand).id == row.id
    hand.press("Ctrl+Z")
    hand.settle()
    assert only(hand).mask == row.mask
    assert nearest(hand, 340, 220)[0] < 300


def test_two_corners_dragged_in_a_hurry_both_stay_where_they_were_put(hand: Hand) -> None:
    row = accept_disc(hand)
    drag(hand, nearest(hand, 290, 220), (350.0, 220.0))
    drag(hand, nearest(hand, 150, 220), (90.0, 220.0))  # the first is not written yet
    hand.wait(lambda: len(hand.studio.desks.history.line.steps) == 4, "not both are written")
    hand.settle()
    mask = only(hand).mask
    assert mask.contains(340, 220)
    assert mask.contains(100, 220)
    assert mask.area > row.mask.area
    assert pytest.approx(nearest(hand, 350, 220), abs=1) == (350.0, 220.0)
    assert pytest.approx(nearest(hand, 90, 220), abs=1) == (90.0, 220.0)


def test_ctrl_cuts_a_hole_whose_corners_move_too(hand: Hand) -> None:
    row = accept_disc(hand)
    hole = [(200.0, 200.0), (245.0, 205.0), (220.0, 245.0)]
    for corner in hole:
        click(hand, *corner, CONTROL)
    click(hand, *hole[0])
    hand.wait(lambda: only(hand).mask != row.mask, "there is no hole")
    hand.settle()
    assert not only(hand).mask.contains(221, 216)
    assert len(marks(hand).shown.rings) == 2
    for found, corner in zip(marks(hand).shown.rings[1], hole, strict=True):
        assert found == pytest.approx(corner, abs=1)  # those that were clicked
    cut = only(hand).mask
    drag(hand, nearest(hand, 220, 245), (220.0, 275.0))
    hand.wait(lambda: only(hand).mask != cut, "the hole does not change")
    hand.settle()
    assert cut.subtract(only(hand).mask).box.y1 >= 270
    assert only(hand).mask.subtract(cut).area < 10


def test_del_takes_away_the_corner_under_the_pointer_else_the_annotation(hand: Hand) -> None:
    row = accept_disc(hand)
    count = len(vertices(hand))
    QTest.mouseMove(hand.canvas, hand.screen(*nearest(hand, 290, 220)))
    hand.press("Del")
    hand.wait(lambda: only(hand).mask != row.mask, "the corner stays")
    hand.settle()
    assert len(vertices(hand)) == count - 1
    QTest.mouseMove(hand.canvas, hand.screen(220, 220))
    hand.press("Del")
    hand.wait(lambda: not hand.workspace.annotations, "the annotation stays")


def test_a_press_on_an_edge_makes_a_corner_there(hand: Hand) -> None:
    row = accept_disc(hand)
    before = vertices(hand)
    ring = marks(hand).shown.rings[0]
    (x0, y0), (x1, y1) = ring[0], ring[1]
    middle = ((x0 + x1) / 2, (y0 + y1) / 2)
    outwards = middle[0] + 0.4 * (middle[0] - 220), middle[1] + 0.4 * (middle[1] - 220)
    drag(hand, middle, outwards)
    hand.wait(lambda: only(hand).mask != row.mask, "nothing moves")
    hand.settle()
    assert len(vertices(hand)) == len(before) + 1
    assert only(hand).mask.area > row.mask.area


def test_locked_hidden_and_several_annotations_have_no_handles(hand: Hand) -> None:
    row = accept_disc(hand)
    assert vertices(hand)
    hand.studio.desks.locks.toggle()
    hand.settle()
    assert hand.canvas.overlay.outline is None
    hand.studio.desks.locks.toggle()
    hand.settle()
    assert vertices(hand)
    hand.window.annotations.model.toggle_shown(0)
    hand.settle()
    assert hand.canvas.overlay.outline is None
    hand.window.annotations.model.toggle_shown(0)
    hand.settle()
    assert vertices(hand)
    hand.press("H")
    hand.settle()
    assert hand.canvas.overlay.outline is None
    hand.press("H")
    other = accept_disc(hand, 400, 400, 40)
    hand.workspace.select((row.id, other.id))
    hand.settle()
    assert hand.canvas.overlay.outline is None


def test_another_tool_and_another_image_leave_nothing_of_the_outline(hand: Hand) -> None:
    accept_disc(hand)
    click(hand, 400, 60)
    hand.press("B")
    assert hand.canvas.overlay.outline is None
    hand.press("L")
    hand.settle()
    assert vertices(hand)
    assert marks(hand).shown.line == ()
    hand.open_image("coffee.png")
    assert hand.canvas.overlay.outline is None


def test_the_lassos_line_is_seen_while_it_is_drawn(hand: Hand) -> None:
    hand.press("Shift+L")
    start = hand.screen(100, 100)
    QTest.mousePress(hand.canvas, LEFT, pos=start)
    for step in (QPoint(60, 0), QPoint(60, 60), QPoint(0, 60)):
        QTest.mouseMove(hand.canvas, start + step)
    assert len(marks(hand).shown.line) >= 4
    assert not marks(hand).corners
    QTest.mouseRelease(hand.canvas, LEFT, pos=start + QPoint(0, 60))
    assert hand.canvas.overlay.outline is None
    hand.wait(lambda: len(hand.workspace.annotations) == 1, "nothing is labelled")
    hand.settle()
