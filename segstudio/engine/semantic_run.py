"""Predicting many images of a project, and adding what was found as one undoable run.

Predicting takes minutes and changes nothing; it goes on from where it was stopped, as each
prediction is kept in the cache. Adding takes seconds and is one transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from segstudio.config.paths import cache_dir
from segstudio.core.changes import Edit, Records
from segstudio.core.errors import BadInputError, DeviceError
from segstudio.core.image import ImageRecord, RgbImage
from segstudio.core.progress import CancelToken, Progress, ProgressSink, ignore_progress
from segstudio.engine.import_categories import CategoryPlaces
from segstudio.engine.job import Lane, Steps, walked
from segstudio.engine.label_map_annotations import Turned, category_places, edit_of, turned
from segstudio.engine.label_map_parts import LabelMapOptions, Part, label_map_plan, parts
from segstudio.engine.label_map_prompts import Prompting, prompted
from segstudio.engine.partition import SETTING
from segstudio.engine.predicted_parts import Failure, PredictedParts
from segstudio.engine.prediction_cache import PredictionCache
from segstudio.engine.semantic_slot import SemanticSlot, predict_image
from segstudio.imaging.photo import open_image
from segstudio.models.semantic.contract import PredictSettings, SemanticModel
from segstudio.store.project import ProjectStore
from segstudio.store.runs import RunStep

__all__ = [
    "RUN_KIND",
    "PredictReport",
    "Predicting",
    "carry_out",
    "predict_image",
    "predict_images",
    "predicting_steps",
]

RUN_KIND = "predict"

_STEPS = 1000  # of progress, for each image


@dataclass(frozen=True)
class PredictReport:
    """What a run did. `run_id` is what can be undone or taken back; 0: nothing was new.

    `images` is how many images changed, `added` how many annotations came and `replaced` how many
    former predictions went. `new_categories` are names.
    """

    run_id: int = 0
    images: int = 0
    added: int = 0
    replaced: int = 0
    new_categories: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True)
class Predicting:
    """How images are predicted: which model, how it is asked, where its answers are kept."""

    model: SemanticSlot | SemanticModel
    settings: PredictSettings
    cache: PredictionCache


def predict_images(  # noqa: PLR0917 - which images, asked how, turned into what
    store: ProjectStore,
    image_ids: Sequence[int],
    predicting: Predicting,
    options: LabelMapOptions,
    report: ProgressSink = ignore_progress,
    cancel: CancelToken | None = None,
    prompting: Prompting | None = None,
) -> PredictedParts:
    """Predict images of a project and find the parts of their label maps; changes nothing.

    With `prompting`, the parts are prompts for a prompt model. An image that cannot be read or
    predicted is passed over and named in `failures`. The store may be read-only. Blocks; it calls
    the models on this thread. The caller closes what is returned. Raises BadInputError for options
    that do not fit the model, Cancelled, StorageError, WeightsError.
    """
    steps = predicting_steps(store, image_ids, predicting, options, prompting)
    return walked(steps, cancel or CancelToken(), report)


def predicting_steps(
    store: ProjectStore,
    image_ids: Sequence[int],
    predicting: Predicting,
    options: LabelMapOptions,
    prompting: Prompting | None = None,
) -> Steps[PredictedParts]:
    """`predict_images` as steps for `JobRunner.submit_steps`.

    Only what asks a model is a step on the device lane, image by image: what the cache has takes
    none, and a click comes in between two.
    """
    token, report = yield Lane.IO
    model = predicting.model
    plan = label_map_plan(
        model.card.title, model.model_key, model.card.categories, store.categories(), options
    )
    found = PredictedParts(plan)
    try:
        if isinstance(model, SemanticSlot) and not model.model_key:
            token, report = yield Lane.DEVICE
            model.load(token, report)  # what is wrong with the model is told before any image
        found.plan = replace(plan, model_key=model.model_key)
        for done, number in enumerate(image_ids):
            token, report = yield Lane.IO
            token.check()
            record = store.image(number)
            within = _Within(done, len(image_ids), f"Predicting {record.path}")
            within.sink(report)(Progress(0, 1))
            try:
                image = _opened(store, record, token)
                made = yield from _parts(image, found, predicting, prompting, within, token)
            except (BadInputError, DeviceError) as error:
                found.failures.append(Failure(record.path, str(error)))
            else:
                found.add(number, made)
    except BaseException:
        found.close()
        raise
    report(Progress(len(image_ids), len(image_ids), "Predicted"))
    return found


def _opened(store: ProjectStore, record: ImageRecord, cancel: CancelToken) -> RgbImage:
    image = open_image(store.image_path(record), cache_dir() / "pixels", cancel=cancel)
    if image.size != record.size:
        raise BadInputError(
            f"{record.path} is {_sides(image.size)} now and was {_sides(record.size)}; open the "
            "project to take it in anew."
        )
    return image


def _sides(size: tuple[int, int]) -> str:
    """In words, of (H, W)."""
    return f"{size[1]} x {size[0]} pixels"


def _parts(  # noqa: PLR0917 - an image, asked how, told where
    image: RgbImage,
    found: PredictedParts,
    predicting: Predicting,
    prompting: Prompting | None,
    within: _Within,
    token: CancelToken,
) -> Steps[list[Part]]:
    """The parts of one image; raises what a failure is made of. Begins where its caller is."""
    settings, cache = predicting.settings, predicting.cache
    prediction = cache.get(image.key, found.plan.model_key, settings.key)
    if prediction is None:
        token, report = yield Lane.DEVICE
        sink = within.sink(report)
        prediction = predict_image(predicting.model, image, settings, cache, sink, token)
        found.predicted += 1
        token, report = yield Lane.IO
    else:
        found.known += 1
    made = parts(prediction, found.plan, token)
    if prompting is not None and prompting.asks(made, found.plan):
        token, report = yield Lane.DEVICE
        made = prompted(made, found.plan, image, prompting, within.sink(report), token)
    return made


def carry_out(
    found: PredictedParts,
    store: ProjectStore,
    report: ProgressSink = ignore_progress,
    cancel: CancelToken | None = None,
) -> PredictReport:
    """Make annotations of what was found, in one transaction that can be undone in one step.

    What the project has already is not added again, however often this is called. An image whose
    size has changed since it was predicted is passed over and named in `failures`. Raises
    BadInputError where a category is not in the project any more, StorageError if the disk is full
    or refuses, Cancelled. Nothing is left behind in any case.
    """
    token = cancel or CancelToken()
    adding = _Adding(found, store, report, token)
    run_id = store.carry_out(RUN_KIND, adding.parameters(), adding.steps(), token, adding.result)
    failures = (*found.failures, *adding.misfits.values())
    return replace(adding.done, run_id=run_id, failures=failures)


class _Adding:
    """Makes the steps of a run, image by image, while they are carried out."""

    def __init__(
        self, found: PredictedParts, store: ProjectStore, report: ProgressSink, cancel: CancelToken
    ) -> None:
        self.done = PredictReport()
        self.misfits: dict[int, Failure] = {}  # by image: what was predicted was of another size
        self._found = found
        self._store = store
        self._report = report
        self._cancel = cancel
        self._partition = store.setting(SETTING, False) is True

    def parameters(self) -> dict[str, Any]:
        """What is kept with the run: which model, with which weights, turned how."""
        plan = self._found.plan
        options = asdict(plan.options)
        return {"model": plan.title, "model_key": plan.model_key, "options": options}

    def result(self) -> dict[str, int]:
        """What is kept with the run when it has ended."""
        done = self.done
        return {"images": done.images, "added": done.added, "replaced": done.replaced}

    def steps(self) -> Iterator[RunStep]:
        """The project's step, where categories are lacking, then that of each changed image."""
        plan, numbers = self._found.plan, self._found.image_ids
        places = self._places()
        if places.made:
            made = tuple(places.made)
            names = tuple(category.name for category in made)
            self.done = replace(self.done, new_categories=names)
            yield RunStep(Edit(plan.text, 0, Records(), Records(categories=made)))
        for step, number in enumerate(numbers):
            self._cancel.check()
            self._report(Progress(step, len(numbers), "Making annotations"))
            record = self._store.image(number)
            done, annotations = self._turned(record, places)
            edit = edit_of(done, plan, record, annotations)
            if edit is not None:
                self._count(done)
                yield RunStep(edit)

    def _places(self) -> CategoryPlaces:
        """Categories that some image needs; of new ones, those that an annotation gets."""
        found, plan = self._found, self._found.plan
        indices = {index for index in plan.first if index >= 0 and found.having(index)}
        places = self._of(indices)
        made = {category.id for category in places.made}
        needless = {
            index
            for index in indices
            if places.ids.get(str(index)) in made and not self._is_needed(index, places)
        }
        return self._of(indices - needless) if needless else places

    def _of(self, indices: set[int]) -> CategoryPlaces:
        plan, store = self._found.plan, self._store
        return category_places(indices, plan, store.categories(), store.new_category_id)

    def _is_needed(self, index: int, places: CategoryPlaces) -> bool:
        """Whether any image has pixels left for that category, which the project lacks."""
        wanted = places.ids[str(index)]
        for number in self._found.having(index):
            self._cancel.check()
            done, _ = self._turned(self._store.image(number), places)
            if any(row.category_id == wanted for row in done.after):
                return True
        return False

    def _turned(self, record: ImageRecord, places: CategoryPlaces) -> tuple[Turned, int]:
        annotations = tuple(self._store.annotations(record.id))
        found = self._found.parts(record.id)
        if found and found[0].mask.size != record.size:
            was, now = _sides(found[0].mask.size), _sides(record.size)
            why = f"{record.path} was {was} and is {now} since; predict it again."
            self.misfits[record.id] = Failure(record.path, why)
            found = []
        done = turned(
            found,
            self._found.plan,
            places.ids,
            record,
            annotations,
            new_id=self._store.new_annotation_id,
            partition=self._partition,
        )
        return done, len(annotations)

    def _count(self, done: Turned) -> None:
        self.done = replace(
            self.done,
            images=self.done.images + 1,
            added=self.done.added + done.added,
            replaced=self.done.replaced + done.replaced,
        )


@dataclass(frozen=True)
class _Within:
    """Where the work on one of many images stands in all of it."""

    done: int
    total: int
    text: str

    def sink(self, report: ProgressSink) -> ProgressSink:
        """A sink for the work on that image."""

        def sink(progress: Progress) -> None:
            inside = round(_STEPS * (progress.fraction or 0.0))
            report(Progress(self.done * _STEPS + inside, self.total * _STEPS, self.text))

        return sink
