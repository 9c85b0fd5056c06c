"""An import whose process is killed leaves the project as it was, and can be done again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import importing_process
import pytest
from importing_process import pieces
from made_up_source import photo_store, surveyed, write_photo

from segstudio.core.progress import CancelToken
from segstudio.engine.folder_scan import list_images
from segstudio.engine.import_run import carry_out
from segstudio.store.project import ProjectStore


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is not there")
@pytest.mark.parametrize(("text", "number"), [("Copying images", 2), ("Importing", 4)])
def test_a_killed_import_leaves_the_project_as_it_was(
    text: str, number: int, tmp_path: Path
) -> None:
    photo = write_photo(tmp_path / "source" / "new.png", 99)
    with photo_store(tmp_path, "a.png", "b.png") as store:
        project = store.path
    script = importing_process.__file__
    path = os.pathsep.join((str(Path(script).parent), *sys.path))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    done = subprocess.run(
        [sys.executable, script, project, photo, text, str(number)],
        env={**os.environ, "PYTHONPATH": path, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [path for path in temporary.rglob("*") if path.is_file()] == []
    with ProjectStore.open(project) as store:
        assert store.integrity() == []
        assert [image.path for image in store.images()] == ["a.png", "b.png"]
        assert (store.categories(), store.runs()) == ([], [])
        with surveyed(store, pieces(photo), copy_images=True) as plan:
            assert carry_out(plan, store).annotations == 4
        assert store.integrity() == []
        # Of the files that the dead one was copying, none is left half.
        for name in list_images(store.images_dir, CancelToken()):
            assert (store.images_dir / name).stat().st_size > 0
        hidden = [path.name for path in store.images_dir.iterdir() if path.name[0] == "."]
        assert hidden == []
