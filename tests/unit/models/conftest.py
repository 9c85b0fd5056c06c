"""Checkpoints of seeded random weights, and the official MobileSAM's answers with the same ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
import torch
from seeded_weights import write_checkpoint

from segstudio.core.image import RgbImage
from segstudio.core.mask import Box
from segstudio.core.progress import CancelToken
from segstudio.core.prompt import Embedding, Prompt
from segstudio.models.prompt.mobile_sam import build_mobile_sam
from segstudio.models.prompt.sam_model import SamModel
from segstudio.models.registry import prompt_model


@pytest.fixture(scope="session")
def session_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For models that many tests share, and which are loaded before a test's own home is set."""
    return tmp_path_factory.mktemp("session_home")


def smooth_image(height: int, width: int, seed: int = 0) -> RgbImage:
    """A photo-like image: blurred colour blobs with some grain."""
    noise = np.random.default_rng(seed)
    coarse = noise.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    pixels = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    grain = noise.integers(0, 16, pixels.shape, dtype=np.uint8)
    return RgbImage(cv2.add(pixels, grain))


@pytest.fixture(scope="session")
def mobile_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with torch.device("meta"):
        network = build_mobile_sam()
    path = tmp_path_factory.mktemp("weights") / "mobile_sam.pt"
    return write_checkpoint(network, path)


@pytest.fixture(scope="session")
def mobile_model(mobile_checkpoint: Path, session_home: Path) -> SamModel:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGSTUDIO_HOME", str(session_home))
        model = prompt_model("mobile_sam").load(mobile_checkpoint, "cpu")
    assert isinstance(model, SamModel)
    return model


PROMPTS: dict[str, Prompt] = {
    "one point": Prompt(points=((150.25, 90.0),), labels=(1,)),
    "one background point": Prompt(points=((20.0, 200.5),), labels=(0,)),
    "three points": Prompt(points=((150.0, 90.0), (10.5, 10.5), (299.9, 0.0)), labels=(1, 0, 1)),
    "a box": Prompt(box=Box(30.0, 40.0, 220.5, 180.0)),
    "a box and a point": Prompt(points=((150.0, 90.0),), labels=(1,), box=Box(30, 40, 220, 180)),
}


@pytest.fixture(scope="session")
def prompts() -> dict[str, Prompt]:
    return PROMPTS


class Official(NamedTuple):
    """What the official package's predictor says of `mobile_image`."""

    arrays: dict[str, Any]
    shapes: dict[str, list[int]]


@pytest.fixture(scope="session")
def mobile_image() -> RgbImage:
    return smooth_image(211, 300)


@pytest.fixture(scope="session")
def official_mobile(
    mobile_checkpoint: Path, mobile_image: RgbImage, tmp_path_factory: pytest.TempPathFactory
) -> Official:
    """In a process of its own, as the package registers a name of timm's when it is imported."""
    pytest.importorskip("timm")
    folder = tmp_path_factory.mktemp("official")
    np.save(folder / "image.npy", mobile_image.pixels)
    prompts = {name: prompt.to_json() for name, prompt in PROMPTS.items()}
    (folder / "prompts.json").write_text(json.dumps(prompts))
    script = Path(__file__).with_name("official_mobile_sam.py")
    subprocess.run(
        [sys.executable, "-W", "ignore", script, mobile_checkpoint, folder],
        check=True,
        capture_output=True,
    )
    with np.load(folder / "answers.npz") as answers:
        arrays = dict(answers)
    return Official(arrays, json.loads((folder / "shapes.json").read_text()))


@pytest.fixture(scope="session")
def mobile_embedding(mobile_model: SamModel, mobile_image: RgbImage) -> Embedding:
    return mobile_model.encode(mobile_image, CancelToken())
