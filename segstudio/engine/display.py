"""Whether there is a display to open a window on."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

_TIMEOUT_S = 1.0
_X11_PORT = 6000
_X11_NAME = re.compile(r"(?P<host>.*):(?P<number>\d+)(?:\.\d+)?")


def has_display(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a window can be shown: always outside Linux, else with X11 or Wayland.

    The names in the environment are tried, not trusted: Qt aborts the whole process where nothing
    answers (a container that inherited DISPLAY, a session that has ended).
    """
    if not sys.platform.startswith("linux"):
        return True
    return has_wayland(environ) or has_x11(environ)


def has_wayland(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a Wayland compositor answers at WAYLAND_DISPLAY."""
    name = environ.get("WAYLAND_DISPLAY", "")
    if not name:
        return False
    return _answers(str(Path(environ.get("XDG_RUNTIME_DIR", "/")) / name))


def has_x11(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether an X server answers at DISPLAY."""
    found = _X11_NAME.fullmatch(environ.get("DISPLAY", ""))
    if found is None:
        return False
    host, number = found["host"], int(found["number"])
    if host not in ("", "unix"):
        return _answers((host, _X11_PORT + number))
    path = f"/tmp/.X11-unix/X{number}"  # noqa: S108 - where X servers have their sockets
    return _answers(path) or _answers("\0" + path)


def _answers(address: str | tuple[str, int]) -> bool:
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as link:
            link.settimeout(_TIMEOUT_S)
            link.connect(address)
            return True
    except (OSError, OverflowError, ValueError):
        return False
