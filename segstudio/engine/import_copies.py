"""Image files that an import brings into a project: all of them appear at once, or none."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from filelock import FileLock, Timeout

from segstudio.core.errors import BadInputError, StorageError
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.engine.import_matching import SourceImage
from segstudio.engine.import_plan import Copy
from segstudio.formats.checked import shown
from segstudio.formats.found import FoundImage
from segstudio.formats.naming import safe_stem
from segstudio.imaging.read import IMAGE_SUFFIXES, read_size

_PARTIAL = ".segstudio-import-"  # hidden: no scan of the image folder takes it for images
_CHUNK = 1 << 20
_FLUSHED_AT_ONCE = 8
_MOST_PARTS = 32  # folders in a path
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FORBIDDEN = frozenset('<>:"|?*\\')
_SUFFIXES = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG", ".png"),
    (b"GIF8", ".gif"),
    (b"RIFF", ".webp"),
    (b"BM", ".bmp"),
    (b"II", ".tif"),
    (b"MM", ".tif"),
    (b"P", ".ppm"),
)


class CopyNames:
    """Gives each image that is to be copied a path of its own, safe on every file system."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def copy_of(self, source: SourceImage) -> Copy:
        """Raises BadInputError where the image's bytes cannot be read."""
        found = source.found
        sha256 = source.sha256
        wanted = PurePosixPath(*_safe_parts(found.name))
        if wanted.suffix.lower() not in IMAGE_SUFFIXES:
            wanted = wanted.with_name(wanted.name + _suffix_of(found))
        path, count = wanted, 1
        while _folded(path) in self._taken:
            count += 1
            path = wanted.with_name(f"{wanted.stem}_{count}{wanted.suffix}")
        self._taken.add(_folded(path))
        return Copy(path.as_posix(), sha256, found.file, found.data)


def size_of_bytes(found: FoundImage) -> tuple[int, int]:
    """(H, W) of an image of a source, upright. Raises BadInputError if it cannot be read."""
    if found.file is not None:
        return read_size(found.file)
    assert found.data is not None
    with tempfile.TemporaryDirectory(prefix="segstudio-") as folder:
        path = Path(folder) / "embedded"
        path.write_bytes(found.data())
        try:
            return read_size(path)
        except BadInputError:
            raise BadInputError("The embedded image cannot be read.") from None


@contextmanager
def copied_files(
    copies: Sequence[Copy], images_dir: Path, name: str, report: ProgressSink, cancel: CancelToken
) -> Iterator[tuple[str, ...]]:
    """Copy files into a new folder called `name`, or NAME_2 ..., below the images; gives their
    paths relative to `images_dir`, in order.

    They stay when the block ends well; if it raises, they are gone again. Raises BadInputError
    where a file is not what it was when it was looked at, StorageError if the disk is full or
    refuses, Cancelled.
    """
    if not copies:
        yield ()
        return
    _clear_leftovers(images_dir)
    try:
        partial = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=images_dir))
    except OSError as error:
        raise _storage_error(error, images_dir) from error
    try:
        with FileLock(partial / "lock"):
            new = partial / "new"
            for index, copy in enumerate(copies):
                cancel.check()
                report(Progress(index, len(copies), "Copying images"))
                _copy(copy, new / copy.path, images_dir)
            _flush([new / copy.path for copy in copies], images_dir, cancel)
            target = _free_name(images_dir, name)
            try:
                new.rename(target)
            except OSError as error:
                raise _storage_error(error, images_dir) from error
            try:
                yield tuple(f"{target.name}/{copy.path}" for copy in copies)
            except BaseException:
                shutil.rmtree(target, ignore_errors=True)
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _copy(copy: Copy, target: Path, images_dir: Path) -> None:
    """Byte for byte, seen to be the bytes that were looked at."""
    digest = hashlib.sha256()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            for chunk in _chunks(copy):
                digest.update(chunk)
                file.write(chunk)
    except OSError as error:
        raise _storage_error(error, images_dir) from error
    if digest.hexdigest() != copy.sha256:
        raise BadInputError(
            f"“{shown(copy.path)}” was changed after it was looked at; look at the source again."
        )


def _flush(paths: Sequence[Path], images_dir: Path, cancel: CancelToken) -> None:
    """See the files onto the disk, several at a time: a journal is written once for all of them."""

    def flush(path: Path) -> None:
        cancel.check()
        with path.open("rb+") as file:
            os.fsync(file.fileno())

    try:
        with ThreadPoolExecutor(_FLUSHED_AT_ONCE) as pool:
            for _ in pool.map(flush, paths):
                pass
    except OSError as error:
        raise _storage_error(error, images_dir) from error


def _chunks(copy: Copy) -> Iterator[bytes]:
    if copy.file is None:
        assert copy.data is not None
        yield copy.data()
        return
    try:
        file = copy.file.open("rb")
    except OSError as error:
        raise BadInputError(
            f"“{copy.file.name}” cannot be read ({error.strerror or error}); "
            "look at the source again."
        ) from error
    with file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _clear_leftovers(images_dir: Path) -> None:
    """Remove what killed imports left; those that are alive hold their lock."""
    for partial in sorted(images_dir.glob(f"{_PARTIAL}*")):
        if partial.is_symlink() or not partial.is_dir():
            continue
        try:
            with FileLock(partial / "lock", timeout=0):
                pass
        except (Timeout, OSError):
            continue
        shutil.rmtree(partial, ignore_errors=True)


def _free_name(images_dir: Path, name: str) -> Path:
    stem, count = safe_stem(name), 1
    target = images_dir / stem
    while os.path.lexists(target):
        count += 1
        target = images_dir / f"{stem}_{count}"
    return target


def _safe_parts(name: str) -> list[str]:
    """Folders and file name without what leads elsewhere or is no name on some file system."""
    pure = PurePosixPath(name.replace("\\", "/"))
    parts = [part for part in pure.parts if part not in {"/", ".", ".."}][-_MOST_PARTS:]
    last = PurePosixPath(parts[-1]) if parts else PurePosixPath("image")
    suffix = last.suffix if last.suffix.lower() in IMAGE_SUFFIXES else ""
    folders = [_safe_name(part) for part in parts[:-1]]
    return [*folders, _safe_name(last.name.removesuffix(suffix)) + suffix]


def _safe_name(text: str) -> str:
    """The same name where every file system takes it, else the nearest that they do."""
    kept = "".join("_" if c in _FORBIDDEN or not c.isprintable() else c for c in text)
    kept = kept.lstrip(". -").rstrip(" .")
    stem = safe_stem(kept)
    refused = not kept or len(kept.encode()) > 200 or stem != safe_stem(f"a{kept}")[1:]
    return stem if refused else kept


def _suffix_of(found: FoundImage) -> str:
    """The suffix that goes with how the bytes start."""
    if found.file is not None:
        try:
            with found.file.open("rb") as file:
                head = file.read(8)
        except OSError:
            head = b""
    else:
        head = found.data()[:8] if found.data is not None else b""
    return next((suffix for start, suffix in _SUFFIXES if head.startswith(start)), ".png")


def _folded(path: PurePosixPath) -> str:
    return unicodedata.normalize("NFKC", path.as_posix()).casefold()


def _storage_error(error: OSError, images_dir: Path) -> StorageError:
    if error.errno in _FULL:
        return StorageError(
            f"The disk of “{images_dir}” is full; nothing was imported. Make room, or import "
            "without copying the images."
        )
    return StorageError(
        f"Images cannot be copied into “{images_dir}” ({error.strerror or error}); nothing was "
        "imported. Check the folder's permissions, or import without copying the images."
    )
