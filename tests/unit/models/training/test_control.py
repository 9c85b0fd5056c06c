"""Words, the end of words, and signals."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from segstudio.models.training.control import Control


def test_words_pause_resume_and_stop() -> None:
    control = Control()
    assert not control.paused
    control.tell("pause")
    assert control.paused
    control.tell("resume")
    assert not control.paused
    control.tell("dance")
    assert not (control.paused or control.stopped)
    control.tell("stop")
    assert control.stopped


def test_who_waits_goes_on_when_told() -> None:
    for word in ("resume", "stop"):
        control = Control()
        control.tell("pause")
        waiting = threading.Thread(target=control.wait)
        waiting.start()
        assert waiting.is_alive()
        control.tell(word)
        waiting.join(10)
        assert not waiting.is_alive()


def test_the_end_of_words_stops_it() -> None:
    control = Control()
    control.listen(["Pause\n", " resume \n"]).join(10)
    assert control.stopped
    assert not control.paused


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_stop_it_and_are_given_back(number: signal.Signals) -> None:
    control = Control()
    before = signal.getsignal(number)
    undo = control.heed_signals()
    try:
        os.kill(os.getpid(), number)
        assert control.stopped
    finally:
        undo()
    assert signal.getsignal(number) is before


def test_a_thread_hears_a_signal_that_finds_the_main_one_waiting_where_python_has_no_turn() -> None:
    control = Control()
    heard = threading.Event()
    undo = control.heed_signals()
    # Python's own handler is taken away: it would get its turn here.
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with control.leaving(heard.set):
            os.kill(os.getpid(), signal.SIGTERM)
            assert heard.wait(10)
    finally:
        undo()
    assert control.stopped


def test_who_left_the_wait_is_not_made_to_leave() -> None:
    control = Control()
    heard = threading.Event()
    with control.leaving(heard.set):
        pass
    control.tell("stop")
    assert not heard.wait(0.5)
