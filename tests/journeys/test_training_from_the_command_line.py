"""A project is trained by the real process, from the command line to a model that can be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training_project import shapes, training_project

from segstudio.__main__ import main
from segstudio.core.image import RgbImage
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.engine.semantic_loading import load_semantic_model
from segstudio.engine.training_run import training_dir
from segstudio.models.semantic.contract import PredictSettings
from segstudio.models.semantic.registry import semantic_card


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_model_is_trained_kept_and_knows_what_it_was_trained_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with training_project(tmp_path / "project", count=4, sizes=((48, 64), (37, 51))) as store:
        project = str(store.path)
    data = said(
        capsys, "train", project, "--arch", "unet", "--encoder", "mobilenet_v2",
        "--no-pretrained", "--unlabelled", "background", "--side", "48", "--batch", "3",
        "--epochs", "2", "--device", "cpu", "--title", "Shapes",
    )  # fmt: skip
    assert (data["state"], data["epoch"], data["device"]) == ("done", 2, "cpu")
    assert set(data["iou"]) == {"background", "square", "disc"}
    assert 0 <= data["miou"] <= 1
    assert data["has_model"]
    kept = said(capsys, "train", project, "--use", str(data["run"]))
    said(capsys, "train", project, "--delete", str(data["run"]))
    assert list(training_dir().iterdir()) == []
    card = semantic_card(kept["model"])
    assert card.title == "Shapes"
    assert [row.name for row in card.categories] == ["background", "square", "disc"]
    assert card.spec.architecture == "unet"
    assert card.settings["side"] == 48
    assert card.trained_on
    assert card.scores["miou"] == pytest.approx(data["miou"])
    model = load_semantic_model(
        card, device="cpu", download=False, report=ignore_progress, cancel=CancelToken()
    )
    image = RgbImage(shapes((48, 64), 9)[0])
    labels = model.predict(image, PredictSettings(), ignore_progress, CancelToken()).labels
    assert labels.shape == (48, 64)
    assert np.isin(labels, [0, 1, 2]).all()
