"""Files of a source that nobody trusts: nothing outside it is opened, nothing huge is read."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from segstudio.core.errors import BadInputError
from segstudio.core.progress import CancelToken
from segstudio.formats.found import Place

MOST_TEXT_BYTES = 128 << 20  # of a file that is read whole
_MOST_PATH_BYTES = 4096  # as long as a path can be; each folder in it is looked at


@dataclass(frozen=True)
class SourceFolder:
    """A folder whose files, and the names that they give, are looked at before they are used."""

    root: Path

    def inside(self, name: str, place: Place) -> Path:
        """The path of `name` below the folder; it need not exist.

        Raises BadInputError, with `place`, for an absolute path, a drive letter, "..", a NUL, one
        that is too long, and a link that leads out of the folder.
        """
        if len(name.encode("utf-8", "replace")) > _MOST_PATH_BYTES:
            raise BadInputError(f"{place}: the path “{_shown(name)}” is longer than any can be.")
        plain = name.replace("\\", "/")
        parts = PurePosixPath(plain).parts
        if (
            not parts
            or "\0" in plain
            or plain.startswith("/")
            or PureWindowsPath(plain).drive
            or ".." in parts
        ):
            raise BadInputError(f"{place}: the path “{_shown(name)}” leads out of the source.")
        path = self.root.joinpath(*parts)
        try:
            contained = path.resolve().is_relative_to(self.root.resolve())
        except (OSError, RuntimeError, ValueError):  # a link that leads to itself, a name too long
            raise BadInputError(f"{place}: the path “{_shown(name)}” cannot be followed.") from None
        if not contained:
            raise BadInputError(
                f"{place}: “{_shown(name)}” is a link that leads out of the source."
            )
        return path

    def file(self, name: str, place: Place) -> Path | None:
        """As `inside`, if it is a regular file; None if there is none."""
        path = self.inside(name, place)
        return path if _is_regular(path) else None

    def place(self, path: Path, entry: str = "") -> Place:
        """The place of a path below the folder."""
        try:
            return Place(path.relative_to(self.root).as_posix(), entry)
        except ValueError:
            return Place(path.name, entry)

    def listed(self, pattern: str, cancel: CancelToken) -> Iterator[Path]:
        """Regular files that match a glob pattern, sorted by path; those that are links out of the
        folder, and hidden ones, are left out. Raises BadInputError for folders without end."""
        root = self.root.resolve()
        try:
            paths = sorted(self.root.glob(pattern))
        except RecursionError:
            raise BadInputError(
                f"The folders of “{self.root.name}” are nested too deep; choose one further in."
            ) from None
        for path in paths:
            cancel.check()
            hidden = any(part.startswith(".") for part in path.relative_to(self.root).parts)
            if not hidden and _is_regular(path) and path.resolve().is_relative_to(root):
                yield path

    @contextmanager
    def opened(self, path: Path) -> Iterator[BinaryIO]:
        """The file, to be read piece by piece. Raises BadInputError if it cannot be read, or is a
        pipe or a device, which would never end."""
        place = self.place(path)
        if not _is_regular(path):
            raise BadInputError(f"{place} is not a file, or not there.")
        try:
            with path.open("rb") as file:
                yield file
        except OSError as error:
            raise BadInputError(f"{place} cannot be read ({error.strerror or error}).") from error

    def bytes_of(self, path: Path, most: int = MOST_TEXT_BYTES) -> bytes:
        """The bytes of a file. Raises BadInputError if there are too many or it cannot be read."""
        with self.opened(path) as file:
            data = file.read(most + 1)
        if len(data) > most:
            raise BadInputError(
                f"{self.place(path)} is larger than {most >> 20} MB, which no such file is."
            )
        return data

    def text_of(self, path: Path, most: int = MOST_TEXT_BYTES) -> str:
        """The UTF-8 text of a file, without a byte order mark. Raises BadInputError as above."""
        try:
            return self.bytes_of(path, most).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            raise BadInputError(
                f"{self.place(path, f'line {line}')}: this is not UTF-8 text."
            ) from None


def _is_regular(path: Path) -> bool:
    """A file, perhaps through a link: no device and no pipe, which would never end."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def _shown(name: str) -> str:
    short = name if len(name) <= 200 else name[:200] + "…"
    return short.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
