"""labelme: a JSON an image with its shapes, beside the image.

Keys as labelme writes them (https://github.com/wkentaro/labelme, `_label_file.py`); it keeps keys
that it does not know, so what it has no word for stands under keys of our own: `split` of an image;
`attributes`, `iscrowd`, `stage`, `tool`, `model`, `predicted_iou` and `stability_score` of a shape.
Shapes stand from the back to the front, in which order labelme paints them.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord
from segstudio.core.origin import Origin, OriginKind
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.core.project_view import ProjectView
from segstudio.formats.contract import ExportOptions, ExportReport, Skipped, option
from segstudio.formats.found import Found
from segstudio.formats.holding import HeldAnnotation, HeldImage, Loss, LossKind, pixel_count
from segstudio.formats.image_files import copied_name, copy_upright
from segstudio.formats.import_contract import ImportOptions
from segstudio.formats.labelme.entries import (
    Shapes,
    group_ids,
    held_attributes,
    own_shapes,
    shapes_of,
)
from segstudio.formats.labelme.reading import IMAGE_KEYS, KEY, LabelmeImport
from segstudio.formats.naming import export_stems, safe_stem
from segstudio.formats.selection import drawn_annotations, select_images
from segstudio.imaging.mask_parts import holes_filled

VERSION = "5.5.0"  # of labelme, whose keys these are
_JSON = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
_ALWAYS_LOST = (
    "labelme has no table of categories: their colours and groups are not written, nor those that "
    "no annotation has.",
    "Review notes, locks, prompts and the time spent are not written.",
)


@dataclass(frozen=True, kw_only=True)
class LabelmeOptions(ExportOptions):
    """Options of the labelme export."""

    shapes: str = option(
        "masks",
        "Masks as",
        "masks: mask shapes, which are exact. polygons: outlines with corners to drag; holes are "
        "filled. Shapes that came from labelme and were not changed stay as they were.",
        choices=("masks", "polygons"),
    )
    images: bool = option(
        True,
        "Copy the images",
        "Without, the file names in the JSON are paths in the project's own image folder.",
    )
    embed: bool = option(
        False, "Embed the images", "Also put each image into its JSON, which grows by a third more."
    )


@dataclass(frozen=True)
class LabelmeFormat:
    """Writes a folder of labelme's JSON files."""

    key: str = KEY
    title: str = "labelme"
    description: str = "One JSON an image with its shapes, beside the image."
    options: type[LabelmeOptions] = LabelmeOptions

    def write(
        self,
        view: ProjectView,
        folder: Path,
        options: ExportOptions,
        report: ProgressSink,
        cancel: CancelToken,
    ) -> ExportReport:
        """Write the project; see `ExportFormat.write`."""
        selection = select_images(view, options)
        writer = _Writer(_layout(view, options), folder, list(selection.skipped))
        for done, image in enumerate(selection.images):
            cancel.check()
            report(Progress(done, len(selection.images), f"Exporting {image.path}"))
            writer.write(image)
        names = [" ".join(row.name.split()) for row in writer.layout.categories]
        lines = "".join(f"{name}\n" for name in ("__ignore__", "_background_", *names))
        (folder / "labels.txt").write_text(lines, "utf-8", "replace", "\n")
        report(Progress(len(selection.images), len(selection.images), "Exported"))
        return ExportReport(writer.images, writer.annotations, 0, tuple(writer.skipped))

    def holding(self, view: ProjectView, options: ExportOptions) -> LabelmeHolding:
        """See `ExportFormat.holding`."""
        return LabelmeHolding(_layout(view, options))

    def reread(
        self,
        folder: Path,
        options: ExportOptions,  # noqa: ARG002 - the reader sees what they were
        report: ProgressSink,
        cancel: CancelToken,
    ) -> Iterator[Found]:
        """See `ExportFormat.reread`."""
        return LabelmeImport().read(folder, ImportOptions(), report, cancel)


@dataclass(frozen=True)
class _Layout:
    """Where everything of one export goes."""

    view: ProjectView
    options: LabelmeOptions
    categories: Sequence[Category]
    stems: Mapping[int, str]
    in_folders: bool  # one for each split

    @property
    def as_polygons(self) -> bool:
        return self.options.shapes == "polygons"

    def folder(self, image: ImageRecord) -> str:
        """The folder of the image's files, "" or ending with a slash."""
        return f"{safe_stem(image.split or 'default')}/" if self.in_folders else ""

    def image_path(self, image: ImageRecord) -> str:
        """The image's file as its JSON names it."""
        if self.options.images:
            return copied_name(self.stems[image.id], image)
        return image.path.encode("utf-8", "replace").decode()

    def origins(self, rows: Sequence[Annotation]) -> Mapping[int, Origin]:
        return self.view.origins(OriginKind.ANNOTATION, [row.id for row in rows], KEY)

    def own_shapes(
        self, rows: Sequence[Annotation], origins: Mapping[int, Origin]
    ) -> dict[int, Shapes | None]:
        return {
            row.id: own_shapes(row, origins.get(row.id), as_polygons=self.as_polygons)
            for row in rows
        }

    def names(self) -> dict[int, str]:
        return {row.id: row.name for row in self.categories}


