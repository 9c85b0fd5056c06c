"""Panoptic quality, against torchmetrics and the reference's rules one segment at a time."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image
from torchmetrics.detection import PanopticQuality as TheirQuality

from segstudio.metrics.panoptic import PanopticQuality, Segments


def by_the_rules(images, categories):
    """TP, FP, FN and summed IoU as panopticapi's `pq_compute` counts them, mask by mask."""
    counts = {row: [0, 0, 0, 0.0] for row in range(categories)}
    for truth, predicted in images:
        matched_true, matched_said = set(), set()
        void = truth.ids == 0
        crowds = truth.crowds or [False] * len(truth.categories)
        for i, true in enumerate(truth.categories, start=1):
            for j, said in enumerate(predicted.categories, start=1):
                one, other = truth.ids == i, predicted.ids == j
                if true != said or crowds[i - 1] or not (one & other).any():
                    continue
                union = one.sum() + other.sum() - (one & other).sum() - (void & other).sum()
                iou = (one & other).sum() / union
                if iou > 0.5:
                    counts[true][0] += 1
                    counts[true][3] += iou
                    matched_true.add(i)
                    matched_said.add(j)
        for i, true in enumerate(truth.categories, start=1):
            if i not in matched_true and not crowds[i - 1] and (truth.ids == i).any():
                counts[true][2] += 1
        for j, said in enumerate(predicted.categories, start=1):
            other = predicted.ids == j
            if j in matched_said or not other.any():
                continue
            excused = (void & other).sum()
            for i, true in enumerate(truth.categories, start=1):
                if crowds[i - 1] and true == said:
                    excused += ((truth.ids == i) & other).sum()
            if excused / other.sum() <= 0.5:
                counts[said][1] += 1
    return counts


def agree(ours: PanopticQuality, counts) -> None:
    for row, (right, wrong, missed, iou) in counts.items():
        assert ours.true_positives[row] == right
        assert ours.false_positives[row] == wrong
        assert ours.false_negatives[row] == missed
        assert ours.iou_sum[row] == pytest.approx(iou)
        weight = right + wrong / 2 + missed / 2
        if weight:
            assert ours.pq()[row] == pytest.approx(iou / weight)
            assert ours.rq()[row] == pytest.approx(right / weight)
            assert ours.sq()[row] * ours.rq()[row] == pytest.approx(ours.pq()[row])
        else:
            assert np.isnan([ours.pq()[row], ours.sq()[row], ours.rq()[row]]).all()


@st.composite
def segmented(draw, shape=None, crowds=True):
    shape = shape or draw(array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=6))
    count = draw(st.integers(0, 5))
    ids = draw(arrays(np.int32, shape, elements=st.integers(0, count)))
    kinds = draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))
    flags = draw(st.lists(st.booleans(), min_size=count, max_size=count)) if crowds else []
    return Segments(ids, kinds, flags)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_counts_are_those_of_the_reference_rules(data):
    images = []
    ours = PanopticQuality(3)
    for _ in range(2):
        truth = data.draw(segmented())
        predicted = data.draw(segmented(truth.ids.shape, crowds=False))
        ours.add(truth, predicted)
        images.append((truth, predicted))
    agree(ours, by_the_rules(images, 3))


def as_pairs(segments: Segments) -> torch.Tensor:
    """(1, H, W, 2) category and instance; every pixel has a segment."""
    kinds = np.array([0, *segments.categories])
    return torch.tensor(np.stack([kinds[segments.ids], segments.ids], axis=-1)[None])


