"""What commands print: one JSON object or text on stdout, everything else on stderr."""

from __future__ import annotations

import io
import json

import pytest

from segstudio.cli import output as output_module
from segstudio.cli.output import Output
from segstudio.core.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(output_module.time, "monotonic", lambda: now[0])
    return now


def test_json_is_one_object_and_text_is_for_people() -> None:
    for as_json in (True, False):
        out, err = io.StringIO(), io.StringIO()
        output = Output(as_json, out, err)
        output.progress(Progress(1, 2, "Working"))
        output.say("A file was left out.")
        output.result({"naïve": "ü", "n": 1}, "done")
        assert err.getvalue() == "A file was left out.\n"
        if as_json:
            assert json.loads(out.getvalue()) == {"naïve": "ü", "n": 1}
            assert out.getvalue().isascii(), "whatever the terminal can show"
        else:
            assert out.getvalue() == "done\n"


def test_progress_in_a_log_file_is_a_line_now_and_then(clock: list[float]) -> None:
    err = io.StringIO()
    output = Output(False, io.StringIO(), err)
    for step in range(60):
        output.progress(Progress(step, 60, "Encoding"))
        clock[0] += 1.0
    lines = err.getvalue().splitlines()
    assert len(lines) == 5 and lines[0] == " 17% Encoding"


def test_progress_on_a_terminal_is_one_line_that_goes_away(clock: list[float]) -> None:
    out, err = io.StringIO(), Terminal()
    output = Output(False, out, err)
    for step in range(3):
        output.progress(Progress(step, 0, f"Reading {'x' * 300}{step}"))
        clock[0] += 1.0
    output.result({}, "done")
    assert "\n" not in err.getvalue() and err.getvalue().count("\rReading") == 3
    assert err.getvalue().endswith("\r") and out.getvalue() == "done\n"


def test_fast_progress_does_not_flood_the_terminal(clock: list[float]) -> None:
    err = Terminal()
    output = Output(False, io.StringIO(), err)
    for step in range(10_000):
        output.progress(Progress(step, 10_000, "Hashing"))
        clock[0] += 0.0001
    assert err.getvalue().count("\r") < 15
