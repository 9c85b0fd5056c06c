"""Encoding an image with a model, through the cache."""

from __future__ import annotations

from segstudio.core.image import RgbImage
from segstudio.core.progress import CancelToken
from segstudio.core.prompt import Embedding
from segstudio.engine.embedding_cache import EmbeddingCache
from segstudio.models.prompt.contract import PromptModel


def encode_image(
    model: PromptModel, cache: EmbeddingCache, image: RgbImage, cancel: CancelToken
) -> Embedding:
    """The image's embedding: from the cache, or encoded now and kept there.

    Blocks; call it where the model may be called. An encoding that was cancelled too late to stop
    is kept all the same. Raises Cancelled, DeviceError.
    """
    found = cache.get(model.model_key, image.key)
    if found is not None:
        return found
    cancel.check()
    return cache.put(model.encode(image, cancel))
