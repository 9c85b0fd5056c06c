"""From a card to a model that can be asked."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from segstudio.core.errors import WeightsError
from segstudio.core.image import RgbImage
from segstudio.core.prediction import SemanticPrediction
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.models.prompt.memory import memory_errors
from segstudio.models.semantic import library, predicting
from segstudio.models.semantic.card import SemanticCard
from segstudio.models.semantic.contract import PredictSettings
from segstudio.models.semantic.model_key import model_key
from segstudio.models.semantic.network import SizedNet
from segstudio.models.semantic.registry import build
from segstudio.models.tensor_files import first_line, read_tensors
from segstudio.models.threads import settle_threads
from segstudio.models.weights import file_sha256, missing_weights

# What published checkpoints hold beside tensors of the network: milesial's list of grey values.
_PASSED_OVER = frozenset({"mask_values"})
_PUBLISHED_PREFIX = "body.network."


class NetworkModel:
    """A `SemanticModel` on a network. Holds weights and no other state."""

    def __init__(self, card: SemanticCard, net: SizedNet, device: str, weights_hash: str) -> None:
        self.card = card
        self.device = device
        self._net = net
        self._key = model_key(card, weights_hash)
        mean, std = card.normalisation.mean, card.normalisation.std
        self._mean = torch.tensor(mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(std, device=device).view(1, 3, 1, 1)

    @property
    def model_key(self) -> str:
        return self._key

    def logits(self, images: Tensor) -> Tensor:
        """(N, C, H, W) float32 of (N, 3, H, W) float32 RGB of 0 to 1, on the model's device."""
        with torch.inference_mode(), memory_errors(self.device):
            out: Tensor = self._net(self._normalised(images))["out"]
            return out.float()

    def predict(
        self, image: RgbImage, settings: PredictSettings, report: ProgressSink, cancel: CancelToken
    ) -> SemanticPrediction:
        """The label map of a whole image, however large."""
        return predicting.predict(self, image, settings, report, cancel)

    def _normalised(self, images: Tensor) -> Tensor:
        return (images - self._mean) / self._std


class StandardisedModel(NetworkModel):
    """Each image of a batch is brought to mean 0 and variance 1, channel by channel.

    Where an image is passed over by a window, that is of the window.
    """

    def _normalised(self, images: Tensor) -> Tensor:
        std, mean = torch.std_mean(images, dim=(2, 3), keepdim=True, correction=0)
        return (images - mean) / std.clamp_min(1e-6)


def load(card: SemanticCard, weights: Path | None, device: str) -> NetworkModel:
    """A model trained here (`weights` None) or a published one. Raises WeightsError, DeviceError.

    The file must hold every tensor of the card's network and no other.
    """
    path = _path(card, weights)
    return NetworkModel(card, _filled(card, path, device), device, file_sha256(path))


def load_standardised(card: SemanticCard, weights: Path | None, device: str) -> NetworkModel:
    """As `load`, for networks that were trained on standardised images."""
    path = _path(card, weights)
    return StandardisedModel(card, _filled(card, path, device), device, file_sha256(path))


def read_state(card: SemanticCard, weights: Path | None, device: str = "cpu") -> dict[str, Tensor]:
    """The state dict of the card's network, by the names that SegStudio's networks have.

    Raises WeightsError if the file is missing, damaged, or holds anything but tensors.
    """
    path = _path(card, weights)
    state = read_tensors(path, card, device, _PASSED_OVER)
    if card.folder is not None:
        return state
    return {_PUBLISHED_PREFIX + name: value for name, value in state.items()}


def _path(card: SemanticCard, weights: Path | None) -> Path:
    if card.folder is not None:
        path = card.folder / library.WEIGHTS
        if not path.is_file():
            raise WeightsError(
                f"{card.title} is not on this machine any more: {path} is gone; choose another "
                "model, or train it again."
            )
        return path
    if weights is None:
        raise missing_weights(card)
    return weights


def _filled(card: SemanticCard, path: Path, device: str) -> SizedNet:
    if device == "cpu":
        settle_threads()  # on a busy machine, torch's own number is several times as slow
    with memory_errors(device):
        state = read_state(card, path, device)
        net = build(card.spec)
        assert isinstance(net, SizedNet)
        try:
            net.load_state_dict(state, strict=True, assign=True)
        except (RuntimeError, TypeError, ValueError) as error:
            raise WeightsError(
                f"{path} does not hold the weights of {card.title} ({first_line(error)}); "
                + _remedy(card)
            ) from error
        return net.to(device).float().requires_grad_(False).eval()


def _remedy(card: SemanticCard) -> str:
    if card.folder is not None:
        return "train it again."
    return f"get them with `segstudio models pull {card.key}`."
