"""From a semantic model's card to a loaded model. Used by the GUI and the CLI."""

from __future__ import annotations

from pathlib import Path

from segstudio.core.errors import BadInputError, DeviceError
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.models import weights as model_weights
from segstudio.models.device import AUTO, choose_device
from segstudio.models.semantic import library
from segstudio.models.semantic.card import SemanticCard
from segstudio.models.semantic.contract import SemanticModel
from segstudio.models.semantic.registry import semantic_card


def choose_semantic_card(name: str) -> SemanticCard:
    """The card of that key (published, or trained here), or of the model in that folder.

    A key is taken before a folder of the same name. Raises BadInputError for neither.
    """
    folder = Path(name)
    try:
        return semantic_card(name)
    except BadInputError:
        if not folder.is_dir():
            raise
    return library.read(folder)


def load_semantic_model(
    card: SemanticCard,
    *,
    device: str = AUTO,
    weights: Path | None = None,
    download: bool,
    report: ProgressSink,
    cancel: CancelToken,
) -> SemanticModel:
    """Find (or, where `download` allows it, fetch) the weights and load the model on a device.

    `weights` names the file or its folder, None: look where weights belong; a model that was
    trained here has its own. Raises WeightsError, DeviceError, Cancelled.
    """
    path = model_weights.ensure(card, weights, download=download, report=report, cancel=cancel)
    cancel.check()
    report(Progress(0, 0, f"Loading {card.title}"))
    try:
        return card.load(path, choose_device(device))
    except ModuleNotFoundError as error:
        raise DeviceError(
            f"{card.title} needs the Python package {error.name}, which is not installed; "
            "install it, or install SegStudio anew."
        ) from error
