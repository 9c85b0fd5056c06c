"""Stories of operations on what is selected: keys, the strip with its preview, the next image."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit
from pytestqt.qtbot import QtBot
from skimage.draw import disk

from segstudio.config.settings import Settings, load_settings
from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.changes import Edit, Records
from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.engine.partition import SETTING
from segstudio.engine.project_session import open_path
from segstudio.engine.superpixel_cache import Scale
from segstudio.gui.app import Studio
from segstudio.gui.demo_hand import Hand
from segstudio.gui.panels.annotations import NAME, AnnotationList
from segstudio.imaging.mask_parts import holes_filled
from segstudio.imaging.morphology import grown, shrunk
from segstudio.imaging.sample_photos import write_sample_photos

SIZE = (512, 512)
HEAD, SUIT, RING, DUST = 1, 2, 3, 4


def disc(x: int, y: int, radius: int) -> Mask:
    array = np.zeros(SIZE, dtype=bool)
    array[disk((y, x), radius, shape=SIZE)] = True
    return Mask.from_array(array)


MASKS = {
    HEAD: disc(225, 130, 62),
    SUIT: disc(290, 200, 60),
    RING: disc(420, 420, 50).subtract(disc(420, 420, 20)),
    DUST: disc(100, 380, 40).union(disc(30, 300, 2)).union(disc(60, 480, 3)),
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    write_sample_photos(folder)
    return folder


@pytest.fixture
def project(tmp_path: Path, photos: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        shutil.copyfile(photos / "astronaut.png", folder / name)
    shutil.copyfile(photos / "coffee.png", folder / "c.png")
    with open_path(folder, ignore_progress, CancelToken()).store as store:
        person = Category(store.new_category_id(), "person", "#56b4e9", key="1")
        rows = tuple(
            Annotation(store.new_annotation_id(), 1, person.id, mask, z_order=depth, tool="coco")
            for depth, mask in enumerate(MASKS.values())
        )
        after = Records(annotations=rows, categories=(person,))
        store.commit(Edit("Import", 1, Records(), after))
        return store.path


@pytest.fixture
def hand(qtbot: QtBot, project: Path) -> Iterator[Hand]:
    hand = Hand(Studio(Settings(model="graph_cut", prefetch_neighbours=0)))
    qtbot.addWidget(hand.window)
    hand.show()
    hand.studio.desks.project.open(project)
    hand.wait(lambda: hand.workspace.session is not None, "nothing opens")
    hand.press("E")
    yield hand
    hand.close()


def masks(hand: Hand) -> dict[int, Mask]:
    return {row.id: row.mask for row in hand.workspace.annotations}


def pressed(hand: Hand, *keys: str) -> None:
    for key in keys:
        hand.press(key)
    hand.settle()


def told(hand: Hand) -> list[str]:
    sentences: list[str] = []
    hand.workspace.told.connect(lambda sentence, _: sentences.append(sentence))
    return sentences


def screen(hand: Hand) -> QImage:
    hand.settle()
    return hand.canvas.grab().toImage()


def says(hand: Hand, effect: str) -> None:
    """Wait until the strip says what its number would do."""
    strip = hand.studio.desks.tuning.strip
    hand.wait(lambda: strip.effect.text() == effect, f"{strip.effect.text()} is not {effect}", 20)


def drawn(hand: Hand) -> None:
    """Wait until the preview is seen."""
    layer = hand.canvas.pictures.operation
    hand.wait(lambda: layer.picture is not None, "no preview is drawn", 20)
    hand.settle()


def colour(hand: Hand, x: float, y: float) -> tuple[int, int, int]:
    image = screen(hand)
    at = hand.screen(x, y) * image.devicePixelRatio()
    found = image.pixelColor(at)
    return found.red(), found.green(), found.blue()


def test_keys_combine_what_is_selected_and_undo_takes_each_back(hand: Hand) -> None:
    hand.workspace.select((HEAD, SUIT))
    for key, expected in (
        ("U", MASKS[HEAD].union(MASKS[SUIT])),
        ("Shift+U", MASKS[HEAD].subtract(MASKS[SUIT])),
        ("I", MASKS[HEAD].intersect(MASKS[SUIT])),
    ):
        pressed(hand, key)
        assert masks(hand)[HEAD] == expected
        assert (SUIT in masks(hand)) == (key == "Shift+U")
        pressed(hand, "Ctrl+Z")
        assert masks(hand) == MASKS
        hand.workspace.select((HEAD, SUIT))


def test_parts_holes_copies_and_their_order(hand: Hand) -> None:
    hand.workspace.select((RING,))
    pressed(hand, "O")
    assert masks(hand)[RING] == holes_filled(MASKS[RING])

    hand.workspace.select((DUST,))
    pressed(hand, "Ctrl+U")
    parts = hand.workspace.selected
    assert len(parts) == 3
    assert parts[0] == DUST
    assert [row.id for row in hand.workspace.annotations[-3:]] == list(parts)

    hand.workspace.select((HEAD,))
    pressed(hand, "Ctrl+D")
    (copy,) = hand.workspace.selected
    assert copy not in MASKS
    assert masks(hand)[copy] == MASKS[HEAD]
    pressed(hand, "Ctrl+Down")
    assert [row.id for row in hand.workspace.annotations].index(copy) == 5
    assert len(masks(hand)) == 7
    pressed(hand, "Ctrl+Up")
    assert hand.workspace.annotations[-1].id == copy


def test_a_lock_keeps_its_annotation_out_of_all_of_it(hand: Hand) -> None:
    sentences = told(hand)
    hand.workspace.select((SUIT,))
    pressed(hand, "Ctrl+L")
    hand.workspace.select((HEAD, SUIT))
    pressed(hand, "U")
    assert masks(hand) == MASKS
    assert "locked" in sentences[-1]
    hand.workspace.select((SUIT,))
    pressed(hand, "W")
    assert not hand.studio.desks.tuning.strip.isVisible()
    assert "locked" in sentences[-1]


def test_in_partition_mode_there_is_no_room_for_a_duplicate(hand: Hand) -> None:
    sentences = told(hand)
    assert hand.workspace.store is not None
    hand.workspace.store.set_setting(SETTING, True)
    hand.workspace.select((RING,))
    pressed(hand, "Ctrl+D")
    assert "no room for a duplicate" in sentences[-1]
    assert masks(hand) == MASKS


def test_a_strip_shows_what_growing_would_do_and_enter_does_it(hand: Hand) -> None:
    strip, layer = hand.studio.desks.tuning.strip, hand.canvas.pictures.operation
    beside = 225 - 62 - 8, 130  # outside of the mask, left of it
    plain = colour(hand, *beside)
    hand.workspace.select((HEAD,))
    pressed(hand, "W")
    assert strip.isVisible()
    assert strip.number.hasFocus()
    assert strip.number.value() == 3
    QTest.keyClicks(strip.number, "12")
    gained = grown(MASKS[HEAD], 12)
    says(hand, f"+{gained.area - MASKS[HEAD].area:,} px")
    assert masks(hand) == MASKS
    hand.wait(lambda: colour(hand, *beside) != plain, "what is gained is not seen")

    QTest.keyClick(strip.number, Qt.Key.Key_Return)
    hand.wait(lambda: masks(hand)[HEAD] != MASKS[HEAD], "Enter does not apply")
    hand.settle()
    hand.wait(lambda: layer.draw is None, "the preview stays")
    assert masks(hand)[HEAD] == gained
    assert not strip.isVisible()
    assert hand.canvas.hasFocus()
    assert hand.workspace.history.undo == "Grow by 12 px"
    pressed(hand, "Ctrl+Z")
    assert masks(hand) == MASKS

    assert load_settings().operation_grow == 12
    hand.workspace.select((RING,))
    pressed(hand, "W")
    assert strip.number.value() == 12


def test_esc_drops_the_strip_from_the_canvas_too_and_changes_nothing(hand: Hand) -> None:
    strip = hand.studio.desks.tuning.strip
    for focus in (strip.number, hand.canvas):
        hand.workspace.select((HEAD,))
        pressed(hand, "Shift+W")
        drawn(hand)
        focus.setFocus()
        QTest.keyClick(focus, Qt.Key.Key_Escape)
        assert not strip.isVisible()
        assert hand.canvas.pictures.operation.draw is None
        assert hand.workspace.selected == (HEAD,)
    hand.settle()
    assert masks(hand) == MASKS
    assert hand.workspace.history.undo == "Import"


def test_the_slider_removes_crumbs_of_the_selection_as_it_changes(hand: Hand) -> None:
    strip = hand.studio.desks.tuning.strip
    hand.workspace.select((HEAD,))
    pressed(hand, "Shift+O")
    says(hand, "no change")
    hand.workspace.select((DUST,))
    hand.settle()
    both = disc(30, 300, 2).area + disc(60, 480, 3).area
    says(hand, f"2 crumbs · −{both} px")
    strip.slider.setValue(strip.slider.minimum())
    hand.settle()
    assert strip.number.value() == 2
    says(hand, "no change")
    at_30 = next(place for place in range(240) if _slid(hand, place) >= 15)
    assert strip.slider.value() == at_30
    hand.settle()
    says(hand, f"1 crumb · −{disc(30, 300, 2).area} px")
    hand.canvas.setFocus()
    pressed(hand, "Return")
    assert masks(hand)[DUST] == MASKS[DUST].subtract(disc(30, 300, 2))


def _slid(hand: Hand, place: int) -> int:
    strip = hand.studio.desks.tuning.strip
    strip.slider.setValue(place)
    return strip.number.value()


def test_the_strip_follows_undo_and_closes_with_its_selection(hand: Hand) -> None:
    strip = hand.studio.desks.tuning.strip
    hand.workspace.select((HEAD, SUIT))
    pressed(hand, "Shift+W")
    lost = sum(mask.area - shrunk(mask, 3).area for mask in (MASKS[HEAD], MASKS[SUIT]))
    says(hand, f"−{lost:,} px")
    hand.studio.desks.operations.unite()
    hand.settle()
    assert strip.isVisible()
    joined = MASKS[HEAD].union(MASKS[SUIT])
    says(hand, f"−{joined.area - shrunk(joined, 3).area:,} px")
    hand.workspace.select(())
    assert not strip.isVisible()
    assert hand.canvas.pictures.operation.draw is None


def test_working_on_the_photo_closes_the_strip_but_looking_around_does_not(hand: Hand) -> None:
    strip = hand.studio.desks.tuning.strip
    hand.workspace.select((HEAD,))
    pressed(hand, "W")
    hand.canvas.zoom(2.0)
    hand.settle()
    assert strip.isVisible()
    hand.studio.desks.tools.use_tool("point")
    QTest.mouseClick(hand.canvas, Qt.MouseButton.LeftButton, pos=hand.screen(225, 130))
    assert not strip.isVisible()


def test_typing_elsewhere_keeps_its_own_enter(hand: Hand) -> None:
    strip = hand.studio.desks.tuning.strip
    hand.workspace.select((HEAD,))
    pressed(hand, "W")
    box = hand.window.gallery.findChildren(QLineEdit)[0]
    box.setFocus()
    QTest.keyClick(box, Qt.Key.Key_Return)
    assert strip.isVisible()
    assert masks(hand) == MASKS


def test_the_strip_stays_in_the_middle_of_the_canvas(hand: Hand) -> None:
    strip = hand.studio.desks.tuning.strip
    hand.workspace.select((HEAD,))
    pressed(hand, "W")
    hand.window.resize(1000, 700)
    hand.settle()
    middle = strip.geometry().center().x()
    assert abs(middle - hand.canvas.rect().center().x()) <= 1
    assert hand.canvas.rect().contains(strip.geometry())
    assert hand.canvas.childAt(QPoint(middle, strip.y() + 2)) is not None


def test_superpixels_trim_a_mask_to_their_borders(hand: Hand) -> None:
    hand.workspace.select((HEAD,))
    hand.press("Shift+S")
    hand.wait(lambda: masks(hand)[HEAD] != MASKS[HEAD], "nothing snaps")
    hand.settle()
    image = hand.workspace.pixels
    assert image is not None
    scale = Scale(hand.workspace.settings.superpixel_scale)
    labels = hand.studio.superpixels.map(image, scale).crop((0, 0, *SIZE))
    inside = masks(hand)[HEAD].to_array()
    chosen = np.unique(labels[inside])
    assert np.array_equal(np.isin(labels, chosen), inside)
    assert masks(hand)[HEAD].iou(MASKS[HEAD]) > 0.6


def test_copies_go_to_the_next_image_which_is_not_opened(hand: Hand, project: Path) -> None:
    sentences = told(hand)
    hand.workspace.select((HEAD, RING))
    pressed(hand, "Ctrl+Shift+D")
    assert hand.workspace.session is not None
    assert hand.workspace.session.image.path == "a.png"
    assert "2 copied to b.png" in sentences[-1]
    assert masks(hand) == MASKS
    assert hand.workspace.image_counts[2] == 2
    assert hand.workspace.history.undo == "Import"

    hand.open_image("b.png")
    assert set(masks(hand).values()) == {MASKS[HEAD], MASKS[RING]}
    hand.workspace.select(tuple(masks(hand)))
    pressed(hand, "Ctrl+Shift+D")  # coffee has another size
    assert "c.png has 600 x 400 pixels where this image has 512 x 512" in sentences[-1]
    assert hand.workspace.image_counts[3] == 0
    pressed(hand, "Ctrl+Z")
    assert masks(hand) == {}


def test_rows_dragged_in_the_list_lie_at_that_depth_after_one_step(hand: Hand) -> None:
    panel = hand.window.annotations
    view = panel.findChild(AnnotationList)
    assert view is not None
    assert [row.id for row in panel.model.rows] == [DUST, RING, SUIT, HEAD]
    dragged = panel.model.mimeData([panel.model.index(row, NAME) for row in (3, 1)])
    top = view.visualRect(panel.model.index(0, NAME))
    move, left, none = (
        Qt.DropAction.MoveAction,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    over = QDragMoveEvent(top.topLeft(), move, dragged, left, none)
    QApplication.sendEvent(
        view.viewport(), QDragEnterEvent(top.topLeft(), move, dragged, left, none)
    )
    QApplication.sendEvent(view.viewport(), over)
    assert over.isAccepted()
    QApplication.sendEvent(
        view.viewport(), QDropEvent(QPointF(top.topLeft()), move, dragged, left, none)
    )
    hand.settle()
    assert [row.id for row in panel.model.rows] == [RING, HEAD, DUST, SUIT]
    assert hand.workspace.history.undo == "Change the order"
    pressed(hand, "Ctrl+Z")
    assert [row.id for row in panel.model.rows] == [DUST, RING, SUIT, HEAD]


def test_nothing_selected_says_so_and_does_nothing(hand: Hand) -> None:
    sentences, operations = told(hand), hand.studio.desks.operations
    for call in (operations.split, operations.fill_holes, operations.snap_to_superpixels):
        call()
        assert sentences[-1] == "Select an annotation first."
    operations.unite()
    assert "two annotations" in sentences[-1]
    for name in ("mask.union", "mask.grow", "mask.duplicate"):
        assert not hand.studio.actions.actions[name].isEnabled()
    hand.workspace.select((HEAD,))
    assert hand.studio.actions.actions["mask.grow"].isEnabled()
    assert not hand.studio.actions.actions["mask.union"].isEnabled()
    assert masks(hand) == MASKS


def test_rows_that_are_replaced_keep_what_they_are(hand: Hand) -> None:
    old = next(row for row in hand.workspace.annotations if row.id == RING)
    hand.workspace.select((RING,))
    pressed(hand, "O")
    new = next(row for row in hand.workspace.annotations if row.id == RING)
    assert replace(new, mask=old.mask, updated_at=old.updated_at) == old
