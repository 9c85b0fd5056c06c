"""Keep Qt to its own plugins."""

from __future__ import annotations

from collections.abc import MutableMapping
from itertools import pairwise
from pathlib import Path

_VARIABLES = ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR", "QT_PLUGIN_PATH")


def drop_foreign_qt_plugins(environ: MutableMapping[str, str]) -> list[str]:
    """Remove what opencv-python's import left in `environ` for its own Qt; the names removed.

    The non-headless OpenCV wheel points these variables into its `cv2/qt` folder, where Qt finds
    plugins built for another version and aborts. Call it after `import cv2` and before
    QApplication; values that the user has set to other folders stay.
    """
    removed = []
    for name in _VARIABLES:
        parts = Path(environ.get(name, "")).parts
        if any(pair == ("cv2", "qt") for pair in pairwise(parts)):
            del environ[name]
            removed.append(name)
    return removed
