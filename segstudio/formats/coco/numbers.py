"""Ids and file names of a COCO export: what came from COCO keeps its own."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt

from segstudio.core.image import ImageRecord
from segstudio.core.origin import Origin, OriginKind
from segstudio.core.project_view import ProjectView
from segstudio.formats.coco.entries import KEY
from segstudio.formats.image_files import copied_name
from segstudio.formats.naming import safe_stem, unique_stems

_Ids = npt.NDArray[np.int64]
_NO_ID = np.iinfo(np.int64).min
BATCH = 500  # origins asked for at once


def image_origins(
    view: ProjectView, images: Sequence[ImageRecord], key: str = KEY
) -> Iterator[tuple[ImageRecord, Origin]]:
    """The images that came from COCO, in order, with what they were there; some at a time.

    `key` is that of the format; COCO panoptic names its records in the same way.
    """
    for start in range(0, len(images), BATCH):
        some = images[start : start + BATCH]
        origins = view.origins(OriginKind.IMAGE, [image.id for image in some], key)
        yield from ((image, origins[image.id]) for image in some if image.id in origins)


def file_names(view: ProjectView, *, as_imported: bool, key: str = KEY) -> dict[int, str]:
    """A name for the copy of each image, by its id: unique in a flat folder.

    An image that came from COCO keeps the name of its file there, without folders, if that is safe
    and no other image has it.
    """
    images = view.images()
    stems: dict[int, str] = {}
    if as_imported:
        for image, origin in image_origins(view, images, key):
            name = PurePosixPath(str(origin.record.get("file_name", "")).replace("\\", "/")).name
            stem = name.removesuffix(PurePosixPath(name).suffix)
            if stem == safe_stem(stem) and copied_name(stem, image) == name:
                stems[image.id] = stem
    for image in images:
        path = image.path
        stems.setdefault(image.id, safe_stem(path.removesuffix(PurePosixPath(path).suffix)))
    stems = unique_stems(stems.items())
    return {image.id: copied_name(stems[image.id], image) for image in images}


@dataclass
class Numbers:
    """The ids that records leave with. Asked for one that it does not know, it makes a new one."""

    ids: _Ids  # the project's, ascending
    numbers: _Ids
    following: int | None  # the next new one; None: all keep the project's ids

    def of(self, number: int) -> int:
        """The id in the file of the record that has `number` in the project."""
        if self.following is None:
            return number
        at = int(np.searchsorted(self.ids, number))
        if at < len(self.ids) and int(self.ids[at]) == number:
            return int(self.numbers[at])
        self.following += 1
        return self.following - 1


class Numbering:
    """Collects what ids records had in COCO, and gives each one: its own, if it is the first in its
    file that had it, else one above all. Where none had any, all keep the project's ids."""

    def __init__(self) -> None:
        self._rows = array("q")

    def add(self, number: int, origin: Origin | None, file: int = 0) -> None:
        """A record of the project with that id, for the file with that number."""
        wanted = _id_in(origin.key) if origin is not None else None
        self._rows.extend((number, _NO_ID if wanted is None else wanted, file))

    def numbers(self) -> Numbers:
        """All that were added; takes about 50 bytes a record."""
        ids, wanted, files = np.frombuffer(self._rows, dtype=np.int64).reshape(-1, 3).T
        had = wanted != _NO_ID
        if not had.any():
            return Numbers(ids, ids, None)
        order = np.lexsort((wanted, files))  # stable: of equals, the first added comes first
        first = np.ones(len(ids), dtype=bool)
        first[1:] = (np.diff(wanted[order]) != 0) | (np.diff(files[order]) != 0)
        keeps = np.zeros(len(ids), dtype=bool)
        keeps[order] = first & had[order]
        following = max(int(wanted[had].max()) + 1, 1)
        new = following + np.cumsum(~keeps) - 1
        result = np.where(keeps, wanted, new)
        by_id = np.argsort(ids)
        return Numbers(ids[by_id], result[by_id], following + int(np.count_nonzero(~keeps)))


def _id_in(key: str) -> int | None:
    """The number of "5", and of "FILE:5", as a source of several files may name it."""
    text = key.rpartition(":")[2]
    try:
        number = int(text)
    except ValueError:
        return None
    return number if abs(number) <= 1 << 53 else None
