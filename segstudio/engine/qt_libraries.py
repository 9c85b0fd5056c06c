"""The system libraries that Qt needs on Linux, and the Debian packages that bring them.

PySide6 ships Qt, but not the libraries of the desktop below it; a bare server or container lacks
some. The tables hold what Qt's own files ask for (their ELF NEEDED entries). No Qt import here:
this must work where importing Qt fails.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from segstudio.engine.display import has_wayland, has_x11

# Needed by `import PySide6.QtWidgets`, with or without a display.
WINDOW_LIBRARIES: Mapping[str, str] = MappingProxyType(
    {
        "libEGL.so.1": "libegl1",
        "libGL.so.1": "libgl1",
        "libxkbcommon.so.0": "libxkbcommon0",
        "libdbus-1.so.3": "libdbus-1-3",
        "libfontconfig.so.1": "libfontconfig1",
        "libfreetype.so.6": "libfreetype6",
        "libglib-2.0.so.0": "libglib2.0-0",
        "libgthread-2.0.so.0": "libglib2.0-0",
        "libX11.so.6": "libx11-6",
        "libzstd.so.1": "libzstd1",
        "libz.so.1": "zlib1g",
        "libstdc++.so.6": "libstdc++6",
    }
)

# Needed by the xcb platform plugin, which draws on an X11 display.
X11_LIBRARIES: Mapping[str, str] = MappingProxyType(
    {
        "libxcb-cursor.so.0": "libxcb-cursor0",
        "libxcb-icccm.so.4": "libxcb-icccm4",
        "libxcb-image.so.0": "libxcb-image0",
        "libxcb-keysyms.so.1": "libxcb-keysyms1",
        "libxcb-randr.so.0": "libxcb-randr0",
        "libxcb-render.so.0": "libxcb-render0",
        "libxcb-render-util.so.0": "libxcb-render-util0",
        "libxcb-shape.so.0": "libxcb-shape0",
        "libxcb-shm.so.0": "libxcb-shm0",
        "libxcb-sync.so.1": "libxcb-sync1",
        "libxcb-util.so.1": "libxcb-util1",
        "libxcb-xfixes.so.0": "libxcb-xfixes0",
        "libxcb-xkb.so.1": "libxcb-xkb1",
        "libxcb.so.1": "libxcb1",
        "libX11-xcb.so.1": "libx11-xcb1",
        "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    }
)

# Needed by the wayland platform plugin; Qt falls back to X11 (XWayland) without it.
WAYLAND_LIBRARIES: Mapping[str, str] = MappingProxyType(
    {
        "libwayland-client.so.0": "libwayland-client0",
        "libwayland-cursor.so.0": "libwayland-cursor0",
    }
)

# Met when another part of the app, or of Qt, is loaded.
OTHER_LIBRARIES: Mapping[str, str] = MappingProxyType(
    {
        "libgssapi_krb5.so.2": "libgssapi-krb5-2",
        "libbrotlidec.so.1": "libbrotli1",
        "libbrotlicommon.so.1": "libbrotli1",
        "libxcb-glx.so.0": "libxcb-glx0",
        "libGLX.so.0": "libglx0",
        "libSM.so.6": "libsm6",
        "libICE.so.6": "libice6",
        "libXext.so.6": "libxext6",
        "libXrender.so.1": "libxrender1",
        "libwayland-egl.so.1": "libwayland-egl1",
        "libdrm.so.2": "libdrm2",
        "libgomp.so.1": "libgomp1",
    }
)

_MISSING = re.compile(r"(lib[^\s:/]+\.so[.\d]*): cannot open shared object file")


@dataclass(frozen=True)
class MissingLibrary:
    """A shared library that is not on this machine, and the package that has it ("": unknown)."""

    library: str
    package: str


def package_of(library: str) -> str:
    """The Debian package of a library by its soname, "" where this table does not know it."""
    tables = (WINDOW_LIBRARIES, X11_LIBRARIES, WAYLAND_LIBRARIES, OTHER_LIBRARIES)
    return next((table[library] for table in tables if library in table), "")


def missing_libraries(
    libraries: Iterable[str], load: Callable[[str], object] = ctypes.CDLL
) -> list[MissingLibrary]:
    """Which of these sonames the loader cannot load. Empty on other systems than Linux.

    Where a library is there and one that it needs is not, that one is named.
    """
    if not sys.platform.startswith("linux"):
        return []
    missing: dict[str, MissingLibrary] = {}
    for library in libraries:
        try:
            load(library)
        except OSError as error:
            found = _MISSING.search(str(error))
            name = found.group(1) if found else library
            missing[name] = MissingLibrary(name, package_of(name))
    return list(missing.values())


def needed_libraries(environ: Mapping[str, str] = os.environ) -> list[str]:
    """The sonames without which the window does not open here.

    A display's own libraries count only where there is that display and Qt will draw on it.
    """
    platform = environ.get("QT_QPA_PLATFORM", "").partition(":")[0]
    if platform not in ("", "xcb", "wayland"):
        return [*WINDOW_LIBRARIES]
    x11 = platform != "wayland" and has_x11(environ)
    wayland = platform != "xcb" and has_wayland(environ)
    # Without its Wayland libraries, Qt draws through X11 where there is that too.
    if wayland and not (x11 and missing_libraries(WAYLAND_LIBRARIES)):
        return [*WINDOW_LIBRARIES, *WAYLAND_LIBRARIES]
    return [*WINDOW_LIBRARIES, *(X11_LIBRARIES if x11 else ())]


def install_sentence(missing: Iterable[MissingLibrary]) -> str:
    """One sentence: what is missing and the command that installs it."""
    found = list(missing)
    names = ", ".join(item.library for item in found)
    packages = " ".join(sorted({item.package for item in found if item.package}))
    remedy = (
        f"install with: sudo apt-get install {packages}"
        if packages
        else "install it with your system's package manager"
    )
    return f"Qt cannot start because this machine lacks {names}; {remedy}"


def explain_import_error(error: ImportError) -> str | None:
    """The sentence for an import that failed because of the machine; None for any other one."""
    if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] == "PySide6":
        return "PySide6 is not installed; install it with: pip install PySide6-Essentials"
    found = _MISSING.search(str(error))
    if found is None:
        return None
    first = MissingLibrary(found.group(1), package_of(found.group(1)))
    others = missing_libraries(needed_libraries())
    return install_sentence(dict.fromkeys([first, *others]))
