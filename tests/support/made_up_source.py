"""An import format that finds whatever a test puts into it, and a real project to import into."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from segstudio.core.errors import BadInputError
from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken, Progress, ProgressSink, ignore_progress
from segstudio.engine.import_plan import ImportPlan
from segstudio.engine.import_survey import survey_with
from segstudio.engine.project_session import new_project
from segstudio.formats.found import Found, FoundAnnotation, FoundCategory, FoundImage, Place
from segstudio.formats.import_contract import ImportOptions
from segstudio.store.project import ProjectStore

SIZE = (12, 16)  # (H, W) of every photo here


@dataclass
class MadeUpFormat:
    """Finds `pieces`; an exception among them is raised where it stands."""

    pieces: Sequence[Found | Exception] = ()
    key: str = "made-up"
    title: str = "Made-up things"
    description: str = "What a test makes up."
    options: type[ImportOptions] = field(default=ImportOptions)

    def recognises(self, source: Path) -> bool:
        return source.suffix == ".made-up"

    def read(
        self, source: Path, options: ImportOptions, report: ProgressSink, cancel: CancelToken
    ) -> Iterator[Found]:
        for number, piece in enumerate(self.pieces):
            report(Progress(number, len(self.pieces), "Reading"))
            if isinstance(piece, Exception):
                raise piece
            yield piece


def a_category(name: str, key: str = "", **more: object) -> FoundCategory:
    return FoundCategory(key or name, name, Place("made.up", f"category {name}"), **more)  # type: ignore[arg-type]


def an_image(name: str, **more: object) -> FoundImage:
    more = {"size": SIZE, **more}
    return FoundImage(name, name, Place("made.up", f"image {name}"), **more)  # type: ignore[arg-type]


def an_annotation(
    image: str, category: str, box: tuple[int, int, int, int] = (1, 1, 5, 4), **more: object
) -> FoundAnnotation:
    """A mask that is a box x0, y0, x1, y1."""
    place = Place("made.up", f"annotation {more.get('key', '')}")
    return FoundAnnotation(image, category, lambda size: boxed(size, box), place, **more)  # type: ignore[arg-type]


def boxed(size: tuple[int, int], box: tuple[int, int, int, int]) -> Mask:
    x0, y0, x1, y1 = box
    if x1 > size[1] or y1 > size[0]:
        raise BadInputError("Its mask leaves the image.")
    array = np.zeros(size, dtype=bool)
    array[y0:y1, x0:x1] = True
    return Mask.from_array(array)


def write_photo(path: Path, grey: int, size: tuple[int, int] = SIZE) -> Path:
    """A photo whose bytes depend on `grey` and `size` alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), grey, dtype=np.uint8)).save(path)
    return path


def photo_store(folder: Path, *paths: str) -> ProjectStore:
    """A project of photos, each of another grey, in `folder`/photos."""
    for number, path in enumerate(paths):
        write_photo(folder / "photos" / path, 10 + number)
    project = folder / "photos.segstudio"
    new_project(project, folder / "photos", ignore_progress, CancelToken())
    return ProjectStore.open(project)


def surveyed(
    store: ProjectStore,
    pieces: Sequence[Found | Exception],
    source: Path = Path("somewhere/made"),
    **options: object,
) -> ImportPlan:
    """The plan of an import of these pieces; close it."""
    member = MadeUpFormat(pieces)
    chosen = ImportOptions(**options)  # type: ignore[arg-type]
    return survey_with(member, source, store, chosen, ignore_progress, CancelToken())
