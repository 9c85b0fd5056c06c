"""The image encoder under OpenVINO gives torch's embeddings, and torch stays when it cannot."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segstudio.core.errors import Cancelled
from segstudio.core.progress import CancelToken, Progress, ignore_progress
from segstudio.imaging.sample_photos import read_sample_photo
from segstudio.models.machine import measured
from segstudio.models.precision import Precision
from segstudio.models.prompt import encoder_conversion, encoder_files, encoder_runtime, sam_encoder
from segstudio.models.prompt.encoder_files import (
    Facts,
    folder_of,
    new_folder,
    verified,
    write_facts,
)
from segstudio.models.prompt.encoder_runtime import TOLERANCE
from segstudio.models.prompt.sam_encoder import SamEncoder
from segstudio.models.prompt.sam_model import SamModel
from segstudio.models.registry import prompt_model

if encoder_files.runtime_version() is None:
    pytest.skip("there is no OpenVINO for this system", allow_module_level=True)

CARD = prompt_model("mobile_sam")
KEY = "small-0123-p1"


@pytest.fixture(autouse=True)
def speed_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What little the small encoder does takes as long as it takes."""
    monkeypatch.setattr(encoder_runtime, "_SLOWER", float("inf"))


class SmallEncoder(nn.Module):
    """Shapes of an encoder, and as little work as that allows."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 256, 16, stride=16)
        with torch.random.fork_rng():
            torch.manual_seed(1)
            nn.init.normal_(self.patches.weight, std=0.03)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.gelu(self.patches(x))


class Unsteady(SmallEncoder):
    """Says something else each time, so no two runtimes agree."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + torch.rand(1)


