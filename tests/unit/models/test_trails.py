"""Prompts drawn along the image's colours."""

from __future__ import annotations

import numpy as np
import torch
from skimage.color import rgb2lab

from segstudio.models.nets.nano import PIXEL_MEAN, PIXEL_STD
from segstudio.models.nets.trails import TRAIL_CELL, colours, image_costs, trails

NONE = float("nan")


def test_colours_are_the_lab_of_the_means_of_cells():
    pixels = np.random.default_rng(0).integers(0, 256, (32, 64, 3)).astype(np.float64)
    x = (torch.from_numpy(pixels).permute(2, 0, 1)[None].float() - 127.0) / 128.0
    cells = pixels.reshape(8, TRAIL_CELL, 16, TRAIL_CELL, 3).mean(axis=(1, 3)) / 255
    found = colours(x, PIXEL_MEAN, PIXEL_STD)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(found, rgb2lab(cells) / 100, rtol=0, atol=1e-3)


def halves() -> torch.Tensor:
    """A picture of 16 x 24 cells that is dark on the left and light on the right."""
    made = torch.zeros(3, 16, 24)
    made[0, :, 12:] = 1.0
    return made


def drawn(points: list[list[float]], labels: list[float], box: list[float] | None = None):
    table = torch.tensor([points]), torch.tensor([labels]), torch.tensor([box or [NONE] * 4])
    return trails([image_costs(halves())], *table, corner=(0, 0))[0]


def test_a_click_is_near_to_its_side_and_nothing_else_is_drawn():
    found = drawn([[8.0, 30.0]], [1.0])
    for wanted in found[:2]:
        assert wanted[:, :12].max() < wanted[:, 12:].min()
    assert (found[2:] == found.max()).all(), "nobody has said what is not wanted"


def test_what_is_not_wanted_is_drawn_too_and_all_beyond_a_box_is_of_it():
    click = drawn([[8.0, 30.0], [80.0, 30.0]], [1.0, 0.0])
    assert (click[2, :, 12:].max() < click[2, :, :12].min()) and click[0, :, :12].max() < 0
    box = drawn([[0.0, 0.0]], [-1.0], [50.0, 8.0, 90.0, 56.0])
    assert (box[:2] == box.max()).all(), "a box alone has no click"
    inside = box[2, 2:14, 13:22]
    assert inside.min() > box[2, :, :12].max()


def test_a_window_of_the_square_draws_what_the_square_would():
    costs = image_costs(halves())
    points, labels, boxes = (
        torch.tensor([[[8.0, 30.0]]]),
        torch.ones(1, 1),
        torch.full((1, 4), NONE),
    )
    shifted = trails([costs], points + torch.tensor([64.0, 32.0]), labels, boxes, corner=(64, 32))
    assert torch.equal(shifted, trails([costs], points, labels, boxes, corner=(0, 0)))


def test_each_prompt_follows_its_own_image():
    costs = image_costs(halves()), image_costs(torch.zeros(3, 16, 24))
    points, labels = torch.tensor([[[8.0, 30.0]]] * 2), torch.ones(2, 1)
    split, even = trails(costs, points, labels, torch.full((2, 4), NONE), corner=(0, 0))
    assert split[0, 8, 20] > even[0, 8, 20] + 0.5
    assert split[0, 8, 8] == even[0, 8, 8]
