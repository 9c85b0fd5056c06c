"""The devices that torch can compute on here. Torch is imported only when one is asked for."""

from __future__ import annotations

import atexit
import gc
import os
import platform
import sys
from dataclasses import dataclass

from segstudio.core.errors import DeviceError
from segstudio.core.mapped import trim_heap

DEVICES = ("cpu", "cuda", "mps")
AUTO = "auto"


@dataclass(frozen=True)
class DeviceInfo:
    """One device. `key` is what `choose_device` takes.

    `memory_bytes` is its memory (0: not known); `detail` is a word on its kind, "2 threads" or
    "compute capability 8.6".
    """

    key: str
    name: str
    memory_bytes: int
    detail: str


def available_devices() -> list[DeviceInfo]:
    """Every device that works, the fastest first; the CPU is always there and is the last."""
    found = [*_cuda_devices(), *_mps_devices()]
    return [*found, _cpu()]


def choose_device(wanted: str = AUTO) -> str:
    """The key of the device to compute on.

    "auto" takes the first of `available_devices`. Raises DeviceError if the one asked for does
    not exist, or exists but cannot compute.
    """
    if wanted == "cpu":
        return wanted
    available = [device.key for device in available_devices()]
    if wanted == AUTO:
        return available[0]
    if wanted in available:
        return wanted
    if wanted.partition(":")[0] not in DEVICES:
        raise DeviceError(
            f"There is no device {wanted!r}; choose {AUTO} or one of {', '.join(available)}."
        )
    raise DeviceError(
        f"The device {wanted!r} is not usable here; choose {AUTO} or one of "
        f"{', '.join(available)}. `segstudio doctor` tells what this machine has."
    )


def absent_devices() -> dict[str, str]:
    """Why each kind of device that torch could use on such a system is not used, by its key."""
    import torch  # noqa: PLC0415 - see _cpu

    absent = {}
    if not _cuda_devices():
        absent["cuda"] = _why_no_cuda()
    if sys.platform == "darwin" and not _mps_devices():
        built = torch.backends.mps.is_built()
        absent["mps"] = "it does not compute here" if built else "this torch is built without it"
    return absent


def _why_no_cuda() -> str:
    import torch  # noqa: PLC0415 - see _cpu

    made_for = torch.version.cuda or getattr(torch.version, "hip", None)
    if made_for is None:
        return "this torch is built without CUDA"
    if not torch.cuda.is_available():
        return f"torch (for CUDA {made_for}) finds no card with a driver that it knows"
    return f"torch (for CUDA {made_for}) cannot compute on the card that is there"


def settle_objects() -> None:
    """Collect garbage, and look through all that is alive now no more when it is collected again.

    Of a hundred thousand objects that importing torch leaves, Python's hunt for cycles would take
    0.1 s whenever it comes up, on the thread that happens to run then: the window's, too.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    atexit.unregister(gc.unfreeze)
    atexit.register(gc.unfreeze)  # so that libraries find all of theirs gone at the end


def release_memory() -> None:
    """Give back what torch and the allocator keep of memory that nothing uses any more.

    Call it on the device lane, after a model was let go. Takes some milliseconds; imports nothing.
    """
    settle_objects()  # networks hold themselves in cycles
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if torch is not None and torch.backends.mps.is_available():
        torch.mps.empty_cache()
    trim_heap()


def _cpu() -> DeviceInfo:
    import torch  # noqa: PLC0415 - takes a second, and most commands never need it

    threads = torch.get_num_threads()
    plural = "" if threads == 1 else "s"
    name = platform.processor() or platform.machine() or "CPU"
    return DeviceInfo("cpu", name, _main_memory(), f"{threads} thread{plural}")


def _main_memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on this system
        return 0


def _cuda_devices() -> list[DeviceInfo]:
    """The first is "cuda", further ones "cuda:1" and so on."""
    import torch  # noqa: PLC0415 - see _cpu

    if not torch.cuda.is_available():
        return []
    found = []
    for index in range(torch.cuda.device_count()):
        key = f"cuda:{index}" if index else "cuda"
        if not _computes(key):
            continue
        properties = torch.cuda.get_device_properties(index)
        detail = f"compute capability {properties.major}.{properties.minor}"
        found.append(DeviceInfo(key, properties.name, int(properties.total_memory), detail))
    return found


def _mps_devices() -> list[DeviceInfo]:
    import torch  # noqa: PLC0415 - see _cpu

    if not torch.backends.mps.is_available() or not _computes("mps"):
        return []
    return [DeviceInfo("mps", "Apple GPU", _main_memory(), "shares the main memory")]


def _computes(key: str) -> bool:
    """Whether the smallest sum works: a driver or card that torch no longer knows fails here."""
    import torch  # noqa: PLC0415 - see _cpu

    try:
        return bool((torch.ones(2, device=key) + 1).sum().item() == 4)
    except (RuntimeError, AssertionError):
        return False
