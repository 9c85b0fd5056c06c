"""Callbacks of many threads arrive on the GUI thread, in order, and none is lost unseen."""

from __future__ import annotations

import sys
import threading
import time

import pytest
from PySide6.QtCore import QEventLoop, QThread, QTimer
from pytestqt.qtbot import QtBot

from segstudio.gui.job_bridge import JobBridge


def in_thread(*calls) -> None:
    def work() -> None:
        for call in calls:
            call()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_a_callback_of_another_thread_runs_on_the_gui_thread(qtbot: QtBot) -> None:
    bridge, seen = JobBridge(), []
    in_thread(lambda: bridge.deliver(lambda: seen.append(QThread.currentThread())))
    assert seen == [], "never from inside deliver"
    qtbot.waitUntil(lambda: len(seen) == 1)
    assert seen == [bridge.thread()]


def test_thousands_of_callbacks_of_eight_threads_keep_each_threads_order(qtbot: QtBot) -> None:
    bridge, seen = JobBridge(), []

    def work(name: int) -> None:
        for number in range(500):
            bridge.deliver(lambda n=number: seen.append((name, n)))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    qtbot.waitUntil(lambda: len(seen) == 4000)
    for name in range(8):
        assert [n for who, n in seen if who == name] == list(range(500))


def test_an_exception_is_told_and_the_next_callback_still_runs(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    bridge, told, seen = JobBridge(), [], []
    monkeypatch.setattr(sys, "excepthook", lambda _kind, error, _trace: told.append(str(error)))

    def fail() -> None:
        raise RuntimeError("the reason")

    in_thread(lambda: bridge.deliver(fail), lambda: bridge.deliver(lambda: seen.append(1)))
    qtbot.waitUntil(lambda: seen == [1])
    assert told == ["the reason"]


def test_a_flood_lets_the_window_breathe(qtbot: QtBot) -> None:
    bridge, seen, ticks = JobBridge(), [], []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(len(seen)))
    timer.start(0)

    def slow() -> None:
        time.sleep(0.004)
        seen.append(1)

    for _ in range(20):
        bridge.deliver(slow)
    qtbot.waitUntil(lambda: len(seen) == 20)
    assert any(0 < tick < 20 for tick in ticks)


def test_callbacks_arrive_while_another_waits_in_a_dialog(qtbot: QtBot) -> None:
    bridge, seen = JobBridge(), []
    dialog = QEventLoop()
    bridge.deliver(dialog.exec)
    bridge.deliver(lambda: seen.append("meanwhile"))
    bridge.deliver(dialog.quit)
    qtbot.waitUntil(lambda: seen == ["meanwhile"])


def test_after_closing_nothing_runs_any_more(qtbot: QtBot) -> None:
    bridge, seen = JobBridge(), []
    bridge.deliver(lambda: seen.append("waiting"))
    bridge.close()
    in_thread(lambda: bridge.deliver(lambda: seen.append("late")))
    bridge.close()
    qtbot.wait(20)
    assert seen == []
