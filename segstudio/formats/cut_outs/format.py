"""Cut-outs: every object as an RGBA PNG cropped to its box, with an index of where each was.

A cut-out has the photo's pixels where the mask is and nothing elsewhere: alpha is 255 or 0, as a
mask holds no halves, and what is transparent is black, so that no part of the photo beside the
object leaves the house with it. `cut-outs.json` says for each file which image, category and box
it is of; the box is half-open, x0, y0, x1, y1, in pixels of the upright image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
from PIL import Image

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord, Rgb8
from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.core.project_view import ProjectView
from segstudio.formats.contract import ExportOptions, ExportReport, Skipped, option
from segstudio.formats.cut_outs.reading import (
    INDEX,
    CutOutsHolding,
    index_text,
    read_cut_outs,
)
from segstudio.formats.found import Found
from segstudio.formats.image_files import upright_pixels
from segstudio.formats.naming import category_stems, export_stems, safe_stem
from segstudio.formats.selection import Selection, drawn_annotations, select_images

OBJECTS = "objects"  # the folder of the PNGs, so that no name of theirs meets the index
MOST_MARGIN = 10_000
_MOST_DIGITS = 18  # of a number that a project file can hold


@dataclass(frozen=True, kw_only=True)
class CutOutsOptions(ExportOptions):
    """Options of the cut-outs."""

    objects: str = option(
        "",
        "Objects",
        "Numbers of the annotations to cut out, with commas between; empty: all of them. Named "
        "ones are cut out whatever the state of their image.",
    )
    margin: int = option(
        0,
        "Margin",
        "Transparent pixels around the object on each side, as far as the image goes.",
        bounds=(0, MOST_MARGIN),
    )
    folders: str = option(
        "image",
        "Folders",
        "image: one for each image. category: one for each category, as classifiers are trained "
        "on. none: all files side by side.",
        choices=("image", "category", "none"),
    )


@dataclass(frozen=True)
class CutOutsFormat:
    """Writes a folder of RGBA PNGs, one an object."""

    key: str = "cut-outs"
    title: str = "Cut-outs"
    description: str = "Every object as a PNG of its own, cropped to its box, all else transparent."
    options: type[CutOutsOptions] = CutOutsOptions

    def write(
        self,
        view: ProjectView,
        folder: Path,
        options: ExportOptions,
        report: ProgressSink,
        cancel: CancelToken,
    ) -> ExportReport:
        """Write the cut-outs; see `ExportFormat.write`.

        Each photo is read once, and then each object costs its box. Raises BadInputError for
        objects that are no numbers or not in the project.
        """
        chosen = options if isinstance(options, CutOutsOptions) else CutOutsOptions()
        categories = tuple(view.categories())
        wanted = object_numbers(chosen.objects)
        selection = _selection(view, wanted, options)
        writer = _Writer(folder, chosen, categories, cancel)
        writer.skipped.extend(selection.skipped)
        stems = export_stems(view.images())
        images, total = 0, len(selection.images)
        for done, image in enumerate(selection.images):
            cancel.check()
            report(Progress(done, total, f"Cutting out of {image.path}"))
            drawn, faults = drawn_annotations(view, image, categories)
            if wanted:
                drawn = [row for row in drawn if row.id in wanted]
                faults = [fault for fault in faults if fault.annotation_id in wanted]
            try:
                pixels = upright_pixels(view, image) if drawn else None
            except BadInputError as error:
                writer.skipped.append(Skipped(image.path, str(error)))
                continue
            writer.skipped.extend(faults)
            if pixels is not None:
                writer.write(pixels, image, stems[image.id], drawn)
            images += 1
        writer.write_index(view.name)
        report(Progress(total, total, "Exported"))
        return ExportReport(images, len(writer.rows), 0, tuple(writer.skipped))

    def holding(self, view: ProjectView, options: ExportOptions) -> CutOutsHolding:
        """See `ExportFormat.holding`."""
        chosen = options if isinstance(options, CutOutsOptions) else CutOutsOptions()
        wanted = object_numbers(chosen.objects)
        selection = _selection(view, wanted, options)
        return CutOutsHolding(tuple(view.categories()), selection, wanted, chosen.margin)

    def reread(
        self,
        folder: Path,
        options: ExportOptions,  # noqa: ARG002 - the index says what they were
        report: ProgressSink,
        cancel: CancelToken,
    ) -> Iterator[Found]:
        """See `ExportFormat.reread`."""
        return read_cut_outs(folder, report, cancel)


def object_numbers(text: str) -> frozenset[int]:
    """The annotation ids of "3, 7"; none for an empty text. Raises BadInputError for others."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise BadInputError(
            f"Objects are named by numbers with commas between, as in 3,7; not by {text!r}."
        )
    if too_long := [part for part in parts if len(part) > _MOST_DIGITS]:
        raise BadInputError(
            f"No annotation has a number as long as {too_long[0][:_MOST_DIGITS]}…; name others."
        )
    return frozenset(int(part) for part in parts)


