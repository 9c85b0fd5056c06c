"""Pascal VOC 2012 as an export format: the facade over writing, holding and reading."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.core.project_view import ProjectView
from segstudio.formats.contract import ExportOptions, ExportReport
from segstudio.formats.found import Found
from segstudio.formats.naming import export_stems, renamed_splits
from segstudio.formats.voc.holding import VocHolding
from segstudio.formats.voc.reading import VocImport, VocImportOptions
from segstudio.formats.voc.writing import (
    VOC,
    VocOptions,
    checked_categories,
    held_split,
    voc_names,
    write_voc,
)
from segstudio.formats.xml_trees import xml_text

__all__ = ["VocFormat", "VocImport", "VocImportOptions", "VocOptions", "xml_text"]


@dataclass(frozen=True)
class VocFormat:
    """Writes a VOC 2012 folder."""

    key: str = VOC
    title: str = "Pascal VOC"
    description: str = "XML boxes, palette PNGs of classes and objects, lists of image names."
    options: type[VocOptions] = VocOptions

    def write(
        self,
        view: ProjectView,
        folder: Path,
        options: ExportOptions,
        report: ProgressSink,
        cancel: CancelToken,
    ) -> ExportReport:
        """Write the project; see `ExportFormat.write` and `write_voc`."""
        return write_voc(view, folder, _own(options), report, cancel)

    def holding(self, view: ProjectView, options: ExportOptions) -> VocHolding:
        """See `ExportFormat.holding`. Raises BadInputError for more than 254 categories."""
        categories = checked_categories(view)
        wanted = {category.id: category.name for category in categories}
        stems = export_stems(view.images())
        splits = renamed_splits(view.images(), held_split)
        border = _own(options).border
        return VocHolding(view, voc_names(categories), wanted, stems, border, splits)

    def reread(
        self, folder: Path, options: ExportOptions, report: ProgressSink, cancel: CancelToken
    ) -> Iterator[Found]:
        """See `ExportFormat.reread`."""
        del options  # what they choose is in the files
        return VocImport(strict=True).read(folder, VocImportOptions(), report, cancel)


def _own(options: ExportOptions) -> VocOptions:
    return options if isinstance(options, VocOptions) else VocOptions()
