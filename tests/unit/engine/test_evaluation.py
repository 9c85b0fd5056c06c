"""Comparing label sets, held to scikit-learn, torchmetrics and the annotations themselves."""

from __future__ import annotations

import tracemalloc
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from labelled_project import SIZE, LabelledProject
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    confusion_matrix,
    precision_recall_curve,
)
from torchmetrics.classification import (
    MulticlassAveragePrecision,
    MulticlassF1Score,
    MulticlassJaccardIndex,
)
from torchmetrics.detection import MeanAveragePrecision

from segstudio.cli.command_line import main
from segstudio.core.annotation import Stage
from segstudio.core.category import Category
from segstudio.core.changes import Edit, Records
from segstudio.core.errors import BadInputError, Cancelled
from segstudio.core.image import ImageState
from segstudio.core.progress import CancelToken
from segstudio.engine.disagreement import largest_disagreement
from segstudio.engine.evaluation import EvaluationOptions, evaluate
from segstudio.engine.evaluation_curves import KINDS
from segstudio.engine.label_set import LabelledImage, SetCategory, SetImage
from segstudio.engine.label_sets import AnnotationFilter, annotation_set
from segstudio.store.project import ProjectStore

NAMES = ("sky", "road", "car")


@dataclass
class ArraySet:
    """A label set of arrays, by image name; `None` is an image of which nothing is said."""

    maps: dict[str, np.ndarray | None]
    names: tuple[str, ...] = NAMES
    confidence: dict[str, np.ndarray] = field(default_factory=dict)
    open_table: bool = False
    key = value = title = "arrays"
    kind = "folder"
    count = None

    @contextmanager
    def opened(self, cancel):
        yield self

    @property
    def categories(self):
        return [SetCategory(name) for name in self.names]

    @property
    def images(self):
        return [SetImage(name, name) for name in self.maps]

    def read(self, image):
        labels = self.maps[image.key]
        if labels is None:
            return None
        return LabelledImage(labels, confidence=self.confidence.get(image.key))


@pytest.fixture
def project(tmp_path):
    made = LabelledProject.make(tmp_path / "p.segstudio", "car person", "road", images=3)
    yield made
    made.store.close()


def some(project, **filters):
    return annotation_set(project.store, AnnotationFilter(**filters))


labels = arrays(np.uint8, (6, 7), elements=st.sampled_from([0, 1, 2, 255]))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(labels, labels), min_size=1, max_size=3))
def test_scores_over_images_are_those_of_the_references(pairs):
    truth = {f"{n}.png": pair[0] for n, pair in enumerate(pairs)}
    said = {f"{n}.png": pair[1] for n, pair in enumerate(pairs)}
    found = evaluate(ArraySet(said), ArraySet(truth))
    true = np.concatenate([pair[0].ravel() for pair in pairs])
    guess = np.concatenate([pair[1].ravel() for pair in pairs])
    kept = true != 255
    if kept.any():
        expected = confusion_matrix(true[kept], guess[kept], labels=[0, 1, 2, 255])
        assert np.array_equal(found.confusion.counts, expected[:3])
        assert found.scores.pixel_accuracy == pytest.approx((true == guess)[kept].mean())
        whole = kept & (guess != 255)
        if (whole == kept).all():
            metric = MulticlassJaccardIndex(num_classes=3, ignore_index=255)
            value = metric(torch.tensor(guess).long(), torch.tensor(true).long())
            assert found.scores.miou == pytest.approx(float(value), abs=1e-6)
    else:
        assert found.scores.miou is None
        assert found.scores.pixel_accuracy is None
    for row, pair in zip(found.images, pairs, strict=True):
        wrong = (pair[0] != pair[1]) & (pair[0] != 255)
        assert (row.wrong, row.pixels) == (wrong.sum(), (pair[0] != 255).sum())
        assert (row.box is None) == (not wrong.any())
    order = [row.disagreement or 0 for row in found.by_disagreement()]
    assert order == sorted(order, reverse=True)


