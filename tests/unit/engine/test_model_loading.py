"""From a card to a loaded model, with a real MobileSAM network of seeded weights."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from seeded_weights import write_checkpoint

from segstudio.config.paths import cache_dir
from segstudio.core.errors import BadInputError, Cancelled, DeviceError, WeightsError
from segstudio.core.progress import CancelToken, Progress, ignore_progress
from segstudio.engine import model_loading
from segstudio.engine.model_loading import choose_card, has_weights, load_prompt_model
from segstudio.models.card import ModelCard
from segstudio.models.prompt.contract import PromptModel
from segstudio.models.prompt.mobile_sam import build_mobile_sam
from segstudio.models.registry import PROMPT_MODELS, prompt_model


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with torch.device("meta"):
        network = build_mobile_sam()
    return write_checkpoint(network, tmp_path_factory.mktemp("weights") / "mobile_sam.pt")


@pytest.fixture
def card(checkpoint: Path) -> ModelCard:
    """MobileSAM's card, for the seeded weights instead of the published ones."""
    published = prompt_model("mobile_sam")
    assert published.weights is not None
    content = checkpoint.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return replace(published, weights=replace(published.weights, size=len(content), sha256=digest))


def load(card: ModelCard, weights: Path | None = None, device: str = "auto") -> PromptModel:
    return load_prompt_model(
        card,
        device=device,
        weights=weights,
        download=False,
        report=ignore_progress,
        cancel=CancelToken(),
    )


def put_into_the_cache(checkpoint: Path) -> None:
    folder = cache_dir() / "weights"
    folder.mkdir(parents=True)
    (folder / "mobile_sam.pt").symlink_to(checkpoint)


def test_the_built_in_model_needs_nothing() -> None:
    model = load(prompt_model("graph_cut"))
    assert model.card.key == "graph_cut" and model.device == "cpu"


def test_a_model_is_loaded_from_where_its_weights_belong(card: ModelCard, checkpoint: Path) -> None:
    with pytest.raises(WeightsError, match="models pull mobile_sam"):
        load(card)
    put_into_the_cache(checkpoint)
    said: list[Progress] = []
    model = load_prompt_model(
        card, device="cpu", download=False, report=said.append, cancel=CancelToken()
    )
    assert model.card is card and model.device == "cpu"
    assert said[-1].text == "Loading MobileSAM"


def test_a_model_is_loaded_from_the_file_given(card: ModelCard, checkpoint: Path) -> None:
    assert load(card, checkpoint, "cpu").model_key.startswith("mobile_sam")
    assert load(card, checkpoint.parent, "cpu").card is card
    with pytest.raises(WeightsError):
        load(card, checkpoint.parent / "none.pt")
    with pytest.raises(WeightsError, match="bytes"):
        load(prompt_model("mobile_sam"), checkpoint)


def test_a_device_that_is_not_there_is_refused(card: ModelCard, checkpoint: Path) -> None:
    with pytest.raises(DeviceError, match="abacus"):
        load(card, checkpoint, "abacus")


def test_loading_stops_when_it_is_cancelled(card: ModelCard, checkpoint: Path) -> None:
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        load_prompt_model(
            card, weights=checkpoint, download=False, report=ignore_progress, cancel=token
        )


def test_auto_takes_the_lightest_model_that_is_here(
    card: ModelCard, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = (prompt_model("graph_cut"), card, prompt_model("sam_vit_b"))
    monkeypatch.setattr(model_loading, "PROMPT_MODELS", cards)
    assert choose_card().key == "graph_cut" and not has_weights(card)
    put_into_the_cache(checkpoint)
    assert has_weights(card) and choose_card() is card
    assert choose_card("sam_vit_b").key == "sam_vit_b", "what is asked for is taken"
    with pytest.raises(BadInputError, match="graph_cut"):
        choose_card("yolo")


def test_auto_passes_over_damaged_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    cards = (prompt_model("graph_cut"), prompt_model("mobile_sam"))
    monkeypatch.setattr(model_loading, "PROMPT_MODELS", cards)
    folder = cache_dir() / "weights"
    folder.mkdir(parents=True)
    (folder / "mobile_sam.pt").write_bytes(b"cut short")
    assert choose_card().key == "graph_cut"


def nano_named(name: str) -> ModelCard:
    """The card of the network in the box, for a file of another name and any content."""
    published = prompt_model("segstudio_nano")
    assert published.weights is not None
    pin = replace(published.weights, name=name, size=0, sha256="")
    return replace(published, weights=pin)


def test_auto_takes_the_network_in_the_box_before_any_other(
    card: ModelCard, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nano = nano_named("boxed.safetensors")
    cards = tuple({"segstudio_nano": nano, "mobile_sam": card}.get(c.key, c) for c in PROMPT_MODELS)
    monkeypatch.setattr(model_loading, "PROMPT_MODELS", cards)
    put_into_the_cache(checkpoint)
    assert choose_card() is card
    (cache_dir() / "weights" / "boxed.safetensors").write_bytes(b"weights")
    assert choose_card() is nano


WITHOUT_TORCH = """
import sys
from dataclasses import replace
sys.modules["torch"] = None  # as where it is not installed
import numpy as np
from segstudio.core.image import RgbImage
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.core.prompt import Prompt
from segstudio.engine import model_loading as loading

nano = loading.prompt_model("segstudio_nano")
nano = replace(nano, weights=replace(nano.weights, size=0, sha256=""))
loading.PROMPT_MODELS = (loading.prompt_model("graph_cut"), nano)
assert loading.has_weights(nano)
asked = dict(download=False, report=ignore_progress, cancel=CancelToken())
model = loading.load_prompt_model(loading.choose_card(), **asked)
image = RgbImage(np.arange(48 * 64 * 3, dtype=np.uint16).astype(np.uint8).reshape(48, 64, 3))
prompt = Prompt(points=((20.5, 20.5),), labels=(1,))
print(model.card.key, len(model.predict(model.encode(image, CancelToken()), prompt).items))
try:
    loading.load_prompt_model(nano, **asked)
except loading.DeviceError as error:
    print(error)
"""


def test_without_torch_the_graph_cut_answers(tmp_path: Path) -> None:
    (tmp_path / "segstudio_nano.safetensors").write_bytes(b"weights")
    said = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH],
        env={**os.environ, "SEGSTUDIO_WEIGHTS": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    first, second = said.stdout.splitlines()
    assert first == "graph_cut 3"
    assert "torch" in second and "segstudio doctor" in second
