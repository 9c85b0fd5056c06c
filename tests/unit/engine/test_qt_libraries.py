"""A machine without Qt's system libraries is told which package to install."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from segstudio.engine.qt_libraries import (
    WAYLAND_LIBRARIES,
    WINDOW_LIBRARIES,
    X11_LIBRARIES,
    MissingLibrary,
    explain_import_error,
    install_sentence,
    missing_libraries,
    needed_libraries,
    package_of,
)

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux libraries")

# Part of glibc and gcc (there wherever Python runs), or inside the wheel.
_ALWAYS = re.compile(r"lib(c|m|dl|pthread|rt|gcc_s|resolv)\.so|ld-linux|libQt6|libicu")


def asked_for(path: Path) -> set[str]:
    """The ELF NEEDED entries of a file, read by binutils."""
    listed = subprocess.run(
        ["readelf", "-d", path], capture_output=True, text=True, check=True
    ).stdout
    names = re.findall(r"NEEDED.*\[(.+)\]", listed)
    return {name for name in names if not _ALWAYS.match(name)}


@linux_only
@pytest.mark.parametrize(
    ("files", "tables"),
    [
        (["lib/libQt6Core", "lib/libQt6Gui", "lib/libQt6Widgets", "lib/libQt6DBus"], 1),
        (["plugins/platforms/libqoffscreen", "lib/libQt6Svg"], 1),
        (["plugins/platforms/libqxcb", "lib/libQt6XcbQpa"], 2),
        (["plugins/platforms/libqwayland", "lib/libQt6WaylandClient"], 3),
    ],
)
def test_the_tables_hold_what_qts_own_files_ask_for(files: list[str], tables: int) -> None:
    spec = find_spec("PySide6")
    if spec is None or spec.origin is None or shutil.which("readelf") is None:
        pytest.skip("needs PySide6 and binutils")
    folder = Path(spec.origin).parent / "Qt"
    known = set(WINDOW_LIBRARIES)
    known |= set(X11_LIBRARIES) if tables == 2 else set()
    known |= set(WAYLAND_LIBRARIES) if tables == 3 else set()
    paths = [path for name in files for path in folder.glob(f"{name}.so*")]
    assert len(paths) == len(files), "Qt has moved its files"
    assert set().union(*map(asked_for, paths)) <= known


@linux_only
def test_a_library_that_is_not_there_is_found_missing_with_its_package() -> None:
    absent = {"libEGL.so.1", "libxcb-cursor.so.0"}

    def load(name: str) -> None:
        if name in absent:
            raise OSError(f"{name}: cannot open shared object file: No such file or directory")

    found = missing_libraries([*WINDOW_LIBRARIES, *X11_LIBRARIES], load)
    assert found == [
        MissingLibrary("libEGL.so.1", "libegl1"),
        MissingLibrary("libxcb-cursor.so.0", "libxcb-cursor0"),
    ]
    assert missing_libraries(["libc.so.6"]) == []
    assert missing_libraries(["libnobody-has-this.so.9"]) == [
        MissingLibrary("libnobody-has-this.so.9", "")
    ]


@linux_only
def test_a_library_that_lacks_another_names_the_other() -> None:
    def load(name: str) -> None:
        raise OSError("libGLX.so.0: cannot open shared object file: No such file or directory")

    assert missing_libraries(["libGL.so.1", "libEGL.so.1"], load) == [
        MissingLibrary("libGLX.so.0", "libglx0")
    ]


def test_the_sentence_has_one_command_that_installs_all() -> None:
    text = install_sentence(
        [
            MissingLibrary("libgthread-2.0.so.0", "libglib2.0-0"),
            MissingLibrary("libglib-2.0.so.0", "libglib2.0-0"),
            MissingLibrary("libEGL.so.1", "libegl1"),
        ]
    )
    assert "lacks libgthread-2.0.so.0, libglib-2.0.so.0, libEGL.so.1" in text
    assert text.endswith("sudo apt-get install libegl1 libglib2.0-0")
    assert "package manager" in install_sentence([MissingLibrary("libodd.so.1", "")])


def test_an_import_that_failed_for_a_library_is_explained_and_no_other() -> None:
    error = ImportError("libEGL.so.1: cannot open shared object file: No such file or directory")
    assert "libegl1" in str(explain_import_error(error))
    absent = ModuleNotFoundError("No module named 'PySide6'", name="PySide6")
    assert "pip install PySide6-Essentials" in str(explain_import_error(absent))
    assert explain_import_error(ImportError("cannot import name 'x' from 'y'")) is None
    assert explain_import_error(ModuleNotFoundError("No module 'z'", name="z")) is None


@linux_only
def test_the_displays_own_libraries_count_only_where_it_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from segstudio.engine import qt_libraries

    monkeypatch.setattr(qt_libraries, "has_x11", lambda environ: "DISPLAY" in environ)
    monkeypatch.setattr(qt_libraries, "has_wayland", lambda environ: "WAYLAND_DISPLAY" in environ)
    assert needed_libraries({}) == [*WINDOW_LIBRARIES]
    on_x11 = [*WINDOW_LIBRARIES, *X11_LIBRARIES]
    assert needed_libraries({"DISPLAY": ":0"}) == on_x11
    assert needed_libraries({"DISPLAY": ":0", "QT_QPA_PLATFORM": "offscreen"}) == [
        *WINDOW_LIBRARIES
    ]
    both = {"DISPLAY": ":0", "WAYLAND_DISPLAY": "wayland-0"}
    assert needed_libraries({**both, "QT_QPA_PLATFORM": "xcb"}) == on_x11
    monkeypatch.setattr(qt_libraries, "missing_libraries", lambda names: [])
    assert needed_libraries(both) == [*WINDOW_LIBRARIES, *WAYLAND_LIBRARIES]
    lacking = [MissingLibrary("libwayland-cursor.so.0", "libwayland-cursor0")]
    monkeypatch.setattr(qt_libraries, "missing_libraries", lambda names: lacking)
    assert needed_libraries(both) == on_x11, "Qt falls back to X11"
    wayland = {"WAYLAND_DISPLAY": "wayland-0"}
    assert needed_libraries(wayland) == [*WINDOW_LIBRARIES, *WAYLAND_LIBRARIES]


def test_every_library_of_the_tables_has_a_package() -> None:
    for library in (*WINDOW_LIBRARIES, *X11_LIBRARIES, *WAYLAND_LIBRARIES):
        assert re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", package_of(library))
    assert package_of("libnobody.so.1") == ""
