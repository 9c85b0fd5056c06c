"""The contract of prompt models: encode an image once, answer prompts from the embedding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from segstudio.core.image import RgbImage
from segstudio.core.mask import Box
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.core.prompt import Candidates, Embedding, Prompt
from segstudio.models.card import ModelCard


@dataclass(frozen=True)
class EverythingSettings:
    """How "everything" works; the names and defaults of SamAutomaticMaskGenerator.

    `points_per_side`: grid of prompts. Masks below `predicted_iou` or `stability` (at logit
    offset `stability_offset`) are dropped, both on SAM's scale: a model whose scores mean something
    else maps the thresholds to its own and says how. Then box NMS at `box_nms` IoU. Holes and
    islands smaller than `min_region` pixels are removed (0: kept). With `crop_layers` n, layers
    1 to n cut the image in 2^i x 2^i crops that overlap by `crop_overlap` of its shorter side (less
    in finer layers), each prompted with `points_per_side` / `crop_downscale`^i points a side; box
    NMS at `crop_nms` prefers masks of smaller crops. `fast` is approximate: a coarse grid first,
    and then only those points that no accepted mask holds yet.
    """

    points_per_side: int = 32
    predicted_iou: float = 0.88
    stability: float = 0.95
    stability_offset: float = 1.0
    box_nms: float = 0.7
    min_region: int = 0
    crop_layers: int = 0
    crop_overlap: float = 512 / 1500
    crop_downscale: int = 1
    crop_nms: float = 0.7
    fast: bool = False


# The embedding of the part of the image in a box of whole pixels, encoded now or from a cache.
EncodeCrop = Callable[[Box], Embedding]


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

    def prepare(self, report: ProgressSink, cancel: CancelToken) -> None:
        """Make ready, once on this machine, what speeds up later calls; may take a minute.

        The one call that may run beside others, in another thread: they go on without it until it
        is done. Never needed, and where it cannot be done nothing is lost.
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
        encode_crop: EncodeCrop | None = None,
    ) -> Candidates:
        """Masks of everything in the image, best first, no prompt needed.

        `encode_crop` is asked for the embeddings of crops where `settings` want crop layers.
        Raises BadInputError if there are to be crops and it is None.
        """
        ...