def test_categories_match_by_name_and_unknown_ones_are_wrong():
    truth = np.array([[0, 0, 1, 1, 2, 2]], np.uint8)
    said = np.array([[2, 2, 0, 0, 1, 3]], np.uint8)
    found = evaluate(
        ArraySet({"a.png": said}, ("road", "tree", "Sky ", "car")), ArraySet({"a.jpg": truth})
    )
    assert found.only_predicted == ("tree",)
    assert found.confusion.counts.tolist() == [[2, 0, 0, 0], [0, 2, 0, 0], [0, 0, 1, 1]]
    assert [row.iou for row in found.categories] == [1, 1, 0.5]
    assert found.images[0].place_truth == 2
    assert found.images[0].place_predicted == -1


def test_sets_that_share_nothing_are_refused_in_a_sentence():
    one = ArraySet({"a.png": np.zeros((2, 2), np.uint8)})
    for other, words in (
        (ArraySet(one.maps, ("left", "right")), "no category in common"),
        (ArraySet({"b.png": one.maps["a.png"]}), "no image that can be compared"),
        (ArraySet({"a.png": None}), "says nothing of it"),
        (ArraySet({"a.png": np.zeros((2, 3), np.uint8)}), "3 x 2 pixels"),
        (ArraySet(one.maps, open_table=True), "no table"),
    ):
        with pytest.raises(BadInputError, match=words):
            evaluate(one, other)


def test_images_of_one_set_alone_are_told_and_may_count_as_wrong():
    full = np.zeros((2, 2), np.uint8)
    truth = ArraySet({"a/1.png": full, "a/2.png": full, "a/3.png": full, "a/4.png": None})
    said = ArraySet({"1.jpg": full, "2.jpg": None, "4.jpg": full, "9.jpg": full})
    found = evaluate(said, truth)
    assert [row.name for row in found.images] == ["a/1.png"]
    reasons = {row.name: row.reason for row in found.left_out}
    assert list(reasons) == ["a/3.png", "9.jpg", "a/2.png", "a/4.png"]
    assert "no such image" in reasons["a/3.png"]
    strict = evaluate(said, truth, EvaluationOptions(missing_is_wrong=True))
    assert [row.disagreement for row in strict.images] == [0, 1, 1]
    assert strict.scores.pixel_accuracy == pytest.approx(1 / 3)


def test_file_names_match_only_where_they_are_the_only_ones():
    one, other = np.zeros((2, 2), np.uint8), np.ones((2, 2), np.uint8)
    truth = ArraySet({"x/1.png": one, "y/1.png": other, "z/2.png": one})
    said = ArraySet({"y/1.jpg": other, "1.png": one, "deep/2.png": one})
    found = evaluate(said, truth)
    assert [row.name for row in found.images] == ["y/1.png", "z/2.png"]
    assert found.scores.pixel_accuracy == 1


def test_confidence_gives_average_precision_per_category():
    rng = np.random.default_rng(0)
    truth, said = rng.integers(0, 3, (2, 9, 9)).astype(np.uint8)
    sure = rng.integers(0, 256, (9, 9)).astype(np.uint8)
    found = evaluate(ArraySet({"a": said}, confidence={"a": sure}), ArraySet({"a": truth}))
    expected = [
        average_precision_score((truth == at).ravel(), np.where(said == at, sure, 0).ravel())
        for at in range(3)
    ]
    assert [row.pixel_ap for row in found.categories] == pytest.approx(expected)
    assert found.scores.pixel_ap == pytest.approx(np.mean(expected))


def test_a_project_against_itself_is_perfect(project):
    project.draw(0, "road", (0, 0, 60, 20))
    project.draw(0, "car", (10, 10, 20, 20))
    project.draw(0, "car", (30, 10, 40, 20))
    project.draw(1, "person", (3, 3, 30, 30))
    everything = some(project)
    for mode in ("ignore", "background"):
        found = evaluate(everything, everything, EvaluationOptions(unlabelled=mode))
        scores = found.scores
        assert scores.miou == scores.boundary_iou == scores.trimap_iou == 1
        assert (scores.panoptic.pq, scores.panoptic.sq, scores.panoptic.rq) == (1, 1, 1)
        assert scores.coco.ap == pytest.approx(1)
        assert [row.image_id for row in found.images] == [project.image(n).id for n in (0, 1)]
    assert [row.name for row in found.categories] == ["car", "person", "road", "background"]


