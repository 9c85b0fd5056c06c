"""COCO's mAP image by image, against COCOeval over the whole data set at once."""

from __future__ import annotations

import copy
import json

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from segstudio.core.mask import Mask
from segstudio.metrics import coco_ap
from segstudio.metrics.coco_ap import CocoAp, Instance


def reference(images):
    """COCOeval's summary, precision and recall; `images` are pairs of lists of instances."""
    sizes = [next((one.mask.size for side in pair for one in side), (1, 1)) for pair in images]
    categories = [{"id": number} for number in range(3)]
    parts = [[], []]
    for number, pair in enumerate(images, start=1):
        for entries, instances in zip(parts, pair, strict=True):
            for one in instances:
                if one.mask.area:
                    entries.append(
                        {
                            "id": len(entries) + 1,
                            "image_id": number,
                            "category_id": one.category,
                            "segmentation": one.mask.to_coco(),
                            "area": one.mask.area,
                            "bbox": list(one.mask.bbox),
                            "iscrowd": int(one.iscrowd),
                            "score": one.score,
                        }
                    )
    both = []
    for entries in parts:
        coco = COCO()
        coco.dataset = {
            "images": [
                {"id": number, "height": size[0], "width": size[1]}
                for number, size in enumerate(sizes, start=1)
            ],
            "categories": categories,
            "annotations": copy.deepcopy(entries),
        }
        coco.createIndex()
        both.append(coco)
    evaluator = COCOeval(*both, "segm")
    evaluator.evaluate()
    evaluator.accumulate()
    evaluator.summarize()
    return evaluator


def agree(images):
    ours = CocoAp(3)
    for truth, predicted in images:
        ours.add(truth, predicted)
    found = ours.scores()
    expected = reference(images)
    stats = [found.ap, found.ap50, found.ap75, found.small, found.medium, found.large]
    theirs = [np.nan if value < 0 else value for value in expected.stats]
    assert np.allclose(stats, theirs[:6], equal_nan=True)
    assert np.allclose(found.recall, theirs[8], equal_nan=True)
    precision = expected.eval["precision"][:, :, :, 0, 2]
    for category in range(3):
        mine = precision[:, :, category]
        if mine.max() < 0:
            assert np.isnan(found.per_category[category])
            assert np.isnan(found.curves[:, category]).all()
        else:
            assert found.per_category[category] == pytest.approx(mine.mean())
            assert found.per_category_50[category] == pytest.approx(mine[0].mean())
            assert np.allclose(found.curves[:, category], mine)
            sure = expected.eval["scores"][:, :, category, 0, 2]
            assert np.allclose(found.thresholds[:, category][mine > 0], sure[mine > 0])
            assert np.isnan(found.thresholds[:, category][mine == 0]).all()
    return found


def made_up(seed: int):
    """Images of ellipses, detections of which some are moved, and others of nothing there."""
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(int(rng.integers(1, 4))):
        truth, predicted = [], []
        for _ in range(int(rng.integers(0, 6))):
            centre, axes = rng.integers(20, 180, 2), rng.integers(1, 70, 2)
            category = int(rng.integers(0, 3))
            for side, off in ((truth, 0), (predicted, int(rng.integers(0, 12)))):
                if rng.random() < 0.85:
                    canvas = np.zeros((200, 220), np.uint8)
                    cv2.ellipse(canvas, (centre + off).tolist(), axes.tolist(), 0, 0, 360, 1, -1)
                    side.append(
                        Instance(
                            category if rng.random() < 0.9 else int(rng.integers(0, 3)),
                            Mask.from_array(canvas * (rng.random() < 0.95)),
                            iscrowd=bool(side is truth and rng.random() < 0.15),
                            score=float(rng.integers(0, 4) / 3),  # equal scores too
                        )
                    )
        images.append((truth, predicted))
    return images


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1 << 30))
def test_scores_are_cocoevals(seed):
    agree(made_up(seed))


def test_joining_matches_now_and_then_changes_nothing(monkeypatch):
    monkeypatch.setattr(coco_ap, "_TOGETHER", 2)
    images = [image for seed in range(6) for image in made_up(seed)]
    assert 0 < agree(images).ap < 1


def test_coco_instances_against_eroded_copies_score_as_cocoeval_says(reference_data):
    folder = reference_data / "coco_instances" / "annotations"
    data = json.loads(next(iter(sorted(folder.glob("*val*.json")))).read_text())
    sizes = {image["id"]: (image["height"], image["width"]) for image in data["images"]}
    tool = COCO()
    tool.dataset = data
    tool.createIndex()
    images = []
    for number in list(sizes)[:12]:
        truth, predicted = [], []
        for entry in tool.loadAnns(tool.getAnnIds(number)):
            pixels = tool.annToMask(entry)
            category = entry["category_id"] % 3
            truth.append(Instance(category, Mask.from_array(pixels), bool(entry["iscrowd"])))
            worn = cv2.erode(pixels, np.ones((3, 3), np.uint8))
            predicted.append(Instance(category, Mask.from_array(worn), score=0.5))
        images.append((truth, predicted))
    assert 0.2 < agree(images).ap < 0.95


def test_no_objects_and_no_detections_have_no_or_no_right_score():
    square = Mask.from_array(np.pad(np.ones((40, 40), bool), 10))
    nothing = CocoAp(3)
    nothing.add([], [])
    assert np.isnan(nothing.scores().ap)
    missed = CocoAp(3)
    missed.add([Instance(1, square)], [])
    assert missed.scores().ap == 0
    invented = CocoAp(3)
    invented.add([], [Instance(1, square)])
    assert np.isnan(invented.scores().ap)
    assert (invented.objects, invented.detections) == (0, 1)
