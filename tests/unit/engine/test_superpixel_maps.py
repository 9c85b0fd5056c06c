from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from segstudio.core.errors import Cancelled
from segstudio.core.image import RgbImage
from segstudio.core.progress import CancelToken
from segstudio.engine import superpixel_cache
from segstudio.engine.cache_folder import CacheFolder
from segstudio.engine.jobs import JobRunner
from segstudio.engine.superpixel_cache import Scale, SuperpixelCache, find_superpixels
from segstudio.engine.superpixel_file import DamagedFile, from_bytes, to_bytes
from segstudio.engine.superpixel_map import SuperpixelMap
from segstudio.engine.superpixel_maps import SuperpixelMaps


def photo() -> RgbImage:
    return RgbImage(data.coffee()[::4, ::4])


def stripes(step: int = 1) -> SuperpixelMap:
    """Five columns of superpixels, four rows, of 60 x 40 small pixels."""
    rows, columns = np.mgrid[0:40, 0:60]
    labels = (rows // 10 * 5 + columns // 12).astype(np.uint16)
    return SuperpixelMap(labels, (40 * step - step // 2, 60 * step), step)


@pytest.mark.parametrize("step", [1, 3])
def test_a_place_a_patch_and_the_box_of_a_superpixel_agree(step):
    made = stripes(step)
    whole = made.crop((0, 0, made.size[1], made.size[0]))
    assert whole.shape == made.size
    for number in range(made.count):
        patch = made.patch((number,))
        assert patch is not None
        assert np.array_equal(patch.mask(made.size).to_array(), whole == number)
        assert tuple(made.boxes[number]) == patch.box
        assert made.areas[number] == (whole == number).sum()
        y, x = np.argwhere(whole == number)[-1] + 0.5
        assert made.at(x, y) == number


def test_nothing_is_outside_of_the_image():
    made = stripes()
    assert made.at(-0.1, 3) is None
    assert made.at(3, 40) is None
    assert made.patch(()) is None
    assert made.along((-50.0, -50.0), (-20.0, -20.0), 5.0) == ()


@settings(max_examples=60, deadline=None)
@given(
    ends=st.tuples(*[st.floats(-20, 80) for _ in range(4)]),
    radius=st.floats(0.8, 30),
)
def test_a_stroke_touches_what_has_a_pixel_centre_within_its_radius(ends, radius):
    made = stripes()
    start, end = np.array(ends[:2]), np.array(ends[2:])
    rows, columns = np.mgrid[0:40, 0:60] + 0.5
    along = end - start
    length = max(float(along @ along), 1e-12)
    share = ((columns - start[0]) * along[0] + (rows - start[1]) * along[1]) / length
    share = np.clip(share, 0, 1)
    away = np.hypot(columns - start[0] - share * along[0], rows - start[1] - share * along[1])
    sure = set(np.unique(made.labels[away < radius - 1e-6]))
    possible = set(np.unique(made.labels[away < radius + 1e-6]))
    possible |= {made.at(*start), made.at(*end)}
    found = set(made.along(tuple(start), tuple(end), radius))
    assert sure <= found <= possible


def test_a_patch_of_several_superpixels_is_their_union():
    made = stripes()
    patch = made.patch((1, 7, 8))
    assert patch is not None
    assert np.array_equal(patch.mask(made.size).to_array(), np.isin(made.labels, (1, 7, 8)))


def test_a_map_comes_back_from_its_bytes():
    made = stripes(3)
    again = from_bytes(to_bytes(made))
    assert np.array_equal(again.labels, made.labels)
    assert (again.size, again.step) == (made.size, made.step)
    with pytest.raises(DamagedFile):
        from_bytes(to_bytes(made)[:-1])


def test_a_second_run_reads_what_the_first_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    image = photo()
    first = SuperpixelCache(tmp_path, 1 << 24, 1 << 24).map(image, Scale.COARSE)
    monkeypatch.setattr(superpixel_cache, "find_superpixels", None)  # nothing is made again
    cache = SuperpixelCache(tmp_path, 1 << 24, 1 << 24)
    second = cache.map(image, Scale.COARSE)
    assert np.array_equal(first.labels, second.labels)
    assert cache.map(image, Scale.COARSE) is second


def test_a_damaged_file_is_made_again(tmp_path: Path):
    image = photo()
    first = SuperpixelCache(tmp_path, 0, 1 << 24).map(image, Scale.COARSE)
    (file,) = tmp_path.rglob("*.spx")
    file.write_bytes(file.read_bytes()[:-7])
    again = SuperpixelCache(tmp_path, 0, 1 << 24).map(image, Scale.COARSE)
    assert np.array_equal(first.labels, again.labels)


def test_a_disk_that_another_thread_gave_up_is_read_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    first = SuperpixelCache(tmp_path, 0, 1 << 24).map(photo(), Scale.COARSE)
    cache = SuperpixelCache(tmp_path, 0, 1 << 24)

    def full(*_: object) -> None:
        raise OSError("no room")

    def damaged(_: bytes) -> SuperpixelMap:
        monkeypatch.setattr(CacheFolder, "write", full)
        cache.map(photo(), Scale.FINE)  # as the other thread would, between a read and what follows
        raise DamagedFile

    monkeypatch.setattr(superpixel_cache, "from_bytes", damaged)
    again = cache.map(photo(), Scale.COARSE)
    assert np.array_equal(again.labels, first.labels)
    assert not list(tmp_path.rglob("*.spx")), "nothing is written any more"


def test_a_huge_image_is_made_smaller_first(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(superpixel_cache, "_LARGEST", 4000)
    image = np.zeros((101, 203, 3), np.uint8)
    image[:, 99:] = (200, 40, 40)
    made = find_superpixels(image, 40, CancelToken())
    assert made.step == 3
    assert made.size == (101, 203)
    assert made.crop((0, 0, 203, 101)).shape == (101, 203)
    assert made.areas.sum() == 101 * 203
    assert not set(made.crop((0, 0, 99, 101)).ravel()) & set(made.crop((99, 0, 203, 101)).ravel())


def test_work_that_was_cancelled_gives_nothing():
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        SuperpixelCache(None, 1 << 24, 0).map(photo(), Scale.FINE, token)


def test_the_wanted_scale_comes_and_the_others_follow():
    runner = JobRunner()
    maps = SuperpixelMaps(runner, SuperpixelCache(None, 1 << 24, 0))
    came: list[Scale] = []
    maps.on_ready = lambda scale, made: came.append(scale)
    assert maps.want(Scale.MEDIUM) is None  # no image, no work
    maps.open(photo())
    maps.want(Scale.MEDIUM)
    assert runner.wait_idle(30)
    assert sorted(came) == sorted(Scale)
    assert maps.want(Scale.FINE) is maps.get(Scale.FINE) is not None
    assert maps.get(Scale.FINE).count > maps.get(Scale.COARSE).count
    maps.open(None)
    assert maps.get(Scale.FINE) is None
    runner.shutdown()


def test_what_was_under_way_for_another_image_is_not_shown():
    calls = []
    runner = JobRunner(calls.append)
    maps = SuperpixelMaps(runner, SuperpixelCache(None, 1 << 24, 0))
    came: list[Scale] = []
    maps.on_ready = lambda scale, made: came.append(scale)
    maps.open(photo())
    maps.want(Scale.COARSE)
    assert runner.wait_idle(30)
    maps.open(RgbImage(np.zeros((30, 30, 3), np.uint8)))
    while calls:
        calls.pop(0)()
    assert came == []
    assert maps.get(Scale.COARSE) is None
    runner.shutdown()
