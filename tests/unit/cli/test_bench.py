"""`segstudio bench`: what it takes, prints and refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from segstudio.cli import bench
from segstudio.cli.command_line import main
from segstudio.core.errors import BadInputError


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    return data


def test_rows_and_machine_are_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["bench", "click", "--model", "graph_cut", "--size", "120x80", "240x160"]
    assert main([*command, "--repeats", "2", "--threads", "1", "--json"]) == 0
    data = printed(capsys)
    names = [row["name"] for row in data["rows"]]
    assert names[:2] == ["click graph_cut 120x80", "click graph_cut 240x160"]
    assert "240x160 over 120x80" in names[2]
    wanted = {"name", "ours_s", "baseline", "baseline_s", "ratio", "equal", "clock", "weights"}
    assert all(wanted <= set(row) for row in data["rows"])
    assert data["rows"][0]["repeats"] == 6
    assert data["machine"]["cpu"]
    assert data["interrupted"] is False


def test_a_file_is_taken_as_it_is_or_scaled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "photo.png"
    noise = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    command = ["bench", "encode", "--model", "graph_cut", "--repeats", "1", "--json"]
    assert main([*command, "--image", str(path)]) == 0
    assert printed(capsys)["rows"][0]["name"] == "encode graph_cut 90x60"
    assert main([*command, "--image", str(path), "--size", "45x30"]) == 0
    assert printed(capsys)["rows"][0]["name"] == "encode graph_cut 45x30"


def test_superpixels_are_measured_beside_scikit_image(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["bench", "superpixels", "--size", "240x160", "--repeats", "1"]
    assert main([*command, "--clock", "cpu", "--json"]) == 0
    data = printed(capsys)
    (row,) = data["rows"]
    assert row["name"] == "superpixels 240x160"
    assert row["ratio"] == pytest.approx(row["baseline_s"] / row["ours_s"], rel=0.05)
    assert abs(row["segments"] - row["baseline_segments"]) <= 0.1 * row["baseline_segments"]
    assert 4 <= row["bytes_per_pixel"] < row["baseline_bytes_per_pixel"]
    assert data["machine"]["cpu"]
    assert main(command) == 0
    assert "bytes a pixel" in capsys.readouterr().out


def test_everything_prints_a_line_for_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["bench", "everything", "--model", "graph_cut", "--size", "120x80"]
    assert main([*command, "--points-per-side", "3", "--repeats", "1"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("everything graph_cut 120x80")
    assert "masks" in line


@pytest.mark.parametrize(
    ("option", "value"),
    [("--repeats", "0"), ("--threads", "0"), ("--points-per-side", "0"), ("--min-region", "-1")],
)
def test_a_number_that_makes_no_sense_is_named(option: str, value: str) -> None:
    with pytest.raises(BadInputError, match=option):
        main(["bench", "everything", "--model", "graph_cut", option, value])


@pytest.mark.parametrize("size", ["1500", "0x5", "axb", "1x2x3"])
def test_a_size_is_width_and_height(size: str) -> None:
    with pytest.raises(BadInputError, match="1500x1000"):
        main(["bench", "click", "--model", "graph_cut", "--size", size])


def test_interrupted_it_prints_what_was_finished(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def rows(*_: object) -> Iterator[dict[str, Any]]:
        yield {"name": "a", "ours_s": 2.0, "baseline_s": 4.0, "ratio": 2.0}
        yield {"name": "a", "ours_s": 1.0, "baseline_s": 4.0, "ratio": 4.0}
        raise KeyboardInterrupt

    monkeypatch.setattr(bench, "_rows", rows)
    assert main(["bench", "click", "--model", "graph_cut", "--size", "60x40", "--json"]) == 130
    captured = capsys.readouterr()
    data = json.loads(captured.out)
    assert [row["ratio"] for row in data["rows"]] == [4.0], "the last one of a name"
    assert data["interrupted"] is True
    assert "Interrupted" in captured.err
