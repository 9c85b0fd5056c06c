"""Before and after the click: the mask under the pointer, the candidates beside it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from segstudio.config.settings import Settings, load_settings
from segstudio.core.errors import DeviceError
from segstudio.core.prompt import Candidates, Embedding, Prompt
from segstudio.engine.export_run import export
from segstudio.gui.app import Studio
from segstudio.gui.demo_hand import Hand
from segstudio.imaging.sample_photos import write_sample_photos
from segstudio.models.prompt.graph_cut import GraphCut
from segstudio.store.project import ProjectStore


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    write_sample_photos(folder)
    return folder


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Prompt]:
    """Every prompt that the model was asked."""
    prompts: list[Prompt] = []
    real = GraphCut.predict

    def counted(self: GraphCut, embedding: Embedding, prompt: Prompt) -> Candidates:
        prompts.append(prompt)
        return real(self, embedding, prompt)

    monkeypatch.setattr(GraphCut, "predict", counted)
    return prompts


@pytest.fixture
def hand(qtbot: QtBot, photos: Path) -> Iterator[Hand]:
    hand = Hand(Studio(Settings(model="graph_cut", prefetch_neighbours=0)))
    qtbot.addWidget(hand.window)
    hand.show()
    hand.studio.desks.project.open(photos)
    hand.wait(lambda: hand.workspace.session is not None, "nothing opens")
    hand.open_image("astronaut.png")
    yield hand
    hand.close()


def point_at(hand: Hand, x: float, y: float) -> None:
    at = hand.screen(x, y)
    QTest.mouseMove(hand.canvas, at + QPoint(3, 0))  # the pointer may be there from before
    QTest.mouseMove(hand.canvas, at)


def hovered(hand: Hand) -> bool:
    return hand.canvas.pictures.hover.draw is not None


def hover_over(hand: Hand, x: float, y: float) -> None:
    point_at(hand, x, y)
    hand.wait(lambda: hovered(hand), "nothing shows under the pointer")
    hand.settle()


def turn_wheel(
    widget: QWidget, at: QPoint, notches: int, held: Qt.KeyboardModifier | None = None
) -> None:
    event = QWheelEvent(
        QPointF(at), widget.mapToGlobal(QPointF(at)), QPoint(), QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton, held or Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(widget, event)


# -- before the click ---------------------------------------------------------------------------


def test_a_click_shows_what_the_pointer_showed_without_asking_again(
    hand: Hand, asked: list[Prompt]
) -> None:
    hover_over(hand, 120, 300)
    assert hand.canvas.pictures.hover.picture is not None
    assert not hand.studio.desks.prompt.prompt
    before = len(asked)
    hand.click(120, 300)
    answer = hand.studio.desks.prompt.answer
    assert answer is not None, "the answer in hand shows in the same moment"
    assert answer.prompt == hand.studio.desks.prompt.prompt
    assert not hand.canvas.overlay.waiting
    assert not hovered(hand)
    hand.settle()
    assert len(asked) == before


def test_a_click_takes_over_the_answer_that_is_under_way_for_its_place(
    hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, begun, answered = threading.Event(), threading.Event(), threading.Event()
    asked: list[Prompt] = []
    real = GraphCut.predict

    def slow(self: GraphCut, embedding: Embedding, prompt: Prompt) -> Candidates:
        asked.append(prompt)
        begun.set()
        # The decode that the click asks for as well ends only after the answer is there.
        assert (gate if len(asked) == 1 else answered).wait(30)
        return real(self, embedding, prompt)

    monkeypatch.setattr(GraphCut, "predict", slow)
    point_at(hand, 120, 300)
    hand.wait(begun.is_set, "nothing is asked")
    place = asked[0].points[0]
    QTest.mouseClick(hand.canvas, Qt.MouseButton.LeftButton, pos=hand.screen(*place))
    assert hand.canvas.overlay.waiting
    gate.set()
    answer = hand.wait_for_answer()
    assert answer.prompt == asked[0]
    assert not hand.canvas.overlay.waiting
    answered.set()


def test_a_click_elsewhere_is_asked_and_takes_the_place_of_what_was_shown(
    hand: Hand, asked: list[Prompt]
) -> None:
    hover_over(hand, 120, 300)
    hand.click(250, 120)
    answer = hand.wait_for_answer()
    hand.settle()
    assert asked[-1] == answer.prompt
    assert not hovered(hand)
    point_at(hand, 300, 300)
    hand.settle()
    assert asked[-1] == answer.prompt, "with a prompt there is no hovering"


def test_nothing_shows_once_the_pointer_has_left_or_another_tool_is_taken(hand: Hand) -> None:
    hover_over(hand, 120, 300)
    hand.canvas.pointed_at.emit(None)
    assert not hovered(hand)
    hover_over(hand, 122, 300)
    hand.press("E")
    assert not hovered(hand)
    point_at(hand, 140, 300)
    hand.settle()
    assert not hovered(hand)


def test_another_image_shows_what_lies_under_the_resting_pointer_there(
    hand: Hand, asked: list[Prompt]
) -> None:
    hover_over(hand, 120, 300)
    old = hand.canvas.pictures.hover.draw
    hand.open_image("coffee.png")
    assert hand.canvas.pictures.hover.draw is not old
    hand.wait(lambda: hovered(hand), "nothing shows under the pointer that rests")
    assert asked[-1].points != asked[0].points, "the same place on the screen, not in the photo"


def test_a_drag_is_no_hovering(hand: Hand) -> None:
    hover_over(hand, 120, 300)
    start = hand.screen(120, 300)
    QTest.mousePress(hand.canvas, Qt.MouseButton.LeftButton, pos=start)
    QTest.mouseMove(hand.canvas, start + QPoint(40, 40))
    assert not hovered(hand)
    QTest.mouseMove(hand.canvas, start)
    QTest.mouseRelease(hand.canvas, Qt.MouseButton.LeftButton, pos=start)


def test_it_can_be_turned_off_and_stays_off(hand: Hand, asked: list[Prompt]) -> None:
    action = hand.studio.actions.actions["view.hover"]
    assert action.isChecked()
    hover_over(hand, 120, 300)
    hand.press("Shift+H")
    assert not hovered(hand)
    assert not action.isChecked()
    before = len(asked)
    point_at(hand, 200, 300)
    hand.settle()
    assert len(asked) == before
    assert not load_settings().hover_preview
    hand.press("Shift+H")
    hover_over(hand, 120, 300)


def test_an_error_under_the_pointer_is_silent_and_a_click_still_answers(
    hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    hand.workspace.told.connect(lambda sentence, _: told.append(sentence))
    tries: list[Prompt] = []

    def fail(_: GraphCut, __: Embedding, prompt: Prompt) -> Candidates:
        tries.append(prompt)
        raise DeviceError("The device is out of memory.")

    with monkeypatch.context() as patch:
        patch.setattr(GraphCut, "predict", fail)
        point_at(hand, 120, 300)
        hand.settle()
        point_at(hand, 140, 300)
        hand.settle()
        assert len(tries) == 1
    assert told == []
    hand.click(120, 300)
    assert hand.wait_for_answer().candidates.items


# -- the strip ----------------------------------------------------------------------------------


def covered_by(hand: Hand) -> int:
    """How many image pixels of the shown mask the strip hides."""
    desk, strip = hand.studio.desks.prompt, hand.studio.desks.strip.strip
    assert desk.answer is not None
    mask = desk.answer.candidates.items[desk.current].mask
    view, place = hand.canvas.view, strip.geometry()
    x0, y0 = view.to_image(place.left(), place.top())
    x1, y1 = view.to_image(place.right() + 1, place.bottom() + 1)
    height, width = mask.size
    left, right = (int(min(max(x, 0), width)) for x in (x0, x1))
    top, bottom = (int(min(max(y, 0), height)) for y in (y0, y1))
    return int(mask.to_array()[top:bottom, left:right].sum())


def ask_with_strip(hand: Hand, x: float = 120, y: float = 300) -> None:
    hand.click(x, y)
    hand.wait_for_answer()
    hand.settle()
    strip = hand.studio.desks.strip.strip
    hand.wait(strip.isVisible, "the candidates do not show", 10)


def test_candidates_show_beside_the_mask_and_never_over_it(hand: Hand) -> None:
    strip, desk = hand.studio.desks.strip.strip, hand.studio.desks.prompt
    ask_with_strip(hand)
    for _ in range(3):
        hand.press("Tab")
        assert strip.isVisible()
        assert covered_by(hand) == 0
        assert hand.canvas.rect().contains(strip.geometry())
        assert not strip.geometry().contains(hand.screen(120, 300))
    assert desk.answer is not None
    assert len(desk.answer.pictures) == len(desk.answer.candidates.items) == 3
    assert "Predicted IoU" in strip.tiles[0].toolTip()
    assert not hand.canvas.hasFocus() or not strip.hasFocus()


def test_where_there_is_no_room_beside_the_mask_there_is_no_strip(hand: Hand) -> None:
    ask_with_strip(hand)
    hand.canvas.set_view(hand.canvas.view.zoomed(40.0, *_xy(hand.screen(120, 300))))
    QTest.qWait(400)
    hand.settle()
    assert not hand.studio.desks.strip.strip.isVisible()


def _xy(point: QPoint) -> tuple[float, float]:
    return float(point.x()), float(point.y())


def test_a_click_on_a_tile_chooses_it(hand: Hand) -> None:
    ask_with_strip(hand)
    desk, strip = hand.studio.desks.prompt, hand.studio.desks.strip.strip
    prompt = desk.prompt
    other = (desk.current + 1) % 3
    QTest.mouseClick(strip.tiles[other], Qt.MouseButton.LeftButton)
    assert desk.current == other
    assert desk.prompt == prompt, "a click on the strip is no click on the photo"


def test_the_wheel_goes_through_the_candidates_on_strip_and_panel(hand: Hand) -> None:
    ask_with_strip(hand)
    desk, strip = hand.studio.desks.prompt, hand.studio.desks.strip.strip
    scale, first = hand.canvas.view.scale, desk.current
    turn_wheel(strip, QPoint(2, 2), -1)
    assert desk.current == (first + 1) % 3
    turn_wheel(strip.tiles[0], QPoint(5, 5), 1)
    assert desk.current == first
    tile = hand.window.prompt.tiles[1]
    turn_wheel(tile, QPoint(5, 5), -2)
    assert desk.current == (first + 2) % 3
    assert hand.canvas.view.scale == scale


def test_shift_and_the_wheel_go_through_them_on_the_canvas_and_the_wheel_alone_zooms(
    hand: Hand,
) -> None:
    shift, at = Qt.KeyboardModifier.ShiftModifier, hand.screen(300, 60)
    scale = hand.canvas.view.scale
    turn_wheel(hand.canvas, at, 1, shift)
    assert hand.canvas.view.scale > scale, "without candidates Shift makes no difference"
    hand.press("F")
    ask_with_strip(hand)
    desk, scale = hand.studio.desks.prompt, hand.canvas.view.scale
    first = desk.current
    turn_wheel(hand.canvas, at, -1, shift)
    assert desk.current == (first + 1) % 3
    assert hand.canvas.view.scale == scale
    turn_wheel(hand.canvas, at, 1)
    assert desk.current == (first + 1) % 3
    assert hand.canvas.view.scale > scale


def test_the_strip_goes_while_one_drags_and_pans_and_comes_back(hand: Hand) -> None:
    ask_with_strip(hand)
    strip, start = hand.studio.desks.strip.strip, hand.screen(400, 60)
    QTest.mousePress(hand.canvas, Qt.MouseButton.MiddleButton, pos=start)
    QTest.mouseMove(hand.canvas, start + QPoint(15, 5))
    assert not strip.isVisible()
    QTest.qWait(300)
    assert not strip.isVisible(), "the pan has not ended"
    QTest.mouseRelease(hand.canvas, Qt.MouseButton.MiddleButton, pos=start + QPoint(15, 5))
    hand.wait(strip.isVisible, "the strip does not come back", 10)
    assert covered_by(hand) == 0
    QTest.mousePress(hand.canvas, Qt.MouseButton.LeftButton, pos=start)
    assert not strip.isVisible()
    QTest.mouseRelease(hand.canvas, Qt.MouseButton.LeftButton, pos=start)


def test_the_strip_can_be_turned_off(hand: Hand) -> None:
    ask_with_strip(hand)
    action = hand.studio.actions.actions["view.candidates"]
    assert action.isChecked()
    action.trigger()
    assert not hand.studio.desks.strip.strip.isVisible()
    hand.settle()
    assert not load_settings().candidate_strip
    hand.press("Tab")
    assert not hand.studio.desks.strip.strip.isVisible()
    action.trigger()
    assert hand.studio.desks.strip.strip.isVisible()


def test_the_strip_goes_with_the_prompt(hand: Hand) -> None:
    ask_with_strip(hand)
    hand.press("Esc")
    assert not hand.studio.desks.strip.strip.isVisible()


# -- what is kept -------------------------------------------------------------------------------


def test_the_choice_and_what_there_was_to_choose_from_are_in_the_project_and_its_exports(
    hand: Hand, photos: Path, tmp_path: Path
) -> None:
    hand.name_category("suit")
    ask_with_strip(hand)
    desk = hand.studio.desks.prompt
    hand.press("Tab")
    assert desk.answer is not None
    items, chosen = desk.answer.candidates.items, desk.current
    hand.accept()
    scores = [[round(item.predicted_iou, 4), round(item.stability, 4)] for item in items]
    wanted = {"candidate": chosen, "candidates": scores}
    [row] = hand.workspace.annotations
    hand.close()
    with ProjectStore.open(photos / "photos.segstudio", read_only=True) as store:
        [kept] = store.annotations(row.image_id)
        assert kept.attributes == wanted
        assert kept.predicted_iou == pytest.approx(items[chosen].predicted_iou)
        for name in ("coco", "voc"):
            export(name, store, tmp_path / name)
    files = [json.loads(path.read_text()) for path in (tmp_path / "coco").rglob("*.json")]
    [annotation] = [one for data in files for one in data["annotations"]]
    assert annotation["attributes"] == wanted
    assert list((tmp_path / "voc").rglob("*.xml"))
