"""Found pieces as a project in memory, with their origins: what an import makes of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from memory_project import MemoryProject
from PIL import Image

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category, category_colour
from segstudio.core.image import ImageRecord, ImageState
from segstudio.core.origin import Origin, OriginKind, mask_key
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.formats.checked import checked
from segstudio.formats.contract import ExportFormat, ExportOptions
from segstudio.formats.found import (
    Fault,
    Found,
    FoundAnnotation,
    FoundCategory,
    FoundDataset,
    FoundImage,
)
from segstudio.formats.import_contract import ImportFormat, ImportOptions


def found_in(
    member: ImportFormat, source: Path, options: ImportOptions | None = None
) -> list[Found]:
    """All pieces of a source, clashes made faults."""
    chosen = options or member.options()
    return list(checked(member.read(source, chosen, ignore_progress, CancelToken())))


def project_of(found: Iterable[Found], folder: Path, format_key: str) -> MemoryProject:
    """The pieces as a project; each image lies in `folder` as the source has it, or is grey."""
    project = MemoryProject(folder, name="imported")
    images: dict[str, ImageRecord] = {}
    categories: dict[str, int] = {}
    origins = project.all_origins
    for piece in found:
        if isinstance(piece, Fault):
            raise AssertionError(f"{piece.place}: {piece.reason}")
        if isinstance(piece, FoundDataset):
            origins[OriginKind.PROJECT, 0] = Origin(format_key, "", piece.record)
        elif isinstance(piece, FoundCategory):
            number = len(categories) + 1
            colour = piece.colour or category_colour(number)
            project.all_categories.append(
                Category(number, piece.name, colour, piece.supercategory, piece.isthing)
            )
            categories[piece.key] = number
            origins[OriginKind.CATEGORY, number] = Origin(format_key, piece.key, piece.record)
        elif isinstance(piece, FoundImage):
            images[piece.key] = image = _image(project, piece)
            origins[OriginKind.IMAGE, image.id] = Origin(format_key, piece.key, piece.record)
        elif isinstance(piece, FoundAnnotation):
            row = _annotation(project, piece, images[piece.image], categories[piece.category])
            key = mask_key(row.mask)
            origins[OriginKind.ANNOTATION, row.id] = Origin(
                format_key, piece.key, piece.record, key
            )
    return project


def write(
    member: ExportFormat, project: MemoryProject, folder: Path, options: ExportOptions | None = None
) -> Path:
    """Export into a new folder, which is returned."""
    folder.mkdir()
    chosen = options or member.options()
    member.write(project, folder, chosen, ignore_progress, CancelToken())
    return folder


def _image(project: MemoryProject, piece: FoundImage) -> ImageRecord:
    target = project.folder / piece.name
    target.parent.mkdir(parents=True, exist_ok=True)
    if piece.file is not None:
        target.write_bytes(piece.file.read_bytes())
        with Image.open(target) as opened:
            assert piece.size in (None, opened.size[::-1])
            width, height = opened.size
    else:
        assert piece.size is not None
        height, width = piece.size
        Image.fromarray(np.full((height, width, 3), 90, dtype=np.uint8)).save(target)
    number = len(project.all_images) + 1
    record = ImageRecord(number, piece.name, width, height, "", ImageState.LABELLED, piece.split)
    project.all_images.append(record)
    return record


def _annotation(
    project: MemoryProject, piece: FoundAnnotation, image: ImageRecord, category: int
) -> Annotation:
    row = Annotation(
        id=len(project.all_annotations) + 1,
        image_id=image.id,
        category_id=category,
        mask=piece.mask(image.size),
        z_order=len(project.all_annotations),
        iscrowd=piece.iscrowd,
        attributes=piece.attributes,
        stage=piece.stage,
        tool=piece.tool,
        model_key=piece.model_key,
        predicted_iou=piece.predicted_iou,
        stability=piece.stability,
    )
    project.all_annotations.append(row)
    return row
