"""Predictions that lie in the cache as label sets: a model against people, before anything of it
becomes annotations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from segstudio.config.paths import cache_dir
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageState
from segstudio.core.prediction import ModelCategory
from segstudio.core.progress import CancelToken
from segstudio.engine.label_set import LabelledImage, OpenLabelSet, SetCategory, SetImage
from segstudio.engine.label_space import plain_name
from segstudio.engine.prediction_cache import CachedPredictions, PredictionCache
from segstudio.engine.still_view import at_one_moment
from segstudio.imaging.photo import open_image
from segstudio.store.reading import ProjectReading


@dataclass(frozen=True)
class PredictionSet:
    """What one model, asked in one way, says of a project's images, as a `LabelSet`.

    Images without a prediction in the cache are not in it. The model's background is unlabelled.
    Confidence is known, objects are not told apart. An image is found by its pixels, so each is
    decoded when it is read.
    """

    store: ProjectReading
    cache: PredictionCache
    found: CachedPredictions
    title: str
    kind: str = field(default="prediction", init=False)
    count: int | None = field(default=None, init=False)

    @property
    def key(self) -> str:
        return f"prediction={self.value}"

    @property
    def value(self) -> str:
        return f"{self.found.model_key}/{self.found.settings_key}"

    @contextmanager
    def opened(self, cancel: CancelToken) -> Iterator[OpenLabelSet]:
        """See `LabelSet.opened`. Raises BadInputError where the predictions are gone."""
        cancel.check()
        with at_one_moment(self.store) as still:
            table = _table(self.cache, self.found)
            if table is None:
                raise BadInputError(f"{self.title}: they are no longer there; predict again.")
            yield _OpenPredictions(still, self.cache, self.found, table, cancel)


class _OpenPredictions:
    """Predictions of one model, whose categories are those of the first one found."""

    open_table = False

    def __init__(
        self,
        store: ProjectReading,
        cache: PredictionCache,
        found: CachedPredictions,
        table: tuple[ModelCategory, ...],
        cancel: CancelToken,
    ) -> None:
        self._store, self._cache, self._found, self._cancel = store, cache, found, cancel
        self._table = table
        self._paths = {row.id: store.image_path(row) for row in store.images()}
        self.categories = [_category(row) for row in table]
        self.images = [
            SetImage(row.path, str(row.id), row.id, row.size, row.split)
            for row in store.images()
            if row.state is not ImageState.REJECTED
        ]

    def read(self, image: SetImage) -> LabelledImage | None:
        """See `OpenLabelSet.read`. Raises BadInputError where the image file cannot be read."""
        path = self._paths[image.image_id]
        pixels = open_image(path, cache_dir() / "pixels", cancel=self._cancel)
        found = self._cache.get(pixels.key, self._found.model_key, self._found.settings_key)
        if found is None:
            return None
        if found.categories != self._table:
            raise BadInputError(f"The prediction of {image.name} is of other categories.")
        return LabelledImage(found.labels, confidence=found.confidence)


def prediction_sets(store: ProjectReading, cache: PredictionCache) -> list[PredictionSet]:
    """A set for each model and way of asking that has predictions in the cache, of whatever
    images, and knows a category of the project by name; with the settings' key in the title where
    a model was asked in several ways."""
    names = {plain_name(row.name) for row in store.categories()}
    kinds = [kind for kind in cache.kinds() if names & _names(cache, kind)]
    ways = Counter(kind.model_key for kind in kinds)
    return [
        PredictionSet(
            store,
            cache,
            kind,
            f"Predictions of {kind.model_key}"
            + (f" ({kind.settings_key[:6]})" if ways[kind.model_key] > 1 else ""),
        )
        for kind in kinds
    ]


def _category(row: ModelCategory) -> SetCategory:
    return SetCategory(
        row.name, row.colour, row.isthing, nothing="unlabelled" if row.background else ""
    )


def _names(cache: PredictionCache, kind: CachedPredictions) -> set[str]:
    """What the model calls its categories, by one of its predictions."""
    return {plain_name(row.name) for row in _table(cache, kind) or ()}


def _table(cache: PredictionCache, kind: CachedPredictions) -> tuple[ModelCategory, ...] | None:
    """The categories of one of those predictions; None where it is gone."""
    return cache.categories(kind.image_key, kind.model_key, kind.settings_key)
