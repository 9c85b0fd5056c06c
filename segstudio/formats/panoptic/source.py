"""The files of a COCO panoptic dataset: JSON, the folder of PNGs beside each, and the images."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path

from segstudio.core.errors import BadInputError
from segstudio.core.progress import CancelToken
from segstudio.formats.coco.source import UNSPLIT, AnnotationFile, ImageFolders
from segstudio.formats.found import Place
from segstudio.formats.source_files import SourceFolder

_NAMED = re.compile(r"panoptic_(?P<split>.+)")  # COCO's own download, and our export
_SPLITS = re.compile(r"(train|val|valid|test)([-_]?dev)?\d*")
_PATTERNS = (("annotations/panoptic_*.json",), ("panoptic_*.json",), ("*.json", "*/*.json"))
_SEGMENTS = b'"segments_info"'
_NO_ANNOTATIONS = re.compile(rb'"annotations"\s*:\s*\[\s*\]')
_LOOKED_AT = 1 << 18  # bytes at the beginning, and at the end, of a file
_MOST_FOLDERS = 200  # that are looked into for files of a name
_MOST_MISSED = 20  # images that are not there, and then none is sought far away


def panoptic_files(source: Path, cancel: CancelToken) -> tuple[SourceFolder, list[AnnotationFile]]:
    """The folder that all files are sought in, and the JSON files, sorted by path.

    `source` is one JSON, or a folder with annotations/panoptic_*.json or panoptic_*.json, or, where
    neither is there, with any that look like it, in it or one folder deeper.

    Raises BadInputError if there is none.
    """
    if not source.is_dir():
        beside = source.parent
        root = beside.parent if beside.name == "annotations" else beside
        return SourceFolder(root), [AnnotationFile(source, _split(source))]
    folder = SourceFolder(source)
    for patterns in _PATTERNS:
        listed = [path for pattern in patterns for path in folder.listed(pattern, cancel)]
        found = [path for path in listed if looks_panoptic(path)]
        if found:
            return folder, [AnnotationFile(path, _split(path)) for path in sorted(found)]
    raise BadInputError(
        f"“{source.name}” holds no COCO panoptic file; choose its JSON, or a folder with "
        "annotations/panoptic_SPLIT.json in it."
    )


def looks_panoptic(path: Path) -> bool:
    """Whether a file begins or ends as COCO panoptic does."""
    try:
        with path.open("rb") as file:
            shown = file.read(_LOOKED_AT)
            if path.stat().st_size > len(shown):
                file.seek(-min(_LOOKED_AT, path.stat().st_size), 2)
                shown += file.read()
    except OSError:
        return False
    begins = shown.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
    empty = _NAMED.fullmatch(path.stem) and _NO_ANNOTATIONS.search(shown)
    return begins and (_SEGMENTS in shown or bool(empty))


def _split(path: Path) -> str:
    """ "train2017" of panoptic_train2017.json; other names that are no split's say none."""
    named = _NAMED.fullmatch(path.stem)
    if named is None or named["split"] == UNSPLIT:
        return ""
    ours = (path.parent / path.stem).is_dir() and path.parent.name == "annotations"
    return named["split"] if ours or _SPLITS.fullmatch(named["split"]) else ""


@dataclass
class PanopticFolders:
    """Finds the PNGs and the images of one JSON."""

    source: SourceFolder
    annotations: AnnotationFile
    _images: ImageFolders = field(init=False)
    _maps: str | None = None  # the folder of the last PNG that was found
    _photos: str | None = None
    _missed: int = 0

    def __post_init__(self) -> None:
        self._images = ImageFolders(self.source, self.annotations)

    def map_file(self, name: str, place: Place) -> Path | None:
        """The PNG of that name: in the folder that is named as the JSON, as COCO's is, else in
        any beside it. Raises BadInputError, with `place`, for a path that leads out."""
        self.source.inside(name, place)
        stem = self.annotations.path.stem
        likely = (f"{self._beside}{stem}/", f"{stem}/", self._beside)
        folder = self._holding(name, place, self._maps, likely)
        self._maps = folder or self._maps
        return None if folder is None else self.source.file(folder + name, place)

    def image_file(self, name: str, place: Place) -> Path | None:
        """The image of that name, where COCO has them, else in any folder beside the JSON or
        beside its folder. Raises BadInputError, with `place`, for a path that leads out."""
        found = self._images.find(name, place)
        if found is not None or self._missed > _MOST_MISSED or name.lower().endswith(".png"):
            return found
        folder = self._holding(name, place, self._photos, ())
        self._photos = folder or self._photos
        self._missed += folder is None
        return None if folder is None else self.source.file(folder + name, place)

    def _holding(
        self, name: str, place: Place, last: str | None, likely: tuple[str, ...]
    ) -> str | None:
        """The folder that has a file of that name: the `last` one, a likely one, or any."""
        tried = set()
        for folder in chain(() if last is None else (last,), likely, self._others):
            if folder not in tried and self.source.file(folder + name, place) is not None:
                return folder
            tried.add(folder)
        return None

    @cached_property
    def _beside(self) -> str:
        return self._relative(self.annotations.path.parent)

    @cached_property
    def _others(self) -> list[str]:
        """The folders beside the JSON, and in the source."""
        found: list[str] = []
        for at in dict.fromkeys((self._beside, "")):
            with suppress(OSError):
                children = sorted(path for path in (self.source.root / at).iterdir())
                folders = [f"{at}{path.name}/" for path in children if path.is_dir()]
                found += folders[:_MOST_FOLDERS]
        return found

    def _relative(self, folder: Path) -> str:
        if folder == self.source.root or not folder.is_relative_to(self.source.root):
            return ""
        return f"{folder.relative_to(self.source.root).as_posix()}/"
