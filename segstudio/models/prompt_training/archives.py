"""Reading packages: members of .deb, .tgz and .zip files, and of archives inside them.

Formats: ar(5) and deb(5); RCC as Qt's qtbase/src/tools/rcc writes it. Names are checked and only
regular files are read, so that nothing in an archive can name a place outside a target folder.
"""

from __future__ import annotations

import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from segstudio.core.errors import BadInputError

Member = tuple[str, Callable[[], bytes]]

_AR, _AR_HEADER = b"!<arch>\n", 60
_RCC_HEADER, _RCC_NODE_1, _RCC_NODE_2 = struct.Struct(">4s4I"), 14, 22
_COMPRESSED, _FOLDER, _ZSTD = 1, 2, 4  # flags of a node
_DEEPEST = 32  # folders of a resource file
_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
)


def members(path: Path) -> Iterator[Member]:
    """Paths of the regular files in a package, and what reads each before the next is asked for.

    Members of .sh3f (zip) and .rcc files in it follow as PATH/MEMBER. Raises BadInputError for
    what is no package, is damaged, or names a place outside.
    """
    with _damage(path):
        for name, read in _outer(path):
            if name.endswith(".sh3f"):
                inner = _of_zip(io.BytesIO(read()))
            elif name.endswith(".rcc"):
                inner = _of_rcc(read())
            else:
                yield name, partial(_read, path, read)
                continue
            for below, read_below in inner:
                yield f"{name}/{below}", partial(_read, path, read_below)


def _read(path: Path, read: Callable[[], bytes]) -> bytes:
    with _damage(path):
        return read()


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise BadInputError(f"{path.name} is damaged ({error}); fetch it again.") from error


def inside(name: str) -> str:
    """A member's path without a leading "./". Raises BadInputError where it leads elsewhere."""
    plain = name.removeprefix("./")
    parts = plain.split("/")
    if not plain or {"", ".", ".."} & set(parts) or any(sign in plain for sign in "\\:\0"):
        raise BadInputError(f"A package holds a file with the name {name!r}, which is refused.")
    return plain


def _outer(path: Path) -> Iterator[Member]:
    with path.open("rb") as file:
        start = file.read(len(_AR))
        file.seek(0)
        if start == _AR:
            name, content = _data_of_deb(file, path)
            yield from _of_tar(content, name.rsplit(".", 1)[-1])
        elif start.startswith(b"\x1f\x8b"):
            yield from _of_tar(file, "gz")
        elif start.startswith(b"PK"):
            yield from _of_zip(file)
        else:
            raise BadInputError(f"{path.name} is not a .deb, .tgz or .zip file; fetch it again.")


class _Part(io.RawIOBase):
    """The next `size` bytes of a file."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._left = file, size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        content = self._file.read(wanted)
        if len(content) < wanted:  # tarfile would take that for the end of the archive
            raise EOFError("it ends early")
        self._left -= wanted
        return content


def _data_of_deb(file: BinaryIO, path: Path) -> tuple[str, _Part]:
    file.seek(len(_AR))
    while len(header := file.read(_AR_HEADER)) == _AR_HEADER:
        name = header[:16].decode("latin-1").strip().rstrip("/")
        size = header[48:58].strip()
        if not size.isdigit() or header[58:] != b"`\n":
            break
        if name.startswith("data.tar"):
            return name, _Part(file, int(size))
        file.seek(int(size) + int(size) % 2, io.SEEK_CUR)
    raise BadInputError(f"{path.name} holds no data; fetch it again.")


def _of_tar(file: BinaryIO | _Part, compression: str) -> Iterator[Member]:
    if compression not in {"xz", "gz", "bz2"}:
        raise BadInputError(
            f"A package is compressed as {compression}, which this Python cannot read; unpack it "
            "and pack it as .tgz, or name another version."
        )
    with tarfile.open(fileobj=file, mode=f"r|{compression}") as tar:  # type: ignore[call-overload]
        for member in tar:
            if member.isreg():
                yield inside(member.name), _reader(tar, member)


def _reader(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        file = tar.extractfile(member)
        assert file is not None  # a regular file
        return file.read()

    return read


def _of_zip(file: BinaryIO) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            if not entry.is_dir():
                yield inside(entry.filename), partial(archive.read, entry)


def _of_rcc(content: bytes) -> Iterator[Member]:
    magic, version, tree, data, names = _RCC_HEADER.unpack_from(content)
    if magic != b"qres":
        raise BadInputError("A resource file does not begin as one; fetch the package again.")
    node_size = _RCC_NODE_1 if version < 2 else _RCC_NODE_2

    def name_at(start: int) -> str:
        (length,) = struct.unpack_from(">H", content, start)
        return content[start + 6 : start + 6 + 2 * length].decode("utf-16-be", "replace")

    def walk(index: int, folders: tuple[str, ...]) -> Iterator[Member]:
        node = tree + index * node_size
        name, flags = struct.unpack_from(">IH", content, node)
        here = (*folders, name_at(names + name)) if index else folders
        if flags & _FOLDER:
            count, first = struct.unpack_from(">II", content, node + 6)
            if len(here) > _DEEPEST or first <= index:
                raise BadInputError("A resource file goes in circles; fetch the package again.")
            for child in range(first, first + count):
                yield from walk(child, here)
        else:
            (offset,) = struct.unpack_from(">I", content, node + 10)
            yield inside("/".join(here)), lambda: _rcc_content(content, data + offset, flags)

    return walk(0, ())


def _rcc_content(content: bytes, start: int, flags: int) -> bytes:
    if flags & _ZSTD:
        raise BadInputError("A file in a resource file is compressed as zstd, which is not read.")
    (length,) = struct.unpack_from(">I", content, start)
    body = content[start + 4 : start + 4 + length]
    return zlib.decompress(body[4:]) if flags & _COMPRESSED else body