def cut_out(pixels: Rgb8, mask: Mask, margin: int = 0) -> tuple[Rgb8, tuple[int, int, int, int]]:
    """(h, w, 4) uint8 RGBA of what `mask` covers, and its half-open box x0, y0, x1, y1.

    `pixels` are the image's, (H, W, 3). The box is the mask's with `margin` pixels more on each
    side, cut at the image's border. The mask must not be empty.
    """
    height, width = mask.size
    x0, y0, x1, y1 = (int(value) for value in mask.box)
    x0, y0 = max(0, x0 - margin), max(0, y0 - margin)
    x1, y1 = min(width, x1 + margin), min(height, y1 + margin)
    inside = mask.crop(x0, y0, x1, y1)
    result: npt.NDArray[np.uint8] = np.zeros((*inside.shape, 4), dtype=np.uint8)
    np.copyto(result[:, :, :3], pixels[y0:y1, x0:x1], where=inside[:, :, np.newaxis])
    np.multiply(inside, np.uint8(255), out=result[:, :, 3])
    return result, (x0, y0, x1, y1)


def _selection(view: ProjectView, wanted: frozenset[int], options: ExportOptions) -> Selection:
    """The images that the named annotations are on, or those of any export if none is named.

    Raises BadInputError where one is on none.
    """
    if not wanted:
        return select_images(view, options)
    places = view.image_ids_of(wanted)
    if missing := sorted(wanted - places.keys()):
        named = ", ".join(str(number) for number in missing[:5])
        raise BadInputError(f"The project has no annotation {named}; name others, or none for all.")
    images, on = view.images(), set(places.values())
    chosen = (row for row in images if row.id in on and options.split in {"", row.split})
    return Selection(tuple(chosen), ())


@dataclass
class _Writer:
    """Writes one object after the other and keeps the index."""

    folder: Path
    options: CutOutsOptions
    categories: Sequence[Category]
    cancel: CancelToken
    rows: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._names = {category.id: category.name for category in self.categories}
        self._stems = category_stems(self.categories)

    def write(
        self, pixels: Rgb8, image: ImageRecord, stem: str, annotations: Sequence[Annotation]
    ) -> None:
        for annotation in annotations:
            self.cancel.check()
            path = self._path(stem, annotation)
            found, box = cut_out(pixels, annotation.mask, self.options.margin)
            _save(found, self.folder / path)
            self.rows.append(
                {
                    "file": path,
                    "image": index_text(image.path),
                    "annotation": annotation.id,
                    "category": self._names[annotation.category_id],
                    "box": list(box),
                }
            )

    def _path(self, stem: str, annotation: Annotation) -> str:
        """Relative, with "/". The number alone makes it unique, on every file system."""
        category = self._stems[annotation.category_id]
        place, name = {
            "image": (f"{OBJECTS}/{stem}", category),
            "category": (f"{OBJECTS}/{category}", stem),
        }.get(self.options.folders, (OBJECTS, f"{stem}_{category}"))
        return f"{place}/{safe_stem(name)}_{annotation.id}.png"

    def write_index(self, project: str) -> None:
        data = orjson.dumps({"project": project, "cut_outs": self.rows}, option=orjson.OPT_INDENT_2)
        (self.folder / INDEX).write_bytes(data + b"\n")


def _save(pixels: Rgb8, path: Path) -> None:
    """Encode in memory first, so that a full disk speaks for itself and not as the encoder."""
    data = BytesIO()
    Image.fromarray(pixels).save(data, format="PNG")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.getbuffer())
