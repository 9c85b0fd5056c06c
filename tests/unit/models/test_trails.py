"""Prompts drawn along the image's colours."""

from __future__ import annotations

import numpy as np
import torch
from skimage.color import rgb2lab

from segstudio.models.nets.nano import PIXEL_MEAN, PIXEL_STD
from segstudio.models.nets.trails import TRAIL_CELL, UNREACHED, colours, image_costs, trails

NONE = float("nan")


def test_colours_are_the_lab_of_the_means_of_cells():
    pixels = np.random.default_rng(0).integers(0, 256, (32, 64, 3)).astype(np.float64)
    x = (torch.from_numpy(pixels).permute(2, 0, 1)[None].float() - 127.0) / 128.0
    cells = pixels.reshape(8, TRAIL_CELL, 16, TRAIL_CELL, 3).mean(axis=(1, 3)) / 255
    found = colours(x, PIXEL_MEAN, PIXEL_STD)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(found, rgb2lab(cells) / 100, rtol=0, atol=1e-3)


WALL = 12  # the column


def halves() -> torch.Tensor:
    """A picture of 16 x 24 cells that is dark on the left and light on the right."""
    made = torch.zeros(3, 16, 24)
    made[0, :, WALL:] = 1.0
    return made


def wall() -> torch.Tensor:
    """A border down the same picture, where it is sure to be, and none elsewhere."""
    made = torch.full((1, 16, 24), -9.0)
    made[0, :, WALL] = 9.0
    return made


NOWHERE = torch.full((1, 16, 24), -9.0)
SPLIT = image_costs(halves(), wall())
EVEN = image_costs(torch.zeros(3, 16, 24), NOWHERE)


def drawn(points: list[list[float]], labels: list[float], box: list[float] | None = None):
    table = torch.tensor([points]), torch.tensor([labels]), torch.tensor([box or [NONE] * 4])
    return trails([SPLIT], *table, corner=(0, 0))[0]


def test_a_click_is_near_to_its_side_and_nothing_else_is_drawn():
    found = drawn([[8.0, 30.0]], [1.0])
    for wanted in (*found[:2], *found[4:6]):
        assert wanted[:, :WALL].max() < wanted[:, WALL + 1 :].min()
    for unwanted in (*found[2:4], *found[6:]):
        assert (unwanted == UNREACHED).all(), "nobody has said what is not wanted"


def test_what_is_not_wanted_is_drawn_too_and_all_beyond_a_box_is_of_it():
    click = drawn([[8.0, 30.0], [80.0, 30.0]], [1.0, 0.0])
    for surface in (0, 4):
        left, right = click[surface + 2, :, :WALL], click[surface + 2, :, WALL + 1 :]
        assert right.max() < left.min()
        assert click[surface, :, :WALL].max() < 0
    box = drawn([[0.0, 0.0]], [-1.0], [50.0, 8.0, 90.0, 56.0])
    for surface in (0, 4):
        assert (box[surface : surface + 2] == UNREACHED).all(), "a box alone has no click"
        assert box[surface + 2, 2:14, 14:22].min() > box[surface + 2, :, :WALL].max()


def test_colours_and_borders_are_looked_at_apart():
    points, labels = torch.tensor([[[8.0, 30.0]]]), torch.ones(1, 1)
    only_borders = image_costs(torch.zeros(3, 16, 24), wall())
    found = trails([only_borders], points, labels, torch.full((1, 4), NONE), corner=(0, 0))[0]
    assert found[0, 8, 20] < 0 < found[4, 8, 20]
    only_colours = image_costs(halves(), NOWHERE)
    found = trails([only_colours], points, labels, torch.full((1, 4), NONE), corner=(0, 0))[0]
    assert found[4, 8, 20] < 0 < found[0, 8, 20]


def test_a_window_of_the_square_draws_what_the_square_would():
    points, labels = torch.tensor([[[8.0, 30.0]]]), torch.ones(1, 1)
    boxes = torch.full((1, 4), NONE)
    shifted = trails([SPLIT], points + torch.tensor([64.0, 32.0]), labels, boxes, corner=(64, 32))
    assert torch.equal(shifted, trails([SPLIT], points, labels, boxes, corner=(0, 0)))


def test_each_prompt_follows_its_own_image():
    points, labels = torch.tensor([[[8.0, 30.0]]] * 2), torch.ones(2, 1)
    split, even = trails((SPLIT, EVEN), points, labels, torch.full((2, 4), NONE), corner=(0, 0))
    assert split[0, 8, 20] > even[0, 8, 20] + 0.5
    assert split[0, 8, 8] == even[0, 8, 8]
