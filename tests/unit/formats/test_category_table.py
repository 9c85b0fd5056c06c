"""Tables of categories, as various programs write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from segstudio.core.errors import BadInputError
from segstudio.formats.category_table import TableRow, find_table, read_table, write_table
from segstudio.formats.found import Place
from segstudio.formats.source_files import SourceFolder

TWO = [(0, "traffic light", (1, 2, 3)), (4, "cat 2", (255, 0, 9))]


def rows(folder: Path, name: str, text: str) -> tuple[TableRow, ...]:
    (folder / name).write_bytes(text.encode())
    return read_table(SourceFolder(folder), folder / name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.txt", "# id name R G B\n0 traffic light 1 2 3\n\n4 cat 2 255 0 9\n"),
        ("a.csv", "id,name,r,g,b\n0,traffic light,1,2,3\n4,cat 2,255,0,9\n"),
        ("b.csv", "\ufeffName;Color;Id\r\ntraffic light;#010203;0\r\ncat 2;255 0 9;4\r\n"),
        ("c.json", '[{"id": 0, "name": "traffic light", "color": [1, 2, 3]},'
                   ' {"id": 4, "name": "cat 2", "rgb": "#ff0009"}]'),
        ("d.json", '{"categories": [{"id": 0, "name": "traffic light", "color": [1, 2, 3]},'
                   ' {"id": 4, "name": "cat 2", "colour": [255, 0, 9]}]}'),
    ],
)  # fmt: skip
def test_ids_names_and_colours_are_read(tmp_path: Path, name: str, text: str) -> None:
    assert [(row.id, row.name, row.rgb) for row in rows(tmp_path, name, text)] == TWO


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("names.txt", "sky\ntraffic light\n"),
        ("ids.txt", "0 sky\n1 traffic light\n"),
        ("map.json", '{"0": "sky", "1": "traffic light"}'),
        ("names.json", '["sky", "traffic light"]'),
        ("labelmap.txt", "# label:color_rgb:parts:actions\nsky:1,1,1::\ntraffic light:2,2,2::\n"),
        ("camvid.txt", "64 128 64\tsky\n192 0 128\t\ttraffic light\n"),
        ("class_dict.csv", "name,r,g,b\nsky,64,128,64\ntraffic light,1,2,3\n"),
    ],
)
def test_names_without_ids_count_from_0(tmp_path: Path, name: str, text: str) -> None:
    read = rows(tmp_path, name, text)
    assert [(row.id, row.name) for row in read] == [(0, "sky"), (1, "traffic light")]


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    wanted = [
        TableRow(0, "unlabelled", Place("x"), None, ignore=True),
        TableRow(3, 'a,b;"c" #1 ñ 犬', Place("x"), (0, 1, 255), "animal", True, False),
        TableRow(900, "- yes: {no}", Place("x"), (9, 9, 9), "", False, False),
    ]
    write_table(tmp_path / "categories.csv", reversed(wanted))
    source = SourceFolder(tmp_path)
    assert find_table(source) == tmp_path / "categories.csv"
    read = read_table(source, tmp_path / "categories.csv")
    assert [str(row.place) for row in read] == [f"categories.csv, line {n}" for n in (2, 3, 4)]
    for row, before in zip(read, wanted, strict=True):
        assert {**row.__dict__, "place": None} == {**before.__dict__, "place": None}


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.txt", "0 sky\n0 road\n", r"a.txt, line 2: the id 0 is there twice"),
        ("a.txt", "0 sky 1 2 3\n1 road\n", r"line 2: “1 road” is not written as the lines before"),
        ("a.txt", "0 sky 1 2 300\n", r"line 1: a colour has a channel above 255"),
        ("a.txt", "70000 sky\n", r"line 1: the id 70000 is larger than 65535"),
        ("a.txt", "# nothing\n\n", r"a.txt: the table names no category"),
        ("a.csv", "id,name\n-1,sky\n", r"line 2: the id “-1” is not a number"),
        ("a.csv", "id,name\n1,sky\n2,\n", r"line 3: the row has no name"),
        ("a.csv", "id,name,ignore\n1,sky,maybe\n", r"line 2: “maybe” is neither 1 nor 0"),
        ("a.csv", "id,name\n1," + "x" * 200_000, r"line 2: this is not valid CSV"),
        ("a.json", "17", r"a.json: a table is a list"),
        ("a.json", '[{"id": 1e300, "name": "x"}]', r"entry 0: the id “1e\+300” is not a number"),
        ("a.json", '[{"id": true, "name": "x"}]', r"entry 0: the id “True” is not a number"),
        ("a.json", '[{"id": 1, "name": ["x"]}]', r"entry 0: the row has no name"),
        ("a.json", '[{"id": 1, "name": "x", "color": [1, 2]}]', r"entry 0: a colour is red"),
        ("a.json", '[{"id": 1, "name": "x", "color": "#zzzzzz"}]', r"“#zzzzzz” is not a colour"),
        ("a.json", '[{"name": NaN}]', r"line 1: this is not valid JSON"),
    ],
)
def test_nonsense_is_refused_with_its_line_or_entry(
    tmp_path: Path, name: str, text: str, reason: str
) -> None:
    with pytest.raises(BadInputError, match=reason):
        rows(tmp_path, name, text)


def test_bytes_that_are_no_text_are_refused_with_their_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"0 sky\n1 ro\xffad\n")
    with pytest.raises(BadInputError, match=r"a\.txt, line 2: this is not UTF-8"):
        read_table(SourceFolder(tmp_path), tmp_path / "a.txt")
