"""Damage done to files of a source: by accident (bits, cuts), on purpose (names, numbers)."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import strategies as st

# Values that have broken readers: of the wrong type, too large for a type, no numbers at all.
_NASTY_JSON = (
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1", b"0", b"1e308", b"9223372036854775808",
    b"99999999999999999999999999", b"2147483648", b"0.5", b"null", b"true", b"[]", b"{}",
    b'""', b'"x"', b"[[[[]]]]", b"[[1,2]]", b"[0,0]", b'{"size":[1,1],"counts":"0"}',
    b'{"size":[100000,100000],"counts":[10000000000]}',
)  # fmt: skip
_NASTY_WORDS = (
    b"../../../etc/passwd", b"/etc/passwd", b"..\\\\..\\\\x", b"C:\\\\x", b"\\\\\\\\host\\\\share",
    b"\\u0000",
    b"a\\u0000b", b".", b"..", b"", b"~", b"x" * 5000, b"\\ud800", b"&lol9;", b"file:///etc/passwd",
    b"\xff\xfe", b"-1 -1", b"nan", b"inf", b"1e400",
)  # fmt: skip
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"|>([^<>]+)<|(?<=\s)(\S+)')
_TEXTS = {".json", ".xml", ".txt", ".yaml", ".csv"}


@st.composite
def damaged_file(draw: st.DrawFn, folder: Path) -> str:
    """Damage one file of the folder; returns what was done, for the report of a failure."""
    files = sorted(path for path in folder.rglob("[!.]*") if path.is_file())
    texts = [path for path in files if path.suffix in _TEXTS]
    path = draw(st.sampled_from(texts if texts and draw(st.integers(0, 3)) else files))
    data = path.read_bytes()
    kinds = ["cut", "flip", "remove", "repeat", "empty", "delete"]
    if path.suffix in _TEXTS:
        kinds += ["number", "number", "number", "word", "word", "word", "value", "value"]
    kind = draw(st.sampled_from(kinds))
    if kind == "delete":
        path.unlink()
    else:
        path.write_bytes(draw(_damaged(data, kind)))
    return f"{kind} {path.relative_to(folder)}"


@st.composite
def _damaged(draw: st.DrawFn, data: bytes, kind: str) -> bytes:
    if kind == "empty" or not data:
        return b""
    at = draw(st.integers(0, len(data) - 1))
    if kind == "cut":
        return data[:at]
    if kind == "flip":
        return data[:at] + bytes([data[at] ^ draw(st.integers(1, 255))]) + data[at + 1 :]
    end = min(len(data), at + draw(st.integers(1, 64)))
    if kind == "remove":
        return data[:at] + data[end:]
    if kind == "repeat":
        return data[:end] + data[at:]
    if kind == "word":
        return _replaced(data, _WORD, at, draw(st.sampled_from(_NASTY_WORDS)))
    nasty = draw(st.sampled_from(_NASTY_JSON))
    if kind == "number":
        return _replaced(data, _NUMBER, at, nasty)
    return _replaced(data, re.compile(rb'(?<=":)\s*("[^"]*"|[-\d.]+|true|false|null)'), at, nasty)


def _replaced(data: bytes, pattern: re.Pattern[bytes], at: int, new: bytes) -> bytes:
    """The first match from `at` on replaced, or the first of all; words inside their marks."""
    match = pattern.search(data, at) or pattern.search(data)
    if match is None:
        return data
    group = next((number for number in (1, 2, 3) if number <= pattern.groups and match[number]), 0)
    return data[: match.start(group)] + new + data[match.end(group) :]