def _layout(view: ProjectView, options: ExportOptions) -> _Layout:
    """Raises BadInputError for shapes that are neither masks nor polygons."""
    chosen = options if isinstance(options, LabelmeOptions) else LabelmeOptions()
    if chosen.shapes not in {"masks", "polygons"}:
        raise BadInputError(f"labelme shapes are masks or polygons, not {chosen.shapes!r}.")
    images = view.images()
    in_folders = any(image.split for image in images)
    return _Layout(view, chosen, tuple(view.categories()), export_stems(images), in_folders)


@dataclass(frozen=True)
class LabelmeHolding:
    """Every mask as it is, or with its holes filled where polygons were asked for."""

    layout: _Layout

    @property
    def always_lost(self) -> tuple[str, ...]:
        return _ALWAYS_LOST

    def image(self, image: ImageRecord, annotations: Sequence[Annotation]) -> HeldImage:
        """See `Holding.image`."""
        names = self.layout.names()
        shapes = self.layout.own_shapes(annotations, self.layout.origins(annotations))
        groups = group_ids(annotations, names, shapes, self.layout.as_polygons)
        held, losses = [], []
        for row in annotations:
            mask = row.mask
            if self.layout.as_polygons and shapes[row.id] is None:
                mask = holes_filled(mask)
            if gained := mask.area - row.mask.area:
                text = f"Holes of annotation {row.id} are filled: {pixel_count(gained)} more."
                losses.append(Loss(LossKind.HOLES, image.path, row.id, text, gained))
            wanted = row.attributes.get("group_id")
            if wanted is not None and groups[row.id] != wanted:
                text = f"The group_id of annotation {row.id} is that of another one, and is left."
                losses.append(Loss(LossKind.ATTRIBUTES, image.path, row.id, text))
            said = held_attributes(row, groups[row.id])
            scores = row.predicted_iou, row.stability
            name = names[row.category_id]
            held.append(HeldAnnotation((row.id,), name, mask, row.iscrowd, None, said, scores))
        name = self.layout.folder(image) + self.layout.image_path(image)
        return HeldImage(name, tuple(held), tuple(losses), split=image.split)


@dataclass
class _Writer:
    """Writes one image after the other and counts what it wrote."""

    layout: _Layout
    folder: Path
    skipped: list[Skipped]
    images: int = 0
    annotations: int = 0
    _names: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._names = self.layout.names()

    def write(self, image: ImageRecord) -> None:
        layout, options = self.layout, self.layout.options
        beside = self.folder / layout.folder(image)
        beside.mkdir(exist_ok=True)
        copy = beside / copied_name(layout.stems[image.id], image)
        embedded = None
        if options.images or options.embed:
            try:
                copy_upright(layout.view, image, copy)
            except BadInputError as error:
                self.skipped.append(Skipped(image.path, str(error)))
                return
            if options.embed:
                embedded = base64.b64encode(copy.read_bytes()).decode("ascii")
            if not options.images:
                copy.unlink()
        drawn, faults = drawn_annotations(layout.view, image, layout.categories)
        self.skipped.extend(faults)
        page = self._page(image, drawn, embedded)
        data = orjson.dumps(page, default=str, option=_JSON)
        (beside / f"{layout.stems[image.id]}.json").write_bytes(data + b"\n")
        self.images += 1
        self.annotations += len(drawn)

    def _page(
        self, image: ImageRecord, drawn: Sequence[Annotation], embedded: str | None
    ) -> dict[str, Any]:
        layout = self.layout
        origin = layout.view.origins(OriginKind.IMAGE, [image.id], KEY).get(image.id)
        kept = {
            key: value
            for key, value in (origin.record.items() if origin else ())
            if key not in IMAGE_KEYS
        }
        page = {
            "version": kept.pop("version", VERSION),
            "flags": kept.pop("flags", {}),
            "shapes": self._shapes(drawn),
            "imagePath": layout.image_path(image),
            "imageData": embedded,
            "imageHeight": image.height,
            "imageWidth": image.width,
            **kept,
        }
        return page | {"split": image.split} if image.split else page

    def _shapes(self, drawn: Sequence[Annotation]) -> list[dict[str, Any]]:
        as_polygons = self.layout.as_polygons
        origins = self.layout.origins(drawn)
        shapes = self.layout.own_shapes(drawn, origins)
        groups = group_ids(drawn, self._names, shapes, as_polygons)
        return [
            shape
            for row in drawn
            for shape in shapes_of(
                row,
                self._names[row.category_id],
                groups[row.id],
                shapes[row.id],
                origins.get(row.id),
                as_polygons=as_polygons,
            )
        ]
