"""The label sets of a project: all its annotations, or those of a stage, tool, model, run, user.

`label_sets(store)` lists those to choose from, `annotation_set(store, filters)` makes any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import datetime

import numpy as np

from segstudio.core.annotation import Annotation, Stage
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord, ImageState
from segstudio.core.prediction import IGNORE, MOST_CATEGORIES
from segstudio.core.progress import CancelToken
from segstudio.engine.label_set import (
    LabelledImage,
    LabelSet,
    OpenLabelSet,
    SetCategory,
    SetImage,
    SetObject,
)
from segstudio.engine.prediction_cache import PredictionCache
from segstudio.engine.prediction_sets import prediction_sets
from segstudio.engine.splits import RUN_KIND as SPLIT
from segstudio.engine.still_view import at_one_moment
from segstudio.store.reading import ProjectReading
from segstudio.store.runs import TAKE_BACK

__all__ = ["AnnotationFilter", "AnnotationSet", "annotation_set", "label_sets"]

_RUNS = {"predict": "Prediction"}  # what kinds of runs are called where the verb does not do
FILTERS = ("stage", "tool", "model", "run", "user", "split")


@dataclass(frozen=True)
class AnnotationFilter:
    """Which annotations of a project: those that fit all that is given ("" is anything).

    `model` is a model key; `run` the id of the run (an import, a prediction) that brought them;
    `user` who changed the mask or the category last; `split` is of their images.
    """

    stage: str = ""
    tool: str = ""
    model: str = ""
    run: str = ""
    user: str = ""
    split: str = ""

    @property
    def key(self) -> str:
        """As the command line writes it: "stage=automatic,model=..."; "" for everything."""
        return ",".join(f"{name}={value}" for name, value in self._given())

    @property
    def kind(self) -> str:
        given = [name for name, _ in self._given()]
        if not given:
            return "all"
        return given[0] if len(given) == 1 else "some"

    @property
    def value(self) -> str:
        return self._given()[0][1] if self.kind not in {"all", "some"} else ""

    @property
    def of_annotations(self) -> bool:
        """Whether it chooses among the annotations of an image, not only among images."""
        return replace(self, split="") != AnnotationFilter()

    @property
    def of_makers(self) -> bool:
        """Whether the ledger must be asked who made what."""
        return bool(self.run or self.user)

    def _given(self) -> list[tuple[str, str]]:
        pairs = [(field.name, getattr(self, field.name)) for field in fields(self)]
        return [(name, value) for name, value in pairs if value]

    @classmethod
    def read(cls, text: str) -> AnnotationFilter:
        """Undo `key`. Raises BadInputError for names or values that there cannot be."""
        values: dict[str, str] = {}
        for part in re.split(rf",(?=(?:{'|'.join(FILTERS)})=)", text) if text else []:
            name, _, value = part.partition("=")
            if name not in FILTERS or not value or name in values:
                raise BadInputError(
                    f"“{part}” chooses no annotations; write NAME=VALUE once for each of "
                    f"{', '.join(FILTERS)}, with commas between."
                )
            values[name] = value
        if "stage" in values and values["stage"] not in set(Stage):
            raise BadInputError(
                f"There is no stage “{values['stage']}”; the stages are {', '.join(Stage)}."
            )
        if "run" in values and not re.fullmatch(r"\d{1,9}", values["run"], re.ASCII):
            raise BadInputError(f"A run is named by its number, not “{values['run']}”.")
        return cls(**values)


@dataclass(frozen=True)
class AnnotationSet:
    """Annotations of a project as a `LabelSet`.

    What lies in front covers what is behind. An unfiltered set says something of every image that
    has an annotation or that somebody marked labelled or reviewed (then: that there is nothing on
    it); a filtered one of images that have an annotation of it. Rejected images are in none. An
    object's score is its predicted IoU, else its stability score, else 1.
    """

    store: ProjectReading
    filters: AnnotationFilter = AnnotationFilter()
    title: str = ""
    count: int | None = None

    @property
    def key(self) -> str:
        return self.filters.key

    @property
    def kind(self) -> str:
        return self.filters.kind

    @property
    def value(self) -> str:
        return self.filters.value

    @contextmanager
    def opened(self, cancel: CancelToken) -> Iterator[OpenLabelSet]:
        """See `LabelSet.opened`; the project as it is now, while work on it goes on."""
        cancel.check()
        with at_one_moment(self.store) as still:
            yield _OpenAnnotations(still, self.filters)


class _OpenAnnotations:
    """Annotations of a project that does not change."""

    open_table = False

    def __init__(self, store: ProjectReading, filters: AnnotationFilter) -> None:
        rows = store.categories()
        if len(rows) > MOST_CATEGORIES:
            raise BadInputError(
                f"“{store.name}” has {len(rows)} categories and label maps hold "
                f"{MOST_CATEGORIES}; delete those that are not used."
            )
        self._store = store
        self._filters = filters
        self._places = {row.id: place for place, row in enumerate(rows)}
        self.categories = [SetCategory(row.name, row.colour, row.isthing) for row in rows]
        counts = store.annotation_counts()
        self.images = [
            SetImage(row.path, str(row.id), row.id, row.size, row.split)
            for row in store.images()
            if filters.split in {"", row.split} and self._speaks(row, counts.get(row.id, 0))
        ]

    def read(self, image: SetImage) -> LabelledImage | None:
        """See `OpenLabelSet.read`. Masks of another size than the image are left out."""
        size = image.size
        assert size is not None, "a project knows the sizes of its images"
        chosen = self._chosen(image.image_id)
        if not chosen and self._filters.of_annotations:
            return None
        rows = [row for row in chosen if row.mask.size == size and row.category_id in self._places]
        ids = np.zeros(size, dtype=np.int32)
        for number, row in enumerate(rows, start=1):
            crop, (x, y) = row.mask.box_crop()
            ids[y : y + crop.shape[0], x : x + crop.shape[1]][crop] = number
        objects = tuple(
            SetObject(self._places[row.category_id], row.mask, row.iscrowd, _score(row))
            for row in rows
        )
        values = np.array([IGNORE, *(item.category for item in objects)], dtype=np.uint8)
        return LabelledImage(values[ids], objects, ids)

    def _speaks(self, image: ImageRecord, annotations: int) -> bool:
        if image.state is ImageState.REJECTED:
            return False
        return bool(annotations) or (
            image.state is not ImageState.TODO and not self._filters.of_annotations
        )

    def _chosen(self, image_id: int) -> list[Annotation]:
        wanted = self._filters
        rows = [
            row
            for row in self._store.annotations(image_id)
            if wanted.stage in {"", row.stage}
            and wanted.tool in {"", row.tool}
            and wanted.model in {"", row.model_key}
        ]
        if not rows or not wanted.of_makers:
            return rows
        makers = self._store.annotation_makers(image_id)
        return [
            row
            for row in rows
            if row.id in makers
            and wanted.user in {"", makers[row.id].user}
            and wanted.run in {"", str(makers[row.id].run_id)}
        ]


def annotation_set(store: ProjectReading, filters: AnnotationFilter) -> AnnotationSet:
    """The annotations that fit; the title says which."""
    return AnnotationSet(store, filters, filters.key or "All annotations")


def label_sets(store: ProjectReading, predictions: PredictionCache | None = None) -> list[LabelSet]:
    """The sets of a project that may be chosen, those with more annotations first in each kind.

    All annotations; then by stage, model and tool where there is more than one of each or some
    annotations have none; by run and by user where there is more than one; and with a cache of
    `predictions` the models whose predictions are there. Looks at every edit and every prediction:
    off the GUI thread.
    """
    kinds = store.annotation_kinds()
    total = sum(kind.count for kind in kinds)
    sets: list[LabelSet] = [AnnotationSet(store, AnnotationFilter(), "All annotations", total)]
    for name, values in (
        ("stage", [kind.stage for kind in kinds]),
        ("model", [kind.model_key for kind in kinds]),
        ("tool", [kind.tool for kind in kinds]),
    ):
        counts: dict[str, int] = {}
        for value, kind in zip(values, kinds, strict=True):
            counts[value] = counts.get(value, 0) + kind.count
        if len(counts) < 2:
            continue
        for value, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
            if value:
                filters = AnnotationFilter(**{name: value})
                sets.append(AnnotationSet(store, filters, f"{name.capitalize()} {value}", count))
    cached = [] if predictions is None else prediction_sets(store, predictions)
    return [*sets, *_by_run(store), *_by_user(store), *cached]


def _by_run(store: ProjectReading) -> list[LabelSet]:
    """Of the runs that bring annotations."""
    runs = [run for run in store.runs_on_images() if run[1] not in {SPLIT, TAKE_BACK}]
    return [
        AnnotationSet(
            store,
            AnnotationFilter(run=str(number)),
            f"{_RUNS.get(kind, kind.capitalize())} of "
            f"{datetime.fromtimestamp(began):%Y-%m-%d %H:%M} by {user}",
        )
        for number, kind, user, began in reversed(runs)
    ]


def _by_user(store: ProjectReading) -> list[LabelSet]:
    users = store.editors()
    if len(users) < 2:
        return []
    return [AnnotationSet(store, AnnotationFilter(user=user), f"User {user}") for user in users]


def _score(row: Annotation) -> float:
    if row.predicted_iou is not None:
        return row.predicted_iou
    return 1.0 if row.stability is None else row.stability
