"""The status strip: says how things stand, never in the way, and its cancel works."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.engine.jobs import JobRunner, Lane
from segstudio.gui.job_bridge import JobBridge
from segstudio.gui.panels.status import StatusStrip
from segstudio.gui.theme import apply_theme


@pytest.fixture
def runner(qapp: object) -> Iterator[JobRunner]:
    bridge = JobBridge()
    runner = JobRunner(deliver=bridge.deliver)
    yield runner
    runner.shutdown()
    bridge.close()


@pytest.fixture
def strip(qtbot: QtBot, runner: JobRunner) -> StatusStrip:
    strip = StatusStrip(runner)
    qtbot.addWidget(strip)
    strip.resize(1280, 24)
    strip.show()
    return strip


def test_coordinates_zoom_and_embedding_are_told_in_words(strip: StatusStrip) -> None:
    strip.set_coordinates((1284.7, 733.2))
    strip.set_zoom(0.62)
    strip.set_embedding("Ready")
    strip.set_neighbours(1, 2)
    assert strip.coordinates.text() == "1284, 733"
    assert strip.zoom.text() == "62 %"
    assert strip.embedding.text() == "Ready · next 1 of 2"
    strip.set_coordinates(None)
    assert strip.coordinates.text() == ""


def test_a_long_sentence_is_elided_and_its_details_are_one_click_away(strip: StatusStrip) -> None:
    sentence = "Something long happened to a file with a long name. " * 8
    strip.tell(sentence, "line one\nline two")
    assert strip.message.text().endswith("…")
    assert strip.message.toolTip() == sentence
    assert strip.details.isVisible()
    strip.tell("Short.")
    assert not strip.details.isVisible()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_strip_is_as_high_before_as_with_what_comes_and_goes(
    qtbot: QtBot, qapp: QApplication, runner: JobRunner, theme: str
) -> None:
    apply_theme(qapp, theme)
    strip = StatusStrip(runner)
    qtbot.addWidget(strip)
    strip.show()
    before = strip.minimumSizeHint().expandedTo(strip.minimumSize()).height()
    strip.tell("Done.", "details")
    strip.offer("Undo", lambda: None)
    for widget in (strip.job_text, strip.job_bar, strip.job_cancel):
        widget.show()
    strip.layout().activate()
    assert strip.details.isVisible() and strip.offer_button.isVisible()
    assert strip.sizeHint().height() <= before <= 24
    apply_theme(qapp, "system")


def test_a_long_job_shows_its_progress_and_can_be_cancelled(
    strip: StatusStrip, runner: JobRunner, qtbot: QtBot
) -> None:
    ended = threading.Event()

    def work(cancel: CancelToken, report: ProgressSink) -> None:
        report(Progress(61, 100))
        try:
            while not cancel.cancelled:
                ended.wait(0.01)
            cancel.check()
        finally:
            ended.set()

    runner.submit(Lane.IO, "exporting", work, visible=True)
    qtbot.waitUntil(strip.job_bar.isVisible)
    qtbot.waitUntil(lambda: strip.job_text.whole_text == "exporting 61 %")
    assert strip.job_bar.value() == 610
    strip.job_cancel.click()
    qtbot.waitUntil(lambda: not strip.job_bar.isVisible())
    assert ended.is_set()


def test_a_job_nobody_needs_to_see_is_not_shown(
    strip: StatusStrip, runner: JobRunner, qtbot: QtBot
) -> None:
    done: list[int] = []
    runner.submit(Lane.IO, "reading", lambda _c, _p: 1, on_done=done.append)
    qtbot.waitUntil(lambda: done == [1])
    assert not strip.job_bar.isVisible()


def test_the_strip_never_asks_for_more_than_a_small_window(strip: StatusStrip) -> None:
    strip.tell("A sentence of some length that says what to do. " * 5, "details")
    strip.set_embedding("Encoding the image")
    strip.set_neighbours(1, 2)
    assert strip.minimumSizeHint().width() <= 1000
