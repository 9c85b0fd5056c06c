"""The doctor finds what is there, names what is missing, and leaves nothing behind."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from segstudio.config.paths import cache_dir
from segstudio.engine import computing, doctor, qt_libraries
from segstudio.engine.doctor import PACKAGES, Finding, Level, examine, missing_packages


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {row.name: row for row in findings}


@pytest.fixture
def a_machine_that_lacks_egl(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> None:
        if name == "libEGL.so.1":
            raise OSError(f"{name}: cannot open shared object file: No such file or directory")

    real = qt_libraries.missing_libraries
    monkeypatch.setattr(doctor, "missing_libraries", lambda names: real(names, load))


def test_a_whole_machine_has_no_fault(own_home: Path) -> None:
    if missing_packages():
        pytest.skip("this machine lacks a library of Qt")
    found = by_name(examine())
    assert [row for row in found.values() if row.level is Level.FAULT] == []
    assert found["numpy"].found == version("numpy")
    assert found["Device cpu"].found
    assert found["Model graph_cut"].found == "built in"
    assert found["Model mobile_sam"].remedy == "segstudio models pull mobile_sam"
    assert str(own_home) in found["Cache folder"].found and "GB free" in found["Cache folder"].found
    assert list(own_home.iterdir()) == [], "looking makes nothing"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux libraries")
def test_a_missing_library_is_a_fault_with_its_package(a_machine_that_lacks_egl: None) -> None:
    assert missing_packages({}) == ["libegl1"]
    finding = by_name(examine({}))["Qt's system libraries"]
    assert finding.level is Level.FAULT and "libEGL.so.1" in finding.found
    assert "apt-get install libegl1" in finding.remedy


def test_no_display_is_a_note_not_a_fault() -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("other systems always have one")
    assert by_name(examine({}))["Display"].level is Level.NOTE
    told = by_name(examine({"QT_QPA_PLATFORM": "offscreen"}))["Display"]
    assert told.level is Level.GOOD and "offscreen" in told.found


def test_damaged_weights_are_noted_with_the_remedy() -> None:
    folder = cache_dir() / "weights"
    folder.mkdir(parents=True)
    (folder / "mobile_sam.pt").write_bytes(b"cut short")
    finding = by_name(examine({}))["Model mobile_sam"]
    assert finding.level is Level.NOTE and "9 bytes" in finding.remedy


def test_a_missing_package_and_a_broken_torch_are_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise OSError("libcudart.so.12: cannot open\nshared object file")

    monkeypatch.setattr(computing, "available_devices", broken)
    monkeypatch.setattr(doctor, "PACKAGES", ("numpy", "segstudio-has-no-such-friend"))
    found = by_name(examine({}))
    assert found["segstudio-has-no-such-friend"].level is Level.FAULT
    assert found["Devices"].level is Level.FAULT and "\n" not in found["Devices"].found


def test_a_home_that_cannot_be_written_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SEGSTUDIO_HOME", str(tmp_path / "file"))
    finding = by_name(examine({}))["Settings folder"]
    assert finding.level is Level.FAULT and "SEGSTUDIO_HOME" in finding.remedy


def test_little_room_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LOW_DISK_BYTES", 10**18)
    finding = by_name(examine({}))["Cache folder"]
    assert finding.level is Level.NOTE and "make room" in finding.remedy


def test_the_doctor_looks_at_every_package_that_is_asked_for() -> None:
    project = Path(__file__).resolve().parents[3] / "pyproject.toml"
    wanted = tomllib.loads(project.read_text())["project"]["dependencies"]
    names = {re.split(r"[<>=!~ ]", line)[0] for line in wanted}
    assert set(PACKAGES) == names
    pinned = (project.parent / "packaging" / "constraints.txt").read_text()
    licences = (project.parent / "packaging" / "THIRD_PARTY.md").read_text()
    assert all(re.search(rf"(?im)^{name.replace('-', '[-_]')}==", pinned) for name in names)
    brought = ("OpenVINO", "openvino-telemetry", "pyvips-binary", "cffi", "numba", "llvmlite")
    assert all(name in licences for name in brought)
