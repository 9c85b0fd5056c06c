"""Stories of mending masks: whoever made them, they open again, and locked ones stay."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot
from skimage.draw import disk

from segstudio.config.settings import Settings
from segstudio.core.annotation import Annotation, Stage
from segstudio.core.category import Category
from segstudio.core.changes import Edit, Records
from segstudio.core.mask import Box, Mask
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.core.prompt import Prompt
from segstudio.engine.project_session import open_path
from segstudio.gui.app import Studio
from segstudio.gui.demo_hand import Hand
from segstudio.gui.panels.annotations import EYE, LOCK, NAME, AnnotationList
from segstudio.imaging.sample_photos import write_sample_photos

PHOTO = "astronaut.png"
SIZE = (512, 512)
HEAD, SLEEVE, BACKGROUND = (225, 130), (120, 300), (60, 60)


def disc(x: int, y: int, radius: int) -> Mask:
    array = np.zeros(SIZE, dtype=bool)
    array[disk((y, x), radius, shape=SIZE)] = True
    return Mask.from_array(array)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    write_sample_photos(folder)
    return folder


@pytest.fixture
def project(tmp_path: Path, photos: Path) -> Path:
    """A project as an importer leaves it: three masks that no model of ours made, one locked."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in (PHOTO, "coffee.png"):
        shutil.copyfile(photos / name, folder / name)
    with open_path(folder, ignore_progress, CancelToken()).store as store:
        image = next(image for image in store.images() if image.path == PHOTO)
        person = Category(store.new_category_id(), "person", "#56b4e9", key="1")
        suit = Category(store.new_category_id(), "suit", "#e69f00", key="2")
        masks = {
            "coco": disc(*HEAD, 62),
            "brush": disc(420, 420, 50),
            "semantic": disc(330, 240, 45),
        }
        rows = tuple(
            Annotation(
                id=store.new_annotation_id(),
                image_id=image.id,
                category_id=person.id,
                mask=mask,
                z_order=depth,
                stage=Stage.AUTOMATIC,
                tool=tool,
                locked=tool == "semantic",
            )
            for depth, (tool, mask) in enumerate(masks.items())
        )
        after = Records(annotations=rows, categories=(person, suit))
        store.commit(Edit("Import", image.id, Records(), after))
        return store.path


def open_window(qtbot: QtBot, path: Path) -> Hand:
    hand = Hand(Studio(Settings(model="segstudio_nano", prefetch_neighbours=0)))
    qtbot.addWidget(hand.window)
    hand.show()
    hand.studio.desks.project.open(path)
    hand.wait(lambda: hand.workspace.session is not None, "nothing opens")
    hand.open_image(PHOTO)
    return hand


@pytest.fixture
def hand(qtbot: QtBot, project: Path) -> Iterator[Hand]:
    hand = open_window(qtbot, project)
    yield hand
    hand.close()


def double_click(hand: Hand, x: float, y: float) -> None:
    at = hand.screen(x, y)
    QTest.mouseClick(hand.canvas, Qt.MouseButton.LeftButton, pos=at)
    QTest.mouseDClick(hand.canvas, Qt.MouseButton.LeftButton, pos=at)  # its press alone
    QTest.mouseRelease(hand.canvas, Qt.MouseButton.LeftButton, pos=at)


def row(hand: Hand, tool: str) -> Annotation:
    return next(found for found in hand.workspace.annotations if found.tool == tool)


def drawn(hand: Hand, x: float, y: float) -> tuple[int, int, int]:
    """The colour on the screen at an image position."""
    hand.settle()
    image = hand.canvas.grab().toImage()
    at = hand.screen(x, y) * image.devicePixelRatio()
    colour = image.pixelColor(at)
    return colour.red(), colour.green(), colour.blue()


