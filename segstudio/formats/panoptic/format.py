"""COCO panoptic as an export format: the facade over writing, holding and reading."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.core.project_view import ProjectView
from segstudio.formats.coco.source import held_split
from segstudio.formats.contract import ExportOptions, ExportReport
from segstudio.formats.found import Found
from segstudio.formats.import_contract import ImportOptions
from segstudio.formats.naming import renamed_splits, said_path
from segstudio.formats.panoptic.entries import KEY
from segstudio.formats.panoptic.holding import PanopticHolding
from segstudio.formats.panoptic.reading import CocoPanopticImport
from segstudio.formats.panoptic.segments import merged_categories
from segstudio.formats.panoptic.writing import (
    CocoPanopticOptions,
    json_names,
    json_text,
    write_panoptic,
)

__all__ = ["CocoPanopticFormat", "CocoPanopticImport", "CocoPanopticOptions"]


@dataclass(frozen=True)
class CocoPanopticFormat:
    """Writes a COCO panoptic folder."""

    key: str = KEY
    title: str = "COCO panoptic"
    description: str = "One JSON a split and a PNG an image, in which every pixel has one segment."
    options: type[CocoPanopticOptions] = CocoPanopticOptions

    def write(
        self,
        view: ProjectView,
        folder: Path,
        options: ExportOptions,
        report: ProgressSink,
        cancel: CancelToken,
    ) -> ExportReport:
        """Write the project; see `ExportFormat.write`."""
        return write_panoptic(view, folder, _own(options), report, cancel)

    def holding(self, view: ProjectView, options: ExportOptions) -> PanopticHolding:
        """See `ExportFormat.holding`."""
        chosen = _own(options)
        categories = tuple(view.categories())
        wanted = {category.id: category.name for category in categories}
        names = {number: json_text(name) for number, name in wanted.items()}
        files = json_names(view, chosen.images)
        said = {
            image.id: said_path(json_text(image.path)) or files[image.id] for image in view.images()
        }
        merged = merged_categories(categories, merge_stuff=chosen.merge_stuff)
        splits = renamed_splits(view.images(), held_split)
        return PanopticHolding(view, names, wanted, said, merged, splits)

    def reread(
        self, folder: Path, options: ExportOptions, report: ProgressSink, cancel: CancelToken
    ) -> Iterator[Found]:
        """See `ExportFormat.reread`."""
        del options  # what they choose is in the files
        return CocoPanopticImport().read(folder, ImportOptions(), report, cancel)


def _own(options: ExportOptions) -> CocoPanopticOptions:
    return options if isinstance(options, CocoPanopticOptions) else CocoPanopticOptions()