def test_model_against_human_tells_where_they_differ_most(project):
    human, model = {"stage": Stage.ASSISTED}, {"stage": Stage.AUTOMATIC, "model_key": "unet"}
    project.draw(0, "road", (0, 20, 60, 40), **human)
    project.draw(0, "car", (10, 25, 20, 35), predicted_iou=0.9, **human)
    project.draw(0, "road", (0, 20, 60, 40), **model)
    project.draw(0, "car", (12, 25, 20, 35), **model)
    project.draw(0, "person", (50, 22, 52, 24), **model)
    found = evaluate(some(project, model="unet"), some(project, stage="assisted"))
    (row,) = found.images
    assert (row.wrong, row.pixels) == (20 + 4, 1200)
    assert row.box == (10, 25, 12, 35)
    assert found.categories[row.place_truth].name == "car"
    assert found.categories[row.place_predicted].name == "road"
    car = found.categories[0]
    assert (car.iou, car.accuracy, car.precision) == (0.8, 0.8, 1)
    assert (car.pq, car.sq, car.rq) == (0.8, 0.8, 1)
    assert car.ap == pytest.approx(0.7, abs=0.01)  # found at IoU 0.5 to 0.8
    person = found.categories[1]
    assert (person.iou, person.accuracy, person.ap) == (0, None, None)
    assert person.pq == 0
    assert found.scores.panoptic.pq_stuff == found.categories[2].pq > 0.9


def test_unlabelled_pixels_are_ignored_or_background(project):
    project.draw(0, "car", (0, 0, 10, 10), stage=Stage.ASSISTED)
    project.draw(0, "car", (0, 0, 10, 20), stage=Stage.AUTOMATIC)
    sets = some(project, stage="automatic"), some(project, stage="assisted")
    ignored = evaluate(*sets)
    assert ignored.scores.miou == 1  # nobody knows what the rest is
    assert ignored.unlabelled == pytest.approx(1 - 100 / 2400)
    counted = evaluate(*sets, EvaluationOptions(unlabelled="background"))
    assert counted.categories[0].iou == 0.5
    assert counted.categories[-1].name == "background"
    assert counted.categories[-1].iou == pytest.approx(2200 / 2300)
    assert counted.unlabelled == 0
    # Half of the predicted car lies where the truth says that there is none.
    assert ignored.categories[0].pq == 1
    assert counted.categories[0].pq == 0


def test_crowds_are_no_truth_and_no_mistake(project):
    project.draw(0, "person", (0, 0, 30, 30), iscrowd=True, stage=Stage.ASSISTED)
    project.draw(0, "car", (40, 0, 50, 10), stage=Stage.ASSISTED)
    project.draw(0, "person", (0, 0, 5, 5), stage=Stage.AUTOMATIC)
    project.draw(0, "car", (40, 0, 50, 10), stage=Stage.AUTOMATIC)
    found = evaluate(some(project, stage="automatic"), some(project, stage="assisted"))
    assert found.confusion.total == 100
    assert found.scores.miou == found.scores.panoptic.pq == 1
    assert found.scores.coco.ap == pytest.approx(1)


def test_only_images_of_the_split_count(project):
    for at, split in enumerate(("train", "test")):
        project.draw(at, "car", (0, 0, 5, 5))
        project.mark(at, ImageState.LABELLED, split)
    found = evaluate(some(project), some(project), EvaluationOptions(split="test"))
    assert [row.image_id for row in found.images] == [project.image(1).id]
    assert found.left_out == ()


def test_cancelling_stops_between_images():
    token = CancelToken()
    seen = []

    def report(progress):
        seen.append(progress.done)
        if progress.done == 1:
            token.cancel()

    maps = {f"{n}.png": np.zeros((4, 4), np.uint8) for n in range(5)}
    with pytest.raises(Cancelled):
        evaluate(ArraySet(maps), ArraySet(maps), None, report, token)
    assert seen == [0, 1]


