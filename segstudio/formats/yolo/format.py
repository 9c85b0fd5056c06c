"""YOLO-seg: data.yaml, images/SPLIT and labels/SPLIT, a line of text an object.

As Ultralytics reads it (https://docs.ultralytics.com/datasets/segment/); lines stand from the back
to the front. `splits` in data.yaml is a key of our own: each split by its exact name, and its
folder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import yaml

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord
from segstudio.core.mask import Mask
from segstudio.core.origin import OriginKind
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.core.project_view import ProjectView
from segstudio.formats.contract import ExportOptions, ExportReport, Skipped, option
from segstudio.formats.found import Found
from segstudio.formats.holding import HeldAnnotation, HeldImage, Loss, LossKind, pixel_count
from segstudio.formats.image_files import copied_name, copy_upright
from segstudio.formats.import_contract import ImportOptions
from segstudio.formats.naming import export_stems, safe_stem
from segstudio.formats.selection import drawn_annotations, select_images
from segstudio.formats.yolo.layout import IMAGES, LABELS, SPLITS, UNSPLIT
from segstudio.formats.yolo.polygons import bridged, coordinates, own_coordinates, walks
from segstudio.formats.yolo.reading import KEY, YoloImport
from segstudio.imaging.mask_parts import holes_filled, mask_parts

_ALWAYS_LOST = (
    "YOLO has no attributes, no scores and no crowds, and does not say how a mask came to be.",
    "Of a category only its name is written.",
)
# Ultralytics' list of image files; others are passed over there.
_READ_THERE = frozenset(
    {".bmp", ".dng", ".heic", ".jpeg", ".jpg", ".mpo", ".pfm", ".png", ".tif", ".tiff", ".webp"}
)


@dataclass(frozen=True, kw_only=True)
class YoloOptions(ExportOptions):
    """Options of the YOLO-seg export."""

    parts: str = option(
        "join",
        "Objects of several parts",
        "join: one line, its parts joined by bridges one pixel wide. split: a line for each part, "
        "as if they were objects of their own.",
        choices=("join", "split"),
    )
    images: bool = option(
        True, "Copy the images", "Without, only data.yaml and the labels are written."
    )


@dataclass(frozen=True)
class YoloFormat:
    """Writes a YOLO-seg folder."""

    key: str = KEY
    title: str = "YOLO-seg"
    description: str = "data.yaml, and a text file of polygons for each image."
    options: type[YoloOptions] = YoloOptions

    def write(
        self,
        view: ProjectView,
        folder: Path,
        options: ExportOptions,
        report: ProgressSink,
        cancel: CancelToken,
    ) -> ExportReport:
        """Write the project; see `ExportFormat.write`."""
        layout = _layout(view, options)
        selection = select_images(view, options)
        writer = _Writer(layout, folder, list(selection.skipped))
        for done, image in enumerate(selection.images):
            cancel.check()
            report(Progress(done, len(selection.images), f"Exporting {image.path}"))
            writer.write(image)
        writer.finish()
        report(Progress(len(selection.images), len(selection.images), "Exported"))
        return ExportReport(
            writer.images, writer.annotations, 0, tuple(writer.skipped), tuple(writer.notes())
        )

    def holding(self, view: ProjectView, options: ExportOptions) -> YoloHolding:
        """See `ExportFormat.holding`."""
        return YoloHolding(_layout(view, options))

    def reread(
        self,
        folder: Path,
        options: ExportOptions,  # noqa: ARG002 - the reader sees what they were
        report: ProgressSink,
        cancel: CancelToken,
    ) -> Iterator[Found]:
        """See `ExportFormat.reread`."""
        return YoloImport().read(folder, ImportOptions(), report, cancel)


@dataclass(frozen=True)
class _Layout:
    """Where everything of one export goes, and the categories in the order of their numbers."""

    view: ProjectView
    options: YoloOptions
    categories: Sequence[Category]
    stems: Mapping[int, str]

    @property
    def joins(self) -> bool:
        return self.options.parts == "join"

    def folder(self, image: ImageRecord) -> str:
        return safe_stem(image.split) if image.split else UNSPLIT

    def own(self, rows: Sequence[Annotation]) -> dict[int, str]:
        """The coordinates that each of these annotations came with, "" where they are new."""
        origins = self.view.origins(OriginKind.ANNOTATION, [row.id for row in rows], KEY)
        return {row.id: own_coordinates(row, origins) for row in rows}


def _layout(view: ProjectView, options: ExportOptions) -> _Layout:
    """Raises BadInputError for parts that are neither joined nor split, and without categories."""
    chosen = options if isinstance(options, YoloOptions) else YoloOptions()
    if chosen.parts not in {"join", "split"}:
        raise BadInputError(f"Parts are to be joined (join) or split, not {chosen.parts!r}.")
    rows = view.categories()
    origins = view.origins(OriginKind.CATEGORY, [row.id for row in rows], KEY)

    def number(row: Category) -> tuple[int, int]:
        key = origins[row.id].key if row.id in origins else ""
        return int(key) if key.isdecimal() and len(key) < 10 else 10**10, row.id

    return _Layout(view, chosen, sorted(rows, key=number), export_stems(view.images()))


@dataclass(frozen=True)
class YoloHolding:
    """Masks without holes, and in one part or in several; what came from YOLO stays as it was."""

    layout: _Layout

    @property
    def always_lost(self) -> tuple[str, ...]:
        return _ALWAYS_LOST

    def image(self, image: ImageRecord, annotations: Sequence[Annotation]) -> HeldImage:
        """See `Holding.image`."""
        names = {row.id: row.name for row in self.layout.categories}
        own = self.layout.own(annotations)
        held: list[HeldAnnotation] = []
        losses: list[Loss] = []
        for row in annotations:
            masks = [row.mask]
            if not own[row.id]:
                masks = self._polygons(row, image.path, losses)
            if row.iscrowd:
                text = f"Annotation {row.id} is no longer marked as a crowd."
                losses.append(Loss(LossKind.CROWD, image.path, row.id, text))
            held += [HeldAnnotation((row.id,), names[row.category_id], mask) for mask in masks]
        stem = self.layout.stems[image.id]
        file = copied_name(stem, image) if self.layout.options.images else f"{stem}.jpg"
        name = f"{IMAGES}/{self.layout.folder(image)}/{file}"
        return HeldImage(name, tuple(held), tuple(losses))

    def _polygons(self, row: Annotation, path: str, losses: list[Loss]) -> list[Mask]:
        """The mask of each line; tells what they lose."""
        filled = holes_filled(row.mask)
        if gained := filled.area - row.mask.area:
            text = f"Holes of annotation {row.id} are filled: {pixel_count(gained)} more."
            losses.append(Loss(LossKind.HOLES, path, row.id, text, gained))
        parts = mask_parts(filled)
        if len(parts) == 1:
            return [filled]
        if not self.layout.joins:
            text = f"Annotation {row.id} becomes {len(parts)}, one for each of its parts."
            losses.append(Loss(LossKind.PARTS, path, row.id, text))
            return in_order(parts)
        whole = bridged(filled)
        gained = whole.area - filled.area
        text = (
            f"The {len(parts)} parts of annotation {row.id} are joined by bridges: "
            f"{pixel_count(gained)} more."
        )
        losses.append(Loss(LossKind.PARTS, path, row.id, text, gained))
        return [whole]


def in_order(parts: Sequence[Mask]) -> list[Mask]:
    """Parts by their first row and, in it, their first column: the order of their lines."""

    def first(part: Mask) -> tuple[int, int]:
        columns, tops, _ = part.column_runs()
        return int(tops.min()), int(columns[tops.argmin()])

    return sorted(parts, key=first)


@dataclass
class _Writer:
    """Writes one image after the other and counts what it wrote."""

    layout: _Layout
    folder: Path
    skipped: list[Skipped]
    images: int = 0
    annotations: int = 0
    _splits: dict[str, str] = field(default_factory=dict)
    _twins: int = 0
    _unread: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._indices = {row.id: index for index, row in enumerate(self.layout.categories)}

    def write(self, image: ImageRecord) -> None:
        layout = self.layout
        split, stem = layout.folder(image), layout.stems[image.id]
        if layout.options.images:
            name = copied_name(stem, image)
            (self.folder / IMAGES / split).mkdir(parents=True, exist_ok=True)
            try:
                copy_upright(layout.view, image, self.folder / IMAGES / split / name)
            except BadInputError as error:
                self.skipped.append(Skipped(image.path, str(error)))
                return
            suffix = PurePosixPath(name).suffix
            self._unread[suffix] += suffix not in _READ_THERE
        self._splits.setdefault(image.split, f"{IMAGES}/{split}")
        drawn, faults = drawn_annotations(layout.view, image, layout.categories)
        self.skipped.extend(faults)
        own = layout.own(drawn)
        lines = []
        for row in drawn:
            index = self._indices[row.category_id]
            texts = [own[row.id]] if own[row.id] else self._texts(row, image)
            lines += [f"{index} {text}\n" for text in texts]
        (self.folder / LABELS / split).mkdir(parents=True, exist_ok=True)
        path = self.folder / LABELS / split / f"{stem}.txt"
        path.write_text("".join(lines), "utf-8", newline="\n")
        self.images += 1
        self.annotations += len(drawn)
        boxes = Counter((row.category_id, row.mask.box) for row in drawn)
        self._twins += sum(boxes.values()) - len(boxes)

    def _texts(self, row: Annotation, image: ImageRecord) -> list[str]:
        rings = walks(row.mask, join=self.layout.joins)
        rings.sort(key=lambda ring: min((y, x) for x, y in ring.tolist()))
        return [coordinates(ring, image.size) for ring in rings]

    def finish(self) -> None:
        """Write data.yaml. Ultralytics wants both `train` and `val`; where the project has no such
        splits, the images stand in for them."""
        some = next(iter(self._splits.values()), f"{IMAGES}/{UNSPLIT}")
        train = self._splits.get("train") or self._splits.get("", some)
        # Without `path`, Ultralytics looks beside data.yaml; "." is where it was started.
        said: dict[str, object] = {"train": train}
        said["val"] = self._splits.get("val") or self._splits.get("test") or train
        said |= {name: self._splits[name] for name in SPLITS if name in self._splits}
        said["nc"] = len(self.layout.categories)
        said["names"] = {at: row.name for at, row in enumerate(self.layout.categories)}
        said["splits"] = dict(self._splits)
        text = yaml.safe_dump(said, allow_unicode=True, sort_keys=False)
        (self.folder / "data.yaml").write_text(text, "utf-8", newline="\n")

    def notes(self) -> Iterator[str]:
        for name in ("train", "val"):
            if name not in self._splits:
                yield (
                    f"No image is in the split “{name}”, which Ultralytics asks for; data.yaml "
                    "names other images in its place."
                )
        if self._twins:
            yield (
                f"{self._twins} objects have the category and the box of another one on their "
                "image; Ultralytics keeps only one of such."
            )
        for suffix, count in sorted(self._unread.items()):
            if count:
                yield f"{count} images are “{suffix}” files, which Ultralytics does not read."
