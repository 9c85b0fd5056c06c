"""From a model's card to a loaded model: weights, device, network. Used by the GUI and the CLI."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from segstudio.core.errors import DeviceError, WeightsError
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.models import weights as model_weights
from segstudio.models.card import ModelCard
from segstudio.models.device import AUTO, choose_device
from segstudio.models.prompt.contract import PromptModel
from segstudio.models.registry import EMBEDDED_MODEL, PROMPT_MODELS, prompt_model


def choose_card(key: str = AUTO) -> ModelCard:
    """The card of that key; "auto": the first whose weights are here, else the one without any.

    Models stand in the registry from the lightest up, so "auto" never takes one that is too heavy
    for the machine while a lighter one is there. Without torch none that has weights can be loaded.
    Raises BadInputError for an unknown key.
    """
    if key != AUTO:
        return prompt_model(key)
    cards = PROMPT_MODELS if find_spec("torch") is not None else ()
    return next((card for card in cards if has_weights(card)), prompt_model(EMBEDDED_MODEL))


def has_weights(card: ModelCard) -> bool:
    """Whether the card's weights file is on this machine and is the published one."""
    try:
        return model_weights.find(card) is not None
    except WeightsError:
        return False


def load_prompt_model(
    card: ModelCard,
    *,
    device: str = AUTO,
    weights: Path | None = None,
    download: bool,
    report: ProgressSink,
    cancel: CancelToken,
) -> PromptModel:
    """Find (or, where `download` allows it, fetch) the weights and load the model on a device.

    `weights` names the file or its folder, None: look where weights belong. A model without weights
    needs no torch, so "auto" is then the CPU without asking. Raises WeightsError, DeviceError,
    Cancelled.
    """
    path = model_weights.ensure(card, weights, download=download, report=report, cancel=cancel)
    cancel.check()
    report(Progress(0, 0, f"Loading {card.title}"))
    try:
        on = "cpu" if card.weights is None and device == AUTO else choose_device(device)
        return card.load(path, on)
    except (ImportError, OSError) as error:  # a broken torch raises either
        raise DeviceError(
            f"{card.title} cannot be loaded, as a library that it needs fails here "
            f"({' '.join(str(error).split())[:200]}); `segstudio doctor` says what is missing."
        ) from error
