"""A model's cached predictions against people's labels."""

from __future__ import annotations

import numpy as np
import pytest
from labelled_project import SIZE, LabelledProject
from PIL import Image

from segstudio.config.paths import cache_dir
from segstudio.core.errors import BadInputError
from segstudio.core.prediction import ModelCategory, SemanticPrediction
from segstudio.core.progress import CancelToken
from segstudio.engine.evaluation import EvaluationOptions, evaluate
from segstudio.engine.label_sets import AnnotationFilter, annotation_set, label_sets
from segstudio.engine.named_label_sets import named_sets
from segstudio.engine.prediction_cache import PredictionCache
from segstudio.imaging.photo import open_image

TABLE = (
    ModelCategory("rest", "#000000", background=True),
    ModelCategory("road", "#112233"),
    ModelCategory("car", "#ff0000", isthing=True),
)


@pytest.fixture
def project(tmp_path):
    made = LabelledProject.make(tmp_path / "p.segstudio")
    rng = np.random.default_rng(0)
    for image in made.store.images():
        path = made.store.image_path(image)
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 255, (*SIZE, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(path, format="PNG")
    yield made
    made.store.close()


@pytest.fixture
def cache(tmp_path):
    return PredictionCache(tmp_path / "cache", 1 << 24)


def predict(project, cache, at, labels, *, model="unet-1", key="abcdef", table=TABLE):
    image = project.image(at)
    pixels = open_image(project.store.image_path(image), cache_dir() / "pixels")
    sure = np.full(SIZE, 200, np.uint8)
    made = SemanticPrediction(table, labels, sure, sure, model, key)
    cache.put(pixels.key, key, made)


def test_cached_predictions_are_a_set_beside_the_annotations(project, cache):
    project.draw(0, "road", (0, 0, 60, 20))
    project.draw(1, "road", (0, 0, 60, 20))
    labels = np.zeros(SIZE, np.uint8)
    labels[:10] = 1
    predict(project, cache, 0, labels)
    (found,) = [row for row in label_sets(project.store, cache) if row.kind == "prediction"]
    assert (found.key, found.title) == ("prediction=unet-1/abcdef", "Predictions of unet-1")
    people = annotation_set(project.store, AnnotationFilter())
    result = evaluate(found, people)
    assert [row.image_id for row in result.images] == [project.image(0).id]
    assert "says nothing" in result.left_out[0].reason
    by_name = {row.name: row for row in result.categories}
    assert (by_name["road"].iou, by_name["car"].iou) == (0.5, None)
    assert result.scores.pixel_ap == 1  # what is not labelled cannot be wrong
    assert result.scores.panoptic is None
    whole = evaluate(found, people, EvaluationOptions(unlabelled="background"))
    assert whole.categories[-1].iou == pytest.approx(20 / 30)


def test_each_way_of_asking_is_a_set_and_gone_predictions_are_said_to_be(project, cache, tmp_path):
    labels = np.zeros(SIZE, np.uint8)
    for key in ("abcdef", "012345"):
        predict(project, cache, 0, labels, key=key)
    predict(project, cache, 1, labels, key="012345", table=TABLE[:2])
    titles = [row.title for row in label_sets(project.store, cache)][-2:]
    assert titles == ["Predictions of unet-1 (012345)", "Predictions of unet-1 (abcdef)"]
    assert [row.count for row in cache.kinds()] == [2, 1]
    last = label_sets(project.store, cache)[-1]
    for file in (tmp_path / "cache").glob("*/*/*"):
        file.unlink()
    with pytest.raises(BadInputError, match="predict again"), last.opened(CancelToken()):
        pass
    assert PredictionCache(None, 0).kinds() == []


def test_a_prediction_of_other_categories_is_left_out(project, cache):
    for at, table in enumerate((TABLE, TABLE[:2])):
        project.draw(at, "road", (0, 0, 9, 9))
        predict(project, cache, at, np.ones(SIZE, np.uint8), table=table)
    (found,) = [row for row in label_sets(project.store, cache) if row.kind == "prediction"]
    result = evaluate(found, annotation_set(project.store, AnnotationFilter()))
    assert len(result.images) == 1
    assert "other categories" in result.left_out[0].reason


def test_the_command_line_names_a_models_predictions(project):
    cache = PredictionCache(cache_dir() / "predictions", 1 << 24)
    labels = np.ones(SIZE, np.uint8)
    project.draw(0, "road", (0, 0, 60, 20))
    predict(project, cache, 0, labels)
    path = project.store.path
    with named_sets(f"{path}:prediction=unet-1", str(path)) as (said, true):
        assert evaluate(said, true).scores.miou == 1
    predict(project, cache, 0, labels, key="012345")
    with named_sets(f"{path}:prediction=unet-1/012345", ":stage=assisted") as (said, true):
        assert (said.kind, true.kind) == ("prediction", "stage")
    for asked, words in (("unet-1", "in several ways"), ("unet-2", "predict first")):
        with (
            pytest.raises(BadInputError, match=words),
            named_sets(f"{path}:prediction={asked}", str(path)),
        ):
            pass


def test_models_that_know_nothing_of_the_project_are_not_offered(project, cache):
    labels = np.zeros(SIZE, np.uint8)
    other = (ModelCategory("lung", "#112233"), ModelCategory("liver", "#332211"))
    predict(project, cache, 0, labels, model="organs-1", table=other)
    assert not [row for row in label_sets(project.store, cache) if row.kind == "prediction"]
