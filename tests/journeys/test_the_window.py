"""Stories of an afternoon in the window: real project files, real photos, the embedded model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from segstudio.config.settings import Settings
from segstudio.core.errors import StorageError, WeightsError
from segstudio.core.image import ImageState
from segstudio.gui.app import Studio
from segstudio.gui.demo_hand import Hand
from segstudio.imaging.sample_photos import write_sample_photos
from segstudio.models import weights
from segstudio.models.card import ModelCard
from segstudio.store.project import ProjectStore


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    write_sample_photos(folder)
    return folder


def open_window(qtbot: QtBot, path: Path | None = None) -> Hand:
    studio = Studio(Settings(model="segstudio_nano", prefetch_neighbours=0))
    hand = Hand(studio)
    qtbot.addWidget(hand.window)
    hand.show()
    if path is not None:
        studio.desks.project.open(path)
        hand.wait(lambda: hand.workspace.session is not None, "nothing opens")
    return hand


@pytest.fixture
def hand(qtbot: QtBot, photos: Path) -> Iterator[Hand]:
    hand = open_window(qtbot, photos)
    yield hand
    hand.close()


def label_one(hand: Hand, name: str = "suit") -> None:
    hand.open_image("astronaut.png")
    hand.name_category(name)
    hand.click(120, 300)
    hand.wait_for_answer()
    hand.accept()


def test_a_click_and_space_make_an_annotation_that_is_on_disk(hand: Hand, photos: Path) -> None:
    label_one(hand)
    [row] = hand.workspace.annotations
    assert row.mask.contains(120, 300)
    assert row.tool == "point"
    assert row.model_key.startswith("segstudio_nano")
    assert row.prompt is not None
    assert row.prompt.points[0] == pytest.approx((120, 300), abs=2)
    with ProjectStore.open(photos / "photos.segstudio", read_only=True) as store:
        assert list(store.annotations(row.image_id)) == [row]
        assert store.image(row.image_id).state is ImageState.LABELLED


def test_space_before_the_mask_is_ready_accepts_it_when_it_is(hand: Hand) -> None:
    hand.open_image("astronaut.png")
    hand.name_category("suit")
    hand.click(120, 300)
    hand.press("Space")
    assert hand.workspace.annotations == ()
    hand.wait(lambda: len(hand.workspace.annotations) == 1, "the early Space is forgotten")


def test_a_click_before_the_embedding_is_ready_is_kept(qtbot: QtBot, photos: Path) -> None:
    hand = open_window(qtbot, photos / "coffee.png")
    hand.click(275, 60)
    assert hand.canvas.overlay.prompt.points, "the dot shows in the same moment"
    hand.wait_for_answer()
    assert hand.canvas.pictures.preview.draw is not None
    hand.close()


def test_right_click_and_shift_click_remove_and_backspace_takes_back(hand: Hand) -> None:
    hand.open_image("astronaut.png")
    hand.click(120, 300)
    hand.click(390, 420, remove=True)
    QTest.mouseClick(
        hand.canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier,
        hand.screen(250, 60),
    )  # fmt: skip
    desk = hand.studio.desks.prompt
    assert desk.prompt.labels == (1, 0, 0)
    hand.press("Backspace")
    assert desk.prompt.labels == (1, 0)
    hand.press("Esc")
    assert not desk.prompt
    assert hand.canvas.pictures.preview.draw is None


def test_tab_cycles_the_candidates_and_the_choice_is_what_is_stored(hand: Hand) -> None:
    hand.open_image("astronaut.png")
    hand.name_category("suit")
    hand.click(120, 300)
    answer = hand.wait_for_answer()
    desk = hand.studio.desks.prompt
    first = desk.current
    hand.press("Tab")
    assert desk.current == (first + 1) % len(answer.candidates.items)
    chosen = answer.candidates.items[desk.current]
    hand.accept()
    assert hand.workspace.annotations[0].mask == chosen.mask


def test_a_drag_makes_a_box_and_the_mask_stays_inside_it(hand: Hand) -> None:
    hand.open_image("coffee.png")
    hand.name_category("cup")
    hand.drag((70, 14, 482, 394))
    hand.wait_for_answer()
    hand.accept()
    x0, y0, x1, y1 = hand.workspace.annotations[0].mask.box
    assert x0 >= 66
    assert y0 >= 10
    assert x1 <= 486
    assert y1 <= 398
    assert hand.workspace.annotations[0].tool == "box"


def test_undo_and_redo_survive_closing_the_window(qtbot: QtBot, photos: Path) -> None:
    hand = open_window(qtbot, photos)
    label_one(hand)
    [row] = hand.workspace.annotations
    hand.press("Ctrl+Z")
    hand.wait(lambda: not hand.workspace.annotations, "undo does nothing")
    hand.close()
    again = open_window(qtbot, photos)
    again.open_image("astronaut.png")
    assert again.workspace.annotations == ()
    again.press("Ctrl+Y")
    again.wait(lambda: len(again.workspace.annotations) == 1, "redo does nothing")
    assert again.workspace.annotations[0].mask == row.mask
    again.close()


def test_delete_needs_no_question_because_undo_brings_it_back(hand: Hand) -> None:
    label_one(hand)
    hand.press("Ctrl+A")
    hand.press("Del")
    hand.wait(lambda: not hand.workspace.annotations, "Del deletes nothing")
    hand.press("Ctrl+Z")
    hand.wait(lambda: len(hand.workspace.annotations) == 1, "undo does nothing")


def test_v_hides_the_masks_only_while_it_is_held(hand: Hand) -> None:
    label_one(hand)
    QTest.keyPress(hand.canvas, Qt.Key.Key_V)
    assert not hand.canvas.masks.visible
    QTest.keyRelease(hand.canvas, Qt.Key.Key_V)
    assert hand.canvas.masks.visible


def test_space_and_drag_pans_and_accepts_nothing(hand: Hand) -> None:
    hand.open_image("astronaut.png")
    hand.click(120, 300)
    hand.wait_for_answer()
    x = hand.canvas.view.x
    QTest.keyPress(hand.canvas, Qt.Key.Key_Space)
    start = hand.screen(200, 200)
    QTest.mousePress(hand.canvas, Qt.MouseButton.LeftButton, pos=start)
    QTest.mouseMove(hand.canvas, start + QPointF(40, 0).toPoint())
    QTest.mouseRelease(hand.canvas, Qt.MouseButton.LeftButton, pos=start)
    QTest.keyRelease(hand.canvas, Qt.Key.Key_Space)
    hand.settle()
    assert hand.canvas.view.x == x + 40
    assert hand.workspace.annotations == ()
    assert hand.studio.desks.prompt.prompt.labels == (1,)


def test_digits_choose_the_category_of_what_is_selected(hand: Hand) -> None:
    label_one(hand, "suit")
    hand.name_category("person")
    hand.press("Ctrl+A")
    hand.press("2")
    hand.wait(
        lambda: (
            hand.workspace.categories[hand.workspace.annotations[0].category_id].name == "person"
        ),
        "2 does not change the category",
    )


def test_the_select_tool_takes_the_annotation_under_the_pointer(hand: Hand) -> None:
    label_one(hand)
    hand.press("E")
    hand.click(120, 300)
    assert hand.workspace.selected == (hand.workspace.annotations[0].id,)
    hand.click(500, 20)
    assert hand.workspace.selected == ()


def test_hovering_highlights_the_annotation_under_the_pointer(hand: Hand) -> None:
    label_one(hand)
    QTest.mouseMove(hand.canvas, hand.screen(121, 301))
    assert hand.canvas.overlay.hovered == hand.workspace.annotations[0].id
    QTest.mouseMove(hand.canvas, hand.screen(505, 10))
    assert hand.canvas.overlay.hovered is None


def test_a_dropped_folder_opens(qtbot: QtBot, photos: Path) -> None:
    hand = open_window(qtbot)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(photos))])
    args = (
        Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    enter = QDragEnterEvent(QPointF(50, 50).toPoint(), *args)
    hand.window.dragEnterEvent(enter)
    assert enter.isAccepted()
    hand.window.dropEvent(QDropEvent(QPointF(50, 50), *args))
    hand.wait(lambda: len(hand.workspace.images) == 4, "the drop opens nothing")
    hand.close()


def test_opening_what_is_open_turns_to_it(hand: Hand, photos: Path) -> None:
    told: list[str] = []
    hand.workspace.told.connect(lambda sentence, _: told.append(sentence))
    store = hand.workspace.store
    hand.studio.desks.project.open(photos)
    hand.settle()
    assert told == ["This project is open already."]
    hand.studio.desks.project.open(photos / "rocket.jpg")
    hand.wait(
        lambda: (
            hand.workspace.session is not None and hand.workspace.session.image.path == "rocket.jpg"
        ),
        "the image is not turned to",
    )
    assert hand.workspace.store is store


def test_a_second_window_is_told_who_has_the_project(
    hand: Hand, qtbot: QtBot, photos: Path
) -> None:
    other = Hand(Studio(Settings(model="segstudio_nano")))
    qtbot.addWidget(other.window)
    other.show()
    told: list[str] = []
    other.workspace.told.connect(lambda sentence, _: told.append(sentence))
    other.studio.desks.project.open(photos / "photos.segstudio")
    other.wait(lambda: bool(told), "nobody says anything")
    assert "read-only" in told[0]
    assert str(os.getpid()) in told[0]
    assert other.workspace.store is not None
    assert other.workspace.store.read_only
    other.open_image("astronaut.png")
    other.click(120, 300)
    other.wait_for_answer()
    other.press("Space")
    other.wait(lambda: len(told) > 1, "nobody says that it cannot be written")
    assert other.workspace.annotations == ()
    other.close()
    assert hand.workspace.store is not None


def test_a_broken_image_is_told_and_the_others_open(qtbot: QtBot, photos: Path) -> None:
    (photos / "broken.png").write_bytes(b"not a png")
    hand = open_window(qtbot, photos)
    assert len(hand.workspace.images) == 4
    hand.close()


def test_an_image_that_vanished_is_told_and_loses_nothing(hand: Hand, photos: Path) -> None:
    label_one(hand)
    (photos / "coffee.png").unlink()
    told: list[str] = []
    hand.workspace.told.connect(lambda sentence, _: told.append(sentence))
    wanted = next(i.id for i in hand.workspace.images.values() if i.path == "coffee.png")
    hand.studio.desks.project.open_image(wanted)
    hand.wait(lambda: any("coffee.png" in sentence for sentence in told), "nobody says anything")
    hand.open_image("astronaut.png")
    assert len(hand.workspace.annotations) == 1


def test_a_failed_write_is_told_and_the_mask_can_be_accepted_again(
    hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand.open_image("astronaut.png")
    hand.name_category("suit")
    hand.click(120, 300)
    hand.wait_for_answer()
    told: list[str] = []
    hand.workspace.told.connect(lambda sentence, _: told.append(sentence))
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise StorageError("The disk is full; free some space and try again.")

        patch.setattr(ProjectStore, "commit", full)
        hand.press("Space")
        hand.wait(lambda: bool(told), "nobody says that the disk is full")
    assert hand.workspace.annotations == ()
    assert hand.studio.desks.prompt.prompt, "the prompt is still there"
    hand.accept()
    assert len(hand.workspace.annotations) == 1


def test_a_model_that_is_not_here_is_offered_and_the_built_in_one_answers_on(hand: Hand) -> None:
    panel, prompts = hand.window.prompt, hand.studio.prompts
    hand.open_image("astronaut.png")
    panel.model_chosen.emit("mobile_sam")
    hand.wait(panel.get_button.isVisible, "nobody offers MobileSAM")
    assert panel.get_button.text() == "Get MobileSAM (39 MB)"
    assert prompts.card is not None
    assert prompts.card.key == "segstudio_nano"
    assert hand.workspace.settings.model == "segstudio_nano"


def test_a_download_that_fails_is_told_and_the_built_in_one_answers_on(
    hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    reachable: Any = weights.ensure

    def unreachable(card: ModelCard, *more: object, **named: object) -> object:
        if card.key == "mobile_sam":
            raise WeightsError("The server cannot be reached; check the network and try again.")
        return reachable(card, *more, **named)

    monkeypatch.setattr("segstudio.models.weights.ensure", unreachable)
    hand.open_image("astronaut.png")
    told: list[str] = []
    hand.workspace.told.connect(lambda sentence, _: told.append(sentence))
    hand.window.prompt.get_wanted.emit("mobile_sam")
    hand.wait(lambda: bool(told), "nobody says that the download failed")
    assert "cannot be reached" in told[0]
    monkeypatch.undo()
    hand.click(120, 300)
    answer = hand.wait_for_answer()
    assert answer.candidates.model_key.startswith("segstudio_nano")


def test_nothing_is_cut_off_at_1280_by_800(hand: Hand) -> None:
    assert hand.window.minimumSizeHint().width() <= 1280
    assert hand.window.minimumSizeHint().height() <= 800
    hand.window.resize(1280, 800)
    hand.settle()
    assert (hand.window.width(), hand.window.height()) == (1280, 800)
    assert hand.canvas.width() >= 600
