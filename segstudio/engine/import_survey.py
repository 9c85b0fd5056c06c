"""Looking at a source before anything of it is imported: one reading, in level memory."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from segstudio.core.errors import BadInputError, StorageError
from segstudio.core.origin import Origin, OriginKind, mask_key
from segstudio.core.progress import CancelToken, Progress, ProgressSink, ignore_progress
from segstudio.engine.import_already import new_ones
from segstudio.engine.import_categories import suggested_targets
from segstudio.engine.import_copies import CopyNames, size_of_bytes
from segstudio.engine.import_matching import ImageMatching, SourceImage
from segstudio.engine.import_plan import (
    MOST_FAULTS,
    MOST_RENAMED,
    ImportCategory,
    ImportCounts,
    ImportPlan,
    PlannedImage,
)
from segstudio.formats.checked import checked, shown
from segstudio.formats.found import (
    Fault,
    Found,
    FoundAnnotation,
    FoundCategory,
    FoundDataset,
    FoundImage,
)
from segstudio.formats.import_contract import ImportFormat, ImportOptions
from segstudio.formats.registry import import_format
from segstudio.store.project import ProjectStore
from segstudio.store.spool import Spool, SpooledAnnotation

_COMPARED = "Comparing with the project"
_NO_JSON = "It holds a value that cannot be kept, such as NaN."


def survey(  # noqa: PLR0917 - the order of all runs: what, of what, where, how
    format_key: str,
    source: Path,
    store: ProjectStore,
    options: ImportOptions | None = None,
    report: ProgressSink = ignore_progress,
    cancel: CancelToken | None = None,
) -> ImportPlan:
    """Read a source once and say what its import into this project would do; close the plan.

    `options` is a record of the format's `options` type (None: its defaults). Changes nothing.
    Raises BadInputError, with file, line or entry and reason, where the source as a whole cannot be
    used; StorageError if there is no room for the annotations on the disk of temporary files;
    Cancelled.
    """
    member = import_format(format_key)
    chosen = options if options is not None else member.options()
    if not isinstance(chosen, member.options):
        raise TypeError(f"{member.key} takes {member.options.__name__}")
    return survey_with(member, source, store, chosen, report, cancel or CancelToken())


def survey_with(  # noqa: PLR0917 - as above
    member: ImportFormat,
    source: Path,
    store: ProjectStore,
    options: ImportOptions,
    report: ProgressSink,
    cancel: CancelToken,
) -> ImportPlan:
    """As `survey`, by a format that need not be in the registry."""
    spool = Spool()
    try:
        looking = _Survey(member.key, store, options, spool)
        with _explained(source):
            for piece in checked(member.read(source, options, report, cancel)):
                cancel.check()
                looking.take(piece)
        plan = ImportPlan(member.key, member.title, source, options, spool)
        return looking.planned(plan, report, cancel)
    except BaseException:
        spool.close()
        raise


class _Survey:
    """What has been found so far."""

    def __init__(
        self, format_key: str, store: ProjectStore, options: ImportOptions, spool: Spool
    ) -> None:
        self._format = format_key
        self._store = store
        self._options = options
        self._spool = spool
        self._matching = ImageMatching(store.images(), store.images_dir)
        self._names = CopyNames()
        self._dataset: dict[str, Any] = {}
        self._categories: list[tuple[FoundCategory, bytes]] = []
        self._per_category: Counter[str] = Counter()
        self._images: list[PlannedImage] = []
        self._numbers: dict[str, int] = {}  # by the source's key, where the image can be used
        self._claimed: dict[int, int] = {}  # number by the project's id
        self._counts: Counter[str] = Counter()
        self._faults: list[Fault] = []
        self._renamed: list[tuple[str, str]] = []

    def take(self, piece: Found) -> None:
        """One piece; what cannot be used of it becomes a fault."""
        if isinstance(piece, Fault):
            self._fault(piece)
        elif isinstance(piece, FoundDataset):
            self._dataset.update(piece.record)
        else:
            try:
                if isinstance(piece, FoundCategory):
                    self._categories.append((piece, as_json(piece.record)))
                elif isinstance(piece, FoundImage):
                    self._counts["images"] += 1
                    self._image(piece)
                else:
                    self._annotation(piece)
            except BadInputError as error:
                self._fault(Fault(piece.place, str(error)))

    def _fault(self, fault: Fault) -> None:
        self._counts["faults"] += 1
        if len(self._faults) < MOST_FAULTS:
            self._faults.append(Fault(fault.place, fault.reason[:1000]))

    def _image(self, found: FoundImage) -> None:
        source = SourceImage(found)
        record = self._matching.match(source)
        copy = None
        if record is not None:
            number, size = record.id, record.size
            if (first := self._claimed.get(number)) is not None:
                raise BadInputError(
                    f"“{shown(found.name)}” and “{shown(self._images[first - 1].name)}” "
                    f"are the same image of the project, “{shown(record.path)}”."
                )
            if record.path != found.name and len(self._renamed) < MOST_RENAMED:
                self._renamed.append((found.name, record.path))
        else:
            number, size = 0, self._size_to_copy(source)
            copy = self._names.copy_of(source)
        planned = PlannedImage(
            found.key,
            found.name,
            number,
            size,
            found.split,
            found.labelled,
            as_json(found.record),
            copy,
            found.by_area,
        )
        self._images.append(planned)
        self._numbers[found.key] = len(self._images)
        if record is not None:
            self._claimed[number] = len(self._images)
        self._counts["to_copy" if copy else "matched"] += 1

    def _size_to_copy(self, source: SourceImage) -> tuple[int, int]:
        """(H, W). Raises BadInputError where the image is not to be copied, or cannot be."""
        found = source.found
        if not source.has_bytes:
            raise BadInputError(
                f"The image “{shown(found.name)}” is neither in the project nor in the source."
            )
        if not self._options.copy_images:
            raise BadInputError(
                f"The project has no image “{shown(found.name)}”; choose to copy the images that "
                "it lacks."
            )
        size = size_of_bytes(found)
        if found.size is not None and found.size != size:
            raise BadInputError(
                f"The image “{shown(found.name)}” is {size[1]} x {size[0]} pixels and the source "
                f"says {found.size[1]} x {found.size[0]}."
            )
        return size

    def _annotation(self, found: FoundAnnotation) -> None:
        number = self._numbers.get(found.image)
        if number is None:  # its image is a fault already
            self._counts["stranded"] += 1
            return
        size = self._images[number - 1].size
        mask = found.mask(size)
        if mask.size != size:
            raise BadInputError("Its mask is of another size than its image.")
        for score in (found.predicted_iou, found.stability):
            if score is not None and not math.isfinite(score):
                raise BadInputError("A score is not a finite number.")
        annotation = SpooledAnnotation(
            category=found.category,
            mask=mask,
            iscrowd=found.iscrowd,
            attributes=found.attributes,
            stage=found.stage,
            tool=found.tool or self._format,
            model_key=found.model_key,
            predicted_iou=found.predicted_iou,
            stability=found.stability,
            origin=Origin(self._format, found.key, found.record, mask_key(mask)),
        )
        try:
            self._spool.add(number, annotation)
        except StorageError as error:
            if isinstance(error.__cause__, TypeError | ValueError):  # no fault of the disk
                raise BadInputError(_NO_JSON) from None
            raise
        except RecursionError:
            raise BadInputError(_NO_JSON) from None
        self._per_category[found.category] += 1
        self._counts["annotations"] += 1
        self._counts["empty"] += not mask.area

    def planned(self, plan: ImportPlan, report: ProgressSink, cancel: CancelToken) -> ImportPlan:
        """The plan filled in, after the last piece."""
        names = [found.name for found, _ in self._categories]
        targets = suggested_targets(names, self._store.categories())
        plan.categories = tuple(
            ImportCategory(
                found.key,
                " ".join(found.name.split()),
                self._per_category[found.key],
                target,
                found.supercategory,
                found.isthing,
                found.colour,
                record,
            )
            for (found, record), target in zip(self._categories, targets, strict=True)
        )
        plan.images, plan.faults, plan.renamed = self._images, self._faults, self._renamed
        plan.dataset = as_json(self._dataset) if self._dataset else b""
        counts = self._counts
        plan.counts = ImportCounts(
            images=counts["images"],
            matched=counts["matched"],
            to_copy=counts["to_copy"],
            annotations=counts["annotations"],
            empty=counts["empty"],
            stranded=counts["stranded"],
            faults=counts["faults"],
        )
        there = self._already_there(plan, report, cancel)
        plan.counts = replace(plan.counts, already_there=there)
        return plan

    def _already_there(self, plan: ImportPlan, report: ProgressSink, cancel: CancelToken) -> int:
        """How many of the annotations the project has, as the suggested targets are."""
        places = {category.key: category.target.category_id for category in plan.categories}
        used = {number for number, count in self._store.annotation_counts().items() if count}
        there = 0
        numbers = plan.spool.image_ids() if used else ()
        for number in numbers:
            cancel.check()
            report(Progress(number, len(plan.images), _COMPARED))
            image_id = plan.images[number - 1].image_id
            if image_id in used:
                old = self._store.annotations(image_id)
                ids = [row.id for row in old]
                origins = self._store.origins(OriginKind.ANNOTATION, ids, plan.format_key)
                found = list(plan.spool.annotations(number))
                there += len(found) - len(new_ones(found, places, old, origins))
        return there


def as_json(record: Mapping[str, Any]) -> bytes:
    """Compact JSON. Raises BadInputError for what it cannot hold (NaN, endless depth)."""
    if not record:
        return b"{}"
    try:
        return json.dumps(record, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (TypeError, ValueError, RecursionError):
        raise BadInputError(_NO_JSON) from None


@contextmanager
def _explained(source: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BadInputError(
            f"“{source}” cannot be read ({error.strerror or error}); check the name and your "
            "right to read it."
        ) from error
