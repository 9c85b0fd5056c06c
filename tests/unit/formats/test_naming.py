"""Names of exported files never collide, and no file system or list reader trips over them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segstudio.core.image import ImageRecord
from segstudio.formats.naming import export_stems, safe_stem


def records(*paths: str) -> list[ImageRecord]:
    return [ImageRecord(index, path, 1, 1, "") for index, path in enumerate(paths, start=1)]


def test_folders_become_part_of_the_name() -> None:
    stems = export_stems(records("x.jpg", "a/x.jpg", "b/c/x.jpg"))
    assert list(stems.values()) == ["x", "a_x", "b_c_x"]


def test_what_would_overwrite_another_gets_a_number() -> None:
    stems = export_stems(records("a/b.jpg", "a_b.jpg", "a_b.png", "A_B.jpg"))
    assert list(stems.values()) == ["a_b", "a_b_2", "a_b_3", "A_B_4"]


def test_adding_images_later_does_not_rename_the_earlier_ones() -> None:
    before = export_stems(records("a/x.jpg", "b.jpg"))
    after = export_stems(records("a/x.jpg", "b.jpg", "a_x.jpg"))
    assert before.items() <= after.items()


@pytest.mark.parametrize(
    "hostile",
    [
        "../../etc/passwd",
        "-rf",
        "con",
        "NUL.tar",
        "a b\tc\nd",
        "..",
        "",
        "a:b*c?",
        "\udcff\x00",
        "…",
    ],
)
def test_hostile_names_become_plain_ones(hostile: str) -> None:
    name = safe_stem(hostile)
    assert name
    assert not set(name) & set('/\\:*?"<>| \t\n\x00')
    assert name[0] not in ".-"
    assert name.split(".")[0].lower() not in {"con", "nul"}
    name.encode()


@given(st.lists(st.text(max_size=300), max_size=12))
def test_no_two_images_share_a_name_on_any_file_system(paths: list[str]) -> None:
    stems = list(export_stems(records(*paths)).values())
    folded = {unicodedata.normalize("NFKC", stem).casefold() for stem in stems}
    assert len(folded) == len(paths)
    assert all(len(stem.encode()) <= 210 and not set(stem) & set("/\\ \n") for stem in stems)


def test_names_in_other_scripts_stay_readable() -> None:
    assert safe_stem("fotos/чёрный кот") == "fotos_чёрный_кот"
