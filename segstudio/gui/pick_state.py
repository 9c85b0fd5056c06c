"""What the panel of everything shows, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

from segstudio.core.progress import Progress
from segstudio.engine.picks import PickFilters


@dataclass(frozen=True)
class PickState:
    """What the panel shows. `least` are the lowest thresholds that mean anything here."""

    filters: PickFilters
    least: PickFilters
    shown: int | None  # None: nothing was found yet
    found: int
    running: bool
    progress: Progress | None
    image_pixels: int
    by_grid: bool
    fast: bool
    crop_layers: int
    approximate: bool = False  # what is shown was found in the fast mode
