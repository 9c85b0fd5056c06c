"""A prediction on the canvas: the right colour over the right pixel, at every scale."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from segstudio.core.category import parse_colour
from segstudio.core.prediction import IGNORE, ModelCategory, SemanticPrediction
from segstudio.gui.canvas.label_map_levels import LabelMapLevels, halved, mostly
from segstudio.gui.canvas.label_map_look import (
    LINE_BOOST,
    LabelMapLook,
    Shows,
    label_map_picture,
    ramp,
)
from segstudio.gui.canvas.place import Place
from segstudio.gui.canvas.preview import Picture

ROAD = ModelCategory("road", "#804080")
CAR = ModelCategory("car", "#0000ff", isthing=True)
REST = ModelCategory("rest", "#101010", background=True)
CATEGORIES = (ROAD, CAR, REST)
NO_LEAST = LabelMapLook().least(CATEGORIES)


def prediction(height: int = 60, width: int = 90) -> SemanticPrediction:
    """Road below, a car on it, the rest above, two rows that are ignored; surer to the right."""
    labels = np.full((height, width), 2, dtype=np.uint8)
    labels[height // 2 :] = 0
    labels[height // 2 - 6 : height // 2 + 8, 30:60] = 1
    labels[:2] = IGNORE
    sure = np.tile(np.linspace(40, 250, width).astype(np.uint8), (height, 1))
    return SemanticPrediction(CATEGORIES, labels, sure, 255 - sure, "model")


@pytest.fixture
def levels() -> LabelMapLevels:
    return LabelMapLevels.of(prediction())


def pixels_of(picture: Picture) -> npt.NDArray[np.uint8]:
    """(h, w, 4) premultiplied BGRA."""
    image = picture.image
    data = np.frombuffer(image.constBits(), dtype=np.uint8)
    return data.reshape(image.height(), image.bytesPerLine() // 4, 4)[:, : image.width()].copy()


def drawn(
    levels: LabelMapLevels, look: LabelMapLook, place: Place, ratio: float = 1.0
) -> npt.NDArray[np.uint8]:
    picture = label_map_picture(levels, look, place, ratio)
    assert picture is not None
    return pixels_of(picture)


def whole(levels: LabelMapLevels, scale: float = 1.0) -> Place:
    height, width = levels.prediction.size
    return Place(scale, 0.0, 0.0, (round(width * scale), round(height * scale)))


def bgra(colour: str, strength: float) -> list[int]:
    red, green, blue = parse_colour(colour)
    return [round(value * strength) for value in (blue, green, red, 255)]


# -- colours ------------------------------------------------------------------------------------


def test_every_pixel_has_its_categorys_colour_and_borders_are_stronger(
    levels: LabelMapLevels,
) -> None:
    look = LabelMapLook(opacity=0.5)
    pixels = drawn(levels, look, whole(levels))
    assert pixels.shape == (60, 90, 4)
    assert pixels[50, 10].tolist() == bgra(ROAD.colour, 0.5)
    assert pixels[30, 45].tolist() == bgra(CAR.colour, 0.5)
    assert pixels[10, 10].tolist() == [0, 0, 0, 0], "the background is not drawn"
    assert pixels[0, 0].tolist() == [0, 0, 0, 0], "what is ignored is not drawn"
    beside = {tuple(pixel) for pixel in pixels[30, 28:32].tolist()}
    assert tuple(bgra(CAR.colour, 0.5 + LINE_BOOST)) in beside


def test_eyes_and_opacities_count_for_their_category_alone(levels: LabelMapLevels) -> None:
    look = LabelMapLook(
        opacity=0.8, opacities={"car": 0.25}, hidden=frozenset({"road"}), shown=frozenset({"rest"})
    )
    pixels = drawn(levels, look, whole(levels))
    assert pixels[50, 10].tolist() == [0, 0, 0, 0]
    assert pixels[30, 45].tolist() == bgra(CAR.colour, 0.2)
    assert pixels[10, 10].tolist() == bgra(REST.colour, 0.8)


def test_below_the_threshold_nothing_is_drawn_as_above_says(levels: LabelMapLevels) -> None:
    look = LabelMapLook(thresholds={"road": 0.6, "car": 0.4})
    visible = drawn(levels, look, whole(levels))[..., 3] > 0
    kept = levels.prediction.above(look.thresholds)
    assert np.array_equal(visible, np.isin(kept, (0, 1)))


def test_confidence_and_entropy_are_colours_from_low_to_high(levels: LabelMapLevels) -> None:
    look = LabelMapLook(shows=Shows.CONFIDENCE, opacity=1.0, opacities={"car": 0.5})
    pixels = drawn(levels, look, whole(levels))
    sure = levels.prediction.confidence
    assert np.array_equal(pixels[50], ramp(Shows.CONFIDENCE)[sure[50]])
    halfway = ramp(Shows.CONFIDENCE)[sure[30, 45]] * (128 / 255)
    assert np.abs(pixels[30, 45] - halfway).max() <= 1
    pixels = drawn(levels, replace(look, shows=Shows.ENTROPY), whole(levels))
    assert np.array_equal(pixels[50], ramp(Shows.ENTROPY)[levels.prediction.entropy[50]])


@pytest.mark.parametrize("look", [LabelMapLook(shows=Shows.NOTHING), LabelMapLook(opacity=0.0)])
def test_nothing_is_drawn_where_nothing_is_to_be_seen(
    levels: LabelMapLevels, look: LabelMapLook
) -> None:
    assert label_map_picture(levels, look, whole(levels), 1.0) is None


# -- places -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place",
    [
        Place(1.0, 0.0, 0.0, (90, 60)),
        Place(3.0, -70.25, -40.75, (120, 90)),
        Place(1.5, 20.5, 11.25, (200, 140)),
        Place(0.75, -10.0, -8.0, (30, 20)),
    ],
)
def test_each_device_pixel_shows_what_lies_under_its_centre(
    levels: LabelMapLevels, place: Place
) -> None:
    picture = label_map_picture(levels, LabelMapLook(opacity=1.0), place, 1.0)
    assert picture is not None
    pixels, (left, top) = pixels_of(picture), picture.corner
    rows = np.floor((np.arange(len(pixels)) + top + 0.5 - place.y) / place.scale).astype(int)
    columns = np.arange(pixels.shape[1]) + left + 0.5
    columns = np.floor((columns - place.x) / place.scale).astype(int)
    labels = levels.prediction.labels
    assert rows[0] >= 0 and rows[-1] < len(labels)
    assert columns[0] >= 0 and columns[-1] < labels.shape[1]
    expected = np.zeros((256, 4), dtype=np.uint8)
    expected[0], expected[1] = bgra(ROAD.colour, 1.0), bgra(CAR.colour, 1.0)
    assert np.array_equal(pixels, expected[labels[np.ix_(rows, columns)]])


def test_a_picture_says_whether_it_holds_all_there_is(levels: LabelMapLevels) -> None:
    look = LabelMapLook()
    around = label_map_picture(levels, look, Place(1.0, 10.0, 5.0, (200, 100)), 1.0)
    part = label_map_picture(levels, look, Place(1.0, -10.0, 5.0, (60, 100)), 1.0)
    assert around is not None and around.whole and around.corner == (10, 5)
    assert part is not None and not part.whole
    assert label_map_picture(levels, look, Place(1.0, 300.0, 0.0, (60, 60)), 1.0) is None


def test_far_away_a_small_level_is_drawn_and_shows_the_same() -> None:
    levels = LabelMapLevels.of(prediction(1300, 1801))
    assert [level.labels.shape for level in levels.levels] == [(1300, 1801), (650, 901), (325, 451)]
    assert [levels.index_for(scale) for scale in (2.0, 0.51, 0.5, 0.3, 0.25, 0.01)] == [
        0, 0, 1, 1, 2, 2,
    ]  # fmt: skip
    pixels = drawn(levels, LabelMapLook(opacity=1.0), whole(levels, 0.2))
    shown = {tuple(one) for one in pixels[200:250, 200:300].reshape(-1, 4).tolist()}
    assert shown == {tuple(bgra(ROAD.colour, 1.0))}


# -- levels and counts --------------------------------------------------------------------------


@settings(max_examples=60)
@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)),
                     elements=st.integers(0, 3)))  # fmt: skip
def test_a_halved_label_is_one_that_most_of_its_four_have(labels: npt.NDArray[np.uint8]) -> None:
    small = mostly(labels)
    assert small.shape == tuple((side + 1) // 2 for side in labels.shape)
    padded = np.pad(labels, [(0, side % 2) for side in labels.shape], mode="edge")
    for (row, column), label in np.ndenumerate(small):
        four = Counter(padded[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].ravel().tolist())
        assert four[int(label)] == max(four.values())


def test_halved_values_are_means() -> None:
    values = np.array([[0, 100, 50], [100, 200, 150]], dtype=np.uint8)
    assert halved(values).tolist() == [[100, 100]]


def test_shares_count_what_is_sure_enough_and_how_sure_it_is(levels: LabelMapLevels) -> None:
    look = LabelMapLook(thresholds={"road": 0.6})
    kept = levels.prediction.above(look.thresholds)
    for share in levels.shares(look.least(CATEGORIES)):
        mine = kept == share.index
        assert share.pixels == np.count_nonzero(mine)
        assert share.held == np.count_nonzero(levels.prediction.labels == share.index)
        mean = levels.prediction.confidence[mine].mean() / 255
        assert share.confidence == pytest.approx(mean)
    assert sum(share.held for share in levels.shares(NO_LEAST)) == 58 * 90


def test_the_pointer_is_told_category_and_confidence(levels: LabelMapLevels) -> None:
    assert levels.at(45.9, 30.2) == (CAR, levels.prediction.confidence[30, 45] / 255)
    assert levels.at(5.0, 0.5) is None
    assert levels.at(-0.5, 30.0) is None and levels.at(90.0, 30.0) is None