def test_an_imported_mask_is_mended_in_place_and_its_locked_neighbour_stays(
    qtbot: QtBot, project: Path
) -> None:
    hand = open_window(qtbot, project)
    desks = hand.studio.desks
    old, held = row(hand, "coco"), row(hand, "semantic")
    double_click(hand, *HEAD)
    assert desks.prompt.prompt == Prompt(prior=old.mask)
    assert desks.refine.lifted == {old.id} == hand.canvas.masks.hidden
    assert hand.wait_for_answer().candidates.items[0].mask == old.mask
    assert hand.canvas.pictures.preview is not None

    hand.click(*SLEEVE)
    hand.wait_for_answer()
    hand.click(HEAD[0], HEAD[1] + 50, remove=True)
    answer = hand.wait_for_answer()
    chosen = answer.candidates.items[desks.prompt.current].mask
    assert chosen.contains(*SLEEVE)
    assert not chosen.contains(HEAD[0], HEAD[1] + 50)
    hand.press("Space")
    hand.wait(lambda: row(hand, "coco").mask != old.mask, "Space keeps nothing")
    hand.settle()

    new = row(hand, "coco")
    assert new.mask == chosen
    assert new.prompt is not None
    assert new.prompt.prior == old.mask
    assert new.prompt.labels == (1, 0)
    assert new.model_key.startswith("segstudio_nano")
    assert new.predicted_iou is not None
    assert new.stage is Stage.ASSISTED
    assert (new.id, new.category_id, new.z_order) == (old.id, old.category_id, old.z_order)
    assert row(hand, "semantic") == held
    assert not desks.refine.lifted
    assert not hand.canvas.masks.hidden
    assert not desks.prompt.prompt

    hand.press("Ctrl+Z")
    hand.wait(lambda: row(hand, "coco") == old, "undo does not give the old mask back")
    hand.press("Ctrl+Y")
    hand.wait(lambda: row(hand, "coco") == new, "redo does not give the new mask back")
    hand.close()

    again = open_window(qtbot, project)
    assert row(again, "coco") == new
    assert row(again, "semantic") == held
    assert row(again, "semantic").locked
    again.press("Ctrl+Z")
    again.wait(lambda: row(again, "coco") == old, "undo does not reach over the restart")
    again.close()


@pytest.mark.parametrize("leave", ["Esc", "D", "E"])
def test_leaving_without_keeping_leaves_the_mask_as_it_was(hand: Hand, leave: str) -> None:
    before = hand.workspace.annotations
    double_click(hand, *HEAD)
    hand.click(*SLEEVE)
    hand.wait_for_answer()
    hand.press(leave)
    hand.settle()
    assert not hand.studio.desks.refine.lifted
    assert not hand.studio.desks.prompt.prompt
    hand.open_image(PHOTO)
    assert hand.workspace.annotations == before
    assert hand.workspace.history.redo is None
    assert not hand.canvas.masks.hidden


def test_keeping_a_mask_that_nobody_changed_is_no_step(hand: Hand) -> None:
    before = hand.workspace.annotations, hand.workspace.history
    double_click(hand, *HEAD)
    hand.press("Space")
    hand.wait(lambda: not hand.studio.desks.refine.lifted, "Space does not end it")
    assert (hand.workspace.annotations, hand.workspace.history) == before


def test_a_locked_mask_stays_shut_and_says_so(hand: Hand) -> None:
    held = row(hand, "semantic")
    double_click(hand, 330, 240)
    hand.settle()
    assert not hand.studio.desks.refine.lifted
    assert not hand.studio.desks.prompt.prompt
    assert "locked" in hand.window.status.message.whole_text
    hand.workspace.select((held.id,))
    for key in ("Ctrl+R", "Del", "2"):
        hand.workspace.tell("")
        hand.press(key)
        hand.settle()
        assert row(hand, "semantic") == held
        assert hand.workspace.selected == (held.id,)
        assert "locked" in hand.window.status.message.whole_text
    hand.press("Ctrl+L")
    hand.wait(lambda: not row(hand, "semantic").locked, "Ctrl+L does not unlock")
    hand.press("Ctrl+R")
    assert hand.studio.desks.refine.lifted == {held.id}


def test_deleting_all_leaves_the_locked_one_and_says_so(hand: Hand) -> None:
    held = row(hand, "semantic")
    hand.press("Ctrl+A")
    hand.press("Del")
    hand.wait(lambda: hand.workspace.annotations == (held,), "the locked one does not stay")
    hand.settle()
    assert hand.window.status.message.whole_text.startswith("1 locked")


def test_a_box_mends_only_what_lies_inside_it(hand: Hand) -> None:
    old = row(hand, "coco")
    double_click(hand, *HEAD)
    hand.drag((150, 60, 230, 200))
    answer = hand.wait_for_answer()
    box = answer.prompt.box
    assert box is not None
    assert answer.prompt.prior == old.mask
    x0, y0, x1, y1 = (round(value) for value in box)
    inside = Mask.from_crop(np.ones((y1 - y0 + 2, x1 - x0 + 2)), (x0 - 1, y0 - 1), SIZE)
    for item in answer.candidates.items:
        assert item.mask.subtract(inside) == old.mask.subtract(inside)


