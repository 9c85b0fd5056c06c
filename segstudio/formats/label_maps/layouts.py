"""Where datasets of label maps keep them, and the photos that they are of.

Flat: labels/NAME.png beside images/NAME.jpg, by split (labels/train, images/train) or not; the maps
beside their photos (NAME.png, or NAME_L.png as CamVid has them); CamVid's TRAIN/NAME.jpg with
TRAINannot/NAME.png (SegNet tutorial). ADE20K's scene parsing: annotations/training/NAME.png with
images/training/NAME.jpg. Cityscapes: gtFine/SPLIT/CITY/NAME_gtFine_labelIds.png with
leftImg8bit/SPLIT/CITY/NAME_leftImg8bit.png.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from segstudio.core.errors import BadInputError
from segstudio.core.progress import CancelToken
from segstudio.formats.found import Place
from segstudio.formats.label_maps.cityscapes import MAP_NAME, OTHER_NAME, PHOTO
from segstudio.formats.source_files import SourceFolder
from segstudio.imaging.read import IMAGE_SUFFIXES

# Folders of maps, and where the photos of each lie.
_FOLDERS = {
    "gtFine": ("leftImg8bit",),
    "gtCoarse": ("leftImg8bit",),
    "labels": ("images", "image", "img"),
    "annotations": ("images", "image", "img"),
    "masks": ("images", "image", "imgs", "img"),
    "label": ("image", "images", "img"),
    "mask": ("image", "images", "img"),
    "ann_dir": ("img_dir",),
    "gt": ("images", "image", "img"),
}
_OF_PHOTOS = frozenset({"images", "image", "img", "imgs", "img_dir", "leftImg8bit", "JPEGImages"})
_ANNOT = "annot"  # CamVid's trainannot
_ENDINGS = ("_L", "_label", "_labels", "_labelIds", "_mask", "_gt", "_seg")
_SPLITS = {
    **{name: name for name in ("train", "val", "test", "trainval")},
    **{"training": "train", "validation": "val", "valid": "val", "testing": "test"},
}
NO_SPLIT = "default"  # Cityscapes' folders need a name where there is no split
_CACHED = 16  # folders whose listings are remembered; a photo is looked for in eight


@dataclass(frozen=True)
class MapFile:
    """A label map and the image that it is of.

    `name` is what the source calls the image, `also` what it may be called where the map's name has
    an ending of its own, `file` its file where there is one. `instances` says
    that the map's pixels are class * 1000 + number.
    """

    path: Path
    name: str
    file: Path | None
    split: str
    instances: bool
    also: tuple[str, ...] = ()


@dataclass
class MapLayout:
    """Finds the maps of a source. `folder` names the folder of maps, "" for the usual ones.

    `ours` says that we wrote them: then any folder below that of the maps names a split.
    """

    source: SourceFolder
    folder: str = ""
    ours: bool = False
    by_instance: bool = True
    _listings: dict[Path, dict[str, str]] = field(default_factory=dict)

    @property
    def named(self) -> bool:
        """Whether the maps lie in a folder that is named for them."""
        return self._tops() != [""]

    def maps(self, cancel: CancelToken) -> Iterator[MapFile]:
        """All maps, folder by folder, sorted by name. Raises BadInputError for a wrong `folder`."""
        for top in self._tops():
            pattern = f"{_escaped(top)}/**/*.png" if top else "**/*.png"
            for path in self.source.listed(pattern, cancel):
                inner = PurePosixPath(path.relative_to(self.source.root / top).as_posix())
                if self._is_map(path, inner, top):
                    yield self._found(path, inner, top)

    def _tops(self) -> list[str]:
        if self.folder:
            place = Place(self.folder)
            if not self.source.inside(self.folder, place).is_dir():
                raise BadInputError(f"The source has no folder “{self.folder}” of label maps.")
            return [PurePosixPath(self.folder.replace("\\", "/")).as_posix()]
        folders = sorted(path.name for path in self.source.root.iterdir() if path.is_dir())
        usual = [name for name in _FOLDERS if name in folders]
        annots = [name for name in folders if name.endswith(_ANNOT) and name != _ANNOT]
        return annots or usual[:1] or [""]

    def _is_map(self, path: Path, inner: PurePosixPath, top: str) -> bool:
        cityscapes = MAP_NAME.fullmatch(path.name)
        if cityscapes is not None:
            other = "instanceIds" if cityscapes[2].lower() == "labelids" else "labelIds"
            twin = path.with_name(path.name.replace(cityscapes[2], other))
            wanted = (cityscapes[2].lower() == "instanceids") == self.by_instance
            return wanted or not twin.is_file()
        if OTHER_NAME.fullmatch(path.name):
            return False
        if not top and inner.parts[0] in _OF_PHOTOS:
            return False
        if top:
            return True
        names = self._listing(path.parent)
        return not any(f"{path.stem}{ending}" in names for ending in _ENDINGS)  # the photo of one

    def _found(self, path: Path, inner: PurePosixPath, top: str) -> MapFile:
        cityscapes = MAP_NAME.fullmatch(path.name)
        if cityscapes is not None:
            stems = [f"{cityscapes[1]}{PHOTO}"]
        else:
            ends = (ending for ending in _ENDINGS if path.stem.endswith(ending))
            stems = [path.stem, *(path.stem.removesuffix(ending) for ending in ends)]
        file = self._photo(path, inner, top, stems)
        if file is not None:
            name = file.relative_to(self.source.root).as_posix()
        elif cityscapes is not None:
            name = (PurePosixPath("leftImg8bit") / inner.parent / f"{stems[0]}.png").as_posix()
        else:
            name = (inner.parent / f"{stems[0]}.png").as_posix()
        instances = cityscapes is not None and cityscapes[2].lower() == "instanceids"
        also = () if file else tuple(str(inner.parent / f"{stem}.png") for stem in stems[1:])
        if self.ours:  # the stem alone is what our exports call the image
            short = PurePosixPath(name)
            also = (*also, f"{short.stem.removesuffix(PHOTO)}{short.suffix}")
        return MapFile(path, name, file, self._split(inner, top), instances, also)

    def _photo(self, path: Path, inner: PurePosixPath, top: str, stems: list[str]) -> Path | None:
        """The photo of a map, where the layouts have it; the first that is there."""
        root = self.source.root
        if top.endswith(_ANNOT):
            tops: tuple[str, ...] = (top.removesuffix(_ANNOT),)
        else:
            tops = _FOLDERS.get(PurePosixPath(top).name, tuple(sorted(_OF_PHOTOS)))
        above = (root / top).parent if top else root
        folders = [*(above / name / inner.parent for name in tops), path.parent]
        for folder in folders:
            names = self._listing(folder)
            for stem in stems:
                name = names.get(stem, "")
                beside = folder == path.parent and (name == path.name or stem == path.stem)
                if name and (not beside or not name.lower().endswith(".png")):
                    return folder / name
        return None

    def _split(self, inner: PurePosixPath, top: str) -> str:
        if top.endswith(_ANNOT):
            return _SPLITS.get(top.removesuffix(_ANNOT), top.removesuffix(_ANNOT))
        if len(inner.parts) < 2:
            return ""
        first = inner.parts[0]
        if self.ours and top == "labels":
            return first
        if self.ours and first == NO_SPLIT:
            return ""
        return _SPLITS.get(first, first if self.ours else "")

    def _listing(self, folder: Path) -> dict[str, str]:
        """The images of a folder by stem; of twins that differ in suffix, no PNG if it can be."""
        known = self._listings.get(folder)
        if known is not None:
            return known
        while len(self._listings) >= _CACHED:
            self._listings.pop(next(iter(self._listings)))
        names: dict[str, str] = {}
        place = self.source.place(folder)
        found = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
        for name in sorted(found, key=lambda name: name.lower().endswith(".png"), reverse=True):
            path = PurePosixPath(name)
            if path.suffix.lower() in IMAGE_SUFFIXES and self._is_inside(folder / name, place):
                names[path.stem] = name
        self._listings[folder] = names
        return names

    def _is_inside(self, path: Path, place: Place) -> bool:
        """Whether it is a file of the source, and no link that leads out."""
        try:
            relative = path.relative_to(self.source.root).as_posix()
            return self.source.file(relative, place) is not None
        except (BadInputError, ValueError):
            return False


def _escaped(folder: str) -> str:
    """A folder's name as a glob pattern that matches it alone."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in folder)
