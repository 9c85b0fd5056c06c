"""COCO panoptic, the way out: annotations/panoptic_SPLIT.json, a folder of PNGs, images/."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import orjson
from PIL import Image

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord
from segstudio.core.origin import Origin, OriginKind, mask_key
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.core.project_view import ProjectView
from segstudio.formats.coco.numbers import Numbering, file_names, image_origins
from segstudio.formats.coco.source import UNSPLIT
from segstudio.formats.contract import ExportOptions, ExportReport, Skipped, option
from segstudio.formats.image_files import copy_upright
from segstudio.formats.index_maps import index_masks
from segstudio.formats.naming import safe_stem
from segstudio.formats.panoptic.entries import KEY, geometry, returned
from segstudio.formats.panoptic.segments import grouped, merged_categories, segment_ids
from segstudio.formats.selection import drawn_annotations, select_images

_CHUNK = 256  # entries encoded at once
_JSON = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY


@dataclass(frozen=True, kw_only=True)
class CocoPanopticOptions(ExportOptions):
    """Options of the COCO panoptic export."""

    merge_stuff: bool = option(
        True,
        "One segment for all of a stuff category",
        "Panoptic scores know no instances of stuff: its annotations on an image become one "
        "segment. Without, each stays by itself, and scores count each.",
    )
    images: bool = option(
        True,
        "Copy the images",
        "Without, the file names in the JSON are paths in the project's own image folder.",
    )


def json_text(text: str) -> str:
    """`text` as JSON can hold it: what is not valid Unicode becomes "?"."""
    return text.encode("utf-8", "replace").decode()


def json_names(view: ProjectView, images: bool) -> dict[int, str]:
    """The `file_name` of each image id."""
    if images:
        return file_names(view, as_imported=True, key=KEY)
    return {image.id: json_text(image.path) for image in view.images()}


def write_panoptic(
    view: ProjectView,
    folder: Path,
    options: CocoPanopticOptions,
    report: ProgressSink,
    cancel: CancelToken,
) -> ExportReport:
    """Write the project; see `ExportFormat.write`."""
    categories = tuple(view.categories())
    selection = select_images(view, options)
    skipped = list(selection.skipped)
    names = json_names(view, options.images)
    total = 2 * len(selection.images)
    if options.images:
        (folder / "images").mkdir()
    splits: dict[str, list[ImageRecord]] = {}
    for done, image in enumerate(selection.images):
        cancel.check()
        report(Progress(done, total, f"Copying {image.path}"))
        try:
            if options.images:
                copy_upright(view, image, folder / "images" / names[image.id])
        except BadInputError as error:
            skipped.append(Skipped(image.path, str(error)))
            continue
        splits.setdefault(safe_stem(image.split or UNSPLIT), []).append(image)
    (folder / "annotations").mkdir()
    writer = _Writer(view, categories, options, names, skipped, report, cancel, total)
    writer.done = len(selection.images)
    for split, images in sorted(splits.items()) or [(UNSPLIT, [])]:
        writer.write(folder / "annotations", split, images)
    report(Progress(total, total, "Exported"))
    images_written = sum(len(images) for images in splits.values())
    return ExportReport(images_written, writer.annotations, 0, tuple(skipped))


@dataclass
class _Writer:
    """Streams the JSON of one split after the other, with its PNGs."""

    view: ProjectView
    categories: Sequence[Category]
    options: CocoPanopticOptions
    names: Mapping[int, str]
    skipped: list[Skipped]
    report: ProgressSink
    cancel: CancelToken
    total: int
    done: int = 0
    annotations: int = 0

    def __post_init__(self) -> None:
        view = self.view
        self._colours = {item.id: item.rgb for item in self.categories}
        self._merged = merged_categories(self.categories, merge_stuff=self.options.merge_stuff)
        # Names in files are flat even where the JSON's are not.
        self._files = file_names(view, as_imported=True, key=KEY)
        ids = [item.id for item in self.categories]
        self._category_origins = view.origins(OriginKind.CATEGORY, ids, KEY)
        numbering = Numbering()
        for number in ids:
            numbering.add(number, self._category_origins.get(number))
        numbers = numbering.numbers()
        self._category_ids = {number: numbers.of(number) for number in ids}
        project = view.origins(OriginKind.PROJECT, [0], KEY).get(0)
        by_split = project.record.get("by_split") if project else None
        self._remarks = by_split if isinstance(by_split, Mapping) else {}

    def write(self, folder: Path, split: str, images: list[ImageRecord]) -> None:
        """Write panoptic_SPLIT.json and the PNGs beside it."""
        numbering = Numbering()
        origins = {image.id: origin for image, origin in image_origins(self.view, images, KEY)}
        for image in images:
            numbering.add(image.id, origins.get(image.id))
        numbers = numbering.numbers()
        ids = {image.id: numbers.of(image.id) for image in images}
        maps = folder / f"panoptic_{split}"
        maps.mkdir()
        said = self._remarks.get("" if split == UNSPLIT else split)
        remarks: dict[str, Any] = {
            "info": {"description": json_text(self.view.name), "version": "1.0"},
            "licenses": [],
            **(said if isinstance(said, Mapping) else {}),
        }
        with (folder / f"panoptic_{split}.json").open("wb") as file:
            file.write(_dump(remarks)[:-1])
            file.write(b',"categories":')
            _stream(file, (self._category(item) for item in self.categories))
            file.write(b',"images":')
            entries = (self._image(image, ids[image.id], origins.get(image.id)) for image in images)
            _stream(file, entries)
            file.write(b',"annotations":')
            _stream(file, (self._segmented(image, ids[image.id], maps) for image in images))
            file.write(b"}\n")

    def _category(self, category: Category) -> dict[str, Any]:
        origin = self._category_origins.get(category.id)
        return {
            **(origin.record if origin else {}),
            "id": self._category_ids[category.id],
            "name": json_text(category.name),
            "supercategory": json_text(category.supercategory),
            "isthing": int(category.isthing),
            "color": list(category.rgb),
        }

    def _image(self, image: ImageRecord, number: int, origin: Origin | None) -> dict[str, Any]:
        return {
            **(origin.record if origin else {}),
            "id": number,
            "file_name": self.names[image.id],
            "width": image.width,
            "height": image.height,
            "source_path": json_text(image.path),
        }

    def _segmented(self, image: ImageRecord, number: int, maps: Path) -> dict[str, Any]:
        """Paint and save the PNG of an image; returns its entry."""
        self.cancel.check()
        self.report(Progress(self.done, self.total, f"Writing {image.path}"))
        self.done += 1
        drawn, faults = drawn_annotations(self.view, image, self.categories)
        self.skipped.extend(faults)
        self.annotations += len(drawn)
        origins = self.view.origins(OriginKind.ANNOTATION, [item.id for item in drawn], KEY)
        owners = _painted(drawn, image.size)
        masks = index_masks(owners)
        places = {item.id: place for place, item in enumerate(drawn, start=1)}
        groups = grouped([item for item in drawn if places[item.id] in masks], self._merged)
        ids = segment_ids(groups, origins, self._colours)
        table = np.zeros(len(drawn) + 1, dtype=np.uint32)
        segments = []
        for group, own in zip(groups, ids, strict=True):
            mask = masks[places[group[0].id]]
            for item in group:
                table[places[item.id]] = own
                mask = mask.union(masks[places[item.id]])
            origin = origins.get(group[0].id) if len(group) == 1 else None
            entry = {"id": own, "category_id": self._category_ids[group[0].category_id]}
            entry |= geometry(mask) | {"iscrowd": int(group[0].iscrowd)}
            if len(group) == 1:
                as_it_came = origin is not None and mask_key(mask) == origin.mask
                entry |= returned(group[0], origin, as_it_came=as_it_came)
            segments.append(entry)
        name = f"{Path(self._files[image.id]).stem}.png"
        _save(table[owners], maps / name)
        return {"image_id": number, "file_name": name, "segments_info": segments}


def _painted(drawn: Sequence[Annotation], size: tuple[int, int]) -> npt.NDArray[np.uint32]:
    """(H, W): which annotation is seen, counted from 1, back to front; 0 where none is."""
    owners = np.zeros(size, dtype=np.uint32)
    for place, annotation in enumerate(drawn, start=1):
        crop, (x0, y0) = annotation.mask.box_crop()
        owners[y0 : y0 + crop.shape[0], x0 : x0 + crop.shape[1]][crop] = place
    return owners


def _save(ids: npt.NDArray[np.uint32], target: Path) -> None:
    channels = np.ascontiguousarray(ids.astype("<u4")).view(np.uint8).reshape(*ids.shape, 4)
    data = BytesIO()
    Image.fromarray(np.ascontiguousarray(channels[..., :3])).save(data, format="PNG")
    target.write_bytes(data.getbuffer())


def _dump(value: object) -> bytes:
    return orjson.dumps(value, default=str, option=_JSON)


def _stream(file: BinaryIO, entries: Iterable[dict[str, Any]]) -> None:
    """Write a JSON list, a line an entry, a few at a time."""
    file.write(b"[")
    before = b"\n"
    for chunk in _chunks(entries):
        file.write(before + b",\n".join(chunk))
        before = b",\n"
    file.write(b"]" if before == b"\n" else b"\n]")


def _chunks(entries: Iterable[dict[str, Any]]) -> Iterator[list[bytes]]:
    chunk: list[bytes] = []
    for entry in entries:
        chunk.append(_dump(entry))
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
