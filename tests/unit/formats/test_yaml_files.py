from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from segstudio.core.errors import BadInputError
from segstudio.formats.source_files import SourceFolder
from segstudio.formats.yaml_files import MOST_YAML_BYTES, load_yaml


def value_of(folder: Path, text: str) -> object:
    path = folder / "data.yaml"
    path.write_text(text, "utf-8", newline="\n")
    return load_yaml(SourceFolder(folder), path)


def test_everything_stays_a_text(tmp_path: Path) -> None:
    text = "names: [no, 1, 2020-01-01, null]\nnc: 4 # four\ntrain: images/train\n"
    assert value_of(tmp_path, text) == {
        "names": ["no", "1", "2020-01-01", "null"],
        "nc": "4",
        "train": "images/train",
    }
    assert value_of(tmp_path, "") == ""


def test_tags_make_nothing_of_it(tmp_path: Path) -> None:
    assert value_of(tmp_path, "a: !!python/object/apply:os.system [id]") == {"a": ["id"]}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: &x [1]\nb: *x", "data.yaml, line 2: .*alias"),
        ("a: &a [b]\nc: &c [*a, *a]\nd: [*c, *c]", "line 2: .*alias"),
        ("\n" + "[" * 5000, "line 2: .*too many levels"),
        ("- " * 5000, "too many levels"),
        ("a: b\nc: d: e", "line 2"),
        ("? [a]\n: b", "line 1: .*unhashable"),
        ('a: "\\UFFFFFFFF"', "data.yaml: "),
        ("a: \x00", "data.yaml: .*not allowed"),
        ("k: " + "x" * MOST_YAML_BYTES, "larger than"),
    ],
)
def test_what_is_no_plain_yaml_is_refused_with_its_line(
    tmp_path: Path, text: str, what: str
) -> None:
    with pytest.raises(BadInputError, match=what):
        value_of(tmp_path, text)


def test_other_bytes_than_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.yaml"
    path.write_bytes(b"names: \xff\xfe")
    with pytest.raises(BadInputError, match="not UTF-8"):
        load_yaml(SourceFolder(tmp_path), path)


names = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=4)


@given(said=names)
def test_any_name_that_is_dumped_comes_back(
    tmp_path_factory: pytest.TempPathFactory, said: list[str]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    text = yaml.safe_dump({"names": dict(enumerate(said))}, allow_unicode=True)
    wanted = {str(at): name for at, name in enumerate(said)}
    assert value_of(folder, text) == {"names": wanted}