def test_quality_is_that_of_torchmetrics_on_random_segments():
    rng = np.random.default_rng(5)
    ours = PanopticQuality(4)
    theirs = TheirQuality(
        things={0, 1},
        stuffs={2, 3},
        return_sq_and_rq=True,
        return_per_class=True,
    )
    for _ in range(12):
        coarse = rng.integers(1, 7, (6, 8))
        ids = np.kron(coarse, np.ones((5, 5), int)).astype(np.int32)
        moved = np.roll(ids, rng.integers(0, 3, 2), (0, 1))
        kinds = [0, 0, 1, 1, 2, 3]
        said = [kind if rng.random() < 0.8 else 1 for kind in kinds]
        # Stuff is one segment an image, to torchmetrics too.
        ours.add(Segments(ids, kinds), Segments(moved, said))
        theirs.update(as_pairs(Segments(moved, said)), as_pairs(Segments(ids, kinds)))
    table = theirs.compute().numpy()
    mine = np.stack([ours.pq(), ours.sq(), ours.rq()], axis=1)
    assert np.allclose(mine, table, atol=1e-6)
    assert 0 < ours.scores().pq < 1


def sample_segments(folder):
    """Truth of the COCO panoptic sample as segments, with category indices."""
    data = json.loads((folder / "panoptic_examples.json").read_text())
    index = {row["id"]: number for number, row in enumerate(data["categories"])}
    for entry in data["annotations"]:
        file = folder / "panoptic_examples" / entry["file_name"]
        rgb = np.asarray(Image.open(file).convert("RGB")).astype(np.int64)
        codes = rgb @ [1, 256, 65536]
        ids = np.zeros(codes.shape, np.int32)
        for number, row in enumerate(entry["segments_info"], start=1):
            ids[codes == row["id"]] = number
        rows = entry["segments_info"]
        yield Segments(
            ids,
            [index[row["category_id"]] for row in rows],
            [bool(row["iscrowd"]) for row in rows],
        )


def test_the_coco_sample_against_itself_is_perfect_and_damaged_copies_are_as_by_the_rules(
    reference_data,
):
    images = list(sample_segments(reference_data / "coco_panoptic"))
    assert len(images) == 2
    perfect, damaged = PanopticQuality(133), PanopticQuality(133)
    pairs = []
    for truth in images:
        perfect.add(truth, truth)
        ids = np.roll(truth.ids, (9, 5), (0, 1))
        ids[: ids.shape[0] // 4] = 0
        kinds = list(truth.categories)
        kinds[0], kinds[-1] = kinds[-1], kinds[0]
        copy = Segments(ids, kinds)
        damaged.add(truth, copy)
        pairs.append((truth, copy))
    whole = perfect.scores()
    assert (whole.pq, whole.sq, whole.rq) == (1, 1, 1)
    assert not perfect.false_positives.any()
    agree(damaged, by_the_rules(pairs, 133))
    assert 0 < damaged.scores().pq < 0.9


def test_means_are_over_the_categories_that_are_there():
    quality = PanopticQuality(4)
    truth = Segments(np.array([[1, 1, 2, 2]], np.int32), [0, 1])
    quality.add(truth, Segments(np.array([[1, 1, 2, 2]], np.int32), [0, 2]))
    assert np.array_equal(quality.pq(), [1, 0, 0, np.nan], equal_nan=True)
    things = np.array([True, False, False, False])
    assert quality.scores(things).pq == 1
    assert quality.scores(~things).pq == 0
    assert np.isnan(PanopticQuality(2).scores().rq)
    with pytest.raises(ValueError, match="must match"):
        quality.add(truth, Segments(np.zeros((2, 2), np.int32), []))


def test_a_segment_that_lies_on_void_or_on_a_crowd_is_no_mistake():
    crowd = Segments(np.array([[1, 1, 1, 0, 0, 0]], np.int32), [0], [True])
    said = Segments(np.array([[1, 1, 2, 2, 2, 2]], np.int32), [0, 1])
    quality = PanopticQuality(2)
    quality.add(crowd, said)
    assert not quality.false_positives.any()
    assert not quality.false_negatives.any()
    other = PanopticQuality(2)
    other.add(crowd, Segments(np.array([[1, 1, 1, 0, 0, 0]], np.int32), [1]))
    assert other.false_positives.tolist() == [0, 1]
