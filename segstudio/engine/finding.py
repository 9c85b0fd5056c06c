"""One thing that the doctor looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """NOTE: works, but with less. FAULT: SegStudio does not work until it is mended."""

    GOOD = "good"
    NOTE = "note"
    FAULT = "fault"


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what it is, what was found, and what to do about it ("": nothing)."""

    name: str
    found: str
    level: Level = Level.GOOD
    remedy: str = ""
