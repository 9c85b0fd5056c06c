"""Every format that SegStudio reads or writes. Adding one is one file and one row here."""

from __future__ import annotations

from segstudio.core.errors import BadInputError
from segstudio.formats.coco.format import CocoFormat
from segstudio.formats.coco.reading import CocoImport
from segstudio.formats.contract import ExportFormat
from segstudio.formats.cut_outs.format import CutOutsFormat
from segstudio.formats.import_contract import ImportFormat
from segstudio.formats.label_maps.format import LabelMapsFormat
from segstudio.formats.label_maps.reading import LabelMapsImport
from segstudio.formats.labelme.format import LabelmeFormat
from segstudio.formats.labelme.reading import LabelmeImport
from segstudio.formats.panoptic.format import CocoPanopticFormat, CocoPanopticImport
from segstudio.formats.sa1b.format import Sa1bFormat
from segstudio.formats.sa1b.reading import Sa1bImport
from segstudio.formats.voc.format import VocFormat, VocImport
from segstudio.formats.yolo.format import YoloFormat
from segstudio.formats.yolo.reading import YoloImport

EXPORT_FORMATS: tuple[ExportFormat, ...] = (
    CocoFormat(),
    CocoPanopticFormat(),
    VocFormat(),
    LabelmeFormat(),
    YoloFormat(),
    Sa1bFormat(),
    LabelMapsFormat(),
    CutOutsFormat(),
)

IMPORT_FORMATS: tuple[ImportFormat, ...] = (
    CocoImport(),
    CocoPanopticImport(),
    VocImport(),
    LabelmeImport(),
    YoloImport(),
    Sa1bImport(),
    LabelMapsImport(),
)

_BY_KEY = {member.key: member for member in EXPORT_FORMATS}


def export_format(key: str) -> ExportFormat:
    """The format of that key. Raises BadInputError, naming the known keys, if there is none."""
    try:
        return _BY_KEY[key]
    except KeyError:
        known = ", ".join(_BY_KEY)
        raise BadInputError(
            f"There is no export format {key!r}; the formats are {known}."
        ) from None


def import_format(key: str) -> ImportFormat:
    """The format of that key. Raises BadInputError, naming the known keys, if there is none."""
    for member in IMPORT_FORMATS:
        if member.key == key:
            return member
    known = ", ".join(member.key for member in IMPORT_FORMATS)
    raise BadInputError(f"There is no import format {key!r}; the formats are {known}.")
