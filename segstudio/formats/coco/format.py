"""COCO instances out: annotations/instances_SPLIT.json beside images/.

`area` and `bbox` are those of the mask, as pycocotools computes them from its RLE; see
`formats.coco_entries` for the keys. What came from COCO goes back as it was; see
`formats.coco_returning`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from segstudio.core.annotation import Annotation
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord
from segstudio.core.origin import OriginKind
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.core.project_view import ProjectView
from segstudio.formats.coco.entries import KEY
from segstudio.formats.coco.numbers import file_names
from segstudio.formats.coco.reading import CocoImport
from segstudio.formats.coco.returning import as_text, held_attributes, own_box
from segstudio.formats.coco.source import UNSPLIT, held_split
from segstudio.formats.coco.writing import CocoWriter, Origins
from segstudio.formats.contract import ExportOptions, ExportReport, Skipped, option
from segstudio.formats.found import Found
from segstudio.formats.holding import HeldAnnotation, HeldImage
from segstudio.formats.image_files import copy_upright
from segstudio.formats.naming import renamed_splits, safe_stem
from segstudio.formats.selection import Selection, select_images

_ALWAYS_LOST = (
    "The prompts that led to a mask, the time spent on it, its review and its lock are not "
    "written, nor the keys of categories.",
)


@dataclass(frozen=True, kw_only=True)
class CocoOptions(ExportOptions):
    """Options of the COCO export."""

    segmentation: str = option(
        "rle",
        "Masks as",
        "rle: run lengths, small and exact. polygons: outlines along pixel edges, just as exact "
        "in pycocotools, larger, for tools that read no run lengths. Crowds are always rle.",
        choices=("rle", "polygons"),
    )
    images: bool = option(
        True,
        "Copy the images",
        "Without, the file names in the JSON are paths in the project's own image folder.",
    )
    as_imported: bool = option(
        True,
        "As it was imported",
        "What came from COCO keeps its ids, file names and extra keys and, where nobody changed "
        "the mask, its very polygons, box and area.",
    )


@dataclass(frozen=True)
class CocoFormat:
    """Writes a COCO instances folder."""

    key: str = KEY
    title: str = "COCO instances"
    description: str = "One JSON a split with every mask, box and category, beside the images."
    options: type[CocoOptions] = CocoOptions

    def write(
        self,
        view: ProjectView,
        folder: Path,
        options: ExportOptions,
        report: ProgressSink,
        cancel: CancelToken,
    ) -> ExportReport:
        """Write the project; see `ExportFormat.write`."""
        chosen = _checked(options)
        categories = tuple(view.categories())
        selection = select_images(view, options)
        total = 2 * len(selection.images)
        names = _names(view, selection, chosen)
        skipped = list(selection.skipped)
        if chosen.images:
            (folder / "images").mkdir()
            for done, image in enumerate(selection.images):
                cancel.check()
                report(Progress(done, total, f"Copying {image.path}"))
                try:
                    copy_upright(view, image, folder / "images" / names[image.id])
                except BadInputError as error:
                    skipped.append(Skipped(image.path, str(error)))
                    del names[image.id]
        splits: dict[str, list[ImageRecord]] = {}
        for image in selection.images:
            if image.id in names:
                splits.setdefault(safe_stem(image.split or UNSPLIT), []).append(image)
        writer = CocoWriter(
            view,
            categories,
            Origins(view, chosen.as_imported),
            chosen.segmentation == "polygons",
            names,
            report,
            cancel,
            skipped,
            len(selection.images),
            total,
        )
        (folder / "annotations").mkdir()
        writer.write(folder / "annotations", sorted(splits.items()) or [(UNSPLIT, [])])
        report(Progress(total, total, "Exported"))
        return ExportReport(len(names), writer.annotations, 0, tuple(skipped))

    def holding(self, view: ProjectView, options: ExportOptions) -> CocoHolding:
        """See `ExportFormat.holding`."""
        chosen = _checked(options)
        names = _names(view, select_images(view, options), chosen)
        categories = {category.id: category.name for category in view.categories()}
        splits = renamed_splits(view.images(), held_split)
        return CocoHolding(Origins(view, chosen.as_imported), names, categories, splits)

    def reread(
        self,
        folder: Path,
        options: ExportOptions,  # noqa: ARG002 - one layout, whatever the options
        report: ProgressSink,
        cancel: CancelToken,
    ) -> Iterator[Found]:
        """See `ExportFormat.reread`."""
        reader = CocoImport()
        return reader.read(folder, reader.options(), report, cancel)


@dataclass(frozen=True)
class CocoHolding:
    """Every mask as it is: COCO's may overlap, and have parts and (as run lengths) holes."""

    origins: Origins
    names: Mapping[int, str]
    categories: Mapping[int, str]
    splits: tuple[str, ...] = ()  # what becomes of those with other names

    @property
    def always_lost(self) -> tuple[str, ...]:
        return *_ALWAYS_LOST, *self.splits

    @property
    def category_names(self) -> tuple[str, ...]:
        return tuple(self.categories.values())

    def image(self, image: ImageRecord, annotations: Sequence[Annotation]) -> HeldImage:
        """See `Holding.image`."""
        origins = self.origins.of(OriginKind.ANNOTATION, [row.id for row in annotations])
        held = (
            HeldAnnotation(
                (row.id,),
                self.categories[row.category_id],
                row.mask,
                row.iscrowd,
                own_box(row, origins.get(row.id)),
                held_attributes(row, origins.get(row.id)),
                (row.predicted_iou, row.stability),
            )
            for row in annotations
        )
        name = self.names[image.id].replace("\\", "/")
        return HeldImage(name, tuple(held), split=held_split(image.split))


def _checked(options: ExportOptions) -> CocoOptions:
    chosen = options if isinstance(options, CocoOptions) else CocoOptions()
    if chosen.segmentation not in {"rle", "polygons"}:
        raise BadInputError(f"COCO masks are rle or polygons, not {chosen.segmentation!r}.")
    return chosen


def _names(view: ProjectView, selection: Selection, options: CocoOptions) -> dict[int, str]:
    """The `file_name` of each image to write, by id."""
    if not options.images:
        return {image.id: as_text(image.path) for image in selection.images}
    names = file_names(view, as_imported=options.as_imported)
    return {image.id: names[image.id] for image in selection.images}
