"""An export folder appears whole or not at all, and nothing of the user's is ever swept away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from segstudio.core.errors import BadInputError
from segstudio.formats import staging
from segstudio.formats.staging import MANIFEST, staged_folder


def write(target: Path, text: str, *, replace: bool = False) -> None:
    with staged_folder(target, replace=replace) as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "a.txt").write_text(text)


def tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_the_folder_is_not_there_before_the_end_and_whole_after(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "export"
    with staged_folder(target, replace=False) as folder:
        (folder / "a.txt").write_text("a")
        assert not target.exists()
    assert tree(target) == {"a.txt", MANIFEST}
    assert tree(tmp_path) == {"deep", "deep/export", "deep/export/a.txt", f"deep/export/{MANIFEST}"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_no_trace_not_even_the_folders_above(
    tmp_path: Path, error: type[BaseException]
) -> None:
    with pytest.raises(error), staged_folder(tmp_path / "deep" / "export", replace=False) as folder:
        (folder / "a.txt").write_text("a")
        raise error
    assert tree(tmp_path) == set()


def test_an_empty_folder_may_be_the_target(tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    write(tmp_path / "export", "new")
    assert (tmp_path / "export" / "sub" / "a.txt").read_text() == "new"


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "export"
    write(target, "old")
    with pytest.raises(BadInputError, match="not empty"):
        write(target, "new")
    assert (target / "sub" / "a.txt").read_text() == "old"


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "export").write_text("mine")
    with pytest.raises(BadInputError, match="is a file"):
        write(tmp_path / "export", "new", replace=True)
    assert (tmp_path / "export").read_text() == "mine"


def test_an_earlier_export_is_replaced_when_asked(tmp_path: Path) -> None:
    target = tmp_path / "export"
    write(target, "old")
    write(target, "new", replace=True)
    assert (target / "sub" / "a.txt").read_text() == "new"
    assert tree(tmp_path) == {"export", "export/sub", "export/sub/a.txt", f"export/{MANIFEST}"}


def test_a_folder_that_holds_anything_else_is_never_replaced(tmp_path: Path) -> None:
    target = tmp_path / "export"
    write(target, "old")
    (target / "sub" / "thesis.docx").write_text("years of work")
    with pytest.raises(BadInputError, match=r"sub/thesis\.docx"):
        write(target, "new", replace=True)
    assert (target / "sub" / "thesis.docx").read_text() == "years of work"
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "letter.txt").write_text("dear")
    with pytest.raises(BadInputError, match="letter"):
        write(documents, "new", replace=True)
    assert tree(documents) == {"letter.txt"}


def test_what_appears_at_the_target_meanwhile_wins(tmp_path: Path) -> None:
    target = tmp_path / "export"
    with (
        pytest.raises(BadInputError, match="not empty"),
        staged_folder(target, replace=False) as folder,
    ):
        (folder / "a.txt").write_text("late")
        target.mkdir()
        (target / "b.txt").write_text("early")
    assert tree(tmp_path) == {"export", "export/b.txt"}


def test_a_failing_swap_puts_the_old_folder_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "export"
    write(target, "old")
    rename = Path.rename

    def failing(self: Path, to: Path) -> Path:
        if self.name == "new":
            raise OSError(5, "Input/output error")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="Input/output"):
        write(target, "new", replace=True)
    monkeypatch.undo()
    assert (target / "sub" / "a.txt").read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} == {"export"}


def test_a_link_to_a_folder_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "sub" / "a.txt").read_text() == "new"


KILLED = """
import sys, time
from pathlib import Path
from segstudio.formats import staging
target, where = Path(sys.argv[1]), sys.argv[2]
def stop(*_):
    print("ready", flush=True)
    time.sleep(60)
if where == "between":
    rename = Path.rename
    Path.rename = lambda self, to: stop() if self.name == "new" else rename(self, to)
with staging.staged_folder(target, replace=True) as folder:
    (folder / "half.txt").write_text("half")
    if where == "writing":
        stop()
"""


def killed_export(target: Path, where: str) -> None:
    """An export by another process that is killed while it writes or in the midst of the swap."""
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(target), where],
        stdout=subprocess.PIPE,
        cwd=Path(staging.__file__).parents[2],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


def test_leftovers_of_a_killed_export_are_swept_by_the_next(tmp_path: Path) -> None:
    target = tmp_path / "export"
    killed_export(target, "writing")
    assert len(list(tmp_path.iterdir())) == 1, "the killed one left its hidden folder"
    assert not target.exists()
    write(target, "new")
    assert {path.name for path in tmp_path.iterdir()} == {"export"}


def test_an_export_killed_in_the_midst_of_a_swap_loses_neither_side(tmp_path: Path) -> None:
    target = tmp_path / "export"
    write(target, "old")
    killed_export(target, "between")
    assert not target.exists()
    with pytest.raises(BadInputError, match="not empty"):
        write(target, "newer")
    assert (target / "sub" / "a.txt").read_text() == "old", "the earlier export is back"
    assert {path.name for path in tmp_path.iterdir()} == {"export"}


def test_a_living_export_to_the_same_folder_is_not_swept(tmp_path: Path) -> None:
    target = tmp_path / "export"
    with (
        pytest.raises(BadInputError, match="not empty"),
        staged_folder(target, replace=False) as slow,
    ):
        (slow / "a.txt").write_text("slow")
        write(target, "quick")
        assert (slow / "a.txt").exists()
    assert (target / "sub" / "a.txt").read_text() == "quick"


def test_leftovers_of_other_targets_and_lookalikes_are_left_alone(tmp_path: Path) -> None:
    other = tmp_path / ".other.segstudio-partial-abc"
    other.mkdir()
    (tmp_path / ".export.segstudio-partial-file").write_text("a file, not a folder")
    write(tmp_path / "export", "new")
    assert other.is_dir()
    assert (tmp_path / ".export.segstudio-partial-file").is_file()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_an_os_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError):
        write(tmp_path / "export", "new")


def test_a_thousand_files_arrive(tmp_path: Path) -> None:
    with staged_folder(tmp_path / "export", replace=False) as folder:
        for number in range(1000):
            (folder / f"{number}.txt").write_text("x")
    names = {path.name for path in (tmp_path / "export").glob("*.txt")}
    assert names == {f"{number}.txt" for number in range(1000)}
