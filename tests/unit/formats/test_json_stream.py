"""Files read an entry at a time say what `json` says of them at once, and where they are broken."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segstudio.core.errors import BadInputError, Cancelled
from segstudio.core.progress import CancelToken
from segstudio.formats import json_stream
from segstudio.formats.json_stream import JsonStream


def stream(data: bytes) -> JsonStream:
    return JsonStream(BytesIO(data), "a.json", lambda _: None, CancelToken())


def members(data: bytes, *, later: bool = False) -> dict[str, Any]:
    """Each value: lists by their elements, passed over and come back to if `later`."""
    found: dict[str, Any] = {}
    marks = []
    whole = json.loads(data)
    reading = stream(data)
    for key in reading.members():
        if later:
            marks.append(reading.mark_and_pass())
        elif isinstance(whole[key], list):
            found[key] = [entry.value() for entry in reading.elements()]
        else:
            found[key] = reading.whole().value()
    for mark in marks:
        reading.back_to(mark)
        if isinstance(whole[mark.key], list):
            found[mark.key] = [entry.value() for entry in reading.elements()]
        else:
            found[mark.key] = reading.whole().value()
    return found


texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12) | st.sampled_from(
    ('"', "\\", '\\"', "}", "]", "[{", "\\\\", "\n", "ü", "🐈")
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(
    value=st.dictionaries(texts, values, max_size=5),
    indent=st.none() | st.integers(0, 3),
    ascii_only=st.booleans(),
    chunk=st.integers(1, 9),
    later=st.booleans(),
)
def test_it_says_what_json_says_whatever_the_chunks(
    value: dict[str, Any], indent: int | None, ascii_only: bool, chunk: int, later: bool
) -> None:
    data = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "CHUNK", chunk)
        assert members(data, later=later) == value


@given(data=st.binary(max_size=40) | st.text('[]{}",:\\ 1at\n', max_size=40).map(str.encode))
def test_whatever_the_bytes_it_reads_them_or_says_why_not(data: bytes) -> None:
    try:
        reading = stream(data)
        for key in reading.members():
            if key != "a":
                reading.whole().value()
    except BadInputError as error:
        assert str(error).startswith("a.json")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "line 1, byte 0: the file does not begin as a JSON object"),
        (b"[1]", "does not begin as a JSON object"),
        (b'{"a": [1, 2', "line 1, byte 11: the file ends within a\\[1\\]|the file ends"),
        (b'{"a": [1\n2]}', "line 2, byte 9: after a value of “a” there is no comma"),
        (b'{"a": [1,,2]}', r"a\[1\] has no value"),
        (b'{"a" [1]}', "there is no colon"),
        (b'{"a": [1]} []', "goes on after the end"),
        (b'{"a": [1]', "no comma and no “}”"),
        (b'{"a": 1,}', "a key of the object is not there"),
        (b'{"a": "x', "the file ends within a"),
        (b'{"a": [{"b": "x}, {}]}', r"the file ends within a\[0\]"),
    ],
)
def test_what_is_broken_is_told_with_its_place(data: bytes, reason: str) -> None:
    reading = stream(data)
    with pytest.raises(BadInputError, match=reason):
        for _ in reading.members():
            list(reading.elements() if b"[" in data else [reading.whole()])


def test_an_entry_that_is_no_json_does_not_stop_the_others() -> None:
    reading = stream(b'\xef\xbb\xbf{\n "a": [\n{"x": 1},\n{"x":\n NaN},\n{"x": 3}]}')
    (key,) = [key for key in reading.members() if (entries := list(reading.elements()))]
    assert key == "a"
    assert [entries[0].value(), entries[2].value()] == [{"x": 1}, {"x": 3}]
    with pytest.raises(BadInputError, match=r"a.json, a\[1\]: .*line 5"):
        entries[1].value()


def test_an_entry_without_end_is_refused_before_it_fills_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(json_stream, "CHUNK", 1000)
    monkeypatch.setattr(json_stream, "MOST_ENTRY_BYTES", 5000)
    file = BytesIO(b'{"a": [[' + b"1," * 50_000)
    reading = JsonStream(file, "a.json", lambda _: None, CancelToken())
    with pytest.raises(BadInputError, match=r"a\[0\] is larger than"):
        for _ in reading.members():
            list(reading.elements())
    assert file.tell() < 20_000


def test_a_list_is_passed_over_in_level_memory_and_stops_when_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(json_stream, "CHUNK", 1000)
    monkeypatch.setattr(json_stream, "MOST_ENTRY_BYTES", 5000)
    read: list[int] = []
    data = b'{"a": [' + b"[1],\n" * 50_000 + b'2], "b": "x"}'
    token = CancelToken()
    reading = JsonStream(BytesIO(data), "a.json", read.append, token)
    assert list(reading.members()) == ["a", "b"]
    assert sum(read) == len(data)
    assert max(read) <= 2000
    token.cancel()
    with pytest.raises(Cancelled):
        list(JsonStream(BytesIO(data), "a.json", read.append, token).members())
