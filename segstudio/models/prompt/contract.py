"""The contract of prompt models: encode an image once, answer prompts from the embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from segstudio.core.image import RgbImage
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.core.prompt import Candidates, Embedding, Prompt
from segstudio.models.card import ModelCard


@dataclass(frozen=True)
class EverythingSettings:
    """How "everything" works; the names and defaults of SamAutomaticMaskGenerator.

    `points_per_side`: grid of prompts. Masks below `predicted_iou` or `stability` (at logit
    offset `stability_offset`) are dropped, both on SAM's scale: a model whose scores mean something
    else maps the thresholds to its own and says how. Then box NMS at `box_nms` IoU. Holes and
    islands smaller than `min_region` pixels are removed (0: kept).
    """

    points_per_side: int = 32
    predicted_iou: float = 0.88
    stability: float = 0.95
    stability_offset: float = 1.0
    box_nms: float = 0.7
    min_region: int = 0


class PromptModel(Protocol):
    """A loaded model. It holds weights and no other state: calls remember nothing.

    Calls come from one thread at a time (the device lane). All raise DeviceError when the device
    runs out of memory, and Cancelled as soon as `cancel` is seen to be set.
    """

    card: ModelCard
    device: str

    @property
    def model_key(self) -> str:
        """The card's key together with weights and preprocessing; part of cache keys.

        Letters, digits, '-', '_' and '.' only.
        """
        ...

    def encode(self, image: RgbImage, cancel: CancelToken) -> Embedding:
        """The dear step. The embedding's arrays are numpy, C-contiguous, on the host."""
        ...

    def predict(self, embedding: Embedding, prompt: Prompt) -> Candidates:
        """The cheap step: the masks for one prompt, in image pixels; empty for an empty prompt.

        Raises ValueError if the embedding is another model's, BadInputError if the prompt holds
        something that the card does not accept.
        """
        ...

    def everything(
        self,
        embedding: Embedding,
        settings: EverythingSettings,
        report: ProgressSink,
        cancel: CancelToken,
    ) -> Candidates:
        """Masks of everything in the image, best first, no prompt needed."""
        ...
