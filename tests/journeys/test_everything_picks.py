"""Picking from everything in the window: real photos, the embedded model, a real project file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from segstudio.config.settings import Settings, load_settings
from segstudio.core.annotation import Stage
from segstudio.core.errors import StorageError
from segstudio.core.mask import Mask
from segstudio.core.prompt import Candidate
from segstudio.engine.picks import Shown
from segstudio.gui.app import Studio
from segstudio.gui.demo_hand import Hand
from segstudio.gui.desks.everything import EverythingDesk
from segstudio.gui.pick_state import PickState
from segstudio.models.prompt.graph_cut import GraphCut
from segstudio.store.project import ProjectStore


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two small pictures: a dozen patches on grey with grain."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed, name in enumerate(("patches.png", "stones.png")):
        noise = np.random.default_rng(seed)
        pixels = np.full((150, 220, 3), 128, dtype=np.uint8)
        for number in range(15):
            x, y = 4 + 44 * (number % 5), 4 + 50 * (number // 5)
            wide, high = noise.integers(20, 38, 2)
            pixels[y : y + high, x : x + wide] = noise.integers(0, 255, 3)
            pixels[y + 6 : y + 14, x + 5 : x + 13] = noise.integers(0, 255, 3)
        grain = noise.integers(0, 12, pixels.shape, dtype=np.uint8)
        Image.fromarray(np.minimum(pixels, 240) + grain).save(folder / name)
    return folder


def open_window(qtbot: QtBot, photos: Path, settings: Settings | None = None) -> Hand:
    studio = Studio(settings or Settings(model="graph_cut", prefetch_neighbours=0))
    hand = Hand(studio)
    qtbot.addWidget(hand.window)
    hand.show()
    studio.desks.project.open(photos)
    hand.wait(lambda: hand.workspace.session is not None, "nothing opens")
    hand.open_image("patches.png")
    return hand


@pytest.fixture
def hand(qtbot: QtBot, photos: Path) -> Iterator[Hand]:
    hand = open_window(qtbot, photos)
    yield hand
    hand.close()


@pytest.fixture
def found(hand: Hand) -> PickState:
    return hand.find_everything()


def desk(hand: Hand) -> EverythingDesk:
    return hand.studio.desks.everything


def shown(hand: Hand) -> Shown:
    picks = hand.studio.desks.tools.picks
    assert isinstance(picks, Shown)
    return picks


def masks(hand: Hand) -> set[Mask]:
    return {row.mask for row in hand.workspace.annotations}


def picked(hand: Hand, index: int) -> Candidate:
    return shown(hand).picks.items[index]


def place_on(hand: Hand, index: int) -> tuple[float, float]:
    """A place where a click means this pick: well inside what the canvas shows of it."""
    mask = picked(hand, index).mask
    crop, (x0, y0) = mask.box_crop()
    high, wide = crop.shape
    for y in range(0, high, 3):
        for x in range(0, wide, 3):
            here = x0 + x + 0.5, y0 + y + 0.5
            around = [(here[0] + dx, here[1] + dy) for dx in (-2, 0, 2) for dy in (-2, 0, 2)]
            if all(shown(hand).at(*at) == index for at in around):
                return here
    raise AssertionError("this pick is hidden")


def some_pick(hand: Hand) -> int:
    """The shown pick with the highest predicted IoU that can be clicked."""
    for index in shown(hand).indices.tolist():
        try:
            place_on(hand, index)
        except AssertionError:
            continue
        return int(index)
    raise AssertionError("nothing can be clicked")


def test_everything_shows_what_it_found_and_accepts_nothing_by_itself(
    hand: Hand, found: PickState
) -> None:
    assert found.shown is not None
    assert 5 <= found.shown < found.found
    assert hand.workspace.annotations == ()
    assert hand.studio.desks.tools.tool_key == "pick"
    assert hand.window.tabs.currentWidget() is hand.window.picks
    assert hand.window.picks.count.text() == f"{found.shown} of {found.found} shown"
    assert hand.canvas.pictures.picks.picture is not None


def test_a_click_accepts_the_smallest_mask_under_the_pointer(hand: Hand, found: PickState) -> None:
    hand.name_category("cup")
    index = some_pick(hand)
    chosen = picked(hand, index)
    hand.click(*place_on(hand, index))
    hand.wait(lambda: bool(hand.workspace.annotations), "the click accepts nothing")
    hand.settle()
    [row] = hand.workspace.annotations
    assert row.mask == chosen.mask
    assert (row.tool, row.stage) == ("everything", Stage.SEMI_AUTOMATIC)
    assert (row.predicted_iou, row.stability) == (chosen.predicted_iou, chosen.stability)
    assert row.model_key.startswith("graph_cut")
    assert hand.workspace.categories[row.category_id].name == "cup"
    assert index not in shown(hand)
    assert found.shown is not None
    assert len(shown(hand)) < found.shown


def test_undo_takes_the_annotation_away_and_brings_the_pick_back(
    hand: Hand, found: PickState
) -> None:
    before = shown(hand).indices.tolist()
    hand.click(*place_on(hand, some_pick(hand)))
    hand.wait(lambda: bool(hand.workspace.annotations), "the click accepts nothing")
    hand.settle()
    hand.press("Ctrl+Z")
    hand.wait(lambda: desk(hand).state.shown == found.shown, "the pick does not come back")
    assert hand.workspace.annotations == ()
    assert shown(hand).indices.tolist() == before


def test_two_quick_clicks_accept_a_mask_once(hand: Hand, found: PickState) -> None:
    where = place_on(hand, some_pick(hand))
    hand.name_category("thing")
    hand.click(*where)
    hand.click(*where)
    hand.settle()
    assert len(hand.workspace.annotations) == len(masks(hand)) == 1
    assert found.found


def test_a_dragged_rectangle_accepts_the_masks_in_it_as_one_step(
    hand: Hand, found: PickState
) -> None:
    box = (0.0, 0.0, 135.0, 150.0)
    inside = [picked(hand, index) for index in shown(hand).indices.tolist()]
    expected = {item.mask for item in inside if item.mask.box.x1 <= 130}
    hand.drag(box)
    hand.wait(lambda: bool(hand.workspace.annotations), "the rectangle accepts nothing")
    hand.settle()
    assert 2 <= len(expected) <= len(masks(hand))
    assert expected <= masks(hand)
    assert {row.stage for row in hand.workspace.annotations} == {Stage.SEMI_AUTOMATIC}
    areas = [row.mask.area for row in hand.workspace.annotations]
    assert areas == sorted(areas, reverse=True), "small masks lie in front"
    hand.press("Ctrl+Z")
    hand.wait(lambda: not hand.workspace.annotations, "one undo takes all of them back")
    hand.settle()
    assert desk(hand).state.shown == found.shown


def test_accept_all_takes_what_is_shown_and_a_second_search_finds_nothing_new(
    hand: Hand, found: PickState
) -> None:
    expected = {picked(hand, index).mask for index in shown(hand).indices.tolist()}
    hand.press("Shift+G")
    hand.wait(lambda: bool(hand.workspace.annotations), "Shift+G accepts nothing")
    hand.settle()
    assert masks(hand) == expected
    assert {row.stage for row in hand.workspace.annotations} == {Stage.AUTOMATIC}
    assert desk(hand).state.shown == 0
    told: list[str] = []
    hand.workspace.told.connect(lambda sentence, _: told.append(sentence))
    hand.press("G")
    hand.wait(lambda: bool(told), "nobody says anything")
    assert told == ["Everything found nothing new here."]
    assert found.found


def test_right_click_dismisses_and_run_again_brings_it_back(hand: Hand, found: PickState) -> None:
    index = some_pick(hand)
    hand.click(*place_on(hand, index), remove=True)
    hand.wait(lambda: index not in shown(hand), "the right click dismisses nothing")
    assert hand.workspace.annotations == ()
    again = some_pick(hand)
    where = hand.screen(*place_on(hand, again))
    shift = Qt.KeyboardModifier.ShiftModifier
    QTest.mouseClick(hand.canvas, Qt.MouseButton.LeftButton, shift, where)
    hand.wait(lambda: again not in shown(hand), "Shift+click dismisses nothing")
    hand.window.picks.again.click()
    hand.wait(lambda: not desk(hand).state.running, "running again does not end")
    hand.settle()
    assert desk(hand).state.shown == found.shown


def test_sliders_show_more_and_are_remembered(hand: Hand, found: PickState) -> None:
    panel = hand.window.picks
    panel.stability.number.setValue(0.8)
    panel.overlap.slider.setValue(panel.overlap.slider.maximum())
    hand.settle()
    more = desk(hand).state
    assert more.shown is not None
    assert found.shown is not None
    assert more.shown > found.shown
    panel.smallest.number.setValue(5.0)
    hand.settle()
    least = 0.05 * found.image_pixels
    assert 0 < len(shown(hand)) < more.shown
    assert all(picked(hand, n).mask.area >= least for n in shown(hand).indices.tolist())
    hand.close()
    kept = load_settings()
    assert (kept.picks_stability, kept.picks_overlap) == (0.8, 1.0)
    assert kept.picks_min_area == pytest.approx(0.05)
    assert kept.picks_predicted_iou == pytest.approx(0.88)


def test_the_first_search_of_another_model_asks_for_the_official_thresholds(
    hand: Hand, found: PickState
) -> None:
    """The sliders speak the model's own scale: graph cut is honest about its masks."""
    assert hand.window.picks.iou.value == pytest.approx(0.33)
    assert found.filters.predicted_iou == pytest.approx(0.33)
    assert found.filters.stability == 0.95


