"""Flaws of a partition are counted exactly, and overlaps go to what lies in front."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segstudio.core.annotation import Annotation
from segstudio.core.changes import HistoryState
from segstudio.core.image import ImageRecord
from segstudio.core.mask import Box, Mask
from segstudio.core.progress import CancelToken
from segstudio.engine.edited_image import Snapshot
from segstudio.engine.overlaps import find_flaws, resolve_overlaps

SIZE = (8, 10)
Layer = tuple[npt.NDArray[np.bool_], bool]
LAYERS = st.lists(st.tuples(hnp.arrays(np.bool_, SIZE), st.booleans()), max_size=4)


def snapshot_of(layers: list[Layer]) -> Snapshot:
    image = ImageRecord(1, "a.jpg", SIZE[1], SIZE[0], "a" * 64)
    rows = tuple(
        Annotation(number, 1, 1, Mask.from_array(array), z_order=number, locked=locked)
        for number, (array, locked) in enumerate(layers)
    )
    return Snapshot(image, rows, (), HistoryState())


@given(LAYERS)
def test_overlaps_go_to_the_front_one_and_locked_ones_keep_theirs(layers: list[Layer]) -> None:
    snapshot = snapshot_of(layers)
    owner = np.full(SIZE, -1)
    for number, (array, locked) in enumerate(layers):
        if not locked:
            owner[array] = number
    held = np.any([np.zeros(SIZE, dtype=bool), *(a for a, locked in layers if locked)], axis=0)
    plan = resolve_overlaps(snapshot)
    masks = {row.id: row.mask for row in snapshot.annotations} | dict(plan.masks if plan else {})
    for number, (array, locked) in enumerate(layers):
        expected = array if locked else (owner == number) & ~held
        assert np.array_equal(masks[number].to_array(), expected)
    again = replace(
        snapshot,
        annotations=tuple(replace(row, mask=masks[row.id]) for row in snapshot.annotations),
    )
    assert resolve_overlaps(again) is None


def test_flaws_are_counted_with_their_places() -> None:
    left, right = np.zeros(SIZE, dtype=bool), np.zeros(SIZE, dtype=bool)
    left[:, :5] = True
    right[:, 4:] = True
    right[6:, 8:] = False
    right[0, 9] = False
    rows = snapshot_of([(left, False), (right, False)]).annotations
    flaws = find_flaws(rows, SIZE, CancelToken())
    assert (flaws.unlabelled, flaws.doubly) == (5, 8)
    assert flaws.unlabelled_places == ((4, Box(8, 6, 10, 8)), (1, Box(9, 0, 10, 1)))
    assert flaws.doubly_places == ((8, Box(4, 0, 5, 8)),)
