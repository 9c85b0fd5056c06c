"""JSON files of hundreds of megabytes, an entry at a time.

Strings and brackets alone tell where an entry ends; orjson then reads it. So memory holds one
entry, a list can be passed over and come back to, and what is wrong is told with entry and line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

import orjson

from segstudio.core.errors import BadInputError
from segstudio.core.progress import CancelToken
from segstudio.formats.found import Place
from segstudio.formats.json_files import check_values

CHUNK = 1 << 20
_MOST_KEY = 1000  # letters
MOST_ENTRY_BYTES = 64 << 20  # a crowd as a list of run lengths on a huge image takes some

_BLANK = re.compile(rb"[ \t\r\n]*")
# Possessive: what could be gone back to takes a hundred bytes for each escape.
_MARK = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{}]', re.DOTALL)  # a lone " is cut off
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_PLAIN = re.compile(rb"[^ \t\r\n,\]}\[{\":]*")  # a number, true, false, null
_BOM = b"\xef\xbb\xbf"
_QUOTE = ord('"')
_OPENING = frozenset(b"[{")


@dataclass(frozen=True, slots=True)
class JsonEntry:
    """One element of a list: its bytes, which brackets alone have shown to be whole."""

    place: Place
    line: int
    data: bytes

    def value(self) -> Any:
        """What it says. Raises BadInputError, with the place, for what is no JSON (also NaN), or
        too much of it."""
        check_values(self.data, self.place)
        try:
            return orjson.loads(self.data)
        except orjson.JSONDecodeError as error:
            raise BadInputError(
                f"{self.place}: this is not valid JSON ({error.msg}, line "
                f"{self.line + error.lineno - 1})."
            ) from None


@dataclass(frozen=True, slots=True)
class JsonMark:
    """Where a value begins, to come back to."""

    key: str
    offset: int
    line: int


class JsonStream:
    """A file that holds one JSON object, read from its beginning to its end.

        for key in stream.members():
            for entry in stream.elements(): ...   or   value = stream.whole()

    A value that is not asked for is passed over. `passed` is told the bytes read at each chunk.
    Everything raises BadInputError, with file and line, for what is no JSON object and for entries
    of more than `MOST_ENTRY_BYTES`; Cancelled.
    """

    def __init__(
        self, file: BinaryIO, name: str, passed: Callable[[int], object], cancel: CancelToken
    ) -> None:
        """Read `file`, which can seek, from where it stands; `name` is that of places."""
        self._file, self._name = file, name
        self._passed, self._cancel = passed, cancel
        self._data = b""
        self._at = 0  # in the data
        self._line, self._counted = 1, 0  # the line there, and up to where line ends are counted
        self._offset = file.tell()  # of the data's first byte
        self._ended = False
        self._key = ""
        self._waiting = False  # for the value of the key

    def members(self) -> Iterator[str]:
        """The object's keys, in the file's order; each twice if it stands there twice."""
        self._more()
        if self._data.startswith(_BOM):
            self._at = len(_BOM)
        self._expect(b"{", "the file does not begin as a JSON object")
        if self._peek() == b"}":
            self._at += 1
        else:
            while True:
                self._key = self._next_key()
                self._waiting = True
                yield self._key
                if self._waiting:
                    self.mark_and_pass()
                if self._comma_or(b"}"):
                    break
        if self._peek():
            self._fail("the file goes on after the end of its object")

    def elements(self) -> Iterator[JsonEntry]:
        """The elements of the key's value, which is a list."""
        self._waiting = False
        self._expect(b"[", f"“{self._key}” is not a list")
        if self._peek() == b"]":
            self._at += 1
            return
        index = 0
        while True:
            what = f"{self._key}[{index}]"
            self._peek()
            line = self._line_here()
            data = self._value(what)
            yield JsonEntry(Place(self._name, what), line, data)
            index += 1
            if self._comma_or(b"]"):
                return

    def whole(self) -> JsonEntry:
        """The key's value, at once."""
        self._waiting = False
        self._peek()
        line = self._line_here()
        data = self._value(self._key)
        return JsonEntry(Place(self._name, self._key), line, data)

    def mark_and_pass(self) -> JsonMark:
        """Pass over the key's value."""
        self._waiting = False
        self._peek()
        mark = JsonMark(self._key, self._offset + self._at, self._line_here())
        self._value(self._key, keep=False)
        return mark

    def back_to(self, mark: JsonMark) -> None:
        """Stand before the value that was marked; only `elements` and `whole` go on from there."""
        self._file.seek(mark.offset)
        self._data, self._at, self._ended = b"", 0, False
        self._offset, self._key = mark.offset, mark.key
        self._line, self._counted = mark.line, 0

    # -- values ---------------------------------------------------------------------------------

    def _value(self, what: str, *, keep: bool = True) -> bytes:
        """The bytes of the value that begins here (b"" unless `keep`); stands behind it then."""
        first = self._peek()
        if first in {b"[", b"{"}:
            return self._nested(what, keep)
        pattern = _STRING if first == b'"' else _PLAIN
        while True:
            match = pattern.match(self._data, self._at)
            if match is not None and (match.end() < len(self._data) or self._ended):
                break
            self._go_on(what)
        if match.end() == self._at:
            self._fail(f"{what} has no value")
        self._at = match.end()
        return match.group()

    def _nested(self, what: str, keep: bool) -> bytes:
        """As `_value`, of a list or an object."""
        depth = 0
        look = self._at
        while True:
            data = self._data
            for match in _MARK.finditer(data, look):
                start = match.start()
                mark = data[start]
                if mark == _QUOTE:
                    if match.end() == start + 1:  # it goes on in the next chunk
                        look = start
                        break
                elif mark in _OPENING:
                    depth += 1
                else:
                    depth -= 1
                    if not depth:
                        begin, self._at = self._at, match.end()
                        return data[begin : self._at] if keep else b""
            else:
                look = len(data)
            if not keep:
                self._at = look
            look -= self._at  # what lies before will be gone
            self._go_on(what)

    # -- separators -----------------------------------------------------------------------------

    def _peek(self) -> bytes:
        """The next byte that is not blank, b"" at the end of the file."""
        while True:
            match = _BLANK.match(self._data, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._data):
                return self._data[self._at : self._at + 1]
            if not self._more():
                return b""

    def _expect(self, byte: bytes, otherwise: str) -> None:
        if self._peek() != byte:
            self._fail(otherwise)
        self._at += 1

    def _comma_or(self, end: bytes) -> bool:
        """Step over what follows a value; whether it is the `end`."""
        found = self._peek()
        if found not in {b",", end}:
            self._fail(f"after a value of “{self._key}” there is no comma and no “{end.decode()}”")
        self._at += 1
        return found == end

    def _next_key(self) -> str:
        if self._peek() != b'"':
            self._fail("a key of the object is not there")
        data = self._value("a key")
        try:
            key = orjson.loads(data)
        except orjson.JSONDecodeError:
            self._fail("a key of the object is not valid text")
        if len(key) > _MOST_KEY:
            self._fail(f"a key of the object has {len(key)} letters")
        self._expect(b":", f"after the key “{key[:80]}” there is no colon")
        return str(key)

    # -- the file -------------------------------------------------------------------------------

    def _more(self) -> bool:
        """Forget what was passed and read on: as much again as is held. Whether there was more."""
        self._cancel.check()
        if self._ended:
            return False
        self._line_here()
        self._offset += self._at
        held = self._data[self._at :]
        self._at = self._counted = 0
        read = self._file.read(max(CHUNK, len(held)))
        self._ended = not read
        self._data = held + read
        self._passed(len(read))
        return bool(read)

    def _go_on(self, what: str) -> None:
        """Read on within the value that begins here and has not ended yet."""
        if len(self._data) - self._at > MOST_ENTRY_BYTES:
            self._fail(f"{what} is larger than {MOST_ENTRY_BYTES >> 20} MB")
        if not self._more():
            self._fail(f"the file ends within {what}")

    def _line_here(self) -> int:
        self._line += self._data.count(b"\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def _fail(self, reason: str) -> NoReturn:
        where = f"line {self._line_here()}, byte {self._offset + self._at}"
        raise BadInputError(f"{Place(self._name, where)}: {reason}.")
