"""What a figure depends on beside the code: processor, versions, settings of the allocator."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
import torch

PACKAGES = (
    "segstudio",
    "torch",
    "torchvision",
    "segment-anything",
    "openvino",
    "numpy",
    "opencv-python-headless",
    "pycocotools",
)


def describe_machine(device: str) -> dict[str, Any]:
    """Plain data for a report."""
    described: dict[str, Any] = {
        "cpu": cpu_name(),
        "cores": psutil.cpu_count(logical=True),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "load": [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else [],
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
        "allocator": os.environ.get("GLIBC_TUNABLES", ""),
    }
    if device.partition(":")[0] == "cuda":
        described["gpu"] = torch.cuda.get_device_name(device)
    return described


def cpu_name() -> str:
    """The processor's name as the system tells it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1).strip() if found else platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
