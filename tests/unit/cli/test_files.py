"""What commands read and write."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segstudio.cli.everything import sa1b_record
from segstudio.cli.files import Source, image_sources, png_bytes, require_suffix, write_whole
from segstudio.core.errors import BadInputError, StorageError
from segstudio.core.mask import Box, Mask
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.core.prompt import Candidate, Candidates
from segstudio.engine.project_session import new_project


def test_a_file_is_written_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "new" / "mask.png"
    for content in (b"first", b"second"):
        write_whole(target, content)
        assert target.read_bytes() == content
    assert [path.name for path in target.parent.iterdir()] == ["mask.png"]
    mask = os.umask(0)
    os.umask(mask)
    assert target.stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        write_whole(tmp_path / "file" / "x.png", b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError):
        write_whole(tmp_path / "folder", b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_masks_and_labels_are_png_without_loss() -> None:
    mask = np.arange(12).reshape(3, 4) % 3 == 0
    read = np.asarray(Image.open(BytesIO(png_bytes(mask))))
    assert read.dtype == np.uint8 and np.array_equal(read, mask * 255)
    labels = np.array([[0, 300], [65_535, 1]], dtype=np.uint16)
    assert np.array_equal(np.asarray(Image.open(BytesIO(png_bytes(labels)))), labels)


def test_images_come_from_a_file_a_folder_or_a_project(tmp_path: Path) -> None:
    for name in ("b.png", "a.png", "below/c.png"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3)).save(path)
    images = tmp_path / "images"
    names = ["a.png", "b.png", "below/c.png"]
    assert [source.name for source in image_sources(images)] == names
    project = tmp_path / "p.segstudio"
    new_project(project, images, ignore_progress, CancelToken())
    found = image_sources(project)
    assert [source.name for source in found] == names
    assert [source.path for source in found] == [images / name for name in names]
    (single,) = image_sources(images / "b.png")
    assert (single.id, single.name) == (1, "b.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInputError, match="no image"):
        image_sources(tmp_path / "empty")


def test_the_name_of_an_output_says_its_format() -> None:
    assert require_suffix(Path("x.PNG"), ".png", ".json") == ".png"
    with pytest.raises(BadInputError, match=r"\.png or \.json"):
        require_suffix(Path("x.jpg"), ".png", ".json")


def test_an_everything_record_says_where_masks_were_found_if_the_model_does() -> None:
    source = Source(path=Path("a.png"), name="a.png", id=7)
    mask = Mask.from_crop(np.ones((3, 5), dtype=bool), (10, 20), (40, 60))
    items = (
        Candidate(mask, 0.9, 0.8, point=(11.25, 22.5), crop=Box(8, 0, 60, 40)),
        Candidate(mask, 0.9, 0.8),
    )
    said, plain = sa1b_record(source, (40, 60), Candidates(items, "m"))["annotations"]
    assert (said["point_coords"], said["crop_box"]) == ([[11.25, 22.5]], [8.0, 0.0, 52.0, 40.0])
    assert (plain["point_coords"], plain["crop_box"]) == ([[11.5, 21.5]], [0.0, 0.0, 60.0, 40.0])
