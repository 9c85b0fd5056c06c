"""`segstudio`: which door an argument opens, and what a person reads when it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

from segstudio import __main__ as front_door
from segstudio.cli.command_line import parser_of
from segstudio.cli.registry import COMMANDS
from segstudio.config.paths import cache_dir
from segstudio.core.errors import Cancelled, DeviceError

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """What the window was opened with; the window itself is not part of these stories."""
    asked: list[object] = []
    for name in ("app", "demo"):
        double = SimpleNamespace(run=lambda what, name=name: asked.append((name, what)) or 7)
        monkeypatch.setitem(sys.modules, f"segstudio.gui.{name}", double)
    yield asked


def in_a_fresh_process(*arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    command = ["-c", code] if code else ["-m", "segstudio", *arguments]
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_nothing_or_a_path_opens_the_window(windows: list[object], tmp_path: Path) -> None:
    assert front_door.main([]) == 7
    assert front_door.main([str(tmp_path)]) == 7
    assert windows == [("app", None), ("app", tmp_path)]


def test_a_path_with_a_commands_name_is_written_with_a_dot(
    windows: list[object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new").mkdir()
    assert front_door.main(["new"]) == 2, "the command wins"
    assert front_door.main(["./new"]) == 7
    assert windows == [("app", Path("new"))]
    assert "./new" in in_a_fresh_process("--help").stdout


def test_the_demo_gets_its_own_arguments(windows: list[object]) -> None:
    assert front_door.main(["demo", "--out", "x"]) == 7
    assert windows == [("demo", ["--out", "x"])]


def test_the_demo_runs_offscreen_where_there_is_no_display(
    windows: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QT_QPA_PLATFORM")
    monkeypatch.setattr(front_door, "has_display", lambda: False)
    assert front_door.main(["demo"]) == 7
    assert os.environ["QT_QPA_PLATFORM"] == "offscreen"


def test_the_window_without_a_display_is_one_sentence(
    windows: list[object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("QT_QPA_PLATFORM")
    monkeypatch.setattr(front_door, "has_display", lambda: False)
    assert front_door.main([]) == 1
    said = capsys.readouterr()
    assert windows == [] and said.out == "" and said.err.count("\n") == 1
    assert "no display" in said.err


def test_a_missing_library_of_qt_is_one_sentence_with_the_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_egl(_: object) -> int:
        raise ImportError("libEGL.so.1: cannot open shared object file: No such file or directory")

    monkeypatch.setitem(sys.modules, "segstudio.gui.app", SimpleNamespace(run=no_egl))
    assert front_door.main([]) == 1
    said = capsys.readouterr().err
    assert "libEGL.so.1" in said and "apt-get install" in said and "libegl1" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["nothing/here.jpg"], 1, "There is no file or folder nothing/here.jpg."),
        (["here.jpg"], 1, "There is no file or folder here.jpg."),
        (["infoo"], 2, "did you mean info?"),
        (["zzz"], 2, "the commands are new"),
        (["--nonsense"], 2, "--nonsense"),
        (["info"], 2, "project"),
        ([".", "more"], 2, "one too many"),
    ],
)
def test_what_cannot_be_opened_is_refused_before_any_window(
    windows: list[object],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    sentence: str,
) -> None:
    assert front_door.main(arguments) == status
    said = capsys.readouterr()
    assert sentence in said.err and said.out == "" and windows == []


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int:
    def run(_: object) -> int:
        raise error

    monkeypatch.setitem(sys.modules, "segstudio.gui.app", SimpleNamespace(run=run))
    return front_door.main([])


def test_an_error_for_the_user_is_its_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing(monkeypatch, DeviceError("The GPU is out of memory; close other programs.")) == 1
    assert capsys.readouterr().err == "The GPU is out of memory; close other programs.\n"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Cancelled()])
def test_an_interruption_is_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    assert failing(monkeypatch, error) == 130
    assert "Interrupted" in capsys.readouterr().err


def test_an_error_nobody_foresaw_is_one_sentence_and_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing(monkeypatch, ValueError("seven\nlines")) == 1
    said = capsys.readouterr().err
    (report,) = (cache_dir() / "tracebacks").iterdir()
    assert said.count("\n") == 1 and "ValueError: seven lines" in said and str(report) in said
    assert "Traceback (most recent call last)" in report.read_text()


def test_a_traceback_that_cannot_be_written_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SEGSTUDIO_HOME", str(tmp_path / "file"))
    assert failing(monkeypatch, ValueError("x")) == 1
    assert "Traceback" in capsys.readouterr().err


def test_the_help_names_every_command_and_every_command_has_help(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert front_door.main(["--help"]) == 0
    page = capsys.readouterr().out
    for command in COMMANDS:
        assert f"  {command.name} " in page and command.help in page
        assert callable(import_module(command.module).run)
        assert "--json" in parser_of(command).format_help()
        assert front_door.main([command.name, "--help"]) == 0
        assert f"segstudio {command.name}" in capsys.readouterr().out
    assert front_door.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("segstudio ")


def test_no_command_imports_torch_or_qt_before_it_runs() -> None:
    result = in_a_fresh_process(
        code="import sys, segstudio.__main__\n"
        "from segstudio.cli.command_line import parser_of\n"
        "from segstudio.cli.registry import COMMANDS\n"
        "for command in COMMANDS: parser_of(command)\n"
        "print(sorted(m for m in ('torch', 'PySide6', 'torchvision') if m in sys.modules))"
    )
    assert result.stdout == "[]\n", result.stderr


def test_the_front_page_needs_no_numpy() -> None:
    result = in_a_fresh_process(
        code="import sys\nfrom segstudio.__main__ import main\nmain(['--version'])\n"
        "print(sorted(m for m in ('numpy', 'PIL', 'cv2', 'sqlalchemy') if m in sys.modules))"
    )
    assert result.stdout.splitlines()[-1] == "[]", result.stderr


def test_a_reader_that_has_had_enough_is_not_an_error() -> None:
    script = "for _ in range(100): print('x' * 10_000)"
    code = (
        "import sys, types, segstudio.__main__ as door\n"
        f"def run(_):\n    {script}\n    return 0\n"
        "sys.modules['segstudio.gui.app'] = types.SimpleNamespace(run=run)\n"
        "import os; os.environ['QT_QPA_PLATFORM'] = 'offscreen'\n"
        "sys.exit(door.main([]))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 1


def test_ctrl_c_while_it_is_imported_is_one_sentence() -> None:
    result = in_a_fresh_process(
        code="import runpy, sys\n"
        "class Hasty:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'segstudio.engine.display':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Hasty())\n"
        "runpy.run_module('segstudio', run_name='__main__')"
    )
    assert (result.returncode, result.stdout) == (130, "")
    assert result.stderr == "Interrupted; nothing was begun.\n"
