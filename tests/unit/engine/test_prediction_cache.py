"""Predictions on disk: whole or missing, without loss, compact, within a budget, shared."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from segstudio.core.prediction import ModelCategory, SemanticPrediction
from segstudio.engine import prediction_file
from segstudio.engine.array_file import DamagedFile, pack, unpack
from segstudio.engine.prediction_cache import PredictionCache
from segstudio.engine.prediction_file import from_bytes, to_bytes

Map = npt.NDArray[np.uint8]
CATEGORIES = (ModelCategory("sky", "#112233"), ModelCategory("car", "#ff0000", isthing=True))
IMAGE, SETTINGS = "ab" * 20, "0123456789abcdef"


def a_prediction(maps: Map, model_key: str = "m-1") -> SemanticPrediction:
    """`maps` is (3, H, W)."""
    labels, confidence, entropy = maps
    return SemanticPrediction(CATEGORIES, labels, confidence, entropy, model_key, SETTINGS)


def noise(seed: int = 0, size: tuple[int, int] = (30, 40)) -> Map:
    return np.random.default_rng(seed).integers(0, 256, (3, *size), dtype=np.uint8)


def the_same(one: SemanticPrediction | None, other: SemanticPrediction) -> bool:
    assert one is not None
    maps = ("labels", "confidence", "entropy")
    facts = ("categories", "model_key", "settings_key", "size")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in maps) and all(
        getattr(one, name) == getattr(other, name) for name in facts
    )


@given(
    hnp.arrays(np.uint8, st.tuples(st.just(3), st.integers(0, 12), st.integers(0, 12))),
    st.integers(1, 20),
)
@settings(max_examples=60)
def test_what_comes_back_is_what_was_put(maps: Map, band: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prediction_file, "_BAND", band)  # so that small maps have several bands
        data = to_bytes(IMAGE, a_prediction(maps))
        key, found = from_bytes(data)
    assert key == IMAGE
    assert the_same(found, a_prediction(maps))


def test_a_part_of_a_larger_map_can_be_kept(tmp_path: Path) -> None:
    maps = noise(size=(30, 80))[:, :, ::2]
    cache = PredictionCache(tmp_path, 1 << 20)
    cache.put(IMAGE, SETTINGS, a_prediction(maps))
    assert the_same(cache.get(IMAGE, "m-1", SETTINGS), a_prediction(maps))


def test_maps_of_other_kinds_or_sizes_are_refused() -> None:
    maps = noise()
    for labels in (maps[0].astype(np.int32), maps[0][1:]):
        with pytest.raises(ValueError, match="uint8"):
            to_bytes(IMAGE, replace(a_prediction(maps), labels=labels))


def test_a_real_label_map_takes_a_twentieth_of_its_pixels(reference_data: Path) -> None:
    with Image.open(reference_data / "camvid/testannot/0001TP_008550.png") as picture:
        labels = np.asarray(picture)
    sure = np.full_like(labels, 250)
    data = to_bytes(IMAGE, a_prediction(np.stack((labels, sure, sure))))
    assert len(data) < labels.size / 20
    assert np.array_equal(from_bytes(data)[1].labels, labels)


def test_predictions_are_told_apart_by_image_model_and_settings(tmp_path: Path) -> None:
    cache = PredictionCache(tmp_path, 1 << 20)
    cache.put(IMAGE, SETTINGS, a_prediction(noise()))
    assert cache.has(IMAGE, "m-1", SETTINGS)
    for keys in (("cd" * 20, "m-1", SETTINGS), (IMAGE, "m-2", SETTINGS), (IMAGE, "m-1", "ff")):
        assert cache.get(*keys) is None
        assert not cache.has(*keys)
    with pytest.raises(ValueError, match="key"):
        cache.get(IMAGE, "../m", SETTINGS)
    with pytest.raises(ValueError, match="settings"):
        cache.get(IMAGE, "m-1", "../x")


@given(st.data())
@settings(max_examples=40)
def test_a_file_of_which_any_byte_changed_or_is_cut_off_is_refused(data: st.DataObject) -> None:
    whole = to_bytes(IMAGE, a_prediction(noise(size=(5, 6))))
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[at] ^= data.draw(st.integers(1, 255))
    for broken in (bytes(changed), whole[:at]):
        with pytest.raises(DamagedFile):
            from_bytes(broken)


def test_a_damaged_or_foreign_file_is_missing_and_made_again(tmp_path: Path) -> None:
    cache = PredictionCache(tmp_path, 1 << 20)
    prediction = a_prediction(noise())
    for content in (b"", b"SEGPRE1\n", to_bytes("cd" * 20, prediction)):
        cache.put(IMAGE, SETTINGS, prediction)
        (path,) = tmp_path.rglob("*.seg")
        path.write_bytes(content)
        assert cache.get(IMAGE, "m-1", SETTINGS) is None
        assert not path.exists()
    cache.put(IMAGE, SETTINGS, prediction)
    assert the_same(cache.get(IMAGE, "m-1", SETTINGS), prediction)


def test_categories_are_read_without_the_maps(tmp_path: Path) -> None:
    cache = PredictionCache(tmp_path, 1 << 24)
    asked = IMAGE, "m-1", SETTINGS
    assert cache.categories(*asked) is None
    cache.put(IMAGE, SETTINGS, a_prediction(noise()))
    (file,) = tmp_path.glob("*/*/*.seg")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) - 3 * 1200])  # most of the maps is gone
    assert cache.categories(*asked) == CATEGORIES
    assert cache.get(*asked) is None
    for damaged in (b"", whole[:20], whole[:28] + b"[" * 5000, b"OTHER" + whole[5:]):
        file.write_bytes(damaged)
        assert cache.categories(*asked) is None
        assert not file.exists()
    assert PredictionCache(None, 0).categories(*asked) is None


def test_a_file_that_claims_another_size_is_refused_without_the_memory_it_claims() -> None:
    prediction = a_prediction(noise(size=(5, 6)))
    data = to_bytes(IMAGE, prediction)
    facts, arrays = unpack(prediction_file._MAGIC, data)
    for size in ([5, 7], [4, 6], [6, 5], [-1, 6], "no"):
        stored = {name: (array, "|u1") for name, array in arrays.items()}
        forged = pack(prediction_file._MAGIC, {**facts, "image_size": size}, stored)
        if size == [6, 5]:  # as many pixels
            assert from_bytes(forged)[1].size == (6, 5)
            continue
        with pytest.raises(DamagedFile):
            from_bytes(forged)


def test_the_folder_stays_within_its_budget_and_forgets_what_was_used_longest_ago(
    tmp_path: Path,
) -> None:
    one = len(to_bytes(IMAGE, a_prediction(noise())))
    cache = PredictionCache(tmp_path, 4 * one)
    for number in range(12):
        cache.put(f"{number:040x}", SETTINGS, a_prediction(noise(number)))
    sizes = [path.stat().st_size for path in tmp_path.rglob("*.seg")]
    assert sum(sizes) <= 4 * one
    assert cache.get(f"{11:040x}", "m-1", SETTINGS) is not None
    assert cache.get(f"{0:040x}", "m-1", SETTINGS) is None


def test_without_a_folder_nothing_is_kept_and_one_that_cannot_be_written_is_told(
    tmp_path: Path,
) -> None:
    for cache in (PredictionCache(None, 1 << 20), PredictionCache(tmp_path, 0)):
        cache.put(IMAGE, SETTINGS, a_prediction(noise()))
        assert cache.get(IMAGE, "m-1", SETTINGS) is None
        assert cache.warning is None
    file = tmp_path / "file"
    file.write_text("here is no folder")
    cache = PredictionCache(file / "below", 1 << 20)
    cache.put(IMAGE, SETTINGS, a_prediction(noise()))
    assert cache.warning is not None
    assert cache.warning.startswith("Predictions are not kept")
    assert cache.get(IMAGE, "m-1", SETTINGS) is None


def test_another_process_reads_what_this_one_wrote(tmp_path: Path) -> None:
    prediction = a_prediction(noise())
    PredictionCache(tmp_path, 1 << 20).put(IMAGE, SETTINGS, prediction)
    code = (
        "import json, sys; from pathlib import Path\n"
        "from segstudio.engine.prediction_cache import PredictionCache\n"
        f"found = PredictionCache(Path({str(tmp_path)!r}), 1 << 20).get("
        f"{IMAGE!r}, 'm-1', {SETTINGS!r})\n"
        "print(json.dumps([int(found.labels.sum()), [c.name for c in found.categories],"
        " 'torch' in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [int(prediction.labels.sum()), ["sky", "car"], False]
