"""Annotations on their way in: they come back as they went, image by image."""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from segstudio.core.annotation import Stage
from segstudio.core.errors import StorageError
from segstudio.core.mask import Mask
from segstudio.core.origin import Origin, mask_key
from segstudio.store.spool import Spool, SpooledAnnotation


def spooled(seed: int) -> SpooledAnnotation:
    rng = np.random.default_rng(seed)
    mask = Mask.from_array(rng.random((7, 9)) < rng.random())
    return SpooledAnnotation(
        f"category {seed % 3} 木",
        mask,
        Origin("coco", str(seed), {"é": [seed, None, 0.1 + 0.2]}, mask_key(mask)),
        iscrowd=seed % 2 == 0,
        attributes={"difficult": True},
        stage=list(Stage)[seed % 3],
        tool="coco",
        model_key="m",
        predicted_iou=None if seed % 2 else 1 / 3,
        stability=0.5,
    )


def test_annotations_come_back_by_image_in_the_order_in_which_they_were_added(
    tmp_path: Path,
) -> None:
    with Spool(tmp_path) as spool:
        expected: dict[int, list[SpooledAnnotation]] = {}
        for seed in range(700):
            image_id = (seed * 7919) % 11
            expected.setdefault(image_id, []).append(spooled(seed))
            spool.add(image_id, expected[image_id][-1])
        assert spool.count == 700 and list(spool.image_ids()) == sorted(expected)
        for image_id, rows in expected.items():
            found = spool.annotations(image_id)
            assert found == rows
            for one, other in zip(found, rows, strict=True):
                fresh = Mask(other.mask.size, other.mask.runs)
                known = (one.mask.area, one.mask.box, one.mask.counts)
                assert known == (fresh.area, fresh.box, fresh.counts)
                assert np.array_equal(one.mask.to_array(), fresh.to_array())
        spool.add(99, spooled(1))  # also after reading
        assert list(spool.image_ids())[-1] == 99 and spool.annotations(100) == []
    assert list(tmp_path.iterdir()) == []


def test_more_images_than_are_read_at_once(tmp_path: Path) -> None:
    row = spooled(1)
    with Spool(tmp_path) as spool:
        for image_id in range(2500, 0, -1):
            spool.add(image_id, row)
        assert list(spool.image_ids()) == list(range(1, 2501))


def test_memory_does_not_grow_with_what_is_spooled(tmp_path: Path) -> None:
    row = spooled(3)
    with Spool(tmp_path) as spool:
        peaks = []
        for _ in range(2):
            for number in range(600):
                spool.add(number % 50, row)
            gc.collect()
            tracemalloc.start()
            for number in range(1200):
                spool.add(number % 50, row)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] and peaks[0] < 3_000_000


def test_what_cannot_be_kept_is_refused(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        mask = Mask.empty((2, 2))
        with pytest.raises(StorageError, match="cannot be stored"):
            spool.add(1, SpooledAnnotation("a", mask, Origin("coco", "", {"x": float("nan")})))
        assert spool.count == 0
    with pytest.raises(StorageError):
        Spool(tmp_path / "nowhere")
