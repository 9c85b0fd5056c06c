"""Sources that nobody should trust: every importer refuses them, or takes what is right of them.

Whatever a source holds, an import ends in a sentence or in a whole project: no crash, no hang,
nothing half done, nothing opened that lies outside the source.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hostile_imports import taken_or_refused
from hypothesis import HealthCheck, event, given, note, settings
from hypothesis import strategies as st
from memory_project import MemoryProject, photo_project
from mutations import damaged_file

from segstudio.engine.export_run import export
from segstudio.formats.registry import IMPORT_FORMATS
from segstudio.store.project import NewImage, ProjectStore

KEYS = [member.key for member in IMPORT_FORMATS]
every_reader = pytest.mark.parametrize("key", KEYS)
# SEGSTUDIO_FUZZ=2000 damages as many sources of each format; the suite has seconds, not hours.
EXAMPLES = int(os.environ.get("SEGSTUDIO_FUZZ", "10"))
bounded = settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> MemoryProject:
    return photo_project(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def exports(project: MemoryProject, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A sound source of each format, with images."""
    folder = tmp_path_factory.mktemp("exports")
    for key in KEYS:
        export(key, project, folder / key)
    return {key: folder / key for key in KEYS}


@contextmanager
def a_project(project: MemoryProject, folder: Path) -> Iterator[ProjectStore]:
    with ProjectStore.create(folder / "p.segstudio", project.folder) as store:
        store.add_images(
            [NewImage(row.path, row.width, row.height, row.sha256) for row in project.images()]
        )
        yield store


@every_reader
@bounded
@given(data=st.data())
def test_a_damaged_source_is_refused_or_taken_but_never_half(
    key: str, data: st.DataObject, project: MemoryProject, exports: dict[str, Path]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "source"
        shutil.copytree(exports[key], source)
        for _ in range(data.draw(st.integers(1, 2))):
            note(data.draw(damaged_file(source)))
        with a_project(project, Path(name)) as store:
            taken = taken_or_refused(key, source, store, leave_out=data.draw(st.booleans()))
            event("taken" if taken else "refused")


@every_reader
def test_a_sound_source_is_taken(
    key: str, project: MemoryProject, exports: dict[str, Path], tmp_path: Path
) -> None:
    with a_project(project, tmp_path) as store:
        assert taken_or_refused(key, exports[key], store, leave_out=False)


@every_reader
@pytest.mark.parametrize("what", ["link", "pipe", "folder", "nothing"])
def test_files_that_are_no_files_are_not_opened(
    key: str,
    what: str,
    project: MemoryProject,
    exports: dict[str, Path],
    tmp_path: Path,
) -> None:
    """Each file but the photos, one after the other, becomes a link out, a pipe or a folder."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"\x89PNG not for you")
    others = [path for path in sorted(exports[key].rglob("*")) if path.is_file()]
    others = [path for path in others if path.suffix != ".jpg"][:6]
    for number, other in enumerate(others):
        source = tmp_path / f"source{number}"
        shutil.copytree(exports[key], source)
        bad = source / other.relative_to(exports[key])
        bad.unlink()
        if what == "link":
            bad.symlink_to(secret)
        elif what == "pipe":
            os.mkfifo(bad)
        elif what == "folder":
            bad.mkdir()
        (tmp_path / str(number)).mkdir()
        with a_project(project, tmp_path / str(number)) as store:
            taken_or_refused(key, source, store, leave_out=True)


@every_reader
@pytest.mark.parametrize("name", ["", "nowhere", "a.zip", "a.json", "a.xml"])
def test_a_source_of_another_kind_is_refused_in_a_sentence(
    key: str, name: str, project: MemoryProject, tmp_path: Path
) -> None:
    source = tmp_path / "elsewhere" / name
    (tmp_path / "elsewhere").mkdir()
    if "." in name:
        source.write_bytes(b"PK\x03\x04" + bytes(1000))
    with a_project(project, tmp_path) as store:
        assert not taken_or_refused(key, source, store, leave_out=False)
