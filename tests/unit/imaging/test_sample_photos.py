from __future__ import annotations

import socket

import pytest

from segstudio.core.errors import BadInputError
from segstudio.imaging.read import read_image
from segstudio.imaging.sample_photos import SAMPLE_PHOTOS, write_sample_photos


def test_the_sample_photos_are_real_colour_photos_and_credited(tmp_path):
    photos = write_sample_photos(tmp_path / "new" / "folder")
    assert len(photos) == len(SAMPLE_PHOTOS) >= 4
    credit = (tmp_path / "new" / "folder" / "CREDITS.txt").read_text("utf-8")
    for path, photo in zip(photos, SAMPLE_PHOTOS, strict=True):
        pixels = read_image(path).pixels
        assert min(pixels.shape[:2]) >= 300
        assert pixels.astype(int).std() > 30
        assert (pixels[:, :, 0] != pixels[:, :, 2]).mean() > 0.3
        assert path.name in credit
        assert photo.author in credit
        assert photo.licence in credit


def test_writing_them_never_goes_on_the_network(tmp_path, monkeypatch):
    def no_network(*_args, **_options):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    assert write_sample_photos(tmp_path)


def test_writing_twice_gives_the_same_files_and_leaves_nothing_else(tmp_path):
    first = {path.name: path.read_bytes() for path in write_sample_photos(tmp_path)}
    second = {path.name: path.read_bytes() for path in write_sample_photos(tmp_path)}
    assert first == second
    assert {path.name for path in tmp_path.iterdir()} == {*first, "CREDITS.txt"}


def test_a_folder_that_cannot_be_made_is_told_in_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInputError, match="name another folder"):
        write_sample_photos(tmp_path / "file" / "photos")