class ManyImages(ArraySet):
    """As many images as wanted, each made when it is read."""

    def read(self, image):
        rng = np.random.default_rng(int(image.key))
        return LabelledImage(rng.integers(0, 3, (64, 64)).astype(np.uint8))


def test_memory_stays_level_with_the_number_of_images():
    def peak(count):
        many = ManyImages(dict.fromkeys(map(str, range(count))))
        tracemalloc.start()
        evaluate(many, many)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(2)
    few, more = peak(10), peak(210)
    assert more - few < 200 * 2500  # what is told of each image, none of its pixels


def test_the_largest_part_is_found_on_large_images_in_blocks(monkeypatch):
    truth = np.zeros((90, 130), np.uint8)
    said = truth.copy()
    said[10:12, 10:12] = 1
    said[50:71, 33:40] = 2
    exact = largest_disagreement(truth, said)
    assert (exact.box, exact.truth, exact.predicted) == ((33, 50, 40, 71), 0, 2)
    monkeypatch.setattr("segstudio.engine.disagreement.MOST_PIXELS", 1000)
    rough = largest_disagreement(truth, said)
    x0, y0, x1, y1 = rough.box
    assert 29 <= x0 <= 33 < 40 <= x1 <= 44
    assert 46 <= y0 <= 50 < 71 <= y1 <= 75
    assert rough.predicted == 2
    assert largest_disagreement(np.full((4, 4), 255, np.uint8), said[:4, :4]) is None


def test_the_coco_panoptic_sample_against_itself_is_perfect(reference_data, tmp_path, capsys):
    source = reference_data / "coco_panoptic"
    project = tmp_path / "p.segstudio"
    assert main(["new", str(project), "--images", str(source / "input_images")]) == 0
    imported = ["import", "coco-panoptic", str(source / "panoptic_examples.json"), str(project)]
    assert main(imported) == 0
    capsys.readouterr()
    with ProjectStore.open(project, read_only=True) as store:
        everything = annotation_set(store, AnnotationFilter())
        found = evaluate(everything, everything)
    scores = found.scores
    assert len(found.images) == 2
    assert (scores.panoptic.pq, scores.panoptic.sq, scores.panoptic.rq) == (1, 1, 1)
    assert scores.miou == scores.boundary_iou == 1
    assert scores.coco.ap == pytest.approx(1)
    assert len(found.categories) == 133
    assert sum(row.iou is None for row in found.categories) > 90  # absent ones


def test_options_that_make_no_band_are_refused():
    for wrong in ({"unlabelled": "black"}, {"boundary_share": 0.0}, {"trimap_width": 0}):
        with pytest.raises(ValueError, match=r"band|unlabelled"):
            EvaluationOptions(**wrong)
    assert SIZE == (40, 60)


def test_curves_of_objects_are_there_where_their_scores_differ(project):
    for at, score in enumerate((0.9, 0.4)):
        place = (20 * at, 0, 20 * at + 10, 10)
        project.draw(0, "car", place, stage=Stage.ASSISTED)
        project.draw(0, "car", place, stage=Stage.AUTOMATIC, predicted_iou=score)
    project.draw(0, "car", (0, 20, 9, 29), stage=Stage.AUTOMATIC, predicted_iou=0.7)
    sets = some(project, stage="automatic"), some(project, stage="assisted")
    found = evaluate(*sets)
    assert [one.kind for one in found.curves] == list(KINDS[:3])
    for one, ap in zip(found.curves, ("ap50", None, "ap"), strict=True):
        if ap is not None:
            assert one.ap == pytest.approx(getattr(found.scores.coco, ap))
        assert one.precision.mean() == pytest.approx(one.ap)
    half = found.curves[0]
    assert half.precision[half.recall <= 0.5] == pytest.approx(1)
    assert half.precision[half.recall > 0.5] == pytest.approx(2 / 3)
    assert half.thresholds[0] == pytest.approx(0.9)
    assert half.thresholds[-1] == pytest.approx(0.4)
    assert all(threshold is None for threshold, _, _ in found.curves[2].points())
    alike = evaluate(sets[1], sets[0])
    assert (alike.curves, alike.no_curves) == ((), "alike")  # people's work has no scores
    project.draw(1, "road", (0, 0, 60, 20), stage=Stage.ASSISTED)
    project.draw(1, "road", (0, 0, 60, 10), stage=Stage.AUTOMATIC)
    project.mark(1, ImageState.LABELLED, "test")
    stuff = evaluate(*sets, EvaluationOptions(split="test"))
    assert (stuff.curves, stuff.no_curves) == ((), "no things")


