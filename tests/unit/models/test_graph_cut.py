from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage import data

from segstudio.core.errors import Cancelled
from segstudio.core.image import RgbImage
from segstudio.core.mask import Box, Mask
from segstudio.core.progress import CancelToken, Progress, ignore_progress
from segstudio.core.prompt import Embedding, Prompt
from segstudio.models.prompt.contract import EverythingSettings
from segstudio.models.prompt.graph_cut import GraphCut
from segstudio.models.prompt.min_cut import CutGraph
from segstudio.models.prompt.region_tree import build_tree, region_stability
from segstudio.models.prompt.superpixel_graph import SuperpixelGraph, graph_arrays
from segstudio.models.registry import EMBEDDED_MODEL, prompt_model

FACE = (220.0, 100.0)  # on the astronaut's photo


@pytest.fixture(scope="module")
def model() -> GraphCut:
    loaded = prompt_model(EMBEDDED_MODEL).load(None, "cpu")
    assert isinstance(loaded, GraphCut)
    return loaded


@pytest.fixture(scope="module")
def astronaut(model) -> Embedding:
    return model.encode(RgbImage(data.astronaut()), CancelToken())


def disk_photo(height=240, width=320, centre=(180, 110), radius=60):
    """A noisy orange disk on noisy blue, and where the disk is."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:height, 0:width] + 0.5
    disk = np.hypot(columns - centre[0], rows - centre[1]) < radius
    picture = np.where(disk[..., None], (220, 130, 40), (50, 80, 160))
    noisy = np.clip(picture + rng.normal(0, 12, picture.shape), 0, 255).astype(np.uint8)
    return RgbImage(noisy), disk


@pytest.fixture(scope="module")
def disk(model):
    image, truth = disk_photo()
    return model.encode(image, CancelToken()), Mask.from_array(truth)


# -- clicks and boxes -------------------------------------------------------------------------


def test_one_click_on_a_disk_finds_the_disk(model, disk):
    embedding, truth = disk
    found = model.predict(embedding, Prompt(((180.0, 110.0),), (1,)))
    assert found.items[found.best].mask.iou(truth) > 0.95


def test_one_click_on_the_background_finds_all_but_the_disk(model, disk):
    embedding, truth = disk
    found = model.predict(embedding, Prompt(((40.0, 200.0),), (1,)))
    assert max(c.mask.iou(truth.inverted()) for c in found.items) > 0.9


def test_a_box_around_the_disk_finds_the_disk_and_not_its_corners(model, disk):
    embedding, truth = disk
    found = model.predict(embedding, Prompt(box=Box(117, 47, 243, 173)))
    assert found.items[found.best].mask.iou(truth) > 0.95


def test_three_candidates_grow(model, astronaut):
    for prompt in (
        Prompt((FACE,), (1,)),
        Prompt(((200.0, 400.0), (60.0, 60.0)), (1, 0)),
        Prompt(box=Box(150, 10, 320, 200)),
    ):
        found = model.predict(astronaut, prompt)
        assert len(found.items) == 3
        areas = [c.mask.area for c in found.items]
        assert areas == sorted(areas)
        assert areas[0] > 0
        for candidate in found.items:
            assert 0 <= candidate.predicted_iou <= 1
            assert 0 <= candidate.stability <= 1
            assert candidate.mask.size == (512, 512)


def test_the_same_prompt_gives_the_same_masks_even_from_a_new_encoding(model, astronaut):
    prompt = Prompt((FACE, (230.0, 300.0)), (1, 0))
    again = model.encode(RgbImage(data.astronaut()), CancelToken())
    first, second = model.predict(astronaut, prompt), model.predict(again, prompt)
    assert first == second


def test_a_click_takes_in_what_was_missing_and_another_throws_out_what_was_wrong(model, astronaut):
    suit, flag = (200.0, 400.0), (60.0, 100.0)
    both = model.predict(astronaut, Prompt((suit, flag), (1, 1)))
    one = model.predict(astronaut, Prompt((suit, flag), (1, 0)))
    assert all(c.mask.contains(*flag) for c in both.items)
    assert not any(c.mask.contains(*flag) for c in one.items)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    clicks=st.lists(
        st.tuples(st.integers(0, 511), st.integers(0, 511), st.integers(0, 1)),
        min_size=1,
        max_size=7,
        unique_by=lambda c: c[:2],
    ),
    corner=st.none() | st.tuples(st.floats(0, 450), st.floats(0, 450)),
    side=st.floats(4, 300),
)
def test_positive_clicks_are_inside_negative_ones_outside_and_boxes_hold(
    model, astronaut, clicks, corner, side
):
    points = tuple((x + 0.5, y + 0.5) for x, y, _ in clicks)
    box = None if corner is None else Box(*corner, corner[0] + side, corner[1] + side)
    prompt = Prompt(points, tuple(label for *_, label in clicks), box)
    found = model.predict(astronaut, prompt)
    assert bool(found.items) == (box is not None or 1 in prompt.labels)
    for candidate in found.items:
        for (x, y), label in zip(prompt.points, prompt.labels, strict=True):
            assert candidate.mask.contains(x, y) == bool(label)
        if box is not None:
            rows, columns = np.nonzero(candidate.mask.to_array())
            inside = (columns + 0.5 >= box.x0) & (columns + 0.5 < box.x1)
            inside &= (rows + 0.5 >= box.y0) & (rows + 0.5 < box.y1)
            beyond = set(zip(columns[~inside].tolist(), rows[~inside].tolist(), strict=True))
            assert beyond <= {(int(x), int(y)) for x, y in prompt.points}


def test_every_island_of_a_mask_holds_a_positive_click(model, astronaut):
    clicks = ((200.0, 400.0), (60.0, 100.0))
    for candidate in model.predict(astronaut, Prompt(clicks, (1, 1))).items:
        islands, count = ndimage.label(candidate.mask.to_array(), np.ones((3, 3)))
        assert {int(islands[int(y), int(x)]) for x, y in clicks} == set(range(1, count + 1))


def test_clicks_and_boxes_beyond_the_image_do_no_harm(model, astronaut):
    outside = Prompt(((900.0, -40.0), FACE), (1, 1))
    assert all(c.mask.contains(*FACE) for c in model.predict(astronaut, outside).items)
    for box in (Box(-50, -50, 700, 700), Box(600, 600, 700, 700), Box(10, 10, 10, 10)):
        assert len(model.predict(astronaut, Prompt(box=box)).items) == 3


def test_a_prompt_that_names_nothing_gives_nothing(model, astronaut):
    assert model.predict(astronaut, Prompt()).items == ()
    assert model.predict(astronaut, Prompt((FACE,), (0,))).items == ()


# -- prior masks ------------------------------------------------------------------------------


def test_a_prior_alone_comes_back_unharmed(model, astronaut):
    rows, columns = np.mgrid[0:512, 0:512]
    for radius in (9, 40, 150):
        prior = Mask.from_array(np.hypot(rows - 240, columns - 200) < radius)
        found = model.predict(astronaut, Prompt(prior=prior))
        assert len(found.items) == 3
        assert found.items[found.best].mask == prior


def test_a_click_beside_a_prior_changes_it_only_there(model, disk):
    embedding, truth = disk
    rows = np.indices(truth.size)[0]
    upper = Mask.from_array(truth.to_array() & (rows < 110))
    found = model.predict(embedding, Prompt(((180.0, 150.0),), (1,), prior=upper))
    assert found.items[found.best].mask.iou(truth) > 0.85
    assert max(candidate.mask.iou(truth) for candidate in found.items) > 0.9
    for candidate in found.items:
        assert upper.subtract(candidate.mask).area < 0.02 * upper.area


def test_a_negative_click_takes_a_wrong_part_out_of_a_prior(model, disk):
    embedding, truth = disk
    square = np.zeros(truth.size, dtype=bool)
    square[10:60, 10:60] = True
    wrong = truth.union(Mask.from_array(square))
    found = model.predict(embedding, Prompt(((35.0, 35.0),), (0,), prior=wrong))
    assert found.items[found.best].mask.iou(truth) > 0.9


def test_a_part_that_is_taken_out_leaves_no_crumbs(model, astronaut):
    rows, columns = np.mgrid[0:512, 0:512]
    part = Mask.from_array(np.hypot(rows - 130, columns - 225) < 62)
    prior = part.union(Mask.from_array(np.hypot(rows - 420, columns - 420) < 50))
    found = model.predict(astronaut, Prompt(((225.5, 180.5),), (0,), prior=prior))
    left = found.items[found.best].mask
    kept = left.intersect(part).to_array()
    assert kept.sum() < 0.8 * part.area
    pieces, count = ndimage.label(kept)
    depth = ndimage.distance_transform_edt(kept)
    assert all(depth[pieces == number].max() > 4 for number in range(1, count + 1))


# -- images of every size ---------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 2), (7, 7), (40, 3), (20, 30), (2, 900)])
def test_tiny_and_narrow_images_work(model, size):
    pixels = np.random.default_rng(1).integers(0, 255, (*size, 3), dtype=np.uint8)
    embedding = model.encode(RgbImage(pixels), CancelToken())
    middle = (size[1] / 2, size[0] / 2)
    for prompt in (
        Prompt((middle,), (1,)),
        Prompt(box=Box(0, 0, size[1], size[0])),
        Prompt((middle,), (1,), prior=Mask.from_array(np.ones(size, dtype=bool))),
    ):
        found = model.predict(embedding, prompt)
        assert len(found.items) == 3
        assert found.items[found.best].mask.area > 0
    model.everything(embedding, EverythingSettings(), ignore_progress, CancelToken())


def test_a_flat_image_works(model):
    flat = RgbImage(np.full((60, 80, 3), 128, np.uint8))
    embedding = model.encode(flat, CancelToken())
    assert len(model.predict(embedding, Prompt(((40.0, 30.0),), (1,))).items) == 3


def test_a_large_photo_gets_smooth_outlines_in_its_own_pixels(model):
    image, truth = disk_photo(240, 320)
    large = cv2.resize(image.pixels, (3200, 2400), interpolation=cv2.INTER_NEAREST)
    embedding = model.encode(RgbImage(large), CancelToken())
    assert embedding.nbytes < 3_000_000
    found = model.predict(embedding, Prompt(((1800.0, 1100.0),), (1,)))
    mask = found.items[found.best].mask
    assert mask.iou(Mask.from_array(truth.repeat(10, 0).repeat(10, 1))) > 0.93
    array = mask.to_array().astype(np.uint8)
    outline, _ = cv2.findContours(array, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    longest = max(outline, key=cv2.contourArea)
    roundness = 4 * np.pi * cv2.contourArea(longest) / cv2.arcLength(longest, True) ** 2
    assert roundness > 0.6  # stairs of superpixels would give far less


def test_an_embedding_of_another_model_is_refused(model, astronaut):
    other = Embedding("sam", astronaut.image_key, astronaut.image_size, astronaut.arrays)
    with pytest.raises(ValueError, match="sam"):
        model.predict(other, Prompt((FACE,), (1,)))
    with pytest.raises(ValueError, match="sam"):
        model.everything(other, EverythingSettings(), ignore_progress, CancelToken())


def test_the_embedding_is_plain_arrays(astronaut):
    assert all(array.flags.c_contiguous for array in astronaut.arrays.values())
    assert all(array.dtype != object for array in astronaut.arrays.values())
    assert astronaut.arrays["labels"].dtype == np.int32


def test_encoding_stops_when_cancelled(model):
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        model.encode(RgbImage(data.astronaut()), cancel)


def test_the_embedded_model_needs_no_torch():
    code = (
        "import sys; from segstudio.models.registry import *;"
        "prompt_model(EMBEDDED_MODEL).load(None, 'cpu');"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# -- everything -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee", "rocket"])
def test_everything_in_a_sample_photo_is_some_masks_best_first(model, name):
    embedding = model.encode(RgbImage(getattr(data, name)()), CancelToken())
    seen: list[Progress] = []
    found = model.everything(embedding, EverythingSettings(), seen.append, CancelToken())
    assert 5 <= len(found.items) <= 80
    scores = [c.predicted_iou for c in found.items]
    assert scores == sorted(scores, reverse=True)
    assert len(seen) >= 3
    assert seen[-1].fraction == 1.0
    boxes = [c.mask.box for c in found.items]
    assert len(set(boxes)) == len(boxes)


def test_everything_finds_the_disk_and_its_background(model, disk):
    embedding, truth = disk
    found = model.everything(embedding, EverythingSettings(), ignore_progress, CancelToken())
    assert max(c.mask.iou(truth) for c in found.items) > 0.95


def test_stricter_settings_of_everything_keep_less(model, astronaut):
    def count(**changes: float) -> int:
        wanted = EverythingSettings(**changes)
        return len(model.everything(astronaut, wanted, ignore_progress, CancelToken()).items)

    usual = count()
    assert count(predicted_iou=0.6, stability=0.8) > usual > count(predicted_iou=1.0)
    assert count(min_region=5000) < usual
    assert count(points_per_side=2) < usual
    assert count(box_nms=0.1) < usual


def test_everything_leaves_no_islands_or_holes_below_min_region(model, astronaut):
    wanted = EverythingSettings(min_region=400)
    for candidate in model.everything(astronaut, wanted, ignore_progress, CancelToken()).items:
        mask = np.pad(candidate.mask.to_array(), 1)
        for part, structure in ((mask, np.ones((3, 3))), (~mask, None)):
            labels, count = ndimage.label(part, structure)
            sizes = np.bincount(labels.ravel())[1:]
            assert count == 1 or sizes.min() >= 400


def test_everything_stops_when_cancelled(model, astronaut):
    cancel = CancelToken()

    def stop(progress: Progress) -> None:
        if progress.done == 1:
            cancel.cancel()

    with pytest.raises(Cancelled):
        model.everything(astronaut, EverythingSettings(), stop, cancel)


# -- parts ------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_cut_is_the_cheapest_of_all(seed):
    """Against all 2^n labellings of a graph small enough to try them."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 255, (3, 3, 3), dtype=np.uint8).repeat(6, 0).repeat(6, 1)
    arrays = graph_arrays(blocks, 9)
    graph = SuperpixelGraph(arrays)
    if not 2 <= graph.count <= 12:
        return
    odds = rng.normal(0, 2, graph.count)
    side = CutGraph(graph, smoothness=0.5).cut(odds, [0], [graph.count - 1])
    assert side[0]
    assert not side[-1]
    weight = graph.area / graph.area.mean()
    border = -np.log(graph.boundary) * graph.length / graph.length.mean() * 0.5

    def energy(labels: np.ndarray) -> float:
        crossed = labels[graph.pairs[:, 0]] != labels[graph.pairs[:, 1]]
        return float(-(odds * weight)[labels].sum() + border[crossed].sum())

    every = [
        np.array([n >> k & 1 for k in range(graph.count)], bool) for n in range(2**graph.count)
    ]
    allowed = [labels for labels in every if labels[0] and not labels[-1]]
    assert energy(side) <= min(energy(labels) for labels in allowed) + 0.05


def test_higher_odds_never_shrink_a_cut():
    graph = SuperpixelGraph(graph_arrays(data.chelsea()[::2, ::2], 300))
    odds = np.random.default_rng(3).normal(-0.5, 2, graph.count)
    cuts = CutGraph(graph)
    sides = [cuts.cut(odds + step, [5], [200]) for step in (-2, -1, 0, 1, 2)]
    for inner, outer in pairwise(sides):
        assert not np.any(inner & ~outer)


def test_the_region_tree_nests_and_its_levels_rise():
    graph = SuperpixelGraph(graph_arrays(data.coffee()[::3, ::3], 200))
    tree = build_tree(graph, CancelToken())
    assert len(tree.parent) == 2 * graph.count - 1
    child = np.flatnonzero(tree.parent >= 0)
    assert np.all(tree.level[child] <= tree.level[tree.parent[child]])
    leaves = tree.leaves(graph.count)
    for node, members in enumerate(leaves):
        assert tree.area[node] == pytest.approx(graph.area[members].sum())
    assert len(leaves[-1]) == graph.count
    stability = region_stability(tree, 1.0)
    assert np.all((stability > 0) & (stability <= 1))
