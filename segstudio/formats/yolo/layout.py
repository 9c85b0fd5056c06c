"""Where a YOLO dataset has its images and labels, and what its classes are called."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from segstudio.core.errors import BadInputError
from segstudio.core.progress import CancelToken
from segstudio.formats.checked import MOST_CATEGORIES, shown
from segstudio.formats.found import Fault, Place
from segstudio.formats.source_files import SourceFolder
from segstudio.formats.yaml_files import Yaml, load_yaml
from segstudio.imaging.read import IMAGE_SUFFIXES

IMAGES, LABELS = "images", "labels"
UNSPLIT = "default"  # the folder of images that no split has
SPLITS = ("train", "val", "test")
_NAME_FILES = ("classes.txt", "labels.txt", "obj.names")


@dataclass(frozen=True)
class SplitFolder:
    """A split: its name in the project, and the folder of its images below the source's root, or
    the text file that lists them."""

    name: str
    path: Path

    def pages(self, folder: SourceFolder, cancel: CancelToken) -> Iterator[tuple[Path, Path]]:
        """Each image with its label file, neither of which need be there; sorted by path.

        Raises BadInputError for a list of files that names one outside the source.
        """
        if self.path.suffix.lower() == ".txt":
            for number, line in enumerate(folder.text_of(self.path).splitlines(), start=1):
                if line.strip():
                    place = folder.place(self.path, f"line {number}")
                    image = folder.inside(posixpath.normpath(line.strip()), place)
                    yield image, label_path(folder, image)
            return
        inside = self.path.relative_to(folder.root).as_posix()
        images = _listed(folder, inside, IMAGE_SUFFIXES, cancel)
        expected = {label_path(folder, image) for image in images}
        yield from ((image, label_path(folder, image)) for image in images)
        for labels in _listed(folder, _swapped(inside, IMAGES, LABELS), {".txt"}, cancel):
            name = labels.relative_to(folder.root).as_posix()
            if labels not in expected and LABELS in name.split("/"):
                stem = _swapped(name.removesuffix(labels.suffix), LABELS, IMAGES)
                yield folder.root / f"{stem}.jpg", labels


@dataclass(frozen=True)
class Layout:
    """Class names by index, from the `file` that has them, the splits, and what is wrong in it."""

    file: str
    names: dict[int, str]
    splits: Sequence[SplitFolder]
    faults: Sequence[Fault] = ()


def label_path(folder: SourceFolder, image: Path) -> Path:
    """The label file of an image: "images" becomes "labels" where it last occurs."""
    name = image.relative_to(folder.root)
    return folder.root / f"{_swapped(name.with_suffix('').as_posix(), IMAGES, LABELS)}.txt"


def read_layout(folder: SourceFolder, file: Path | None) -> Layout:
    """Read data.yaml, or where there is none a list of names; `file` is the YAML that was chosen.

    Raises BadInputError where no file names the classes, or it has another shape.
    """
    file = file or _description(folder)
    if file is not None and file.suffix.lower() in {".yaml", ".yml"}:
        return _from_yaml(folder, file)
    if file is None:
        raise BadInputError(
            f"“{folder.root.name}” has no data.yaml (nor classes.txt) that names the classes; "
            "YOLO's label files only number them."
        )
    lines = folder.text_of(file).splitlines()
    names = dict(enumerate(line.strip() for line in lines if line.strip()))
    if not names:
        raise BadInputError(f"{folder.place(file)}: it names no class.")
    return Layout(file.name, names, _beside(folder, ()))


def _description(folder: SourceFolder) -> Path | None:
    """data.yaml, another YAML if it is the only one, or a list of names."""
    for name in ("data.yaml", "data.yml", "dataset.yaml"):
        if (found := folder.file(name, Place(name))) is not None:
            return found
    others = [*folder.root.glob("*.yaml"), *folder.root.glob("*.yml")]
    if len(others) == 1:
        return folder.file(others[0].name, Place(others[0].name))
    files = (folder.file(name, Place(name)) for name in _NAME_FILES)
    return next((found for found in files if found is not None), None)


def _from_yaml(folder: SourceFolder, file: Path) -> Layout:
    place = folder.place(file)
    value = load_yaml(folder, file)
    if not isinstance(value, dict) or "names" not in value:
        raise BadInputError(f"{place}: it has no `names` of classes.")
    if "kpt_shape" in value:
        raise BadInputError(f"{place}: this is a dataset of poses, whose lines are no polygons.")
    names = _names(value["names"], place)
    faults: list[Fault] = []
    count = value.get("nc")
    if count is not None and count != str(len(names)):
        reason = f"`nc` says {shown(str(count))} classes and `names` has {len(names)}."
        faults.append(Fault(Place(place.file, "nc"), reason))
    splits = _splits(folder, value, place, faults)
    return Layout(place.file, names, _beside(folder, splits), tuple(faults))


def _names(value: Yaml, place: Place) -> dict[int, str]:
    """Class names by index, of a list or of a mapping from 0, 1, ..."""
    if isinstance(value, list):
        value = {str(index): name for index, name in enumerate(value)}
    if not isinstance(value, dict):
        raise BadInputError(f"{place}, names: this is no list of names.")
    if len(value) > MOST_CATEGORIES:
        raise BadInputError(f"{place}, names: there are more than {MOST_CATEGORIES} classes.")
    names = {}
    for index, name in value.items():
        if not (isinstance(name, str) and index.isascii() and index.isdigit() and len(index) < 10):
            raise BadInputError(
                f"{place}, names: “{shown(index)}” is not the number of a class with a name."
            )
        names[int(index)] = name
    return names


def _splits(
    folder: SourceFolder, value: dict[str, Yaml], place: Place, faults: list[Fault]
) -> list[SplitFolder]:
    """What the YAML says of train, val and test, or of more where we wrote it (`splits`)."""
    root = _root(folder, value.get("path", ""), place, faults)
    own = value.get("splits")
    said = own if isinstance(own, dict) else {key: value[key] for key in SPLITS if key in value}
    found = []
    for name, paths in said.items():
        entry = Place(place.file, name or "splits")
        for path in paths if isinstance(paths, list) else [paths]:
            if not isinstance(path, str):
                faults.append(Fault(entry, "This is no path of a folder."))
            elif path:
                try:
                    found.append(SplitFolder(name, _inside(folder, root, path, entry)))
                except BadInputError as error:
                    faults.append(Fault.of(entry, error))
    return found


def _root(folder: SourceFolder, path: Yaml, place: Place, faults: list[Fault]) -> str:
    """`path` of the YAML, from which the splits are named; "" if it is the source itself."""
    if not isinstance(path, str) or path in {"", "."}:
        return ""
    entry = Place(place.file, "path")
    try:
        folder.inside(path, entry)
    except BadInputError as error:
        fault = Fault.of(entry, error)
        remedy = "remove that line of the file where everything lies beside it"
        faults.append(Fault(entry, f"{fault.reason.rstrip('.')}; {remedy}."))
        return ""
    return path


def _inside(folder: SourceFolder, root: str, path: str, entry: Place) -> Path:
    """The path of a split; "../x" is x where there is no other, as in Ultralytics."""
    joined = posixpath.join(root, path.replace("\\", "/"))
    plain = posixpath.normpath(joined)
    if plain.startswith("../"):
        plain = plain.removeprefix("../")
        if not folder.inside(plain, entry).exists():
            raise BadInputError(f"{entry}: the path “{shown(path)}” leads out of the source.")
    found = folder.inside(plain, entry)
    if plain == ".":
        return folder.root
    if not found.exists() and not (folder.root / _swapped(plain, IMAGES, LABELS)).is_dir():
        raise BadInputError(f"{entry}: there is no “{shown(path)}” in the source.")
    if found.is_file() and found.suffix.lower() != ".txt":
        raise BadInputError(f"{entry}: “{shown(path)}” is neither a folder nor a list of files.")
    return found


def _beside(folder: SourceFolder, named: Sequence[SplitFolder]) -> list[SplitFolder]:
    """The splits that are named, or where none is those that the folders make."""
    if named:
        return list(named)
    root = folder.root
    parents = [folder.inside(name, Place(name)) for name in (IMAGES, LABELS)]
    parents = [path for path in parents if path.is_dir()]
    if parents:
        inner = {path.name for parent in parents for path in parent.iterdir() if path.is_dir()}
        splits = [
            SplitFolder("" if name == UNSPLIT else name, root / IMAGES / name)
            for name in sorted(inner)
        ]
        return [*splits, SplitFolder("", root / IMAGES)]
    found = sorted(path.parent.name for path in root.glob(f"*/{LABELS}") if path.is_dir())
    return [SplitFolder(name, root / name / IMAGES) for name in found] or [SplitFolder("", root)]


def _listed(
    folder: SourceFolder, inside: str, suffixes: set[str] | frozenset[str], cancel: CancelToken
) -> list[Path]:
    if not (folder.root / inside).is_dir():
        return []
    pattern = "**/*" if inside in {"", "."} else f"{_escaped(inside)}/**/*"
    files = folder.listed(pattern, cancel)
    return [path for path in files if path.suffix.lower() in suffixes]


def _escaped(name: str) -> str:
    """A path as a glob pattern that matches it alone."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _swapped(name: str, old: str, new: str) -> str:
    """The path with the last part that is called `old` called `new`; itself if none is."""
    parts = name.split("/")
    if old not in parts:
        return name
    at = len(parts) - 1 - parts[::-1].index(old)
    return "/".join([*parts[:at], new, *parts[at + 1 :]])
