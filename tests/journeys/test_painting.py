"""Stories of the painting hand: real mouse and key events, a real photo, a real project file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QMouseEvent, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from segstudio.config.settings import Settings, load_settings
from segstudio.core.annotation import Annotation
from segstudio.core.errors import StorageError
from segstudio.core.mask import Mask
from segstudio.engine.superpixel_map import SuperpixelMap
from segstudio.gui.app import Studio
from segstudio.gui.demo_hand import Hand
from segstudio.gui.desks.brush import stepped
from segstudio.store.project import ProjectStore

SIZE = (300, 400)
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
NONE = Qt.KeyboardModifier.NoModifier
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two pictures of coloured fields with grain: superpixels find their borders."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed, name in enumerate(("fields.png", "meadows.png")):
        noise = np.random.default_rng(seed)
        fields = noise.integers(40, 200, (6, 8, 3), dtype=np.uint8)
        pixels = fields.repeat(50, axis=0).repeat(50, axis=1)
        grain = noise.integers(0, 8, pixels.shape, dtype=np.uint8)
        Image.fromarray(pixels + grain).save(folder / name)
    return folder


def open_window(qtbot: QtBot, photos: Path, settings: Settings | None = None) -> Hand:
    studio = Studio(settings or Settings(model="graph_cut", prefetch_neighbours=0))
    hand = Hand(studio)
    qtbot.addWidget(hand.window)
    hand.show()
    studio.desks.project.open(photos)
    hand.wait(lambda: hand.workspace.session is not None, "nothing opens")
    hand.open_image("fields.png")
    return hand


@pytest.fixture
def hand(qtbot: QtBot, photos: Path) -> Iterator[Hand]:
    hand = open_window(qtbot, photos)
    yield hand
    hand.close()


def move(
    hand: Hand, x: float, y: float, *, held: Qt.MouseButton = LEFT, keys: object = NONE
) -> None:
    """A move of the mouse with a button and keys held, which QTest cannot do."""
    at = QPointF(*hand.canvas.view.to_screen(x, y))
    event = QMouseEvent(
        QEvent.Type.MouseMove,
        at,
        hand.canvas.mapToGlobal(at),
        Qt.MouseButton.NoButton,
        held,
        keys,  # type: ignore[arg-type]
    )
    QApplication.sendEvent(hand.canvas, event)


def drag(hand: Hand, *way: tuple[float, float], keys: Qt.KeyboardModifier = NONE) -> None:
    """Press at the first place, go through the others, release at the last."""
    QTest.mousePress(hand.canvas, LEFT, keys, hand.screen(*way[0]))
    for place in way[1:]:
        move(hand, *place, keys=keys)
    QTest.mouseRelease(hand.canvas, LEFT, keys, hand.screen(*way[-1]))


def turn(
    hand: Hand, notches: int, keys: Qt.KeyboardModifier = Qt.KeyboardModifier.AltModifier
) -> None:
    """The wheel, as a system that turns its axis with Alt reports it."""
    middle = QPointF(hand.canvas.width() / 2, hand.canvas.height() / 2)
    event = QWheelEvent(
        middle,
        hand.canvas.mapToGlobal(middle),
        QPoint(),
        QPoint(120 * notches, 0),
        Qt.MouseButton.NoButton,
        keys,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(hand.canvas, event)


def rows(hand: Hand) -> tuple[Annotation, ...]:
    return hand.workspace.annotations


def rest(hand: Hand) -> None:
    """Wait until all is written and the scene shows all strokes: none is drawn over it."""
    hand.settle()
    hand.wait(lambda: not len(hand.canvas.strokes), "a stroke stays over the scene", 10)
    hand.settle()


def only(hand: Hand) -> Annotation:
    [row] = rows(hand)
    return row


def undo(hand: Hand) -> None:
    before = rows(hand)
    hand.press("Ctrl+Z")
    hand.wait(lambda: rows(hand) != before, "nothing is undone")
    hand.settle()


def on_disk(hand: Hand, photos: Path) -> list[Mask]:
    image_id = hand.workspace.session.image.id  # type: ignore[union-attr]
    with ProjectStore.open(photos / "photos.segstudio", read_only=True) as store:
        return [row.mask for row in store.annotations(image_id)]


def colours(hand: Hand, places: Sequence[tuple[float, float]]) -> np.ndarray:
    """(N, 3) on screen."""
    image = hand.canvas.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    points = [hand.screen(*place) for place in places]
    found = [image.pixelColor(point) for point in points]
    return np.array([(one.red(), one.green(), one.blue()) for one in found])


def paint_blob(hand: Hand) -> Annotation:
    """An annotation of about 100 x 40 pixels around (150, 150), selected."""
    hand.press("R")
    drag(hand, (120, 150), (150, 150), (180, 150))
    rest(hand)
    return only(hand)


# -- the brush ---------------------------------------------------------------------------------


def test_the_first_stroke_makes_an_annotation_and_the_next_goes_on_with_it(
    hand: Hand, photos: Path
) -> None:
    first = paint_blob(hand)
    assert hand.workspace.selected == (first.id,)
    assert (first.tool, hand.workspace.categories[first.category_id].name) == ("brush", "object")
    radius = hand.studio.desks.tools.brush_radius
    assert first.mask.contains(150, 150) and first.mask.contains(181 + radius / 2, 150)
    assert not first.mask.contains(150, 152 + radius)
    drag(hand, (150, 150), (150, 220))
    rest(hand)
    grown = only(hand)
    assert grown.id == first.id
    assert grown.mask.contains(150, 215)
    assert first.mask.subtract(grown.mask).area == 0
    assert on_disk(hand, photos) == [grown.mask]
    undo(hand)
    assert only(hand).mask == first.mask
    undo(hand)
    assert rows(hand) == ()


def test_strokes_faster_than_the_disk_go_to_one_annotation(hand: Hand) -> None:
    hand.press("R")
    for y in (60, 90, 120, 150):
        drag(hand, (100, y), (160, y))
    assert rows(hand) == ()
    assert len(hand.canvas.strokes) == 4
    rest(hand)
    row = only(hand)
    assert all(row.mask.contains(130, y) for y in (60, 90, 120, 150))
    rest(hand)


def test_space_and_esc_end_a_thing_so_that_the_next_stroke_makes_another(hand: Hand) -> None:
    hand.press("R")
    for y, key in ((40, "Space"), (120, "Esc"), (200, "R")):
        drag(hand, (100, y), (160, y))
        rest(hand)
        hand.press(key)
    assert len(rows(hand)) == 3


def test_esc_before_the_first_stroke_is_written_still_begins_a_new_thing(hand: Hand) -> None:
    hand.press("R")
    drag(hand, (100, 40), (160, 40))
    hand.press("Esc")
    drag(hand, (100, 120), (160, 120))
    rest(hand)
    assert len(rows(hand)) == 2


def test_esc_in_a_stroke_gives_it_up(hand: Hand) -> None:
    hand.press("R")
    QTest.mousePress(hand.canvas, LEFT, NONE, hand.screen(100, 100))
    move(hand, 150, 120)
    assert len(hand.canvas.strokes) == 1
    hand.press("Esc")
    assert len(hand.canvas.strokes) == 0
    QTest.mouseRelease(hand.canvas, LEFT, NONE, hand.screen(150, 120))
    hand.settle()
    assert rows(hand) == ()


def test_a_stroke_goes_to_what_was_selected_when_it_began(hand: Hand) -> None:
    blob = paint_blob(hand)
    hand.press("Space")
    drag(hand, (300, 60), (350, 60))
    rest(hand)
    other = next(row for row in rows(hand) if row.id != blob.id)
    hand.workspace.select((blob.id,))
    QTest.mousePress(hand.canvas, LEFT, NONE, hand.screen(120, 220))
    move(hand, 150, 220)
    hand.press("Ctrl+A")
    QTest.mouseRelease(hand.canvas, LEFT, NONE, hand.screen(180, 220))
    rest(hand)
    assert {row.id: row.mask.contains(150, 220) for row in rows(hand)} == {
        blob.id: True,
        other.id: False,
    }


def test_ctrl_removes_and_shift_draws_a_straight_line(hand: Hand) -> None:
    blob = paint_blob(hand)
    drag(hand, (150, 120), (150, 180), keys=CTRL)
    rest(hand)
    cut = only(hand).mask
    assert not cut.contains(150, 150) and cut.contains(125, 150)
    assert cut.subtract(blob.mask).area == 0
    QTest.mouseClick(hand.canvas, LEFT, SHIFT, hand.screen(300, 60))
    rest(hand)
    line = only(hand).mask
    assert all(line.contains(150 + 15 * step, 180 - 12 * step) for step in range(11))


def test_a_stroke_is_seen_with_the_move_and_looks_the_same_once_it_is_written(hand: Hand) -> None:
    inside, beside = (150.0, 100.0), (150.0, 180.0)
    hand.press("R")
    before = colours(hand, (inside, beside))
    QTest.mousePress(hand.canvas, LEFT, NONE, hand.screen(100, 100))
    move(hand, 200, 100)
    during = colours(hand, (inside, beside))
    assert np.abs(during[0] - before[0]).max() > 15
    assert np.array_equal(during[1], before[1])
    QTest.mouseRelease(hand.canvas, LEFT, NONE, hand.screen(200, 100))
    landing = colours(hand, (inside,))
    assert np.array_equal(landing[0], during[0])
    rest(hand)
    after = colours(hand, (inside,))
    assert np.abs(after[0] - before[0]).max() > 15, "the scene shows it now"


def test_a_stroke_never_leaves_the_screen_before_the_scene_has_it(hand: Hand) -> None:
    """Every frame from the release to the end shows the painted place tinted."""
    hand.press("R")
    bare = colours(hand, [(150.0, 100.0)])
    drag(hand, (100, 100), (200, 100))
    seen = []
    while hand.studio.runner.active() or len(hand.canvas.strokes):
        QApplication.processEvents()
        seen.append(colours(hand, [(150.0, 100.0)]))
    assert seen and min(np.abs(one - bare).max() for one in seen) > 15


def test_zooming_in_the_middle_of_a_stroke_keeps_it_where_it_is(hand: Hand) -> None:
    hand.press("R")
    QTest.mousePress(hand.canvas, LEFT, NONE, hand.screen(100, 100))
    move(hand, 140, 100)
    hand.canvas.zoom(2.0)
    move(hand, 180, 100)
    tinted = colours(hand, [(120.0, 100.0), (165.0, 100.0)])
    hand.press("Esc")
    bare = colours(hand, [(120.0, 100.0), (165.0, 100.0)])
    assert (np.abs(tinted - bare).max(axis=1) > 15).all()


def test_a_locked_selection_refuses_the_stroke_and_says_so(hand: Hand) -> None:
    blob = paint_blob(hand)
    hand.press("Ctrl+L")
    hand.wait(lambda: only(hand).locked, "it is not locked")
    hand.settle()
    drag(hand, (150, 200), (180, 200))
    rest(hand)
    assert only(hand).mask == blob.mask
    rest(hand)
    assert "locked" in hand.window.status.message.text()


# -- the eraser --------------------------------------------------------------------------------


def test_the_eraser_takes_from_what_is_selected_or_from_what_lies_under_it(hand: Hand) -> None:
    blob = paint_blob(hand)
    hand.press("Shift+R")
    drag(hand, (120, 130), (120, 170))
    rest(hand)
    once = only(hand).mask
    assert once.area < blob.mask.area and not once.contains(120, 150)
    hand.press("Esc")
    assert hand.workspace.selected == ()
    drag(hand, (180, 150), (180, 180))
    rest(hand)
    twice = only(hand).mask
    assert twice.area < once.area and not twice.contains(180, 150)
    drag(hand, (300, 250), (350, 250))
    rest(hand)
    assert only(hand).mask == twice, "beside everything there is nothing to erase"
    rest(hand)


def test_a_straight_line_erases_without_a_selection_too(hand: Hand) -> None:
    paint_blob(hand)
    hand.press("Esc")
    hand.press("Shift+R")
    drag(hand, (120, 150), (125, 150))
    rest(hand)
    QTest.mouseClick(hand.canvas, LEFT, SHIFT, hand.screen(175, 150))
    rest(hand)
    assert not any(only(hand).mask.contains(x, 150) for x in range(120, 176, 5))


def test_erasing_shows_the_photo_at_once_and_erasing_all_removes_the_annotation(hand: Hand) -> None:
    bare = colours(hand, [(150.0, 150.0)])
    paint_blob(hand)
    hand.press("Shift+R")
    QTest.mousePress(hand.canvas, LEFT, NONE, hand.screen(150, 140))
    move(hand, 150, 160)
    assert np.abs(colours(hand, [(150.0, 150.0)]) - bare).max() <= 2
    QTest.mouseRelease(hand.canvas, LEFT, NONE, hand.screen(150, 160))
    hand.settle()
    for y in (140, 150, 160):
        drag(hand, (90, y), (210, y))
    rest(hand)
    assert rows(hand) == ()
    undo(hand)
    assert len(rows(hand)) == 1


# -- size --------------------------------------------------------------------------------------


def test_the_size_follows_keys_and_wheel_and_is_remembered(hand: Hand, qtbot: QtBot) -> None:
    tools = hand.studio.desks.tools
    hand.press("R")
    first = tools.brush_radius
    hand.press("]")
    hand.press("]")
    assert tools.brush_radius == stepped(first, 2) > first
    hand.press("[")
    turn(hand, 3)
    assert tools.brush_radius == stepped(stepped(first, 1), 3)
    scale = hand.canvas.view.scale
    turn(hand, -1)
    assert hand.canvas.view.scale == scale
    assert f"{2 * tools.brush_radius:g} pixels" in hand.window.status.message.text()
    hand.wait(lambda: load_settings().brush_radius == tools.brush_radius, "it is not kept", 10)


def test_a_size_never_leaves_its_bounds_and_every_step_changes_it() -> None:
    sizes = [0.5]
    while sizes[-1] < 1000:
        sizes.append(stepped(sizes[-1], 1))
    assert sizes == sorted(set(sizes)) and len(sizes) < 60
    assert stepped(1000, 5) == 1000
    assert stepped(0.5, -3) == 0.5
    assert all(stepped(size, -1) < size for size in sizes[1:])


def test_the_ring_goes_with_the_pointer_and_only_with_the_brush(hand: Hand) -> None:
    hand.press("R")
    move(hand, 200, 150, held=Qt.MouseButton.NoButton)
    overlay = hand.canvas.overlay
    assert overlay.ring is not None and not overlay.ring.removes
    radius = hand.studio.desks.tools.brush_radius
    rim = [(200 + radius, 150), (200 - radius, 150), (200, 150 + radius), (200, 150 - radius)]
    ringed = colours(hand, rim)
    move(hand, 200, 150, held=Qt.MouseButton.NoButton, keys=CTRL)
    assert overlay.ring.removes
    hand.press("E")
    assert overlay.ring is None
    assert (np.abs(ringed - colours(hand, rim)).max(axis=1) > 25).sum() >= 3


# -- lasso and fill ----------------------------------------------------------------------------

SQUARE = ((100.0, 100.0), (200.0, 100.0), (200.0, 200.0), (100.0, 200.0))


def test_the_lasso_adds_and_removes_what_it_goes_around(hand: Hand) -> None:
    hand.press("Shift+L")
    drag(hand, *SQUARE)
    rest(hand)
    row = only(hand)
    assert abs(row.mask.area - 10_000) < 500 and row.tool == "lasso"
    drag(hand, (130, 130), (170, 130), (170, 170), (130, 170), keys=CTRL)
    rest(hand)
    holed = only(hand).mask
    assert not holed.contains(150, 150) and holed.contains(110, 110)
    assert abs(holed.area - 10_000 + 1_600) < 700


def test_fill_takes_an_enclosed_area_and_ctrl_takes_a_part_away(hand: Hand) -> None:
    hand.press("R")
    drag(hand, *SQUARE, SQUARE[0])
    rest(hand)
    ring = only(hand)
    assert not ring.mask.contains(150, 150)
    hand.press("Q")
    hand.click(150, 150)
    rest(hand)
    disc = only(hand)
    assert disc.id == ring.id and disc.mask.contains(150, 150)
    assert ring.mask.subtract(disc.mask).area == 0
    hand.click(300, 250)
    rest(hand)
    assert "encloses" in hand.window.status.message.text()
    QTest.mouseClick(hand.canvas, LEFT, CTRL, hand.screen(150, 150))
    rest(hand)
    assert rows(hand) == ()


# -- superpixels -------------------------------------------------------------------------------


def superpixels(hand: Hand) -> SuperpixelMap:
    hand.press("S")
    tools = hand.studio.desks.tools
    hand.wait(lambda: tools.superpixels is not None, "no superpixels are found")
    assert isinstance(tools.superpixels, SuperpixelMap)
    return tools.superpixels


def test_the_superpixel_brush_marks_paints_and_removes_whole_superpixels(hand: Hand) -> None:
    found = superpixels(hand)
    move(hand, 75, 75, held=Qt.MouseButton.NoButton)
    mark = hand.canvas.mark.patch
    assert mark is not None
    assert np.array_equal(mark.mask(SIZE).to_array(), found.labels == found.labels[75, 75])
    drag(hand, (75, 75), (175, 75))
    rest(hand)
    labels = np.unique(found.labels[75, 75:175])
    painted = only(hand).mask
    assert np.array_equal(painted.to_array(), np.isin(found.labels, labels))
    for keys in (CTRL, SHIFT):
        QTest.mouseClick(hand.canvas, LEFT, keys, hand.screen(75, 75))
        rest(hand)
        left = only(hand).mask
        assert np.array_equal(
            left.to_array(), painted.to_array() & (found.labels != found.labels[75, 75])
        )
        undo(hand)
    hand.press("R")
    assert hand.canvas.mark.patch is None


def test_the_scale_changes_live_and_is_remembered(hand: Hand) -> None:
    medium = superpixels(hand)
    move(hand, 75, 75, held=Qt.MouseButton.NoButton)
    turn(hand, 1)
    tools = hand.studio.desks.tools
    hand.wait(lambda: tools.superpixels not in (None, medium), "no coarse superpixels")
    coarse = tools.superpixels
    assert isinstance(coarse, SuperpixelMap) and coarse.count < medium.count
    mark = hand.canvas.mark.patch
    assert mark is not None
    assert np.array_equal(mark.mask(SIZE).to_array(), coarse.labels == coarse.labels[75, 75])
    for _ in range(3):
        hand.press("[")
    hand.wait(lambda: tools.superpixels not in (None, medium, coarse), "no fine superpixels")
    assert isinstance(tools.superpixels, SuperpixelMap)
    assert tools.superpixels.count > medium.count
    hand.settle()
    assert load_settings().superpixel_scale == "fine"


def test_another_image_has_superpixels_of_its_own(hand: Hand) -> None:
    first = superpixels(hand)
    hand.open_image("meadows.png")
    tools = hand.studio.desks.tools
    hand.wait(lambda: tools.superpixels not in (None, first), "the old superpixels stay")


# -- nothing is lost ---------------------------------------------------------------------------


def test_a_stroke_that_cannot_be_written_stays_and_is_written_when_it_can_be(
    hand: Hand, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = paint_blob(hand)
    desk = hand.studio.desks.painting

    def full(*_: object) -> None:
        raise StorageError("The disk is full; make room on it.")

    monkeypatch.setattr(hand.workspace.store, "commit", full)
    drag(hand, (150, 150), (150, 220))
    hand.wait(lambda: desk.unwritten == 1, "nothing is kept")
    assert only(hand).mask == blob.mask
    assert len(hand.canvas.strokes) == 1
    said = hand.window.status.message.text()
    assert "disk is full" in said and "Space" in said
    hand.open_image("meadows.png")
    assert (len(hand.canvas.strokes), desk.unwritten) == (0, 0)
    hand.open_image("fields.png")
    assert (len(hand.canvas.strokes), desk.unwritten) == (1, 1)
    hand.press("Space")
    hand.wait(lambda: desk.unwritten == 1, "it is lost while the disk is still full")
    monkeypatch.undo()
    hand.press("Space")
    rest(hand)
    assert only(hand).mask.contains(150, 215)
    assert not desk.unwritten
    assert on_disk(hand, photos) == [only(hand).mask]


def test_the_next_stroke_takes_one_along_that_could_not_be_written(
    hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand.press("R")

    def full(*_: object) -> None:
        raise StorageError("The disk is full; make room on it.")

    monkeypatch.setattr(hand.workspace.store, "commit", full)
    drag(hand, (100, 100), (160, 100))
    desk = hand.studio.desks.painting
    hand.wait(lambda: desk.unwritten == 1, "nothing is kept")
    monkeypatch.undo()
    drag(hand, (100, 200), (160, 200))
    rest(hand)
    assert all(any(row.mask.contains(130, y) for row in rows(hand)) for y in (100, 200))
    assert not desk.unwritten


def test_closing_with_unsaved_strokes_is_held_up_once(
    hand: Hand, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand.press("R")

    def full(*_: object) -> None:
        raise StorageError("The disk is full; make room on it.")

    monkeypatch.setattr(hand.workspace.store, "commit", full)
    drag(hand, (100, 100), (160, 100))
    desk = hand.studio.desks.painting
    hand.wait(lambda: desk.unwritten == 1, "nothing is kept")
    assert not hand.window.close()
    assert hand.window.isVisible()
    assert "not saved" in hand.window.status.message.text()
    monkeypatch.undo()
    hand.press("Space")
    rest(hand)
    assert on_disk(hand, photos) == [only(hand).mask]
    assert hand.window.close()
