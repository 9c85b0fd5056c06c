"""Imports a source into a project: looked at first, then carried out as one run, or not at all."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from segstudio.core.annotation import Annotation
from segstudio.core.changes import Edit, Records
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord, ImageState
from segstudio.core.origin import Origin, OriginKind
from segstudio.core.progress import CancelToken, Progress, ProgressSink, ignore_progress
from segstudio.engine.import_already import new_ones
from segstudio.engine.import_categories import CategoryPlaces, suggested_targets, targets_by_name
from segstudio.engine.import_copies import copied_files
from segstudio.engine.import_plan import (
    LEFT_OUT,
    CategoryTarget,
    ImportCategory,
    ImportCounts,
    ImportPlan,
    ImportReport,
    PlannedImage,
)
from segstudio.engine.import_survey import survey, survey_with
from segstudio.formats.registry import IMPORT_FORMATS
from segstudio.store.project import NewImage, ProjectStore
from segstudio.store.runs import RunStep
from segstudio.store.spool import SpooledAnnotation

__all__ = [
    "LEFT_OUT",
    "CategoryTarget",
    "ImportCategory",
    "ImportCounts",
    "ImportPlan",
    "ImportReport",
    "carry_out",
    "recognised_formats",
    "suggested_targets",
    "survey",
    "survey_with",
    "targets_by_name",
]

RUN_KIND = "import"
_BATCH = 256  # images whose origins are asked for at once

Origins = dict[tuple[OriginKind, int], Origin]


def recognised_formats(source: Path) -> list[str]:
    """The keys of the import formats that a file or folder looks like, in the registry's order."""
    return [member.key for member in IMPORT_FORMATS if member.recognises(source)]


def carry_out(  # noqa: PLR0917 - what, into what, how
    plan: ImportPlan,
    store: ProjectStore,
    mapping: Mapping[str, CategoryTarget] | None = None,
    leave_out_faults: bool | None = None,
    report: ProgressSink = ignore_progress,
    cancel: CancelToken | None = None,
) -> ImportReport:
    """Import what was surveyed, in one transaction that can be undone in one step.

    `mapping` gives targets of categories by key, where they are not to be the suggested ones;
    `leave_out_faults` None: as the plan's options say. What the project has already is not added
    again, however often this is called. Imported annotations lie in front of those that are there,
    none of which is touched.

    Raises BadInputError where there are faults and they are not to be left out, or where source or
    project changed since the survey; StorageError if the disk is full or refuses; Cancelled.
    Nothing is left behind in any case.
    """
    leave_out = plan.options.leave_out_faults if leave_out_faults is None else leave_out_faults
    if not leave_out:
        plan.refuse_faults()
    token = cancel or CancelToken()
    token.check()
    places = CategoryPlaces(
        plan.categories, mapping or {}, store.categories(), store.new_category_id
    )
    wanted = [image for image in plan.images if image.copy is not None]
    copies = [image.copy for image in wanted if image.copy is not None]
    name = plan.source.resolve().stem
    with copied_files(copies, store.images_dir, name, report, token) as paths:
        new = [
            NewImage(path, image.size[1], image.size[0], copy.sha256)
            for path, image, copy in zip(paths, wanted, copies, strict=True)
        ]
        importing = _Importing(plan, store, places, report, token)
        run_id = store.carry_out(
            RUN_KIND,
            {"format": plan.format_key, "source": str(plan.source)},
            importing.steps(),
            token,
            importing.result,
            new_images=new,
            added=importing.arrived.extend,
        )
    return replace(importing.done, run_id=run_id, copied=paths)


@dataclass
class _Step:
    """What is known of a step until it is handed over: origins may still join it.

    `news`: whether one of them is of a record that had none of that format.
    """

    edit: Edit
    origins: Origins = field(default_factory=dict)
    news: bool = False

    @property
    def changes(self) -> bool:
        """Whether a person would see it."""
        return self.edit.before != self.edit.after

    def add(self, kind: OriginKind, number: int, origin: Origin, known: Origin | None) -> None:
        """Let an origin join, unless it is `known`."""
        if origin != known and (kind, number) not in self.origins:
            self.origins[kind, number] = origin
            self.news = self.news or known is None


