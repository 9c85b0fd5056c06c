"""Masks: the same runs, text, area and box as pycocotools, whatever the pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as reference

from segstudio.core.coco_text import compress
from segstudio.core.errors import BadInputError
from segstudio.core.mask import Mask

Array = npt.NDArray[np.bool_]
shapes = st.tuples(st.integers(1, 12), st.integers(1, 12))
masks = shapes.flatmap(lambda shape: arrays(bool, shape))
pairs = shapes.flatmap(lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape)))


def encoded(array: Array) -> dict[str, object]:
    return reference.encode(np.asfortranarray(array.astype(np.uint8)))


@given(masks)
def test_text_area_and_box_are_those_of_pycocotools(array: Array) -> None:
    mask, wanted = Mask.from_array(array), encoded(array)
    assert mask.counts == wanted["counts"]
    assert mask.area == reference.area(wanted)
    if array.any():
        assert list(mask.bbox) == list(reference.toBbox(wanted))


@given(masks)
def test_a_mask_comes_back_from_runs_text_and_lists(array: Array) -> None:
    mask = Mask.from_array(array)
    assert np.array_equal(mask.to_array(), array)
    assert Mask.from_coco(mask.size, mask.counts) == mask
    assert Mask.from_coco(mask.size, mask.counts.decode()) == mask
    assert Mask.from_coco(mask.size, mask.runs.tolist()) == mask
    assert hash(Mask.from_coco(mask.size, mask.counts)) == hash(mask)


@given(masks, st.integers(0, 3), st.data())
def test_text_longer_than_need_be_is_the_same_mask(
    array: Array, more: int, data: st.DataObject
) -> None:
    mask = Mask.from_array(array)
    ends = [at for at, code in enumerate(mask.counts, 1) if code < 80]
    at = data.draw(st.sampled_from(ends))
    last = mask.counts[at - 1]  # drawn out by characters that repeat its sign
    sign = b"\x6f" if last - 48 & 16 else b"P"
    final = bytes([sign[0] - 32])
    drawn = bytes([last + 32]) + sign * more + final
    read = Mask.from_coco(mask.size, mask.counts[: at - 1] + drawn + mask.counts[at:])
    assert read == mask
    assert read.counts == mask.counts


@given(masks, st.data())
def test_runs_of_nothing_are_left_out(array: Array, data: st.DataObject) -> None:
    mask = Mask.from_array(array)
    runs = mask.runs.copy()
    at = data.draw(st.integers(0, len(runs)))
    given = np.insert(runs, [at, at], 0) if data.draw(st.booleans()) else np.append(runs, 0)
    read = Mask.from_coco(mask.size, given)
    assert np.array_equal(read.runs, mask.runs)
    text = compress(given)
    assert Mask.from_coco(mask.size, text).counts == mask.counts
    given[0] += 1  # what was handed over is still the caller's own


@given(masks, st.data())
def test_any_crop_reads_what_the_array_holds(array: Array, data: st.DataObject) -> None:
    height, width = array.shape
    x0, y0 = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    x1, y1 = data.draw(st.integers(x0 + 1, width)), data.draw(st.integers(y0 + 1, height))
    crop = Mask.from_array(array).crop(x0, y0, x1, y1)
    assert np.array_equal(crop, array[y0:y1, x0:x1])
    assert crop.flags.c_contiguous


@given(masks, st.integers(0, 5), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_a_crop_is_encoded_as_if_the_whole_image_had_been(
    crop: Array, left: int, top: int, right: int, bottom: int
) -> None:
    whole = np.pad(crop, ((top, bottom), (left, right)))
    assert Mask.from_crop(crop, (left, top), whole.shape) == Mask.from_array(whole)


@settings(max_examples=200)
@given(masks, st.integers(0, 5), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_a_crops_mask_is_placed_as_its_pixels_are_and_comes_back(
    crop: Array, left: int, top: int, right: int, bottom: int
) -> None:
    whole, mask = np.pad(crop, ((top, bottom), (left, right))), Mask.from_array(crop)
    placed = mask.placed((left, top), whole.shape)
    assert placed == Mask.from_array(whole)
    assert placed.part(left, top, left + crop.shape[1], top + crop.shape[0]) == mask


@given(masks, st.data())
def test_a_part_is_the_mask_of_those_pixels(array: Array, data: st.DataObject) -> None:
    height, width = array.shape
    x0, y0 = data.draw(st.integers(0, width)), data.draw(st.integers(0, height))
    x1, y1 = data.draw(st.integers(x0, width)), data.draw(st.integers(y0, height))
    part = Mask.from_array(array).part(x0, y0, x1, y1)
    assert part == Mask.from_array(array[y0:y1, x0:x1])


def test_placing_costs_runs_and_not_pixels() -> None:
    crop = Mask.from_crop(np.ones((20, 20)), (500, 500), (1024, 1024))
    vast = crop.placed((2**30, 2**30), (2**31, 2**31))  # 2**62 pixels: no array could hold them
    assert vast.area == 400
    assert vast.part(2**30, 2**30, 2**30 + 1024, 2**30 + 1024) == crop


def test_a_place_or_a_part_outside_the_image_is_our_own_mistake() -> None:
    mask = Mask.empty((4, 6))
    for origin in ((-1, 0), (0, -1), (1, 0), (0, 1)):
        with pytest.raises(ValueError, match="inside"):
            mask.placed(origin, (4, 6))
    for part in ((-1, 0, 2, 2), (0, 0, 7, 2), (3, 0, 2, 2), (0, 1, 2, 5)):
        with pytest.raises(ValueError, match="inside"):
            mask.part(*part)


@given(pairs)
def test_set_operations_are_those_of_the_pixels(pair: tuple[Array, Array]) -> None:
    a, b = pair
    one, other = Mask.from_array(a), Mask.from_array(b)
    assert one.union(other) == Mask.from_array(a | b)
    assert one.intersect(other) == Mask.from_array(a & b)
    assert one.subtract(other) == Mask.from_array(a & ~b)
    assert one.inverted() == Mask.from_array(~a)
    joint = np.count_nonzero(a | b)
    assert one.iou(other) == pytest.approx(np.count_nonzero(a & b) / joint if joint else 1.0)


@given(masks, st.floats(-2, 14), st.floats(-2, 14))
def test_a_place_is_in_the_mask_when_its_pixel_is(array: Array, x: float, y: float) -> None:
    height, width = array.shape
    inside = 0 <= x < width and 0 <= y < height
    assert Mask.from_array(array).contains(x, y) == bool(inside and array[int(y), int(x)])


def test_large_runs_survive_the_text() -> None:
    array = np.zeros((3300, 4950), dtype=bool)
    array[100:3200, 200:4700] = True
    mask = Mask.from_array(array)
    assert mask.counts == encoded(array)["counts"]
    assert Mask.from_coco(mask.size, mask.counts) == mask


@pytest.mark.parametrize(
    ("size", "counts"),
    [
        ((4, 4), [3, 4]),  # too few pixels
        ((4, 4), [20]),  # too many
        ((4, 4), [-4, 20]),  # a negative run
        ((4, 4), "0"),  # one pixel of none
        ((4, 4), "\x7f\x7f"),  # not COCO's characters
        ((4, 4), "P"),  # ends in the middle of a number
        ((4, 4), "o" * 40),  # a number larger than any image
        ((5, 7), [2**60] * 16 + [35]),  # 2 ** 64 too many: 64 bits come round to the right sum
        ((4, 4), [2**70]),
        ((4, 4), ["3", None]),
        ((4, 4), "日"),
    ],
)
def test_counts_that_are_no_mask_of_that_size_are_refused(
    size: tuple[int, int], counts: str | list[int]
) -> None:
    with pytest.raises(BadInputError):
        Mask.from_coco(size, counts)


@given(st.binary(max_size=30))
def test_any_text_is_a_mask_or_is_refused(text: bytes) -> None:
    try:
        mask = Mask.from_coco((5, 7), text)
    except BadInputError:
        return
    assert int(mask.runs.sum()) == 35


def test_a_crop_outside_the_image_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="inside"):
        Mask.from_crop(np.ones((3, 3), dtype=bool), (4, 0), (5, 5))
    with pytest.raises(ValueError, match="different images"):
        Mask.empty((3, 3)).union(Mask.empty((3, 4)))


def test_a_deferred_mask_is_made_when_it_is_read_and_only_once() -> None:
    made: list[Mask] = []

    def make() -> Mask:
        made.append(Mask.from_crop(np.ones((2, 3)), (4, 1), (8, 9)))
        return made[-1]

    mask = Mask.deferred((8, 9), make)
    assert mask.size == (8, 9)
    assert not made
    assert mask.area == 6
    assert mask == made[0]
    assert hash(mask) == hash(made[0])
    assert mask.counts == made[0].counts
    assert len(made) == 1
    with pytest.raises(AttributeError):
        _ = mask.colour  # type: ignore[attr-defined]
