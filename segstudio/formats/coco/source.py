"""The files of a COCO dataset as it lies on somebody's disk: annotations, splits and images."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from segstudio.core.errors import BadInputError
from segstudio.core.progress import CancelToken
from segstudio.formats.found import Place
from segstudio.formats.naming import safe_stem
from segstudio.formats.source_files import SourceFolder

_NAMED = re.compile(r"instances_(?P<split>.+)")  # COCO's own download, and our export
_SPLITS = frozenset({"train", "val", "valid", "test"})
_ANYWHERE = ("*.json", "*/*.json")
UNSPLIT = "default"  # our export's name for images without a split
_LISTS = re.compile(rb'"(images|categories)"\s*:\s*\[')
_PANOPTIC = b'"segments_info"'
_LOOKED_AT = 1 << 16  # bytes at the beginning, and at the end, of a file


@dataclass(frozen=True)
class AnnotationFile:
    """One JSON of a dataset, and the split that its name or folder says; "" for none."""

    path: Path
    split: str


def annotation_files(
    source: Path, cancel: CancelToken
) -> tuple[SourceFolder, list[AnnotationFile]]:
    """The folder that image files are sought in, and the JSON files, sorted by path.

    `source` is one JSON, or a folder: with annotations/instances_*.json, or instances_*.json, or,
    where neither is there, any that look like COCO instances, in it or one folder deeper.

    Raises BadInputError if there is none.
    """
    if not source.is_dir():
        beside = source.parent
        root = beside.parent if beside.name == "annotations" else beside
        return SourceFolder(root), [AnnotationFile(source, _split(source))]
    folder = SourceFolder(source)
    for patterns in (("annotations/instances_*.json",), ("instances_*.json",), _ANYWHERE):
        found = [path for pattern in patterns for path in folder.listed(pattern, cancel)]
        if patterns is _ANYWHERE:
            found = [path for path in found if looks_like_instances(path)]
        if found:
            return folder, [AnnotationFile(path, _split(path)) for path in sorted(found)]
    raise BadInputError(
        f"“{source.name}” holds no COCO instances; choose a JSON file of them, or a folder with "
        "annotations/instances_SPLIT.json in it."
    )


def looks_like_instances(path: Path) -> bool:
    """Whether a file begins or ends as COCO instances do."""
    try:
        with path.open("rb") as file:
            shown = file.read(_LOOKED_AT)
            if path.stat().st_size > len(shown):
                file.seek(-min(_LOOKED_AT, path.stat().st_size), 2)
                shown += file.read()
    except OSError:
        return False
    begins = shown.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
    return begins and _PANOPTIC not in shown and _LISTS.search(shown) is not None


def held_split(split: str) -> str:
    """The split that comes back of a file that is named for it; panoptic COCO's are as well."""
    name = safe_stem(split or UNSPLIT)
    return "" if name == UNSPLIT else name


def _split(path: Path) -> str:
    """ "train2017" of instances_train2017.json, "train" of train.json and of train/labels.json."""
    named = _NAMED.fullmatch(path.stem)
    if named:
        return "" if named["split"] == UNSPLIT else named["split"]
    if path.stem.lower() in _SPLITS:
        return path.stem
    return path.parent.name if path.parent.name.lower() in _SPLITS else ""


@dataclass
class ImageFolders:
    """Finds image files by their `file_name`, beneath the folders where datasets have them."""

    source: SourceFolder
    annotations: AnnotationFile
    _names: dict[Path, frozenset[str]] = field(default_factory=dict)

    def find(self, file_name: str, place: Place) -> Path | None:
        """The file, if it is there. Raises BadInputError, with `place`, for a path that leads out
        of the source."""
        self.source.inside(file_name, place)
        for folder in self._folders():
            name = f"{folder}/{file_name}" if folder else file_name
            path = self.source.root / name
            if path.name in self._listed(path.parent):
                found = self.source.file(name, place)
                if found is not None:
                    return found
        return None

    def _folders(self) -> Iterator[str]:
        split, beside = self.annotations.split, self.annotations.path.parent
        yield from ("images", "")
        if split:
            yield from (split, f"images/{split}")
        if beside.is_relative_to(self.source.root):
            yield beside.relative_to(self.source.root).as_posix()

    def _listed(self, folder: Path) -> frozenset[str]:
        """The names in a folder: asked for once, as there may be a hundred thousand images."""
        if folder not in self._names:
            try:
                self._names[folder] = frozenset(path.name for path in folder.iterdir())
            except (OSError, ValueError):
                return frozenset()
        return self._names[folder]
