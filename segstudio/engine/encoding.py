"""Encoding an image, or parts of it, with a model, through the cache."""

from __future__ import annotations

from segstudio.core.image import RgbImage
from segstudio.core.mapped import mapping_of, trim_heap
from segstudio.core.mask import Box
from segstudio.core.progress import CancelToken
from segstudio.core.prompt import Embedding
from segstudio.engine.embedding_cache import EmbeddingCache
from segstudio.models.prompt.contract import EncodeCrop, PromptModel

_MOST_COPIED = 64 << 20  # bytes


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
    kept = cache.put(model.encode(image, cancel))
    if mapping_of(image.pixels) is not None:
        trim_heap()
    return kept


def cut_out(image: RgbImage, box: Box) -> RgbImage:
    """The image in a half-open box of whole pixels inside it; its key is that of these pixels.

    A small part is a copy, so that it does not hold the whole image; a large one is not.
    """
    x0, y0, x1, y1 = (int(value) for value in box)
    part = image.pixels[y0:y1, x0:x1]
    return RgbImage(part if part.nbytes > _MOST_COPIED else part.copy())


def crop_encoder(
    model: PromptModel, cache: EmbeddingCache, image: RgbImage, cancel: CancelToken
) -> EncodeCrop:
    """What encodes parts of `image` for `model.everything`, each through the cache.

    The callable takes a half-open box of whole pixels inside the image and gives the embedding of
    an image of those pixels alone. It raises what `encode_image` raises.
    """
    return lambda box: encode_image(model, cache, cut_out(image, box), cancel)
