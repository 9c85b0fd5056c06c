"""The import rule: storeys import down only, Qt, torch and SQL each live in one room."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_the_import_contract_holds() -> None:
    tool = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([tool], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_room_stands_in_the_contract() -> None:
    contract = configparser.ConfigParser()
    contract.read(ROOT / ".importlinter")
    layers = contract["importlinter:contract:storeys"]["layers"]
    rooms = {path.parent.name for path in (ROOT / "segstudio").glob("*/__init__.py")}
    assert rooms <= set(re.findall(r"\w+", layers))


def test_the_command_line_starts_without_torch_and_without_qt() -> None:
    result = run(
        "import sys, segstudio.cli, segstudio.tools, segstudio.__main__\n"
        "from segstudio.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'PySide6', 'segment_anything') if m in sys.modules])"
    )
    assert result.stdout.splitlines()[-1] == "[]", result.stdout + result.stderr


def test_a_mask_is_made_where_neither_qt_nor_torch_is_there(tmp_path: Path) -> None:
    y, x = np.mgrid[:120, :160]
    disc = (x - 80) ** 2 + (y - 60) ** 2 < 40**2
    Image.fromarray(np.where(disc, 220, 30).astype(np.uint8)).save(tmp_path / "disc.png")
    result = run(
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('PySide6', 'shiboken6', 'torch'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from segstudio.__main__ import main\n"
        f"folder = {str(tmp_path)!r}\n"
        "sys.exit(main(['segment', folder + '/disc.png', '--point', '80,60',"
        " '--model', 'graph_cut', '--out', folder + '/mask.png']))"
    )
    assert result.returncode == 0, result.stderr
    mask = np.asarray(Image.open(tmp_path / "mask.png")) > 0
    assert np.count_nonzero(mask & disc) / np.count_nonzero(mask | disc) > 0.9


def test_everything_but_the_window_imports_where_qt_is_absent() -> None:
    result = run(
        "import sys, pkgutil, importlib\n"
        "class NoQt:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('PySide6', 'shiboken6'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, NoQt())\n"
        "import segstudio\n"
        "names = [m.name for m in pkgutil.walk_packages(segstudio.__path__, 'segstudio.')\n"
        "         if not m.name.startswith('segstudio.gui')]\n"
        "for name in names: importlib.import_module(name)\n"
        "print(len(names))"
    )
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 30


def test_an_import_of_qt_below_the_window_is_caught(tmp_path: Path) -> None:
    """The contract can fail: a house with one wrong import is refused."""
    house = tmp_path / "segstudio"
    for room in ("gui", "core"):
        (house / room).mkdir(parents=True)
        (house / room / "__init__.py").write_text("")
    (house / "__init__.py").write_text("")
    (house / "core" / "wrong.py").write_text("import segstudio.gui\n")
    (tmp_path / ".importlinter").write_text(
        "[importlinter]\nroot_package = segstudio\n"
        "[importlinter:contract:storeys]\nname = down\ntype = layers\n"
        "layers =\n    segstudio.gui\n    segstudio.core\n"
    )
    tool = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run(
        [tool], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert result.returncode != 0
    assert "segstudio.core.wrong" in result.stdout
