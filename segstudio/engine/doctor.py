"""What this machine has, what is missing, and how to mend it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from segstudio.config.paths import cache_dir, config_dir, data_dir
from segstudio.core.errors import WeightsError
from segstudio.engine.computing import computing
from segstudio.engine.display import has_display
from segstudio.engine.finding import Finding, Level
from segstudio.engine.qt_libraries import (
    MissingLibrary,
    install_sentence,
    missing_libraries,
    needed_libraries,
)
from segstudio.models import weights
from segstudio.models.card import remedy
from segstudio.models.registry import PROMPT_MODELS

# Distributions that SegStudio imports, by the names that pip knows.
PACKAGES = (
    "numpy",
    "Pillow",
    "pyvips",
    "pyvips-binary",
    "opencv-python-headless",
    "scikit-image",
    "numba",
    "scipy",
    "SQLAlchemy",
    "filelock",
    "platformdirs",
    "tomli-w",
    "orjson",
    "msgspec",
    "defusedxml",
    "PyYAML",
    "psutil",
    "pycocotools",
    "requests",
    "PySide6-Essentials",
    "torch",
    "torchvision",
    "segment-anything",
    "segmentation-models-pytorch",
    "timm",
    "safetensors",
    "lightning-fabric",
    "pyqtgraph",
    "openvino",
)
_WITHOUT_VIPS = "images above 50 megapixels take several times the memory while they are read"
# Those of them that SegStudio runs without.
_OPTIONAL = {
    "openvino": "images are encoded by torch, which takes about twice the time",
    "pyvips": _WITHOUT_VIPS,
    "pyvips-binary": _WITHOUT_VIPS,
    "numba": "superpixels are made by scikit-image, which takes about twenty times the time",
}
LOW_DISK_BYTES = 2 * 10**9

__all__ = ["Finding", "Level", "examine", "missing_packages", "missing_qt_libraries"]


def examine(environ: Mapping[str, str] = os.environ) -> list[Finding]:
    """Look at everything; takes some seconds, as torch is asked for its devices. Never raises."""
    return [
        _python(),
        Finding("System", f"{platform.system()} {platform.release()} ({platform.machine()})"),
        *map(_package, PACKAGES),
        _qt_libraries(missing_qt_libraries(environ)),
        _display(environ),
        *computing(),
        *_weights(),
        *_folders(),
    ]


def missing_qt_libraries(environ: Mapping[str, str] = os.environ) -> list[MissingLibrary]:
    """The system libraries without which the window does not open here."""
    return missing_libraries(needed_libraries(environ))


def missing_packages(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Debian packages to install, sorted; empty where nothing is missing."""
    return sorted({item.package for item in missing_qt_libraries(environ) if item.package})


def _python() -> Finding:
    return Finding("Python", f"{platform.python_version()} ({sys.executable})")


def _package(name: str) -> Finding:
    try:
        return Finding(name, version(name))
    except PackageNotFoundError:
        if name == "opencv-python-headless":
            return _other_opencv()
        if name in _OPTIONAL:
            return Finding(name, "missing", Level.NOTE, _OPTIONAL[name])
        return Finding(name, "missing", Level.FAULT, f"pip install {name}")


def _other_opencv() -> Finding:
    """The wheels of OpenCV all bring `cv2`; those that are not headless bring a Qt of their own."""
    for name in ("opencv-contrib-python-headless", "opencv-python", "opencv-contrib-python"):
        try:
            return Finding("opencv-python-headless", f"{name} {version(name)} in its place")
        except PackageNotFoundError:
            continue
    remedy = "pip install opencv-python-headless"
    return Finding("opencv-python-headless", "missing", Level.FAULT, remedy)


def _qt_libraries(missing: list[MissingLibrary]) -> Finding:
    if not missing:
        return Finding("Qt's system libraries", "all there")
    names = ", ".join(item.library for item in missing)
    return Finding(
        "Qt's system libraries", f"missing: {names}", Level.FAULT, install_sentence(missing)
    )


def _display(environ: Mapping[str, str]) -> Finding:
    if chosen := environ.get("QT_QPA_PLATFORM"):
        return Finding("Display", f"Qt is told to use {chosen} (QT_QPA_PLATFORM)")
    if has_display(environ):
        where = environ.get("WAYLAND_DISPLAY") or environ.get("DISPLAY") or "the desktop"
        return Finding("Display", where)
    remedy = "log in to a desktop to open the window; the commands and the demo need none"
    return Finding("Display", "none", Level.NOTE, remedy)


def _weights() -> list[Finding]:
    found = []
    for card in PROMPT_MODELS:
        name, mend = f"Model {card.key}", f"segstudio models pull {card.key}"
        if card.weights is None:
            found.append(Finding(name, "built in"))
            continue
        if card.weights.in_the_box:
            mend = remedy(card)
        try:
            path = weights.find(card)
        except WeightsError as error:
            found.append(Finding(name, "damaged", Level.NOTE, str(error)))
            continue
        if path is None:
            found.append(Finding(name, "not here", Level.NOTE, mend))
        else:
            found.append(Finding(name, str(path)))
    return found


def _folders() -> list[Finding]:
    folders = (("Settings", config_dir()), ("Data", data_dir()), ("Cache", cache_dir()))
    return [_folder(name, path) for name, path in folders]


def _folder(name: str, path: Path) -> Finding:
    """Whether files can be made there, and how much room there is. Leaves nothing behind."""
    place = path
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".segstudio-"):
            free = shutil.disk_usage(place).free
    except OSError as error:
        reason = error.strerror or str(error)
        remedy = f"make {place} writable, or name another folder in SEGSTUDIO_HOME"
        return Finding(f"{name} folder", f"{path}: {reason}", Level.FAULT, remedy)
    text = f"{path}, {free / 1e9:.1f} GB free"
    if free < LOW_DISK_BYTES:
        return Finding(f"{name} folder", text, Level.NOTE, "make room on that disk")
    return Finding(f"{name} folder", text)
