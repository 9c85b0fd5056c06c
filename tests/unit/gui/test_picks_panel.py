"""The panel of everything: sliders and numbers say the same, and words say how things stand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from segstudio.core.progress import Progress
from segstudio.engine.picks import PickFilters
from segstudio.gui.panels.picks import STEPS, PicksPanel, SliderRow
from segstudio.gui.pick_state import PickState

STATE = PickState(
    filters=PickFilters(),
    least=PickFilters(0.7, 0.8, 0.3),
    shown=84,
    found=1312,
    running=False,
    progress=None,
    image_pixels=1_500_000,
    by_grid=True,
    fast=False,
    crop_layers=0,
)


@pytest.fixture
def panel(qtbot: QtBot) -> PicksPanel:
    panel = PicksPanel()
    qtbot.addWidget(panel)
    panel.show_state(STATE)
    panel.show()
    return panel


def told(panel: PicksPanel) -> list[PickFilters]:
    heard: list[PickFilters] = []
    panel.filtered.connect(heard.append)
    return heard


def test_it_says_how_many_of_how_many_are_shown(panel: PicksPanel) -> None:
    assert panel.count.text() == "84 of 1312 shown"
    assert panel.accept_all.isEnabled()
    assert not panel.cancel.isVisible()
    assert not panel.search.isVisible()
    panel.show_state(replace(STATE, approximate=True))
    assert panel.count.text() == "84 of 1312 shown, approximate"
    panel.show_state(replace(STATE, shown=0))
    assert not panel.accept_all.isEnabled()


def test_it_says_how_far_the_search_is_and_offers_to_cancel(panel: PicksPanel) -> None:
    panel.show_state(replace(STATE, running=True))
    assert panel.count.text() == "Finding everything…"
    running = replace(STATE, running=True, progress=Progress(512, 1024, "Segmenting everything"))
    panel.show_state(running)
    assert panel.count.text() == "Segmenting everything: 512 of 1024"
    assert panel.cancel.isVisible()
    assert not panel.accept_all.isVisible()


def test_before_a_search_it_says_what_to_do(panel: PicksPanel) -> None:
    panel.show_state(replace(STATE, shown=None, found=0))
    assert "Press G" in panel.count.text()
    assert panel.search.isVisible()
    assert not panel.again.isVisible()


def test_showing_a_state_tells_nobody(panel: PicksPanel) -> None:
    heard = told(panel)
    panel.show_state(replace(STATE, filters=PickFilters(0.9, 0.85, 0.4, 0.01, 0.5, False)))
    assert heard == []
    assert panel.iou.value == 0.9
    assert panel.smallest.value == pytest.approx(1.0)
    assert not panel.unlabelled.isChecked()


def test_a_number_can_be_typed(panel: PicksPanel, qtbot: QtBot) -> None:
    heard = told(panel)
    panel.stability.number.selectAll()
    QTest.keyClicks(panel.stability.number, "0.87")
    assert heard == [], "half a number counts for nothing"
    with qtbot.waitSignal(panel.left):
        QTest.keyClick(panel.stability.number, Qt.Key.Key_Return)
    assert heard[-1] == replace(PickFilters(), stability=0.87)


def test_a_slider_moves_its_number(panel: PicksPanel) -> None:
    heard = told(panel)
    panel.iou.slider.setValue(0)
    assert heard[-1] == replace(PickFilters(), predicted_iou=0.7)
    panel.iou.slider.setValue(STEPS)
    assert heard[-1].predicted_iou == 1.0
    assert panel.iou.number.value() == 1.0


def test_areas_go_by_decades_and_set_no_limit_at_their_ends(panel: PicksPanel) -> None:
    heard = told(panel)
    panel.smallest.slider.setValue(3 * STEPS // 5)
    assert heard[-1].min_area == pytest.approx(0.01)
    panel.smallest.slider.setValue(0)
    assert heard[-1].min_area == 0.0
    assert panel.smallest.number.text() == "any"
    panel.largest.slider.setValue(STEPS)
    assert heard[-1].max_area == 1.0


def test_how_to_search_is_asked_only_where_it_counts(panel: PicksPanel) -> None:
    heard: list[tuple[int, bool]] = []
    panel.search_changed.connect(lambda layers, fast: heard.append((layers, fast)))
    assert panel.fast.isVisible()
    assert "approximate" in panel.fast.text()
    panel.fast.click()
    panel.layers.activated.emit(0)
    assert heard == [(0, True), (0, True)]
    panel.show_state(replace(STATE, by_grid=False))
    assert not panel.fast.isVisible()
    assert not panel.layers.isVisible()


def test_a_row_keeps_its_slider_where_the_hand_holds_it(qtbot: QtBot) -> None:
    row = SliderRow("Name", "Tip")
    qtbot.addWidget(row)
    row.show_value(0.5, 0.0, 1.0)
    assert row.slider.value() == STEPS // 2
    row.slider.setSliderDown(True)
    row.slider.setValue(313)
    row.show_value(row.value, 0.0, 1.0)
    assert row.slider.value() == 313
