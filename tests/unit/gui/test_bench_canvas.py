"""`segstudio bench canvas`: the rows it prints, and what it refuses."""

from __future__ import annotations

import json

import pytest
from PySide6.QtWidgets import QApplication

from segstudio.__main__ import main

SMALL = ["bench", "canvas", "--size", "600x400", "--masks", "6", "--frames", "4"]


def test_rows_hold_what_outsiders_rely_on(
    qapp: QApplication, capfd: pytest.CaptureFixture[str]
) -> None:
    del qapp
    assert main([*SMALL, "--json"]) == 0
    rows = json.loads(capfd.readouterr().out)["rows"]
    assert len(rows) == 10 and len({(row["name"], row["baseline"]) for row in rows}) == 10
    for row in rows:
        assert {"name", "ours_s", "baseline", "baseline_s", "ratio", "equal"} <= set(row)
        assert row["equal"] is True, row
        assert row["ratio"] == pytest.approx(row["baseline_s"] / row["ours_s"], rel=0.05)
        assert row["mean_difference"] < 12, "the other ways show the same photo and masks"


def test_a_person_gets_a_line_a_row(qapp: QApplication, capfd: pytest.CaptureFixture[str]) -> None:
    del qapp
    assert main(SMALL) == 0
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 10 and "WRONG" not in "".join(lines)


@pytest.mark.parametrize("wrong", [["--size", "600"], ["--size", "0x4"], ["--masks", "0"]])
def test_nonsense_is_refused(
    wrong: list[str], qapp: QApplication, capfd: pytest.CaptureFixture[str]
) -> None:
    del qapp
    assert main(["bench", "canvas", *wrong]) == 1
    assert len(capfd.readouterr().err.splitlines()) == 1
