"""Every format that SegStudio reads or writes. Adding one is one file and one row here."""

from __future__ import annotations

from segstudio.core.errors import BadInputError
from segstudio.formats.coco import CocoFormat
from segstudio.formats.coco_panoptic import CocoPanopticFormat, CocoPanopticImport
from segstudio.formats.coco_reading import CocoImport
from segstudio.formats.contract import ExportFormat
from segstudio.formats.cut_outs import CutOutsFormat
from segstudio.formats.import_contract import ImportFormat
from segstudio.formats.label_maps import LabelMapsFormat
from segstudio.formats.label_maps_import import LabelMapsImport
from segstudio.formats.labelme import LabelmeFormat
from segstudio.formats.labelme_import import LabelmeImport
from segstudio.formats.sa1b import Sa1bFormat
from segstudio.formats.sa1b_import import Sa1bImport
from segstudio.formats.voc import VocFormat, VocImport
from segstudio.formats.yolo import YoloFormat
from segstudio.formats.yolo_import import YoloImport

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
