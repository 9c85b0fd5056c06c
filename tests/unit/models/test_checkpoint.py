"""A checkpoint is data: whatever else a file holds is refused in one sentence, and never run."""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from segstudio.core.errors import DeviceError, WeightsError
from segstudio.models.prompt.memory import memory_errors
from segstudio.models.registry import prompt_model

MOBILE = prompt_model("mobile_sam")


class Attack:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


def load_error(path: Path | None, device: str = "cpu") -> str:
    with pytest.raises(WeightsError) as caught:
        MOBILE.load(path, device)
    text = str(caught.value)
    assert "\n" not in text and text.endswith(".") and len(text) < 400
    return text


def test_a_checkpoint_with_code_is_refused_and_the_code_does_not_run(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    path = tmp_path / "bad.pt"
    torch.save({"weight": Attack(f"touch {trace}")}, path)
    assert "is not a checkpoint" in load_error(path)
    assert not trace.exists()


def test_a_bare_pickle_with_code_is_refused(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    path = tmp_path / "bad.pt"
    path.write_bytes(pickle.dumps(Attack(f"touch {trace}")))
    load_error(path)
    assert not trace.exists()


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.999])
def test_a_truncated_file_is_refused(mobile_checkpoint: Path, tmp_path: Path, kept: float) -> None:
    content = mobile_checkpoint.read_bytes()
    path = tmp_path / "cut.pt"
    path.write_bytes(content[: int(len(content) * kept)])
    assert "segstudio models pull mobile_sam" in load_error(path)


def test_a_text_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "page.pt"
    path.write_text("<html>404</html>")
    assert "is not a checkpoint" in load_error(path)


def test_a_file_that_is_not_there_and_no_file_at_all_are_told_apart(tmp_path: Path) -> None:
    assert "cannot be read" in load_error(tmp_path / "nowhere.pt")
    assert "are not on this machine" in load_error(None)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: state.pop("mask_decoder.iou_token.weight"),
        lambda state: state.update(extra=torch.zeros(1)),
        lambda state: state.update({"mask_decoder.iou_token.weight": torch.zeros(2, 256)}),
    ],
    ids=["a tensor is missing", "a tensor too many", "a tensor of another shape"],
)
def test_weights_of_another_network_are_refused(
    tmp_path: Path,
    mobile_checkpoint: Path,
    spoil: Callable[[dict[str, Tensor]], object],
) -> None:
    state = torch.load(mobile_checkpoint, weights_only=True)
    spoil(state)
    path = tmp_path / "other.pt"
    torch.save(state, path)
    assert "does not hold the weights of MobileSAM" in load_error(path)


@pytest.mark.parametrize("content", [[1, 2], {"a": "text"}, {3: torch.zeros(1)}, torch.zeros(2)])
def test_other_data_is_refused(tmp_path: Path, content: object) -> None:
    path = tmp_path / "other.pt"
    torch.save(content, path)
    assert "table of tensors" in load_error(path)


def test_half_precision_weights_are_widened(tmp_path: Path, mobile_checkpoint: Path) -> None:
    state = torch.load(mobile_checkpoint, weights_only=True)
    path = tmp_path / "half.pt"
    torch.save({n: t.half() if t.is_floating_point() else t for n, t in state.items()}, path)
    model: Any = MOBILE.load(path, "cpu")
    assert {parameter.dtype for parameter in model._network.parameters()} == {torch.float32}


def test_other_weights_make_another_model_key(tmp_path: Path, mobile_checkpoint: Path) -> None:
    state = torch.load(mobile_checkpoint, weights_only=True)
    state["mask_decoder.iou_token.weight"] += 1
    path = tmp_path / "changed.pt"
    torch.save(state, path)
    keys = {MOBILE.load(path, "cpu").model_key, MOBILE.load(mobile_checkpoint, "cpu").model_key}
    assert len(keys) == 2


def test_an_absent_device_is_refused_before_the_file_is_read(tmp_path: Path) -> None:
    with pytest.raises(DeviceError):
        MOBILE.load(tmp_path / "nowhere.pt", "cuda:99")


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("8 GiB"), MemoryError()])
def test_no_memory_is_a_sentence_with_the_remedy(error: Exception) -> None:
    expected = pytest.raises(DeviceError, match="ran out of memory; close other programs")
    with expected, memory_errors("cpu"):
        raise error


def test_the_cpus_own_way_of_saying_it_is_understood() -> None:
    with pytest.raises(DeviceError, match="The computer ran out of memory"), memory_errors("cpu"):
        torch.empty(1 << 60, dtype=torch.uint8)


def test_other_errors_pass_as_they_are() -> None:
    with pytest.raises(RuntimeError, match="shapes"), memory_errors("cpu"):
        raise RuntimeError("shapes do not match")


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("CUDA error: an illegal memory access was encountered", "The graphics card failed"),
        ("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", "The graphics card failed"),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling", "The graphics card ran out"),
        ("MPS backend out of memory (MPS allocated: 9 GB)", "The graphics card ran out"),
    ],
)
def test_what_a_graphics_card_says_is_told_as_a_device_error(text: str, means: str) -> None:
    with pytest.raises(DeviceError, match=means), memory_errors("cuda"):
        raise RuntimeError(text)
    with pytest.raises(RuntimeError, match=re.escape(text)), memory_errors("cpu"):
        raise RuntimeError(text)
