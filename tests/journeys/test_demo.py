"""`segstudio demo`: a newcomer's first command does the main job, and fails when it is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from segstudio.gui import demo as demo_module


def run_demo(out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    return subprocess.run(
        [sys.executable, "-m", "segstudio", "demo", "--out", str(out), *more],
        capture_output=True, text=True, check=False, env=environment, timeout=300,
    )  # fmt: skip


def test_the_demo_labels_exports_and_reads_back_equal(tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run_demo(out, "--json")
    assert result.returncode == 0, result.stderr
    summary = json.loads((out / "summary.json").read_text())
    assert json.loads(result.stdout) == summary
    assert summary["ok"] is True
    assert summary["masks_equal"] == {"project": True, "voc": True, "coco": True}
    assert summary["images"] == 4
    assert summary["annotations"] == 3 + summary["masks_from_everything"]
    assert summary["masks_compared"]["coco"] == summary["annotations"]
    shots = sorted(out.glob("*.png"))
    assert len(shots) >= 9
    for shot in shots:
        with Image.open(shot) as picture:
            assert picture.width >= 1280
            assert len(picture.convert("RGB").getcolors(1 << 24) or []) > 50


def test_the_demo_leaves_a_folder_of_other_things_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    result = run_demo(tmp_path)
    assert result.returncode == 1
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.usefixtures("qapp")
def test_the_demo_fails_loudly_when_a_mask_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = replace(demo_module.TASKS[0], expected=(400.0, 10.0, 440.0, 60.0))
    monkeypatch.setattr(demo_module, "TASKS", (wrong,))
    demo = demo_module.Demo(tmp_path)
    with pytest.raises(demo_module.DemoFailure, match="lies elsewhere"):
        demo.run()
    assert not demo.summary.ok
    demo.close()
