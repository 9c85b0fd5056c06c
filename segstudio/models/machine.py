"""What this machine is, and what was measured on it: kept on disk, as measuring takes time."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
from functools import cache
from pathlib import Path
from typing import Any

from segstudio.config.paths import cache_dir
from segstudio.core.whole_files import put


@cache
def cpu_kind() -> str:
    """Eight hex digits that change with the kind of processor and what it can do."""
    words = [platform.system(), platform.machine(), platform.processor()]
    with contextlib.suppress(OSError):  # Linux only
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        for name in ("model name", "flags", "Features"):
            found = re.search(rf"^{name}\s*:(.*)$", text, re.MULTILINE)
            words.append(found.group(1).strip() if found else "")
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:8]


def usable_cores() -> int:
    """Logical processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def measured(name: str) -> dict[str, Any] | None:
    """What `keep_measured` kept under that name, or None. Never raises."""
    try:
        found = json.loads(_path(name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def keep_measured(name: str, value: dict[str, Any]) -> None:
    """Keep plain JSON values; where the disk refuses, they are measured again next time."""
    path = _path(name)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        put(path, json.dumps(value, indent=1).encode())


def _path(name: str) -> Path:
    return cache_dir() / "measured" / f"{name}.json"