class Odd(SmallEncoder):
    """Holds an operation that OpenVINO has no word for."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + torch.special.bessel_j0(x[:, :1, :64, :64])


def small(network: nn.Module | None = None, device: str = "cpu") -> SamEncoder:
    network = (network or SmallEncoder()).eval().requires_grad_(False)
    return SamEncoder(network, CARD, device, KEY, None)


def pixels() -> Any:
    return np.random.default_rng(3).integers(0, 256, (683, 1024, 3), dtype=np.uint8)


def prepared(encoder: SamEncoder) -> SamEncoder:
    encoder.prepare(ignore_progress, CancelToken())
    return encoder


def by_torch(encoder: SamEncoder, image: Any) -> Any:
    with torch.inference_mode():
        return encoder._network(encoder.normalised(image)).numpy()


def left_in(folder: Path) -> set[str]:
    """What is in the folder of one model, but for the lock."""
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}


@pytest.fixture(scope="module")
def prepared_mobile(mobile_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """MobileSAM, whose encoder another process converted; and what it told meanwhile."""
    home = tmp_path_factory.mktemp("prepared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGSTUDIO_HOME", str(home))
        model = CARD.load(mobile_checkpoint, "cpu")
        assert isinstance(model, SamModel)
        told: list[Progress] = []
        assert model.encoder.runtime == "torch"
        model.prepare(told.append, CancelToken())
    return model, told, home


# -- the real encoder ------------------------------------------------------------------------------


def test_the_converted_encoder_gives_torchs_embedding(prepared_mobile: Any) -> None:
    model, told, _ = prepared_mobile
    assert model.encoder.obstacle == "" and model.encoder.runtime == "openvino"
    assert [row.text for row in told] == ["Preparing MobileSAM for this computer (once)"]
    got = model.encoder(pixels(), CancelToken())
    assert got.shape == (1, 256, 64, 64) and got.dtype == np.float32 and got.flags.c_contiguous
    expected = by_torch(model.encoder, pixels())
    assert 0 < np.abs(got - expected).max() <= TOLERANCE, "another runtime rounds otherwise"
    assert expected.std() > 0.5


def test_a_model_loaded_later_finds_the_converted_encoder(
    prepared_mobile: Any, mobile_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _, home = prepared_mobile
    monkeypatch.setenv("SEGSTUDIO_HOME", str(home))
    later = CARD.load(mobile_checkpoint, "cpu")
    assert isinstance(later, SamModel)
    photo = read_sample_photo()
    embedding = later.encode(photo, CancelToken()).arrays["image_embedding"]
    assert later.encoder.runtime == "openvino"
    expected = first.encode(photo, CancelToken()).arrays["image_embedding"]
    np.testing.assert_allclose(embedding, expected, rtol=0, atol=TOLERANCE)


def test_a_running_inference_stops_and_the_next_is_whole(prepared_mobile: Any) -> None:
    encoder = prepared_mobile[0].encoder
    cancelled = CancelToken()
    cancelled.cancel()
    with pytest.raises(Cancelled):
        encoder(pixels(), cancelled)
    assert encoder.runtime == "openvino"
    assert np.isfinite(encoder(pixels(), CancelToken())).all()


def test_a_conversion_in_its_own_process_stops_and_leaves_nothing(
    mobile_checkpoint: Path, own_home: Path
) -> None:
    cancelled = CancelToken()
    cancelled.cancel()
    folder = folder_of(KEY)
    with pytest.raises(Cancelled):
        encoder_conversion.convert_apart(CARD, mobile_checkpoint, folder, cancelled)
    assert not list(own_home.rglob("encoder.*"))


def test_a_conversion_runs_nothing_of_the_folder_it_is_started_in(
    tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("numpy", "torch", "segstudio"):
        (tmp_path / f"{name}.py").write_text("open('ran', 'w')")
    monkeypatch.chdir(tmp_path)
    why = encoder_conversion.convert_apart(
        CARD, tmp_path / "none.pt", folder_of(KEY), CancelToken()
    )
    assert "none.pt" in why
    assert not (tmp_path / "ran").exists()


# -- files -----------------------------------------------------------------------------------------


def test_a_small_encoder_is_converted_in_this_process() -> None:
    encoder = prepared(small())
    assert encoder.obstacle == "" and encoder.runtime == "openvino"
    np.testing.assert_allclose(
        encoder(pixels(), CancelToken()), by_torch(encoder, pixels()), rtol=0, atol=TOLERANCE
    )
    facts = verified(folder_of(KEY))
    assert facts is not None and facts.difference <= TOLERANCE and not facts.refused


@pytest.mark.parametrize("name", ["encoder.xml", "encoder.bin", "facts.json"])
@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
def test_a_damaged_file_is_not_used_and_is_made_again(
    name: str, damage: str, whole_folder: Path
) -> None:
    file = whole_folder / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    {
        "changed": lambda: file.write_bytes(content),
        "cut": lambda: file.write_bytes(content[:-9]),
        "gone": file.unlink,
    }[damage]()
    if verified(whole_folder) is not None:
        assert name == "facts.json" and damage == "changed"
        return  # a digit of a time: no harm
    encoder = small()
    expected = by_torch(encoder, pixels())
    np.testing.assert_array_equal(encoder(pixels(), CancelToken()), expected)
    assert encoder.runtime == "torch"
    assert prepared(encoder).runtime == "openvino"
    np.testing.assert_allclose(encoder(pixels(), CancelToken()), expected, rtol=0, atol=TOLERANCE)
    assert left_in(whole_folder.parent) == {whole_folder.name}


@pytest.fixture
def whole_folder() -> Path:
    prepared(small())
    return folder_of(KEY)


def test_facts_of_a_hostile_file_count_as_none(tmp_path: Path) -> None:
    for content in ("", "[]", "null", '{"difference": "x"}', '{"sha256": 3}', "\x00"):
        (tmp_path / "facts.json").write_text(content)
        assert encoder_files.read_facts(tmp_path) is None


def test_of_two_that_write_at_once_the_first_stays_and_nothing_is_left_over(own_home: Path) -> None:
    folder = folder_of(KEY)
    with new_folder(folder) as slow:
        write_facts(slow, Facts(refused="slow"))
        with new_folder(folder) as quick:
            write_facts(quick, Facts(refused="quick"))
    facts = verified(folder)
    assert facts is not None and facts.refused == "quick"
    assert left_in(folder.parent) == {folder.name}


def test_what_fails_half_way_is_not_there(own_home: Path) -> None:
    folder = folder_of(KEY)
    with pytest.raises(RuntimeError), new_folder(folder) as part:
        (part / "encoder.bin").write_bytes(b"half")
        raise RuntimeError
    assert list(folder.parent.iterdir()) == []


def test_older_versions_give_way_but_for_one(own_home: Path) -> None:
    folder = folder_of(KEY)
    for number in range(3):
        with new_folder(folder.with_name(f"openvino-{number}-cpu")) as part:
            write_facts(part, Facts(refused="old"))
    with new_folder(folder) as part:
        write_facts(part, Facts(refused="new"))
    assert folder.name in left_in(folder.parent) and len(left_in(folder.parent)) == 2


# -- torch stays -----------------------------------------------------------------------------------


def test_an_encoder_that_differs_is_refused_once_and_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "differ from torch's" in prepared(small(Unsteady())).obstacle
    assert left_in(folder_of(KEY)) == {"facts.json"}
    monkeypatch.setattr(SamEncoder, "convert_here", None)  # fails where it is tried again
    later = prepared(small(Unsteady()))
    assert later.runtime == "torch" and "differ" in later.obstacle
    assert later(pixels(), CancelToken()).shape == (1, 256, 64, 64)


def test_one_that_torch_computes_faster_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_runtime, "_SLOWER", 0.0)
    assert "where torch takes" in prepared(small()).obstacle
    assert left_in(folder_of(KEY)) == {"facts.json"}


def test_an_encoder_that_openvino_does_not_know_is_refused() -> None:
    encoder = prepared(small(Odd()))
    assert encoder.runtime == "torch" and "cannot convert" in encoder.obstacle
    facts = verified(folder_of(KEY))
    assert facts is not None and facts.refused == encoder.obstacle
    expected = by_torch(encoder, pixels())
    np.testing.assert_array_equal(encoder(pixels(), CancelToken()), expected)


def test_a_full_disk_and_a_cache_that_cannot_be_written_leave_torch(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patch:
        patch.setattr(encoder_files.shutil, "disk_usage", lambda _: usage(9, 9, 0))
        full = prepared(small())
    assert "No space left" in full.obstacle
    assert full(pixels(), CancelToken()).shape == (1, 256, 64, 64)
    assert prepared(small()).runtime == "openvino", "it is tried again when there is room"

    (own_home / "file").write_text("")
    monkeypatch.setenv("SEGSTUDIO_HOME", str(own_home / "file"))
    barred = prepared(small())
    assert barred.runtime == "torch" and "cannot be written" in barred.obstacle


def test_a_runtime_that_fails_later_hands_over_to_torch() -> None:
    encoder = prepared(small())

    def failing(*_: object) -> Any:
        raise RuntimeError("Exception from src/inference:\nout of luck")

    encoder._converted = failing  # type: ignore[assignment]
    np.testing.assert_array_equal(
        encoder(pixels(), CancelToken()), by_torch(encoder, pixels()), strict=True
    )
    assert encoder.runtime == "torch" and "out of luck" in encoder.obstacle


def test_only_the_cpu_wants_it_and_a_word_keeps_it_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert small(device="cuda").obstacle == "cuda computes with torch"
    monkeypatch.setenv("SEGSTUDIO_ENCODER", "torch")
    encoder = prepared(small())
    assert encoder.runtime == "torch" and encoder.obstacle == "SEGSTUDIO_ENCODER says so"
    assert not folder_of(KEY).exists()


def test_half_precision_is_tried_with_the_encoder_itself_and_then_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoder = small()
    encoder.settle_precision(None)
    assert encoder.precision.dtype is torch.float32, "the CPU does not gain by it"
    full = encoder(pixels(), CancelToken())
    tried = []

    def choose(network: Any, encode: Any, dtypes: Any) -> Precision:
        tried.extend((network, *(encode(dtype) for dtype in (torch.float32, *dtypes))))
        return Precision(dtypes[0], "a rule of this test")

    monkeypatch.setattr(sam_encoder, "half_precisions", lambda _: (torch.bfloat16,))
    monkeypatch.setattr(sam_encoder, "choose_precision", choose)
    encoder.settle_precision("the whole network")
    assert tried[0] == "the whole network" and tried[1].dtype is tried[2].dtype is torch.float32
    assert 0 < (tried[1] - tried[2]).abs().max() < 0.1
    told = {"device": "cpu", "precision": "bfloat16", "why": "a rule of this test"}
    assert measured("precision-mobile_sam") == told
    half = encoder(pixels(), CancelToken())
    assert half.dtype == np.float32 and 0 < np.abs(half - full).max() < 0.1


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize(("signal", "kept"), [("SEGV", True), ("ILL", True), ("KILL", False)])
def test_a_crash_of_the_runtime_stays_in_its_process(
    signal: str, kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashing = tmp_path / "python"
    crashing.write_text(f"#!/bin/sh\nulimit -c 0\nkill -{signal} $$\n")
    crashing.chmod(0o755)
    monkeypatch.setattr(encoder_conversion.sys, "executable", str(crashing))
    network = SmallEncoder().eval().requires_grad_(False)
    encoder = prepared(SamEncoder(network, CARD, "cpu", KEY, tmp_path / "weights.pt"))
    assert encoder.runtime == "torch" and encoder.obstacle
    facts = verified(folder_of(KEY))
    assert (facts is not None and facts.refused == encoder.obstacle) is kept
    assert encoder(pixels(), CancelToken()).shape == (1, 256, 64, 64)


def test_weights_that_are_gone_leave_torch_and_no_mark(tmp_path: Path) -> None:
    network = SmallEncoder().eval().requires_grad_(False)
    encoder = prepared(SamEncoder(network, CARD, "cpu", KEY, tmp_path / "gone.pt"))
    assert encoder.runtime == "torch" and "gone.pt" in encoder.obstacle
    assert verified(folder_of(KEY)) is None


# -- real processes --------------------------------------------------------------------------------

CONVERTING = textwrap.dedent(
    """
    import json, pathlib, sys, time
    calls = []
    def hook(event, arguments):
        if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
            calls.append(event)
    sys.addaudithook(hook)
    import torch
    torch.set_num_threads(1)
    torch.manual_seed(1)
    from segstudio.core.progress import CancelToken, ignore_progress
    from segstudio.models.prompt import encoder_runtime
    from segstudio.models.prompt.sam_encoder import SamEncoder
    from segstudio.models.registry import prompt_model
    encoder_runtime._SLOWER = 1e9
    network = torch.nn.Conv2d(3, 256, 16, stride=16).eval().requires_grad_(False)
    encoder = SamEncoder(network, prompt_model("mobile_sam"), "cpu", "small-0123-p1", None)
    gate = pathlib.Path(sys.argv[1])
    (gate / sys.argv[2]).touch()
    while len(list(gate.iterdir())) < 2:
        time.sleep(0.005)
    encoder.prepare(ignore_progress, CancelToken())
    import numpy
    image = numpy.full((1024, 683, 3), 90, numpy.uint8)
    embedding = encoder(image, CancelToken())
    print(json.dumps([encoder.runtime, encoder.obstacle, calls, float(embedding.sum())]))
    """
)


def test_two_processes_convert_at_once_without_harm_and_without_the_network(
    own_home: Path, tmp_path: Path
) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CONVERTING, str(tmp_path), name],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("a", "b")
    ]
    answers = []
    for process in processes:
        out, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        answers.append(json.loads(out.splitlines()[-1]))
    assert answers[0] == answers[1]
    assert answers[0][:3] == ["openvino", "", []]
    folder = folder_of(KEY)
    assert verified(folder) is not None
    assert left_in(folder.parent) == {folder.name}
