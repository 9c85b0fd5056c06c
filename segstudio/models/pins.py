"""Hashes of weights whose publishers give none: what came first is what must come again.

A pin is a small JSON file beside the weights, `NAME.pin.json`. It stays when the weights are
deleted, so that another file under the same address is noticed.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from segstudio.core.whole_files import put
from segstudio.models.card import WeightsFile


def pin_path(path: Path) -> Path:
    """Where the pin of the weights at `path` is kept."""
    return path.with_name(path.name + ".pin.json")


def pinned(path: Path) -> str:
    """The SHA-256 (hex) that was pinned for the weights at `path`; "" where none was."""
    try:
        record = json.loads(pin_path(path).read_text(encoding="utf-8"))
        value = record["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return value if isinstance(value, str) else ""


def expected(weights: WeightsFile, path: Path) -> str:
    """The SHA-256 that a file at `path` must have: published, else pinned, else ""."""
    return weights.sha256 or pinned(path)


def fits(weights: WeightsFile, path: Path, sha256: str) -> bool:
    """Whether a file with that hash may stand at `path` as these weights."""
    known = expected(weights, path)
    return sha256 == known if known else sha256.startswith(weights.sha256_prefix)


def pin(weights: WeightsFile, path: Path, sha256: str) -> None:
    """Pin what is at `path`, unless its hash is published or pinned already.

    Where the folder cannot be written, nothing is pinned and the next use pins.
    """
    if expected(weights, path):
        return
    record = {"sha256": sha256, "url": weights.url}
    with contextlib.suppress(OSError):
        put(pin_path(path), json.dumps(record).encode())


def provenance(weights: WeightsFile) -> str:
    """How far the file's content is known beforehand, in a few words for a card."""
    if weights.sha256:
        return "hash published"
    if weights.sha256_prefix:
        digits = len(weights.sha256_prefix)
        return f"first {digits} digits of the hash published; the rest pinned at first use"
    return "hash not published; pinned at first use"
