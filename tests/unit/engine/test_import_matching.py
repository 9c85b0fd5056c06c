"""Which image of the project a source means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from made_up_source import SIZE, an_image, photo_store, write_photo

from segstudio.core.errors import BadInputError
from segstudio.engine.import_matching import ImageMatching, SourceImage
from segstudio.formats.found import FoundImage
from segstudio.formats.naming import export_stems


@contextmanager
def project(folder: Path, *paths: str) -> Iterator[ImageMatching]:
    with photo_store(folder, *paths) as store:
        yield ImageMatching(store.images(), store.images_dir)


def match(matching: ImageMatching, found: FoundImage) -> str | None:
    image = matching.match(SourceImage(found))
    return None if image is None else image.path


def test_a_file_of_the_image_folder_is_that_image(tmp_path: Path) -> None:
    with project(tmp_path, "one/a.png", "two/a.png") as matching:
        file = tmp_path / "photos" / "two" / ".." / "two" / "a.png"
        assert match(matching, an_image("whatever.png", file=file)) == "two/a.png"


def test_the_same_path_and_other_names_are_found(tmp_path: Path) -> None:
    with project(tmp_path, "one/a.png", "two/a.png") as matching:
        assert match(matching, an_image("two/a.png")) == "two/a.png"
        assert match(matching, an_image("x.jpg", also=("one/a.png", "two/a.png"))) == "one/a.png"
        assert match(matching, an_image("x.jpg")) is None


def test_a_file_name_is_enough_where_it_is_the_only_one(tmp_path: Path) -> None:
    with project(tmp_path, "one/a.png", "two/b.png", "three/b.png") as matching:
        assert match(matching, an_image("train2017/a.png")) == "one/a.png"
        assert match(matching, an_image("elsewhere/three/b.png")) == "three/b.png"
        with pytest.raises(BadInputError, match=r"could be “three/b.png” or “two/b.png”"):
            match(matching, an_image("b.png"))


def test_of_several_of_a_name_the_bytes_decide(tmp_path: Path) -> None:
    with project(tmp_path, "one/a.png", "two/a.png") as matching:  # greys 10 and 11
        file = write_photo(tmp_path / "source" / "a.png", 11)
        assert match(matching, an_image("a.png", file=file)) == "two/a.png"
        assert match(matching, an_image("a.png", data=file.read_bytes)) == "two/a.png"


def test_a_photo_of_the_same_name_in_another_folder_is_another_photo(tmp_path: Path) -> None:
    other = write_photo(tmp_path / "source" / "new" / "a.png", 99)
    with project(tmp_path, "old/a.png") as matching:
        assert match(matching, an_image("new/a.png", file=other)) is None
        assert match(matching, an_image("a.png", file=other)) == "old/a.png"
        assert match(matching, an_image("new/a.png")) == "old/a.png"  # nothing says otherwise


def test_equal_bytes_are_found_under_any_name(tmp_path: Path) -> None:
    file = write_photo(tmp_path / "source" / "renamed.png", 11)
    with project(tmp_path, "one/a.png", "two/b.png") as matching:
        assert match(matching, an_image("renamed.png", file=file)) == "two/b.png"
        assert match(matching, an_image("renamed.png", data=file.read_bytes)) == "two/b.png"


def test_what_an_export_called_an_image_is_that_image(tmp_path: Path) -> None:
    paths = ("a/x.png", "a_x.png", "b c/y.png")
    with photo_store(tmp_path, *paths) as store:
        images = store.images()
        stems = export_stems(images)
        matching = ImageMatching(images, store.images_dir)
        assert match(matching, an_image("b_c_y.jpg")) == "b c/y.png"
        for image in images:  # the exported copies: each goes back to its own, also a_x.png
            found = an_image(f"{stems[image.id]}.png", file=store.image_path(image))
            copied = write_photo(tmp_path / "out" / found.name, 10 + image.id - 1)
            found = an_image(found.name, file=copied)
            assert match(matching, found) == image.path


def test_photos_with_equal_bytes_are_told_apart_by_their_names(tmp_path: Path) -> None:
    for name in ("one/a.png", "two/a.png", "three/b.png"):
        write_photo(tmp_path / "photos" / name, 50)
    with photo_store(tmp_path) as store:
        matching = ImageMatching(store.images(), store.images_dir)
        file = write_photo(tmp_path / "out" / "x.png", 50)
        assert match(matching, an_image("images/two_a.png", file=file)) == "two/a.png"
        assert match(matching, an_image("two/a.png", file=file)) == "two/a.png"
        with pytest.raises(BadInputError, match="could be"):
            match(matching, an_image("x.png", file=file))


def test_an_image_of_another_size_is_refused(tmp_path: Path) -> None:
    with project(tmp_path, "one/a.png", "two/b.png", "three/b.png") as matching:
        height, width = SIZE
        for name in ("one/a.png", "a.png"):
            with pytest.raises(BadInputError, match=f"{width} x {height} pixels in the project"):
                match(matching, an_image(name, size=(height + 1, width)))
        assert match(matching, an_image("two/b.png", size=None)) == "two/b.png"


def test_a_file_that_cannot_be_read_is_nobodys(tmp_path: Path) -> None:
    with project(tmp_path, "one/a.png") as matching:
        assert match(matching, an_image("x.png", file=tmp_path / "gone.png")) is None
