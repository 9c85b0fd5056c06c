"""Weights are found in a set order, and only the published ones are used."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from segstudio.config.paths import cache_dir, resources_dir
from segstudio.core.errors import Cancelled, WeightsError
from segstudio.core.progress import CancelToken, Progress, ignore_progress
from segstudio.models import weights
from segstudio.models.card import ModelCard, WeightsFile
from segstudio.models.registry import PROMPT_MODELS, prompt_model

CONTENT = bytes(range(256)) * 9000


@pytest.fixture
def card() -> ModelCard:
    pinned = WeightsFile(
        name="small.pt",
        url="http://127.0.0.1:9/small.pt",
        size=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        licence="Apache-2.0",
    )
    return replace(prompt_model("mobile_sam"), weights=pinned)


def put(folder: Path, content: bytes = CONTENT) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "small.pt"
    path.write_bytes(content)
    return path


def test_the_path_given_comes_first_then_the_named_folder_then_the_cache(
    card: ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, own, cached = (
        put(tmp_path / "given"),
        put(tmp_path / "own"),
        put(cache_dir() / "weights"),
    )
    assert weights.find(card) == cached
    monkeypatch.setenv("SEGSTUDIO_WEIGHTS", str(own.parent))
    assert weights.find(card) == own
    assert weights.find(card, given) == given
    assert weights.find(card, given.parent) == given


def test_weights_that_came_with_the_app_come_last(
    card: ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segstudio.config.paths.resources_dir", lambda: tmp_path)
    shipped = put(tmp_path / "models")
    assert weights.find(card) == shipped
    cached = put(cache_dir() / "weights")
    assert weights.find(card) == cached


def test_weights_that_are_nowhere_are_none_to_find_and_a_sentence_to_ensure(
    card: ModelCard,
) -> None:
    assert weights.find(card) is None
    with pytest.raises(WeightsError, match="segstudio models pull mobile_sam"):
        weights.ensure(card, None, download=False, report=ignore_progress, cancel=CancelToken())


def test_a_given_path_without_weights_is_not_passed_over(card: ModelCard, tmp_path: Path) -> None:
    put(cache_dir() / "weights")
    with pytest.raises(WeightsError, match="There are no weights at"):
        weights.find(card, tmp_path / "nowhere.pt")


def test_a_model_without_weights_needs_none() -> None:
    card = prompt_model("graph_cut")
    assert weights.find(card) is None
    assert (
        weights.ensure(card, None, download=True, report=ignore_progress, cancel=CancelToken())
        is None
    )


def test_one_changed_byte_is_refused_with_the_remedy(card: ModelCard, tmp_path: Path) -> None:
    altered = bytearray(CONTENT)
    altered[1234] ^= 1
    path = put(tmp_path, bytes(altered))
    with pytest.raises(WeightsError, match=r"altered or damaged.*models pull mobile_sam"):
        weights.find(card, path)


def test_a_file_of_another_size_is_refused_without_reading_it(
    card: ModelCard, tmp_path: Path
) -> None:
    path = put(tmp_path, CONTENT[:-1])
    seen: list[Progress] = []
    with pytest.raises(WeightsError, match="bytes where"):
        weights.find(card, path, seen.append)
    assert seen == []


def test_a_file_is_hashed_once_until_it_changes(card: ModelCard, tmp_path: Path) -> None:
    path = put(tmp_path)
    first: list[Progress] = []
    weights.find(card, path, first.append)
    assert first[-1].done == first[-1].total == len(CONTENT)

    second: list[Progress] = []
    weights.find(card, path, second.append)
    assert second == []

    altered = CONTENT[:-1] + b"\0"
    status = path.stat()
    path.write_bytes(altered)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # as a careless copy would
    with pytest.raises(WeightsError, match="altered or damaged"):
        weights.find(card, path)


def test_a_spoilt_memory_of_hashes_is_ignored(card: ModelCard, tmp_path: Path) -> None:
    path = put(tmp_path)
    weights.find(card, path)
    stamps = list((cache_dir() / "verified").iterdir())
    assert len(stamps) == 1
    for text in ("", "[]", "null", '{"sha256": 3}', "not json"):
        stamps[0].write_text(text)
        assert weights.file_sha256(path) == hashlib.sha256(CONTENT).hexdigest()


def test_checking_can_be_cancelled(card: ModelCard, tmp_path: Path) -> None:
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        weights.find(card, put(tmp_path), cancel=token)


def test_an_unreadable_file_is_one_sentence(card: ModelCard, tmp_path: Path) -> None:
    path = put(tmp_path)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read every file")
    with pytest.raises(WeightsError, match="cannot be read"):
        weights.find(card, path)


def test_every_pin_is_complete_and_names_a_secure_address() -> None:
    pins = [card.weights for card in PROMPT_MODELS if card.weights is not None]
    fetched = [pin for pin in pins if not pin.in_the_box]
    assert fetched
    for pin in fetched:
        assert pin.url.startswith("https://")
        assert pin.url.endswith(pin.name)
        assert len(bytes.fromhex(pin.sha256)) == 32
        assert pin.size > 1_000_000


def test_what_comes_with_the_app_is_what_its_card_says() -> None:
    in_the_box = [card for card in PROMPT_MODELS if card.weights and card.weights.in_the_box]
    assert [card.key for card in in_the_box] == ["segstudio_nano"]
    for card in in_the_box:
        assert card.weights is not None
        path = resources_dir() / "models" / card.weights.name
        if not path.is_file():
            pytest.skip("this checkout has no network in the box")
        assert card.weights.hash_known and card.weights.size == path.stat().st_size
        assert weights.find(card) == path, "of the published size and hash"


def test_weights_from_the_box_are_not_to_be_pulled(tmp_path: Path) -> None:
    published = prompt_model("segstudio_nano")
    assert published.weights is not None
    pin = replace(published.weights, name="gone.safetensors", size=9, sha256="0" * 64)
    card = replace(published, weights=pin)
    assert weights.find(card) is None
    for download in (False, True):
        with pytest.raises(WeightsError, match="install SegStudio again") as caught:
            weights.ensure(
                card, None, download=download, report=ignore_progress, cancel=CancelToken()
            )
        assert "pull" not in str(caught.value)
    (tmp_path / pin.name).write_bytes(b"nine byte")
    with pytest.raises(WeightsError, match=r"altered or damaged.*install SegStudio again"):
        weights.find(card, tmp_path)


def test_finding_weights_imports_neither_torch_nor_requests() -> None:
    code = (
        "import sys\n"
        "from segstudio.models import weights, registry, device\n"
        "weights.find(registry.prompt_model('mobile_sam'))\n"
        "print(sorted({'torch', 'requests', 'cv2'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
