"""The semantic turning desk: from label maps to annotations."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from PySide6.QtCore import QObject, Signal

from segstudio.core.category import Category
from segstudio.core.changes import Edit
from segstudio.core.image import ImageRecord
from segstudio.core.prediction import SemanticPrediction
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.engine.embedding_cache import EmbeddingCache
from segstudio.engine.image_session import ImageSession
from segstudio.engine.import_plan import CategoryTarget
from segstudio.engine.job import Callbacks, Job
from segstudio.engine.jobs import Lane
from segstudio.engine.label_map_annotations import turn_into_annotations
from segstudio.engine.label_map_parts import (
    LabelMapOptions,
    LabelMapPlan,
    Part,
    Targets,
    label_map_plan,
    parts,
    suggested,
)
from segstudio.engine.label_map_preview import TurnPreview, preview
from segstudio.engine.label_map_prompts import Prompting, prompted
from segstudio.engine.partition import SETTING
from segstudio.engine.predicted_parts import PredictedParts
from segstudio.engine.prompt_session import PromptSession
from segstudio.engine.semantic_run import (
    RUN_KIND,
    Predicting,
    PredictReport,
    carry_out,
    predicting_steps,
)
from segstudio.gui.desks.runs import submit_run, take_back
from segstudio.gui.desks.semantic import SemanticDesk
from segstudio.gui.desks.semantic_images import BEHIND
from segstudio.gui.desks.semantic_models import SemanticModelDesk
from segstudio.gui.desks.semantic_view import SemanticViewDesk
from segstudio.gui.semantic_words import (
    annotations_in_words,
    images_in_words,
    turned_in_words,
)
from segstudio.gui.workspace import Workspace
from segstudio.models.semantic.card import SemanticCard
from segstudio.store.project import ProjectStore
from segstudio.store.runs import TakenBack

COUNT_KEY = "count-parts"


class Scope(StrEnum):
    """Whose label maps are turned."""

    THIS = "this"
    PREDICTED = "predicted"
    SELECTED = "selected"
    UNLABELLED = "unlabelled"
    ALL = "all"


@dataclass(frozen=True)
class Question:
    """What the dialog starts from. `images` are ids by scope, those that have any."""

    card: SemanticCard
    options: LabelMapOptions
    targets: Mapping[str, CategoryTarget]
    images: Mapping[Scope, tuple[int, ...]]
    prompt_model: str = ""  # title of the model that can sharpen, "" where there is none
    known: Mapping[int, Category] = field(default_factory=dict)  # the project's


class SemanticTurnDesk(QObject):
    """What "Turn into annotations" and its dialog call."""

    wanted = Signal(object)  # Question

    def __init__(
        self,
        workspace: Workspace,
        desk: SemanticDesk,
        prompts: PromptSession,
        embeddings: EmbeddingCache,
    ) -> None:
        super().__init__()
        self._workspace, self._desk = workspace, desk
        self._prompts, self._embeddings = prompts, embeddings
        self._job: Job[PredictedParts] | None = None
        workspace.project_changed.connect(self._stop)

    def _stop(self) -> None:
        """Another project: what is predicted of the old one's images is not for this one."""
        if self._job is not None:
            self._job.cancel()

    @property
    def _models(self) -> SemanticModelDesk:
        return self._desk.models

    @property
    def _view(self) -> SemanticViewDesk:
        return self._desk.view

    # -- asking ---------------------------------------------------------------------------------

    def ask(self) -> None:
        """Ask what becomes of what is predicted."""
        row, store = self._models.current, self._workspace.store
        if store is None or row is None or not row.here:
            self._workspace.tell(self._desk.why_not)
            return
        if store.read_only:
            self._workspace.tell(self.tr("This project is read-only: nothing can be added."))
            return
        card, known = row.card, self._workspace.categories
        images = self._images()
        if not images:
            self._workspace.tell(self.tr("There is no image to make annotations of."))
            return
        slot = self._prompts.slot
        names = {category.name for category in card.categories}
        thresholds = {
            name: value for name, value in self._view.look.thresholds.items() if name in names
        }
        options = self._view.kept.turning(card.key, thresholds)
        self.wanted.emit(
            Question(
                card,
                replace(options, targets=_still_meant(options.targets, names, known)),
                suggested(card.categories, tuple(known.values())),
                images,
                slot.card.title if slot is not None and not slot.failure else "",
                known,
            )
        )

    def _images(self) -> dict[Scope, tuple[int, ...]]:
        session, known = self._workspace.session, self._workspace.images
        shown = (session.image.id,) if session and self._view.levels is not None else ()
        found = {
            Scope.THIS: shown,
            Scope.PREDICTED: tuple(id_ for id_ in known if id_ in self._desk.known),
            Scope.SELECTED: tuple(self._desk.selected()),
            Scope.UNLABELLED: tuple(self._desk.unlabelled),
            Scope.ALL: tuple(known),
        }
        if len(found[Scope.SELECTED]) < 2:
            del found[Scope.SELECTED]
        return {scope: ids for scope, ids in found.items() if ids}

    def count(
        self,
        options: LabelMapOptions,
        done: Callable[[TurnPreview], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """What these options would make of the open image; an earlier question is dropped."""
        session, store, levels = self._workspace.session, self._workspace.store, self._view.levels
        if session is None or store is None or levels is None:
            return
        image, annotations = session.image, session.annotations
        plan_of = self._planner(levels.prediction, options)

        def work(cancel: CancelToken, _: ProgressSink) -> TurnPreview:
            plan = plan_of()
            found = parts(levels.prediction, plan, cancel)
            partition = store.setting(SETTING, False) is True
            return preview(found, plan, image, annotations, partition=partition)

        self._workspace.runner.submit(
            Lane.IO, self.tr("counting"), work, on_done=done, on_error=failed, key=COUNT_KEY
        )

    def _planner(
        self, prediction: SemanticPrediction, options: LabelMapOptions
    ) -> Callable[[], LabelMapPlan]:
        row = self._models.current
        title = row.card.title if row is not None else ""
        project = tuple(self._workspace.categories.values())
        return lambda: label_map_plan(
            title, prediction.model_key, prediction.categories, project, options
        )

    # -- turning --------------------------------------------------------------------------------

    def turn(self, options: LabelMapOptions, scope: Scope, *, sharpen: bool) -> None:
        """Make annotations, as one step that can be undone; `sharpen` asks the prompt model."""
        self._view.kept.keep_turning(self._models.chosen, options)
        images = self._images().get(scope, ())
        if scope is Scope.THIS:
            self._turn_this(options, sharpen=sharpen)
        elif images:
            self._turn_many(options, images, sharpen=sharpen)

    def _prompting(self) -> Prompting | None:
        slot = self._prompts.slot
        return Prompting(slot, self._embeddings) if slot is not None else None

    def _turn_this(self, options: LabelMapOptions, *, sharpen: bool) -> None:
        levels, pixels, store = self._view.levels, self._workspace.pixels, self._workspace.store
        session = self._workspace.session
        if levels is None or pixels is None or session is None or store is None:
            return
        plan_of = self._planner(levels.prediction, options)
        prompting = self._prompting() if sharpen else None

        def work(cancel: CancelToken, report: ProgressSink) -> tuple[list[Part], LabelMapPlan]:
            plan = plan_of()
            found = parts(levels.prediction, plan, cancel)
            if prompting is not None:
                found = prompted(found, plan, pixels, prompting, report, cancel)
            return found, plan

        def done(made: tuple[list[Part], LabelMapPlan]) -> None:
            if store is self._workspace.store:
                self._add(session.image, store, *made)

        self._workspace.runner.submit(
            Lane.IO if prompting is None else Lane.DEVICE,
            self.tr("turning into annotations"),
            work,
            on_done=done,
            on_error=self._workspace.tell_error,
            on_cancelled=lambda: self._workspace.tell(self.tr("Stopped; nothing was added.")),
            visible=True,
        )

    def _add(
        self, image: ImageRecord, store: ProjectStore, found: Sequence[Part], plan: LabelMapPlan
    ) -> None:
        """To the image that it is of, though the page may have been turned meanwhile."""
        text = self.tr("turning into annotations")

        def make(session: ImageSession) -> Edit | None:
            return turn_into_annotations(session, store, found, plan)

        def elsewhere(edit: Edit) -> None:
            self._workspace.tell(self.tr("{}: {}").format(image.path, _made(edit)))

        def here(edit: Edit) -> None:
            undo = self.tr("Ctrl+Z takes that back.")
            self._workspace.tell(f"{_made(edit)} {undo}")

        def nothing() -> None:
            self._workspace.tell(self.tr("Nothing new: all of it is labelled already."))

        open_one = self._workspace.session
        if open_one is not None and open_one.image.id == image.id:
            self._workspace.edit(text, make, then=here, otherwise=nothing)
        else:
            self._workspace.edit_image(image.id, text, make, then=elsewhere)

    def _turn_many(
        self, options: LabelMapOptions, images: tuple[int, ...], *, sharpen: bool
    ) -> None:
        store, slot = self._workspace.store, self._models.slot
        if store is None or slot is None:
            return
        predicting = Predicting(slot, self._desk.settings, self._desk.cache)
        prompting = self._prompting() if sharpen else None

        def failed(error: Exception) -> None:
            self._workspace.tell_error(error)
            if slot.model is None:
                self._models.look()  # its weights may have gone

        stopped = self.tr("Stopped; what was predicted is kept, and nothing was added.")
        self._job = self._workspace.runner.submit_steps(
            self.tr("predicting {}").format(images_in_words(len(images))),
            predicting_steps(store, images, predicting, options, prompting),
            Callbacks(self._carry_out, failed, lambda: self._workspace.tell(stopped)),
            priority=BEHIND,
        )

    def _carry_out(self, found: PredictedParts) -> None:
        store = self._workspace.store
        if store is None:
            found.close()
            return
        self._desk.note(found.image_ids)

        def work(cancel: CancelToken, report: ProgressSink) -> PredictReport:
            with found:
                return carry_out(found, store, report, cancel)

        stopped = self.tr("Stopped; nothing was added.")
        answer = Callbacks(
            self._tell, self._workspace.tell_error, lambda: self._workspace.tell(stopped)
        )
        submit_run(self._workspace, self.tr("making annotations"), work, answer)

    def _tell(self, result: PredictReport) -> None:
        details = [f"{path}: {reason}" for path, reason in result.failures]
        if result.new_categories:
            made = self.tr("New categories: {}").format(", ".join(result.new_categories))
            details.insert(0, made)
        if not result.run_id:
            told = self.tr("Nothing new: all of it is labelled already.")
        else:
            came = turned_in_words(result.added, result.replaced)
            told = self.tr("{}: {}").format(images_in_words(result.images), came)
        if result.failures:
            passed = images_in_words(len(result.failures))
            told += " " + self.tr("{} passed over.").format(passed)
        self._workspace.tell(told, "\n".join(details))
        if result.run_id:
            run_id = result.run_id
            self._workspace.offer(self.tr("Undo"), lambda: self.take_back(run_id))

    def take_back(self, run_id: int = 0) -> None:
        """Take a run back (0: the last one), but for what people changed since."""
        tell = self._workspace.tell

        def done(result: TakenBack | None) -> None:
            if result is None:
                tell(self.tr("There are no predictions to take back."))
                return
            told = self.tr("Taken back: {} on {}.").format(
                annotations_in_words(result.removed), images_in_words(result.images)
            )
            if result.kept:
                kept = self.tr("{:,} that were changed since stay.").format(len(result.kept))
                told += " " + kept
            tell(told)

        stopped = self.tr("Stopped; the annotations are still there.")
        answer = Callbacks(done, self._workspace.tell_error, lambda: tell(stopped))
        take_back(self._workspace, RUN_KIND, run_id, self.tr("taking predictions back"), answer)


def _made(edit: Edit) -> str:
    before, after = ({row.id for row in rows.annotations} for rows in (edit.before, edit.after))
    return turned_in_words(len(after - before), len(before - after))


def _still_meant(
    targets: Targets, names: Collection[str], known: Mapping[int, Category]
) -> dict[str, CategoryTarget]:
    """Of targets that were chosen before, those that mean something in the project as it is now.

    A category that was to be made may be there by now; one that was there may have gone.
    """
    made = {category.name: category.id for category in known.values()}
    found = {}
    for name, target in targets.items():
        now = target
        if not target.category_id and target.name in made:
            now = CategoryTarget(made[target.name])
        if name in names and (not now.category_id or now.category_id in known):
            found[name] = now
    return found
