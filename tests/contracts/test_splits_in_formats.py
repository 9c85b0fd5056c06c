"""Every format writes the split that was asked for, and brings the splits back."""

from __future__ import annotations

from pathlib import Path

import pytest
from memory_project import photo_project

from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.engine.export_run import export
from segstudio.formats.found import FoundImage
from segstudio.formats.registry import EXPORT_FORMATS, IMPORT_FORMATS

READERS = {member.key: member for member in IMPORT_FORMATS}


@pytest.mark.parametrize("member", EXPORT_FORMATS, ids=lambda member: member.key)
def test_a_split_is_exported_alone_and_all_of_them_come_back(member, tmp_path: Path) -> None:
    view = photo_project(tmp_path / "photos")
    splits = [image.split for image in view.images() if image.split]
    for wanted in ("val", ""):
        target = tmp_path / f"out {wanted}"
        done = export(member.key, view, target, member.options(split=wanted), ignore_progress)
        expected = sorted(split for split in splits if not wanted or split == wanted)
        assert done.images == len(expected)
        if member.key in READERS:
            reader = READERS[member.key]
            found = reader.read(target, reader.options(), ignore_progress, CancelToken())
            images = [piece for piece in found if isinstance(piece, FoundImage)]
            assert sorted(image.split for image in images) == expected
