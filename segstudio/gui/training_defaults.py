"""What a training's dialog starts from."""

from __future__ import annotations

from dataclasses import dataclass

from segstudio.engine.training_choices import SetChoices
from segstudio.engine.training_run import TrainingRun
from segstudio.models.device import choose_device
from segstudio.models.semantic.card import SemanticCard
from segstudio.models.semantic.registry import semantic_cards
from segstudio.models.training.settings import TrainingSettings

# What half an hour on two cores can do something with; a GPU takes the settings' own defaults.
ON_CPU = TrainingSettings(
    architecture="unet", encoder="resnet18", side=256, batch=4, epochs=40, learning_rate=1e-3
)


@dataclass(frozen=True)
class TrainingStart:
    """Settings and choices to begin with, and the models that one could go on from."""

    settings: TrainingSettings
    choices: SetChoices
    trained: tuple[SemanticCard, ...] = ()


def first_settings(last: TrainingRun | None) -> TrainingStart:
    """As the last training of the project was, else what suits this machine. Reads files."""
    if last is not None and last.settings is not None:
        return TrainingStart(last.settings, last.choices or SetChoices(), semantic_cards())
    slow = choose_device() == "cpu"
    return TrainingStart(ON_CPU if slow else TrainingSettings(), SetChoices(), semantic_cards())
