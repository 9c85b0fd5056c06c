"""What every source must keep to."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up_source import a_category, an_annotation, an_image

from segstudio.core.errors import BadInputError
from segstudio.formats import checked as module
from segstudio.formats.checked import checked
from segstudio.formats.found import Fault, Found, FoundDataset


def faults(*pieces: Found) -> list[str]:
    return [piece.reason for piece in checked(pieces) if isinstance(piece, Fault)]


def test_a_sound_source_passes_as_it_is() -> None:
    pieces = [
        FoundDataset({"info": 1}),
        a_category("cat"),
        an_image("a.png"),
        an_annotation("a.png", "cat", key="1"),
        an_annotation("a.png", "cat", key="2"),
        an_annotation("a.png", "cat"),
        an_annotation("a.png", "cat"),
    ]
    assert list(checked(pieces)) == pieces


def test_ids_that_clash_are_faults_at_their_place() -> None:
    cat, image, mark = a_category("cat"), an_image("a.png"), an_annotation("a.png", "cat", key="07")
    twins = (cat, a_category("dog", "cat"), image, an_image("a.png"), mark, mark)
    found = [piece for piece in checked(twins) if isinstance(piece, Fault)]
    assert [piece.reason for piece in found] == [
        "The category id “cat” is there twice.",
        "The image id “a.png” is there twice.",
        "The annotation id “07” is there twice.",
    ]
    assert [str(piece.place) for piece in found] == [
        "made.up, category dog",
        "made.up, image a.png",
        "made.up, annotation 07",
    ]
    # An id is a text: 7 and 07 are two.
    assert faults(cat, image, mark, replace(mark, key="7")) == []


def test_categories_that_clash_are_faults() -> None:
    assert faults(a_category("a b", "1"), a_category(" a  b ", "2"), a_category("A b", "3")) == [
        "Two categories have the name “a b”."
    ]
    assert faults(a_category(" ", "1")) == ["A category has no name."]
    assert "too long" in faults(a_category("x" * 1001, "1"))[0]
    assert "not valid Unicode" in faults(a_category("x\udc80", "1"))[0]


def test_what_is_named_must_have_come_before() -> None:
    cat, image = a_category("cat"), an_image("a.png")
    assert faults(cat, an_annotation("a.png", "cat"), image) == [
        "It is on an image “a.png” that is not there."
    ]
    assert faults(image, an_annotation("a.png", "cat"), cat) == [
        "It has a category “cat” that is not there."
    ]


def test_a_name_that_no_database_can_hold_is_a_fault() -> None:
    cat, image = a_category("cat"), an_image("a.png")
    assert "not valid Unicode" in faults(an_image("bad\udcff.png"))[0]
    assert "not valid Unicode" in faults(cat, image, an_annotation("a.png", "cat", key="\ud800"))[0]


def test_names_in_sentences_are_short_and_on_one_line() -> None:
    reason = faults(an_annotation("x" * 5000 + "\n", "cat"))[0]
    assert len(reason) < 150
    assert "\n" not in reason


def test_endless_categories_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CATEGORIES", 3)
    with pytest.raises(BadInputError, match="more than 3 categories"):
        list(checked(a_category(f"c{number}") for number in range(4)))