def test_backspace_goes_back_to_the_mask_as_it_was_and_no_further(hand: Hand) -> None:
    old = row(hand, "coco")
    double_click(hand, *HEAD)
    hand.click(*SLEEVE)
    hand.wait_for_answer()
    hand.press("Backspace")
    hand.press("Backspace")
    assert hand.wait_for_answer().candidates.items[0].mask == old.mask
    assert hand.studio.desks.refine.lifted == {old.id}


def test_digits_change_the_category_while_a_mask_is_open(hand: Hand) -> None:
    double_click(hand, *HEAD)
    hand.press("2")
    suit = next(c.id for c in hand.workspace.categories.values() if c.name == "suit")
    hand.wait(lambda: row(hand, "coco").category_id == suit, "2 does not change the category")
    assert hand.studio.desks.refine.lifted == {row(hand, "coco").id}
    assert hand.studio.desks.prompt.colour.name() == "#e69f00"
    hand.click(*SLEEVE)
    hand.wait_for_answer()
    hand.press("Return")
    hand.wait(lambda: row(hand, "coco").mask.contains(*SLEEVE), "Enter keeps nothing")
    assert row(hand, "coco").category_id == suit


def test_what_is_deleted_or_undone_while_it_is_open_is_let_go(hand: Hand) -> None:
    double_click(hand, *HEAD)
    hand.press("Del")
    hand.wait(lambda: len(hand.workspace.annotations) == 2, "Del deletes nothing")
    hand.settle()
    assert not hand.studio.desks.refine.lifted
    assert not hand.studio.desks.prompt.prompt


def test_two_quick_clicks_beside_all_masks_or_in_a_prompt_are_clicks(hand: Hand) -> None:
    desk = hand.studio.desks.prompt
    double_click(hand, *BACKGROUND)
    assert desk.prompt.labels == (1, 1)
    double_click(hand, *HEAD)
    assert desk.prompt.labels == (1, 1, 1, 1)
    assert not hand.studio.desks.refine.lifted


@pytest.mark.parametrize("tool", ["E", "B"])
def test_with_another_tool_a_double_click_takes_the_point_tool(hand: Hand, tool: str) -> None:
    hand.press(tool)
    double_click(hand, 420, 420)
    assert hand.studio.desks.refine.lifted == {row(hand, "brush").id}
    assert hand.studio.desks.tools.tool_key == "point"


def test_nothing_hovers_over_a_mask_that_is_open(hand: Hand) -> None:
    hand.workspace.change_settings(hover_preview=True)
    double_click(hand, *HEAD)
    for x in (110, 120, 130):
        QTest.mouseMove(hand.canvas, hand.screen(x, 300))
        QTest.qWait(60)
    hand.settle()
    assert hand.studio.desks.hover._shown is None
    assert hand.canvas.overlay.hovered is None


def test_in_the_panel_a_row_opens_and_its_marks_leave_the_selection(hand: Hand) -> None:
    view = hand.window.annotations.findChild(AnnotationList)
    assert view is not None
    model = hand.window.annotations.model
    number = next(n for n, found in enumerate(model.rows) if found.tool == "brush")
    brush, head = row(hand, "brush"), row(hand, "coco")
    hand.workspace.select((head.id,))

    def press(column: int) -> None:
        at: QPoint = view.visualRect(model.index(number, column)).center()
        QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=at)
        hand.settle()

    name = view.visualRect(model.index(number, NAME)).center()
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=name)
    QTest.mouseDClick(view.viewport(), Qt.MouseButton.LeftButton, pos=name)
    assert hand.studio.desks.refine.lifted == {brush.id}
    assert hand.canvas.hasFocus()
    hand.press("Esc")
    hand.workspace.select((head.id,))
    press(LOCK)
    hand.wait(lambda: row(hand, "brush").locked, "the lock does not lock")
    press(LOCK)
    hand.wait(lambda: not row(hand, "brush").locked, "the lock does not unlock")
    press(EYE)
    assert hand.canvas.masks.hidden == {brush.id}
    assert hand.workspace.selected == (head.id,)
    press(EYE)
    assert not hand.canvas.masks.hidden


def test_the_open_mask_is_lifted_from_the_canvas_and_shown_as_the_preview(hand: Hand) -> None:
    hand.window.opacity.setValue(100)
    plain = drawn(hand, *BACKGROUND)
    covered = drawn(hand, *HEAD)
    double_click(hand, *HEAD)
    hand.wait_for_answer()
    assert drawn(hand, *HEAD) != plain
    hand.click(*HEAD, remove=True)
    hand.wait_for_answer()
    assert drawn(hand, HEAD[0] + 12, HEAD[1]) != covered
    assert Box(*row(hand, "coco").mask.box) == disc(*HEAD, 62).box