def test_curves_of_pixels_are_scikit_learns_and_there_where_confidence_is():
    rng = np.random.default_rng(3)
    truth, said = rng.integers(0, 3, (2, 9, 9)).astype(np.uint8)
    truth[truth == 1] = 255
    sure = rng.integers(0, 4, (9, 9)).astype(np.uint8)  # many are alike
    plain = ArraySet({"a": said})
    assert evaluate(plain, ArraySet({"a": truth})).no_curves == "unscored"
    found = evaluate(ArraySet(plain.maps, confidence={"a": sure}), ArraySet({"a": truth}))
    assert [(one.category, one.kind) for one in found.curves] == [(0, "pixels"), (2, "pixels")]
    kept = truth != 255
    for one in found.curves:
        scores = np.where(said == one.category, sure, 0)[kept] / 255
        expected = precision_recall_curve((truth == one.category)[kept], scores)
        for mine, theirs in zip((one.precision, one.recall), expected[:2], strict=True):
            assert np.allclose(mine[::-1], theirs[:-1])
        assert np.allclose(one.thresholds[::-1], expected[2])
        assert one.ap == found.categories[one.category].pixel_ap


def test_missing_images_that_count_as_wrong_are_in_all_scores_or_in_none(project):
    project.draw(0, "car", (0, 0, 10, 10))
    project.draw(1, "car", (0, 0, 10, 10))
    truth, strict = some(project), EvaluationOptions(missing_is_wrong=True)
    names = [row.path for row in project.store.images()]
    said = np.full(SIZE, 255, np.uint8)
    said[:10, :10] = 0
    maps = {names[0]: said, names[1]: None}
    # Label maps tell no objects apart, whatever images are missing.
    assert evaluate(ArraySet(maps, ("car",)), truth, strict).scores.panoptic is None
    sure = {names[0]: np.full(SIZE, 200, np.uint8)}
    found = evaluate(ArraySet(maps, ("car",), sure), truth, strict)
    positive, scores = np.ones(200, bool), np.repeat([200, 0], 100)
    assert found.scores.pixel_ap == average_precision_score(positive, scores)
    assert found.curves[0].recall.tolist() == [0.5, 1]


def test_one_image_with_ignored_pixels_ties_and_categories_that_one_set_lacks():
    rng = np.random.default_rng(5)
    names = ("both", "also", "only said", "only true", "absent")
    truth = rng.choice([0, 0, 1, 3, 255], (24, 30)).astype(np.uint8)
    said = np.where(rng.random(truth.shape) < 0.6, truth % 4, rng.integers(0, 3, truth.shape))
    said[said == 3] = 2
    said = said.astype(np.uint8)
    sure = rng.choice([40, 128, 128, 255], truth.shape).astype(np.uint8)
    truth[0], sure[0] = 255, 255  # what is ignored does not count, however sure it is
    found = evaluate(ArraySet({"a": said}, names, {"a": sure}), ArraySet({"a": truth}, names))
    true, guess = torch.tensor(truth).long(), torch.tensor(said).long()
    for kind, ours in ((MulticlassJaccardIndex, "miou"), (MulticlassF1Score, "mean_dice")):
        metric = kind(num_classes=5, average="macro", ignore_index=255)
        assert getattr(found.scores, ours) == pytest.approx(float(metric(guess, true)), abs=1e-6)
    kept = truth != 255
    with pytest.warns(UserWarning, match="not in y_true"):
        expected = balanced_accuracy_score(truth[kept], said[kept])
    assert found.scores.mean_accuracy == pytest.approx(expected)
    scores = torch.tensor(np.where(said[..., None] == np.arange(5), sure[..., None], 0) / 255)
    precise = MulticlassAveragePrecision(num_classes=5, average=None, ignore_index=255)
    theirs = precise(scores.permute(2, 0, 1)[None].float(), true[None]).tolist()
    for row, value in zip(found.categories, theirs, strict=True):
        if row.pixels:
            assert row.pixel_ap == pytest.approx(value, abs=1e-5)
        else:
            assert row.pixel_ap is None
    assert [row.iou is None for row in found.categories] == [False] * 4 + [True]


