"""Where things are on this machine: settings, caches, weights, and the app's own resources.

`SEGSTUDIO_HOME` (a folder) moves settings, data and cache below it: for tests, portable installs
and machines with a small home.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

APP = "segstudio"


def _below_home(name: str) -> Path | None:
    home = os.environ.get("SEGSTUDIO_HOME")
    return Path(home).expanduser() / name if home else None


def config_dir() -> Path:
    """Settings (TOML). Not created here."""
    return _below_home("config") or Path(platformdirs.user_config_dir(APP, appauthor=False))


def data_dir() -> Path:
    """What must not be lost: projects of read-only image folders. Not created here."""
    return _below_home("data") or Path(platformdirs.user_data_dir(APP, appauthor=False))


def cache_dir() -> Path:
    """What can be made again: embeddings, thumbnails, downloaded weights. Not created here."""
    return _below_home("cache") or Path(platformdirs.user_cache_dir(APP, appauthor=False))


def resources_dir() -> Path:
    """The app's own icons, themes and models: inside the installed package, or of a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_resources"
    return installed if installed.is_dir() else package.parent / "resources"


def weights_folders() -> list[Path]:
    """Folders where model weights are looked for, in order, before a download."""
    own = os.environ.get("SEGSTUDIO_WEIGHTS")
    first = [Path(own).expanduser()] if own else []
    return [*first, cache_dir() / "weights", resources_dir() / "models"]
