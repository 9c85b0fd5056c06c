"""The doctor tells what models compute with on this machine, and why not with something better."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from segstudio.engine import computing as module
from segstudio.engine.computing import allocator, computing
from segstudio.engine.finding import Finding, Level
from segstudio.models import device
from segstudio.models.device import DeviceInfo
from segstudio.models.machine import cpu_kind, keep_measured, usable_cores
from segstudio.models.prompt.encoder_files import Facts, folder_of, new_folder, write_facts


def looked() -> dict[str, Finding]:
    return {row.name: row for row in computing()}


@pytest.fixture
def on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    only = [DeviceInfo("cpu", "CPU", 10**9, "2 threads")]
    monkeypatch.setattr(module, "available_devices", lambda: only)
    monkeypatch.setattr(module, "_here", lambda card: card.key == "mobile_sam")
    for name in ("SEGSTUDIO_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)


def test_a_machine_without_a_card_is_told_why(
    on_the_cpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "_cuda_devices", list)
    monkeypatch.setattr(device.sys, "platform", "linux")
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.version, "hip", None)
    assert looked()["Computes on"].found == "cpu; not cuda: this torch is built without CUDA"
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "(for CUDA 13.0) finds no card" in looked()["Computes on"].found
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert "cannot compute on the card" in looked()["Computes on"].found
    monkeypatch.setattr(device.sys, "platform", "darwin")
    monkeypatch.setattr(device, "_mps_devices", list)
    monkeypatch.setattr(torch.backends.mps, "is_built", lambda: False)
    assert looked()["Computes on"].found.endswith("not mps: this torch is built without it")


def test_threads_and_how_they_were_chosen(
    on_the_cpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segstudio.models.threads.usable_cores", lambda: 4)
    assert looked()["Threads"].found.startswith("not measured yet")
    keep_measured("threads", {"of": [cpu_kind(), 4], "seconds": {1: 0.02, 4: 0.01}, "until": 1e12})
    found = looked()["Threads"].found
    assert found == f"4 of {usable_cores()} cores, the fastest here (1: 20.0 ms, 4: 10.0 ms)"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert looked()["Threads"].found == "OMP_NUM_THREADS=3 says so"


def test_an_allocator_that_somebody_tuned_is_shown() -> None:
    assert allocator({}).found.endswith(", as it is")
    told = allocator({"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1", "HOME": "/"}).found
    assert told.endswith(", GLIBC_TUNABLES=glibc.malloc.hugetlb=1")


def test_the_encoder_of_a_model_on_the_cpu(
    on_the_cpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "runtime_version", lambda: "2026.9")
    finding = looked()["Encoder of mobile_sam"]
    assert finding.level is Level.NOTE and "models pull mobile_sam" in finding.remedy
    folder = folder_of("mobile_sam-0123-p1")
    with new_folder(folder) as part:
        write_facts(part, Facts(1.2e-5, 2.1, 1.0))
    finding = looked()["Encoder of mobile_sam"]
    assert finding.level is Level.GOOD
    assert "OpenVINO 2026.9" in finding.found and "2.1 times as fast" in finding.found
    assert "largest difference 1e-05" in finding.found
    content = json.loads((folder / "facts.json").read_text()) | {"refused": "it is slower"}
    (folder / "facts.json").write_text(json.dumps(content))
    assert "torch, float32, as" in looked()["Encoder of mobile_sam"].found
    assert "it is slower" in looked()["Encoder of mobile_sam"].found
    monkeypatch.setattr(module, "runtime_version", lambda: None)
    assert looked()["Encoder of mobile_sam"].found == "torch, float32"


def test_the_precision_on_a_card(monkeypatch: pytest.MonkeyPatch, on_the_cpu: None) -> None:
    card: Any = [DeviceInfo("cuda", "A card", 8 * 10**9, "compute capability 8.6")]
    monkeypatch.setattr(module, "available_devices", lambda: card)
    monkeypatch.setattr(module, "absent_devices", dict)
    found = looked()
    assert found["Device cuda"].found == "A card, compute capability 8.6, 8 GB"
    assert found["Computes on"].found == "cuda; the fastest that is there"
    assert "chosen at the first use" in found["Encoder of mobile_sam"].found
    told = {"device": "cuda", "precision": "float16", "why": "its masks keep IoU 0.9990"}
    keep_measured("precision-mobile_sam", told)
    expected = "torch on cuda, float16: its masks keep IoU 0.9990"
    assert looked()["Encoder of mobile_sam"].found == expected
