"""A semantic model on its way, and asking it through the cache."""

from __future__ import annotations

from collections.abc import Callable

from segstudio.core.image import RgbImage
from segstudio.core.prediction import SemanticPrediction
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.engine.model_slot import Slot
from segstudio.engine.prediction_cache import PredictionCache
from segstudio.models.semantic.card import SemanticCard
from segstudio.models.semantic.contract import PredictSettings, SemanticModel

# Loads a card's model on a device; None for the device: the one that the user's settings name.
LoadSemanticModel = Callable[[SemanticCard, str | None, CancelToken, ProgressSink], SemanticModel]


class SemanticSlot(Slot[SemanticCard, SemanticModel]):
    """One choice of a semantic model; see `Slot` for what it does where the device fails it."""


def predict_image(  # noqa: PLR0917 - what a model is asked, and where answers are kept
    model: SemanticSlot | SemanticModel,
    image: RgbImage,
    settings: PredictSettings,
    cache: PredictionCache,
    report: ProgressSink,
    cancel: CancelToken,
) -> SemanticPrediction:
    """The image's prediction: from the cache, or made now and kept there.

    Blocks; call it where the model may be called (the device lane). A slot's model need not be in
    memory for what the cache has, once it was loaded. Raises Cancelled, DeviceError, and from a
    slot what loading raises.
    """
    if isinstance(model, SemanticSlot):
        known = model.model_key
        found = cache.get(image.key, known, settings.key) if known else None
        if found is not None:
            return found
        return model.use(
            lambda loaded: predict_image(loaded, image, settings, cache, report, cancel),
            cancel,
            report,
        )
    found = cache.get(image.key, model.model_key, settings.key)
    if found is not None:
        return found
    cancel.check()
    made = model.predict(image, settings, report, cancel)
    cache.put(image.key, settings.key, made)
    return made
