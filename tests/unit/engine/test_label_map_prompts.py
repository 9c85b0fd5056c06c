"""A label map as the prompt: inner points, what the model is asked, when its mask is taken."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from colour_model import CATEGORIES, scene
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from segstudio.core.errors import Cancelled
from segstudio.core.image import RgbImage
from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.core.prompt import Candidate, Candidates, Embedding, Prompt
from segstudio.engine import label_map_prompts
from segstudio.engine.embedding_cache import EmbeddingCache
from segstudio.engine.label_map_parts import LabelMapOptions, Part, label_map_plan
from segstudio.engine.label_map_prompts import (
    MOST_POINTS,
    Prompting,
    inner_points,
    part_prompt,
    prompted,
)
from segstudio.models.prompt.graph_cut import GraphCut
from segstudio.models.registry import prompt_model

Bools = npt.NDArray[np.bool_]
PLAN = label_map_plan("Colours", "colours-8", CATEGORIES, (), LabelMapOptions())
SKY, CAR = 1, 2


@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=25)))
@settings(max_examples=40)
def test_inner_points_are_pixels_of_the_mask_and_the_first_is_the_farthest_inside(
    pixels: Bools,
) -> None:
    points = inner_points(Mask.from_array(pixels))
    assert bool(points) == bool(pixels.any())
    assert len(points) <= MOST_POINTS
    assert len(set(points)) == len(points)
    for x, y in points:
        assert (x % 1, y % 1) == (0.5, 0.5)
        assert pixels[int(y), int(x)]
    if points:
        depth = ndimage.distance_transform_edt(np.pad(pixels, 1))[1:-1, 1:-1]
        x, y = points[0]
        assert depth[int(y), int(x)] >= 0.95 * depth.max()  # cv2's distances are near, not exact


def test_a_disc_has_one_point_a_long_part_several_along_it() -> None:
    rows, columns = np.mgrid[:200, :400]
    disc = (columns - 100) ** 2 + (rows - 90) ** 2 < 50**2
    assert inner_points(Mask.from_array(disc)) == [(100.5, 90.5)]
    bar = np.zeros((200, 400), dtype=np.bool_)
    bar[50:70, 10:390] = True
    points = inner_points(Mask.from_array(bar))
    assert len(points) == MOST_POINTS
    across = sorted(x for x, _ in points)
    assert across[0] < 60
    assert across[-1] > 300
    assert min(np.diff(across)) > 40


def test_a_part_larger_than_what_is_looked_at_still_has_its_points_inside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(label_map_prompts, "_LOOKED_AT", 64)
    thin = np.zeros((60, 80), dtype=np.bool_)
    thin[:, 11] = True
    wide = np.zeros((60, 80), dtype=np.bool_)
    wide[7:50, 9:70] = True
    for pixels in (thin, wide):
        points = inner_points(Mask.from_array(pixels))
        assert points
        assert all(pixels[int(y), int(x)] for x, y in points)


def test_a_model_is_asked_only_what_it_accepts() -> None:
    mask = Mask.from_array(scene()[..., 0] == 255)
    whole = part_prompt(mask, frozenset({"point", "box", "prior"}))
    assert whole.points
    assert set(whole.labels) == {1}
    assert whole.box == mask.box
    assert whole.prior == mask
    only = part_prompt(mask, frozenset({"box"}))
    assert only == Prompt(box=mask.box)
    assert not part_prompt(mask, frozenset())


class Answers(GraphCut):
    """The built-in model, but for what it answers: the masks of `items`, whatever was asked."""

    def __init__(self, *items: Candidate) -> None:
        super().__init__(prompt_model("graph_cut"))
        self.items = items
        self.asked: list[Prompt] = []

    def predict(self, embedding: Embedding, prompt: Prompt) -> Candidates:
        self.asked.append(prompt)
        return Candidates(self.items, self.model_key)


def box_mask(box: tuple[int, int, int, int]) -> Mask:
    x0, y0, x1, y1 = box
    pixels = np.zeros((60, 80), dtype=np.bool_)
    pixels[y0:y1, x0:x1] = True
    return Mask.from_array(pixels)


def asked(parts: list[Part], model: GraphCut, **more: object) -> list[Part]:
    prompting = Prompting(model, EmbeddingCache(None, 1 << 20, 0), **more)  # type: ignore[arg-type]
    return prompted(parts, PLAN, RgbImage(scene()), prompting, ignore_progress, CancelToken())


def test_the_mask_that_agrees_best_is_taken_with_its_prompt_and_who_made_it() -> None:
    part = Part(CAR, box_mask((10, 10, 30, 30)), 0.8)
    near, far = box_mask((10, 10, 30, 31)), box_mask((0, 0, 60, 60))
    model = Answers(Candidate(far, 0.99, 0.99), Candidate(near, 0.5, 0.7))
    (done,) = asked([part], model)
    assert done.mask == near
    assert (done.score, done.stability, done.prompt_model) == (0.8, 0.7, model.model_key)
    assert done.prompt == model.asked[0]
    assert done.prompt.box == part.mask.box


def test_a_mask_that_does_not_agree_is_not_taken() -> None:
    part = Part(CAR, box_mask((10, 10, 30, 30)), 0.8)
    for items in ((Candidate(box_mask((10, 10, 30, 40)), 0.99, 0.99),), ()):
        assert asked([part], Answers(*items)) == [part]
    loose = asked([part], Answers(Candidate(box_mask((10, 10, 30, 40)), 0.9, 0.9)), agreement=0.6)
    assert loose[0].mask.area == 600


def test_stuff_is_left_as_it_is_unless_it_is_meant() -> None:
    part = Part(SKY, box_mask((0, 0, 80, 20)), 0.8)
    model = Answers(Candidate(box_mask((0, 0, 80, 21)), 0.9, 0.9))
    assert asked([part], model) == [part]
    assert model.asked == []
    assert asked([part], model, stuff=True)[0].mask.area == 80 * 21


def test_masks_that_want_the_same_pixels_share_none() -> None:
    parts = [
        Part(SKY, box_mask((0, 0, 80, 20)), 0.9),
        Part(CAR, box_mask((10, 20, 40, 40)), 0.9),
        Part(CAR, box_mask((40, 20, 55, 40)), 0.9),
    ]
    both = [
        Candidate(box_mask((8, 18, 42, 40)), 0.9, 0.9),
        Candidate(box_mask((38, 19, 56, 40)), 0.9, 0.9),
    ]
    done = asked(parts, Answers(*both), agreement=0.6)
    times = sum(part.mask.to_array().astype(int) for part in done)
    assert times.max() == 1
    areas = {part.mask.box: part.mask.area for part in done}
    assert areas[(38, 19, 56, 40)] == 18 * 21  # the smaller one has all that it wants
    assert [part.category for part in done] == [SKY, CAR, CAR]
    assert times[18:20, 8:38].all()


def test_a_coarse_part_of_a_clear_object_comes_nearer_to_it_with_the_built_in_model() -> None:
    rows, columns = np.mgrid[:240, :320]
    disc = (columns - 150) ** 2 + (rows - 110) ** 2 < 70**2
    pixels = np.where(disc[..., None], (200, 40, 30), (40, 90, 160)).astype(np.uint8)
    coarse = cv2.resize(disc.astype(np.float32), (10, 8), interpolation=cv2.INTER_AREA)
    rough = cv2.resize(coarse, (320, 240), interpolation=cv2.INTER_NEAREST) > 0.5
    part, truth = Part(CAR, Mask.from_array(rough), 0.9), Mask.from_array(disc)
    prompting = Prompting(GraphCut(prompt_model("graph_cut")), EmbeddingCache(None, 1 << 24, 0))
    image = RgbImage(pixels)
    (done,) = prompted([part], PLAN, image, prompting, ignore_progress, CancelToken())
    assert done.prompt_model
    assert part.mask.iou(truth) < 0.8
    assert done.mask.iou(truth) > part.mask.iou(truth) + 0.01


def test_it_goes_through_the_embedding_cache_and_can_be_cancelled(tmp_path: Path) -> None:
    part = Part(CAR, box_mask((10, 10, 30, 30)), 0.8)
    cache = EmbeddingCache(tmp_path, 1 << 20, 1 << 20)
    model, image = Answers(), RgbImage(scene())
    cancel = CancelToken()
    prompted([part], PLAN, image, Prompting(model, cache), ignore_progress, cancel)
    assert cache.where(model.model_key, image.key) == "memory"
    cancel.cancel()
    with pytest.raises(Cancelled):
        prompted([part], PLAN, image, Prompting(model, cache), ignore_progress, cancel)