def test_hovering_highlights_what_a_click_would_take(hand: Hand, found: PickState) -> None:
    index = some_pick(hand)
    x, y = place_on(hand, index)
    QTest.mouseMove(hand.canvas, hand.screen(x, y))
    hand.settle()
    assert hand.canvas.pictures.hover.picture is not None
    assert hand.canvas.cursor().shape() is Qt.CursorShape.PointingHandCursor
    where = hand.screen(x, y)
    lit = hand.canvas.grab().toImage().pixelColor(where)
    QTest.mouseMove(hand.canvas, hand.screen(-20, -20))
    hand.settle()
    assert hand.canvas.pictures.hover.draw is None
    assert lit != hand.canvas.grab().toImage().pixelColor(where)
    QTest.mouseMove(hand.canvas, where)
    QApplication.sendEvent(hand.canvas, QEvent(QEvent.Type.Leave))
    assert hand.canvas.pictures.hover.draw is None
    QTest.mouseMove(hand.canvas, where + QPoint(1, 0))
    assert hand.canvas.pictures.hover.draw is not None, "the hand came back to the same mask"
    assert found.found


def test_escape_puts_the_picks_away_and_g_brings_them_back_at_once(
    hand: Hand, found: PickState, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand.press("Esc")
    assert hand.studio.desks.tools.tool_key == "point"
    assert hand.canvas.pictures.picks.draw is None
    assert hand.studio.desks.tools.picks is None
    monkeypatch.setattr(GraphCut, "everything", None)
    hand.press("G")
    hand.settle()
    assert hand.studio.desks.tools.tool_key == "pick"
    assert desk(hand).state.shown == found.shown


def test_escape_in_a_drag_only_gives_up_the_drag(hand: Hand, found: PickState) -> None:
    QTest.mousePress(hand.canvas, Qt.MouseButton.LeftButton, pos=hand.screen(10, 10))
    QTest.mouseMove(hand.canvas, hand.screen(100, 90))
    assert hand.canvas.overlay.rubber_band is not None
    hand.press("Esc")
    assert hand.canvas.overlay.rubber_band is None
    assert hand.studio.desks.tools.tool_key == "pick"
    QTest.mouseRelease(hand.canvas, Qt.MouseButton.LeftButton, pos=hand.screen(100, 90))
    hand.settle()
    assert hand.workspace.annotations == ()
    assert found.found


def test_other_tools_work_between_picks(hand: Hand, found: PickState) -> None:
    hand.press("P")
    hand.click(15, 15)
    hand.wait_for_answer()
    hand.accept()
    assert [row.tool for row in hand.workspace.annotations] == ["point"]
    hand.press("K")
    hand.settle()
    assert len(shown(hand)) <= (found.shown or 0)
    assert hand.canvas.pictures.picks.picture is not None


def test_coming_back_to_an_image_shows_its_picks_without_the_model(
    hand: Hand, found: PickState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GraphCut, "everything", None)
    hand.open_image("stones.png")
    assert desk(hand).state.shown is None
    assert hand.canvas.pictures.picks.draw is None
    hand.open_image("patches.png")
    hand.wait(lambda: desk(hand).state.shown == found.shown, "the picks do not come back")


def test_a_restart_finds_the_same_without_the_model(
    hand: Hand, found: PickState, qtbot: QtBot, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = shown(hand).picks.items
    hand.close()
    monkeypatch.setattr(GraphCut, "everything", None)
    later = open_window(qtbot, photos)
    assert later.find_everything().shown == found.shown
    assert shown(later).picks.items == before
    later.close()


def test_a_prompt_under_way_keeps_its_tool_when_results_arrive(hand: Hand) -> None:
    told: list[str] = []
    hand.workspace.told.connect(lambda sentence, _: told.append(sentence))
    hand.press("G")
    hand.click(15, 15)
    hand.wait(lambda: desk(hand).state.shown is not None, "nothing is found")
    hand.settle()
    assert hand.studio.desks.tools.tool_key == "point"
    assert hand.studio.desks.prompt.prompt.points
    assert any("press K" in sentence for sentence in told)


def test_a_search_can_be_cancelled_from_the_panel(
    hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(*arguments: object) -> None:
        *_, cancel, _ = arguments
        while True:
            cancel.check()  # type: ignore[attr-defined]

    monkeypatch.setattr(GraphCut, "everything", endless)
    panel = hand.window.picks
    hand.press("G")
    hand.wait(panel.cancel.isVisible, "nothing can be cancelled")
    assert panel.count.text() == "Finding everything…"
    panel.cancel.click()
    hand.wait(lambda: not desk(hand).state.running, "cancel does not cancel")
    assert panel.search.isVisible()
    assert panel.count.text().startswith("Press G")


def test_a_failed_write_is_told_and_the_pick_stays(
    hand: Hand, found: PickState, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand.name_category("cup")
    told: list[str] = []
    hand.workspace.told.connect(lambda sentence, _: told.append(sentence))
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise StorageError("The disk is full; free some space and try again.")

        patch.setattr(ProjectStore, "commit", full)
        hand.press("Shift+G")
        hand.wait(lambda: bool(told), "nobody says that the disk is full")
    assert "disk is full" in told[0]
    hand.settle()
    assert desk(hand).state.shown == found.shown
    hand.press("Shift+G")
    hand.wait(lambda: bool(hand.workspace.annotations), "it cannot be accepted again")


def test_hidden_masks_hide_the_picks_too(hand: Hand, found: PickState) -> None:
    index = some_pick(hand)
    x, y = place_on(hand, index)
    shown_there = hand.canvas.grab().toImage().pixelColor(hand.screen(x, y))
    hand.press("H")
    hand.settle()
    assert hand.canvas.grab().toImage().pixelColor(hand.screen(x, y)) != shown_there
    hand.click(x, y)
    hand.settle()
    assert hand.workspace.annotations == (), "what is not seen is not clicked"
    hand.press("H")
    hand.settle()
    assert hand.canvas.grab().toImage().pixelColor(hand.screen(x, y)) == shown_there
    assert found.found


def test_without_results_shift_g_says_what_to_do(hand: Hand) -> None:
    told: list[str] = []
    hand.workspace.told.connect(lambda sentence, _: told.append(sentence))
    hand.press("Shift+G")
    assert told == ["Press G to find everything first."]
