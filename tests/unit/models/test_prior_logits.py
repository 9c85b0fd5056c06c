"""A mask becomes logits that SAM's own upsampling turns into the same mask."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pytest
import skimage.data
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_masks
from scipy import ndimage
from segment_anything.modeling import Sam
from skimage.draw import disk, ellipse, line, polygon

from segstudio.core.mask import Mask
from segstudio.models.prompt.frame import ModelFrame
from segstudio.models.prompt.prior_logits import CELLS, PRIOR_LOGIT, prior_logits

Bools = npt.NDArray[np.bool_]
STAND_IN = SimpleNamespace(image_encoder=SimpleNamespace(img_size=1024))


def came_back(array: Bools) -> float:
    """IoU of a mask with what the official package makes of its logits."""
    size = array.shape
    frame = ModelFrame((int(size[0]), int(size[1])))
    logits = frame.prior_logits(Mask.from_array(array))
    assert logits.shape == (CELLS, CELLS) and logits.dtype == np.float32
    assert np.abs(logits).max() <= PRIOR_LOGIT
    full = Sam.postprocess_masks(
        STAND_IN, torch.from_numpy(logits)[None, None], frame.size, frame.image_size
    )
    shown = (full[0, 0] > 0).numpy()
    return float((shown & array).sum() / (shown | array).sum())


def cells(array: Bools) -> float:
    """Area in cells of the logits."""
    rows, columns = ModelFrame((int(array.shape[0]), int(array.shape[1]))).size
    return float(array.sum() / array.size * rows * columns / 16)


def drawn(size: tuple[int, int], xs: npt.NDArray[np.float64], ys: npt.NDArray[np.float64]) -> Bools:
    array = np.zeros(size, dtype=bool)
    array[polygon(ys, xs, shape=size)] = True
    return array


def objects(photo: npt.NDArray[np.generic], threshold: float) -> list[Bools]:
    """What is brighter than the threshold in a photo, piece by piece, of ten cells and more."""
    labels, count = ndimage.label(ndimage.binary_opening(photo > threshold))
    pieces = [labels == number for number in range(1, count + 1)]
    return [piece for piece in pieces if cells(piece) >= 10]


def test_shapes_in_real_photos_come_back() -> None:
    horse = ~skimage.data.horse().astype(bool)
    shapes = [
        horse,
        *objects(skimage.data.coins(), 130),
        *objects(skimage.data.moon(), 120),
    ]
    found = np.array([(cells(shape), came_back(shape)) for shape in shapes])
    assert len(found) > 60 and found[0, 1] > 0.99
    assert found[found[:, 0] >= 100, 1].min() >= 0.95
    assert np.mean(found[:, 1] >= 0.95) >= 0.95 and found[:, 1].min() >= 0.9


def test_the_objects_of_real_coco_photos_come_back(reference_data: Path) -> None:
    file = reference_data / "coco_instances" / "annotations" / "instances_val2017.json"
    content = json.loads(file.read_text())
    sizes = {image["id"]: (image["height"], image["width"]) for image in content["images"]}
    found = []
    for entry in content["annotations"][::4]:
        if not entry["iscrowd"]:
            runs = coco_masks.frPyObjects(entry["segmentation"], *sizes[entry["image_id"]])
            array = coco_masks.decode(coco_masks.merge(runs)).astype(bool)
            if array.any() and cells(array) >= 10:
                found.append((cells(array), came_back(array)))
    table = np.array(found)
    assert len(table) > 60
    assert table[table[:, 0] >= 100, 1].min() >= 0.95
    assert np.mean(table[:, 1] >= 0.95) >= 0.97 and table[:, 1].mean() >= 0.99


def test_printed_letters_whose_strokes_are_a_cell_wide_come_back() -> None:
    letters = objects(255 - skimage.data.page(), 120)
    found = np.array([came_back(letter) for letter in letters])
    assert len(found) > 30
    assert found.min() >= 0.85 and found.mean() >= 0.94


@pytest.mark.parametrize("size", [(120, 300), (427, 640), (1024, 1024), (1800, 1300), (3300, 2475)])
def test_large_shapes_come_back_almost_exactly(size: tuple[int, int]) -> None:
    height, width = size
    array = np.zeros(size, dtype=bool)
    array[height // 5 : height // 2, width // 3 : width * 3 // 4] = True
    array[ellipse(0.7 * height, 0.3 * width, 0.25 * height, 0.2 * width, shape=size)] = True
    assert came_back(array) > 0.99


@settings(deadline=None, max_examples=30)
@given(
    st.sampled_from([(160, 240), (427, 640), (1024, 1024), (1365, 2048)]),
    st.floats(0.1, 0.9),
    st.floats(0.1, 0.9),
    st.floats(1.8, 30.0),
    st.floats(0.5, 1.0),
    st.floats(0, np.pi),
)
def test_ellipses_of_some_ten_cells_come_back_wherever_they_lie(
    size: tuple[int, int], x: float, y: float, radius: float, ratio: float, turn: float
) -> None:
    step = 4 * max(size) / 1024  # image pixels a cell
    angle = np.linspace(0, 2 * np.pi, 90)
    u, v = radius * step * np.cos(angle), ratio * radius * step * np.sin(angle)
    array = drawn(
        size,
        x * size[1] + u * np.cos(turn) - v * np.sin(turn),
        y * size[0] + u * np.sin(turn) + v * np.cos(turn),
    )
    assume(cells(array) >= 10)
    assert came_back(array) >= 0.95


def test_touching_the_image_border_is_no_exception() -> None:
    size = (300, 400)
    corners = np.zeros(size, dtype=bool)
    corners[:90, :120], corners[-40:, -30:] = True, True
    assert came_back(corners) > 0.99
    assert came_back(np.ones(size, dtype=bool)) == 1.0
    assert came_back(np.ones((1, 1), dtype=bool)) == 1.0


def test_a_stroke_thinner_than_a_cell_is_not_lost() -> None:
    size = (1024, 1024)
    for width, least in ((4, 0.75), (8, 0.9)):
        for slant in (0, 37, 200):
            array = np.zeros(size, dtype=bool)
            array[line(100, 100, 100 + slant, 900)] = True
            array = ndimage.binary_dilation(array, np.ones((width, 1)))
            assert came_back(array) >= least, (width, slant)


def test_an_object_of_a_few_cells_is_not_lost() -> None:
    array = np.zeros((1024, 1024), dtype=bool)
    array[disk((503, 301), 3.5)] = True  # 2.4 cells
    assert came_back(array) > 0.6


def test_an_empty_prior_is_background_everywhere() -> None:
    assert (ModelFrame((90, 70)).prior_logits(Mask.empty((90, 70))) == -PRIOR_LOGIT).all()


def test_padding_is_background() -> None:
    frame = ModelFrame((100, 300))
    logits = prior_logits(Mask.from_array(np.ones((100, 300))), frame.size)
    rows = -(-frame.size[0] // 4)
    assert (logits[: rows - 1] > 0).all() and (logits[rows + 2 :] == -PRIOR_LOGIT).all()