def test_objects_with_crowds_ties_and_categories_that_one_set_lacks_are_torchmetrics(project):
    human, model = {"stage": Stage.ASSISTED}, {"stage": Stage.AUTOMATIC}
    rows = [(0, "car", (0, 0, 10, 10), (1, 0, 10, 10), 0.5), (0, "car", (20, 0, 30, 10), None, 0)]
    rows += [
        (1, "car", (0, 20, 30, 38), (0, 22, 30, 40), 0.5),
        (1, "person", (40, 0, 50, 9), None, 0),
    ]
    rows += [(0, "car", None, (45, 20, 55, 30), 0.5), (1, "tree", None, (50, 20, 55, 30), 0.9)]
    rows += [(2, "car", (0, 0, 20, 20), (0, 0, 20, 19), 0.5), (2, "car", None, (30, 2, 40, 9), 0.5)]
    project.categories["tree"] = tree = Category(
        project.store.new_category_id(), "tree", "#00ff00", isthing=True
    )
    project.store.commit(Edit("Add", 0, Records(), Records(categories=(tree,))))
    for at, name, true, guess, score in rows:
        if true:
            project.draw(at, name, true, **human)
        if guess:
            project.draw(at, name, guess, predicted_iou=score, **model)
    project.draw(2, "car", (25, 0, 60, 20), iscrowd=True, **human)
    project.draw(2, "car", (50, 2, 58, 8), predicted_iou=0.5, **model)
    project.draw(0, "car", (0, 0, 0, 0), **human)  # an empty mask is no object
    found = evaluate(some(project, stage="automatic"), some(project, stage="assisted"))
    # Its own thresholds are float32, of which that of 0.8 is above an IoU of just 0.8.
    exact = [np.linspace(*ends).tolist() for ends in ((0.5, 0.95, 10), (0, 1, 101))]
    metric = MeanAveragePrecision("xyxy", "segm", *exact, class_metrics=True)
    for image in project.store.images():
        parts = {True: [], False: []}
        for row in project.store.annotations(image.id):
            if row.mask.area:
                parts[row.stage is Stage.AUTOMATIC].append(row)
        told = {}
        for automatic, some_rows in parts.items():
            masks = np.array([row.mask.to_array() for row in some_rows])
            told[automatic] = {
                "masks": torch.tensor(masks.reshape(-1, *SIZE)),
                "labels": torch.tensor([row.category_id for row in some_rows], dtype=torch.int64),
            }
        told[True]["scores"] = torch.tensor([row.predicted_iou for row in parts[True]])
        told[False]["iscrowd"] = torch.tensor([int(row.iscrowd) for row in parts[False]])
        metric.update([told[True]], [told[False]])
    theirs, ours = metric.compute(), found.scores.coco
    for name, key in (("map", "ap"), ("map_50", "ap50"), ("map_75", "ap75"), ("mar_100", "recall")):
        assert getattr(ours, key) == pytest.approx(float(theirs[name]), abs=1e-6)
    by_id = dict(zip(theirs["classes"].tolist(), theirs["map_per_class"].tolist(), strict=True))
    for row in found.categories:
        value = by_id.get(project.categories[row.name].id, -1)
        assert row.ap == (None if value < 0 else pytest.approx(value, abs=1e-6))
    assert 0 < ours.ap < 1
