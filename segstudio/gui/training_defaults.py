"""What a training's dialog starts from."""

from __future__ import annotations

from dataclasses import dataclass

from segstudio.core.image import ImageState
from segstudio.engine.training_choices import SetChoices
from segstudio.engine.training_defaults import adjusted, fitting
from segstudio.engine.training_run import TrainingRun
from segstudio.engine.training_weights import encoders_here
from segstudio.models.semantic.card import SemanticCard
from segstudio.models.semantic.registry import semantic_cards
from segstudio.models.training.settings import TrainingSettings
from segstudio.store.reading import ProjectReading

_DONE = frozenset({ImageState.LABELLED, ImageState.REVIEWED})


@dataclass(frozen=True)
class TrainingStart:
    """Settings and choices to begin with, and the models that one could go on from.

    `here` are the encoders whose ImageNet weights are on this machine.
    """

    settings: TrainingSettings
    choices: SetChoices
    trained: tuple[SemanticCard, ...] = ()
    here: frozenset[str] = frozenset()


def first_settings(last: TrainingRun | None, store: ProjectReading) -> TrainingStart:
    """As the last training of the project was, else what suits machine and labels. Reads files."""
    choices = (last.choices if last is not None else None) or SetChoices()
    labelled = [image for image in store.images() if image.state in _DONE]
    learnt = labelled[: max(1, round((1 - choices.val_share) * len(labelled)))]
    if last is None or last.settings is None:
        settings = fitting(learnt)
    else:
        settings = adjusted(last.settings, last.train_images, len(learnt))
    return TrainingStart(settings, choices, semantic_cards(), encoders_here())
