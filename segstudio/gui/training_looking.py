"""What is read of a training that is looked at: its story, its categories, its worst images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from segstudio.core.errors import BadInputError
from segstudio.core.prediction import ModelCategory
from segstudio.core.progress import CancelToken
from segstudio.engine.job import Job
from segstudio.engine.jobs import Lane
from segstudio.engine.training_choices import SetChoices
from segstudio.engine.training_run import TrainingRun
from segstudio.engine.training_survey import SetSurvey, survey
from segstudio.gui.training_pictures import ExamplePictures, example_pictures
from segstudio.gui.training_story import TrainingStory
from segstudio.gui.workspace import Workspace
from segstudio.models.training import folder
from segstudio.models.training.events import Example

MOST_WORST = 6


@dataclass(frozen=True, eq=False)
class Looked:
    """A run's story and the categories that its model has."""

    name: str
    story: TrainingStory
    categories: tuple[ModelCategory, ...]

    @property
    def colours(self) -> dict[str, str]:
        return {category.name: category.colour for category in self.categories}


def look_at(run: TrainingRun) -> Looked:
    """Read a run's folder; what is gone or damaged is left out."""
    return Looked(run.name, TrainingStory(run.events()), categories_of(run))


def categories_of(run: TrainingRun) -> tuple[ModelCategory, ...]:
    """Those of its set; none where that is gone."""
    try:
        return folder.read(run.folder.path)[1].categories
    except BadInputError:
        return ()


def worst_of(
    run: TrainingRun,
    worst: tuple[Example, ...],
    categories: tuple[ModelCategory, ...],
    cancel: CancelToken,
) -> list[ExamplePictures]:
    """The pictures of the worst images; those whose files are gone are left out."""
    found = []
    for example in worst[:MOST_WORST]:
        cancel.check()
        try:
            found.append(example_pictures(example, run.folder.path, categories, cancel))
        except BadInputError:
            continue
    return found


def look_at_labels(
    workspace: Workspace,
    choices: SetChoices,
    done: Callable[[SetSurvey], None],
    failed: Callable[[Exception], None],
) -> Job[SetSurvey] | None:
    """What the project's labels come to; an earlier question is dropped."""
    store = workspace.store
    if store is None:
        return None
    return workspace.runner.submit(
        Lane.IO,
        workspace.tr("looking at the labels"),
        lambda cancel, report: survey(store, choices, report, cancel),
        on_done=done,
        on_error=failed,
        key="training-survey",
    )
