"""Converted encoders on disk: whole or not there at all, and what was found out about them.

`CACHE/encoders/MODEL_KEY/openvino-VERSION-CPU/` holds the network as OpenVINO's own files (XML and
numbers; nothing in them is run as code) and `facts.json`. Torch is not imported here.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from filelock import FileLock, Timeout

from segstudio.config.paths import cache_dir
from segstudio.core.progress import CancelToken
from segstudio.core.whole_files import put
from segstudio.models.machine import cpu_kind

NETWORK = "encoder.xml"
_FILES = (NETWORK, "encoder.bin")
_FACTS = "facts.json"
_STALE_SECONDS = 3600.0
_SPARE_BYTES = 64 << 20
_LOOK_SECONDS = 0.2
_KEPT = 2  # folders of one model: this version's, and that of another installation beside it


@dataclass(frozen=True)
class Facts:
    """What was found out when an encoder was converted.

    `difference` is the largest to torch's embedding of a photo; `torch_s` and `runtime_s` are
    seconds for it. `refused` says why the runtime is not to be used for this encoder here; it is
    empty where it is. `sha256` holds the files' digests (hex) by name.
    """

    difference: float = 0.0
    torch_s: float = 0.0
    runtime_s: float = 0.0
    refused: str = ""
    sha256: dict[str, str] = field(default_factory=dict)


def runtime_version() -> str | None:
    """The installed OpenVINO's version; None where there is none, as on systems without wheels."""
    try:
        return version("openvino")
    except PackageNotFoundError:
        return None


def folder_of(model_key: str) -> Path:
    """Where the encoder of that model belongs for this runtime and processor."""
    return cache_dir() / "encoders" / model_key / f"openvino-{runtime_version()}-{cpu_kind()}"


def read_facts(folder: Path) -> Facts | None:
    """The facts, without a look at the files they speak of; None where there are none."""
    try:
        found = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        return Facts(
            float(found["difference"]),
            float(found["torch_s"]),
            float(found["runtime_s"]),
            str(found["refused"]),
            {str(name): str(digest) for name, digest in dict(found["sha256"]).items()},
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def verified(folder: Path) -> Facts | None:
    """The facts of a whole folder; None where a file is missing or is not as it was written."""
    facts = read_facts(folder)
    if facts is None or facts.refused:
        return facts
    try:
        good = all(_sha256(folder / name) == facts.sha256.get(name) for name in _FILES)
    except OSError:
        return None
    return facts if good else None


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder beside to write into; left without an exception, it takes the name `folder`.

    A damaged one of that name gives way, a whole one that another process made meanwhile stays.
    Raises OSError where the disk refuses.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".new-"))
    try:
        yield part
        if folder.exists() and verified(folder) is None:
            discard(folder)
        try:
            part.rename(folder)
        except OSError:
            if verified(folder) is None:
                raise
        _leave_newest(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def one_at_a_time(folder: Path, cancel: CancelToken) -> Iterator[None]:
    """Wait until no other process converts into `folder`. Raises Cancelled, OSError.

    Saves work only: `new_folder` is safe without it, and some network disks have no locks.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.parent / f".{folder.name}.lock")
    with contextlib.suppress(NotImplementedError):
        while True:
            cancel.check()
            with contextlib.suppress(Timeout):
                lock.acquire(timeout=_LOOK_SECONDS)
                break
    try:
        yield
    finally:
        lock.release()


def check_room(folder: Path, wanted: int = 0) -> None:
    """Raises OSError unless the disk has `wanted` bytes and some to spare."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder.parent).free < wanted + _SPARE_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def write_facts(folder: Path, facts: Facts) -> None:
    """Write the facts beside files that are written already; adds their digests."""
    digests = {name: _sha256(folder / name) for name in _FILES if (folder / name).exists()}
    content = asdict(facts) | {"sha256": digests}
    put(folder / _FACTS, json.dumps(content, indent=1).encode())


def discard(folder: Path) -> None:
    """Delete a folder; it is out of the way at once, also where a file of it is in use."""
    if not folder.exists():
        return
    with contextlib.suppress(OSError):
        aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".old-"))
        with contextlib.suppress(OSError):
            folder.rename(aside / folder.name)
        shutil.rmtree(aside, ignore_errors=True)


def known_encoders(card_key: str) -> list[tuple[Path, Facts]]:
    """Folders of that card's encoders for this runtime and processor, whatever the weights."""
    if runtime_version() is None:
        return []
    name = folder_of("any").name
    folders = sorted((cache_dir() / "encoders").glob(f"{card_key}-*/{name}"))
    return [(folder, facts) for folder in folders if (facts := read_facts(folder)) is not None]


def _leave_newest(folder: Path) -> None:
    """Delete older versions' folders of the same model, and what dead processes left."""
    with contextlib.suppress(OSError):
        others = [(path.stat().st_mtime, path) for path in folder.parent.iterdir()]
        versions = [row for row in others if row[1].name.startswith("openvino-")]
        for _, old in sorted(row for row in versions if row[1] != folder)[: 1 - _KEPT]:
            discard(old)
        for written, left in others:
            if left.name.startswith((".new-", ".old-")) and written < time.time() - _STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
