"""The device is the one asked for, or a sentence says why not."""

from __future__ import annotations

import pytest
import torch

from segstudio.core.errors import DeviceError
from segstudio.models.device import available_devices, choose_device


def test_the_cpu_is_always_there_and_comes_last() -> None:
    devices = available_devices()
    assert devices[-1].key == "cpu"
    assert devices[-1].memory_bytes > 1 << 28
    assert "thread" in devices[-1].detail
    assert len({device.key for device in devices}) == len(devices)


def test_auto_takes_the_first_that_works() -> None:
    assert choose_device() == available_devices()[0].key
    assert choose_device("cpu") == "cpu"


def test_every_device_named_can_compute() -> None:
    for device in available_devices():
        assert torch.ones(3, device=choose_device(device.key)).sum().item() == 3


@pytest.mark.parametrize("absent", ["cuda:99", "mps", "cuda"])
def test_an_absent_device_is_refused_with_the_choices(absent: str) -> None:
    if absent in {device.key for device in available_devices()}:
        pytest.skip(f"this machine has {absent}")
    with pytest.raises(DeviceError, match=r"not usable here; choose auto or one of .*cpu"):
        choose_device(absent)


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(DeviceError, match="no device 'tpu'"):
        choose_device("tpu")


def test_a_card_that_cannot_compute_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the driver is there, but torch no longer has code for the card."""
    if torch.cuda.is_available():
        pytest.skip("this machine has a card that can compute")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose_device("auto") == "cpu"
    with pytest.raises(DeviceError, match="not usable here"):
        choose_device("cuda")