class _Importing:
    """Makes the steps of an import, image by image, while they are carried out."""

    def __init__(
        self,
        plan: ImportPlan,
        store: ProjectStore,
        places: CategoryPlaces,
        report: ProgressSink,
        cancel: CancelToken,
    ) -> None:
        made = tuple(category.name for category in places.made)
        self.done = ImportReport(0, plan.text, faulty=plan.counts.faults, new_categories=made)
        self.arrived: list[ImageRecord] = []  # copied images, in the plan's order
        self._plan = plan
        self._store = store
        self._places = places
        self._report = report
        self._cancel = cancel
        self._now = time.time()
        self._used: set[int] = set()  # images that have annotations

    def result(self) -> dict[str, int]:
        """What is kept with the run."""
        done = self.done
        return {
            "images": done.images,
            "annotations": done.annotations,
            "already_there": done.already_there,
            "left_out": done.left_out,
            "faulty": done.faulty,
        }

    def steps(self) -> Iterator[RunStep]:
        """The project's step, then one for each image that changes.

        An image of which only the origin is new gets no step that a person would have to undo: its
        origin goes with the step before. Where nothing else is new, and two sources merely differ
        in what they say of the same records, there is no step at all.
        """
        counts = self._store.annotation_counts()
        self._used = {number for number, count in counts.items() if count}
        waiting = self._of_project()
        for image, record, known in self._images():
            step = self._of_image(image, record)
            origin = Origin(self._plan.format_key, image[1].key, json.loads(image[1].record))
            if not step.changes:
                waiting.add(OriginKind.IMAGE, record.id, origin, known)
                continue
            step.add(OriginKind.IMAGE, record.id, origin, known)
            if waiting.changes or waiting.origins:
                yield RunStep(waiting.edit, waiting.origins)
            self._count(images=1)
            waiting = step
        if waiting.changes or waiting.news:
            yield RunStep(waiting.edit, waiting.origins)

    def _of_project(self) -> _Step:
        plan, ids = self._plan, self._places.ids
        made = tuple(self._places.made)
        step = _Step(Edit(plan.text, 0, Records(), Records(categories=made)))
        known = self._store.origins(OriginKind.CATEGORY, set(ids.values()), plan.format_key)
        first = {ids[each.key]: each for each in reversed(plan.categories) if each.key in ids}
        for number, each in first.items():  # the first of several that became one
            origin = Origin(plan.format_key, each.key, json.loads(each.record))
            step.add(OriginKind.CATEGORY, number, origin, known.get(number))
        if plan.dataset:
            origin = Origin(plan.format_key, "", json.loads(plan.dataset))
            before = self._store.origins(OriginKind.PROJECT, [0], plan.format_key).get(0)
            step.add(OriginKind.PROJECT, 0, origin, before)
        return step

    def _images(
        self,
    ) -> Iterator[tuple[tuple[int, PlannedImage], ImageRecord, Origin | None]]:
        """Each image of the plan with its number, its record, and its origin so far."""
        records = {record.id: record for record in self._store.images()}
        arrived = iter(self.arrived)
        total = len(self._plan.images)
        for batch in _batches(enumerate(self._plan.images, start=1)):
            pairs = [
                (entry, next(arrived) if entry[1].copy else records.get(entry[1].image_id))
                for entry in batch
            ]
            ids = [record.id for _, record in pairs if record is not None]
            origins = self._store.origins(OriginKind.IMAGE, ids, self._plan.format_key)
            for (number, image), record in pairs:
                self._cancel.check()
                self._report(Progress(number - 1, total, "Importing"))
                if record is None or record.size != image.size:
                    raise BadInputError(
                        f"“{image.name}” is not what it was in the project when the source was "
                        "looked at; look at it again."
                    )
                yield (number, image), record, origins.get(record.id)

    def _of_image(self, numbered: tuple[int, PlannedImage], record: ImageRecord) -> _Step:
        """The image's step, with the origins of its annotations."""
        image = numbered[1]
        changed = replace(
            record,
            split=record.split or image.split,
            state=ImageState.LABELLED
            if image.labelled and record.state is ImageState.TODO
            else record.state,
        )
        added, sources = self._new_annotations(numbered, record)
        images = ((), ()) if changed == record else ((record,), (changed,))
        edit = Edit(
            self._plan.text,
            record.id,
            Records(images=images[0]),
            Records(annotations=tuple(added), images=images[1]),
        )
        step = _Step(edit)
        for row, each in zip(added, sources, strict=True):
            step.origins[OriginKind.ANNOTATION, row.id] = each.origin
        return step

    def _new_annotations(
        self, numbered: tuple[int, PlannedImage], record: ImageRecord
    ) -> tuple[list[Annotation], list[SpooledAnnotation]]:
        """Annotations that the image does not have, in front of those it has, and their sources."""
        number, image = numbered
        everything = self._plan.spool.annotations(number)
        if image.by_area:
            everything.sort(key=lambda each: (not each.iscrowd, -each.mask.area))
        ids = self._places.ids
        taken = [each for each in everything if each.category in ids]
        known = record.id in self._used and bool(taken)
        existing = self._store.annotations(record.id) if known else []
        origins = self._store.origins(
            OriginKind.ANNOTATION, [row.id for row in existing], self._plan.format_key
        )
        sources = new_ones(taken, ids, existing, origins)
        self._count(
            annotations=len(sources),
            already_there=len(taken) - len(sources),
            left_out=len(everything) - len(taken),
        )
        front = max((row.z_order for row in existing), default=-1) + 1
        added = [
            self._annotation(each, record.id, front + step) for step, each in enumerate(sources)
        ]
        return added, sources

    def _count(self, **more: int) -> None:
        counted = {name: getattr(self.done, name) + value for name, value in more.items()}
        self.done = replace(self.done, **counted)

    def _annotation(self, each: SpooledAnnotation, image_id: int, z_order: int) -> Annotation:
        return Annotation(
            id=self._store.new_annotation_id(),
            image_id=image_id,
            category_id=self._places.ids[each.category],
            mask=each.mask,
            z_order=z_order,
            iscrowd=each.iscrowd,
            attributes=each.attributes,
            stage=each.stage,
            tool=each.tool,
            model_key=each.model_key,
            predicted_iou=each.predicted_iou,
            stability=each.stability,
            created_at=self._now,
            updated_at=self._now,
        )


def _batches(
    entries: Iterable[tuple[int, PlannedImage]],
) -> Iterator[list[tuple[int, PlannedImage]]]:
    rest = iter(entries)
    while batch := list(islice(rest, _BATCH)):
        yield batch
