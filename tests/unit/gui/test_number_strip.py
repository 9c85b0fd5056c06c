"""The strip by itself: slider and number say the same, keys apply and drop."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from segstudio.gui.canvas.number_strip import STEPS, NumberStrip


@pytest.fixture
def strip(qtbot: QtBot) -> Iterator[NumberStrip]:
    window, canvas = QWidget(), QWidget()
    canvas.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    layout = QVBoxLayout(window)
    layout.addWidget(canvas, 1)
    layout.addWidget(QLineEdit())
    window.resize(900, 400)
    qtbot.addWidget(window)
    window.show()
    window.activateWindow()
    strip = NumberStrip(canvas)
    strip.open("Grow by", 3, 1, 200)
    yield strip
    strip.close_up()


def test_the_slider_is_logarithmic_and_reaches_both_ends(strip: NumberStrip) -> None:
    numbers: list[int] = []
    strip.changed.connect(numbers.append)
    for place, number in ((0, 1), (STEPS // 2, 14), (STEPS, 200)):
        strip.slider.setValue(place)
        assert strip.number.value() == number
    assert numbers == [1, 14, 200]


def test_the_number_moves_the_slider_and_is_told_once(strip: NumberStrip) -> None:
    numbers: list[int] = []
    strip.changed.connect(numbers.append)
    QTest.keyClicks(strip.number, "5")
    assert numbers == [5]
    assert 0 < strip.slider.value() < STEPS
    QTest.keyClick(strip.number, Qt.Key.Key_Up)
    assert numbers == [5, 6]


def test_opening_tells_nobody_and_takes_the_keys(strip: NumberStrip) -> None:
    numbers: list[int] = []
    strip.changed.connect(numbers.append)
    strip.open("Shrink by", 7, 1, 50)
    assert strip.number.hasFocus()
    assert (strip.number.value(), strip.number.maximum(), numbers) == (7, 50, [])
    assert strip.name.text() == strip.number.accessibleName() == "Shrink by"


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Escape])
def test_keys_apply_and_drop_wherever_they_go_but_in_a_field(
    strip: NumberStrip, key: Qt.Key
) -> None:
    heard: list[str] = []
    strip.applied.connect(lambda: heard.append("applied"))
    strip.dropped.connect(lambda: heard.append("dropped"))
    expected = "dropped" if key == Qt.Key.Key_Escape else "applied"
    canvas = strip.parentWidget()
    field = canvas.window().findChildren(QLineEdit)
    elsewhere = next(one for one in field if not strip.isAncestorOf(one))
    for focus in (strip.number, canvas):
        focus.setFocus()
        QTest.keyClick(focus, key)
        assert heard.pop() == expected
    elsewhere.setFocus()
    QTest.keyClick(elsewhere, key)
    assert heard == []
    strip.close_up()
    canvas.setFocus()
    QTest.keyClick(canvas, key)
    assert heard == []


def test_buttons_do_what_the_keys_do_and_have_names(strip: NumberStrip, qtbot: QtBot) -> None:
    with qtbot.waitSignal(strip.applied):
        strip.apply_button.click()
    with qtbot.waitSignal(strip.dropped):
        strip.drop_button.click()
    assert strip.apply_button.accessibleName() and strip.drop_button.accessibleName()


def test_it_gives_the_keys_back_only_if_it_had_them(strip: NumberStrip) -> None:
    canvas = strip.parentWidget()
    strip.close_up()
    assert canvas.hasFocus()
    strip.open("Grow by", 3, 1, 200)
    field = next(
        one for one in canvas.window().findChildren(QLineEdit) if not strip.isAncestorOf(one)
    )
    field.setFocus()
    strip.close_up()
    assert field.hasFocus()


def test_on_a_narrow_canvas_the_slider_gives_way(strip: NumberStrip) -> None:
    strip.tell("12,345 crumbs · −1,234,567 px")
    wide = strip.slider.width()
    strip.window().resize(470, 300)
    QTest.qWait(20)
    assert strip.slider.width() < wide
    assert strip.x() >= 0
