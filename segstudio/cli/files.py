"""What commands read and write: image sources, and results that are whole or absent."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from segstudio.core.errors import BadInputError, StorageError
from segstudio.core.progress import CancelToken
from segstudio.core.whole_files import put
from segstudio.engine.folder_scan import list_images
from segstudio.engine.project_session import PROJECT_SUFFIX
from segstudio.store.project import ProjectStore


@dataclass(frozen=True)
class Source:
    """An image to work on. `name`: relative path; `id`: the project's, or its number from 1."""

    id: int
    name: str
    path: Path


def image_sources(path: Path) -> list[Source]:
    """The images of a project, of a folder and those below, or the one image that `path` is.

    Nothing is made or changed. Raises BadInputError where there is none.
    """
    if path.suffix.lower() == PROJECT_SUFFIX and path.is_file():
        with ProjectStore.open(path, read_only=True) as store:
            found = [Source(row.id, row.path, store.image_path(row)) for row in store.images()]
    elif path.is_dir():
        names = list_images(path, CancelToken())
        found = [Source(index, name, path / name) for index, name in enumerate(names, start=1)]
    else:
        found = [Source(1, path.name, path)]
    if not found:
        raise BadInputError(f"There is no image in {path}; name another folder.")
    return found


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is never seen half-written. Raises StorageError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        put(path, content)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written ({error.strerror or error}); name another file."
        ) from error


def png_bytes(array: npt.NDArray[Any]) -> bytes:
    """A (H, W) bool, uint8 or uint16 array as PNG; True becomes 255."""
    values = array.astype(np.uint8) * 255 if array.dtype == np.bool_ else array
    buffer = BytesIO()
    Image.fromarray(values).save(buffer, format="PNG")
    return buffer.getvalue()


def require_suffix(path: Path, *allowed: str) -> str:
    """The suffix of an output's name, in small letters. Raises BadInputError for any other one."""
    suffix = path.suffix.lower()
    if suffix not in allowed:
        raise BadInputError(f"{path.name} must end with {' or '.join(allowed)}.")
    return suffix
