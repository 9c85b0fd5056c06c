"""From label maps to parts: where categories go, thresholds, holes, things and stuff."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pytest
from colour_model import CATEGORIES, ColourModel, scene
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segstudio.core.category import Category
from segstudio.core.errors import BadInputError, Cancelled
from segstudio.core.image import RgbImage
from segstudio.core.prediction import IGNORE, ModelCategory, SemanticPrediction
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.engine import label_map_parts
from segstudio.engine.import_plan import LEFT_OUT, CategoryTarget
from segstudio.engine.label_map_parts import (
    LabelMapOptions,
    LabelMapPlan,
    Part,
    label_map_plan,
    parts,
    suggested,
)
from segstudio.models.semantic.contract import PredictSettings

NOTHING, SKY, CAR, POLE = range(4)
ALL = LabelMapOptions(least_area=1, hole_area=0)


def plan_of(options: LabelMapOptions = ALL, project: tuple[Category, ...] = ()) -> LabelMapPlan:
    return label_map_plan("Colours", "colours-8", CATEGORIES, project, options)


def predicted(pixels: npt.NDArray[np.uint8], sharpness: float = 8.0) -> SemanticPrediction:
    model = ColourModel(sharpness=sharpness)
    return model.predict(RgbImage(pixels), PredictSettings(), ignore_progress, CancelToken())


def found_in(prediction: SemanticPrediction, plan: LabelMapPlan) -> dict[int, list[Part]]:
    found: dict[int, list[Part]] = {}
    for part in parts(prediction, plan, CancelToken()):
        found.setdefault(part.category, []).append(part)
    return found


def map_of(labels: npt.NDArray[np.uint8], confidence: int = 255) -> SemanticPrediction:
    sure = np.full_like(labels, confidence)
    return SemanticPrediction(CATEGORIES, labels, sure, np.zeros_like(labels), "colours-8")


def test_things_fall_into_parts_stuff_is_one_and_background_is_none() -> None:
    found = found_in(predicted(scene()), plan_of())
    assert sorted(found) == [SKY, CAR, POLE]
    assert [part.mask.area for part in found[CAR]] == [300 - 9, 225]
    assert [part.mask.area for part in found[SKY]] == [1600 - 12]


def test_a_slanting_pole_whose_pixels_meet_at_corners_is_one_part() -> None:
    (pole,) = found_in(predicted(scene()), plan_of())[POLE]
    assert pole.mask.area == 12
    assert pole.mask.box == (62, 5, 74, 17)


def test_the_score_is_the_mean_confidence_of_the_parts_own_pixels() -> None:
    prediction = predicted(scene(), sharpness=2.0)
    for part in parts(prediction, plan_of(), CancelToken()):
        inside = part.mask.to_array()
        assert part.score == pytest.approx(prediction.confidence[inside].mean() / 255, abs=1e-9)
        assert 0.4 < part.score < 1


def test_small_parts_go_and_small_holes_are_filled() -> None:
    found = found_in(predicted(scene()), plan_of(LabelMapOptions(least_area=13, hole_area=10)))
    assert POLE not in found
    assert [part.mask.area for part in found[CAR]] == [300, 225]
    assert found[SKY][0].mask.area == 1600  # pixels of the pole that went are holes in the sky
    exactly = found_in(predicted(scene()), plan_of(LabelMapOptions(least_area=12, hole_area=9)))
    assert [part.mask.area for part in exactly[CAR]] == [300 - 9, 225]
    assert [part.mask.area for part in exactly[POLE]] == [12]


def test_what_lies_in_a_hole_and_is_a_part_itself_stays_its_own() -> None:
    labels = np.full((20, 20), IGNORE, dtype=np.uint8)
    labels[2:18, 2:18] = SKY
    labels[6:12, 6:12] = NOTHING
    labels[7:10, 7:10] = CAR
    found = found_in(map_of(labels), plan_of(LabelMapOptions(least_area=5, hole_area=100)))
    assert found[CAR][0].mask.area == 9
    assert found[SKY][0].mask.area == 16 * 16 - 9


@given(
    hnp.arrays(
        np.uint8,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14),
        elements=st.sampled_from([NOTHING, SKY, CAR, POLE, IGNORE]),
    ),
    st.integers(0, 6),
    st.integers(0, 30),
)
@settings(max_examples=40)
def test_parts_never_share_a_pixel_and_hold_what_they_were_made_of(
    labels: npt.NDArray[np.uint8], least: int, hole: int
) -> None:
    options = LabelMapOptions(least_area=least, hole_area=hole)
    found = parts(map_of(labels), plan_of(options), CancelToken())
    times = np.zeros(labels.shape, dtype=int)
    for part in found:
        inside = part.mask.to_array()
        times += inside
        assert np.count_nonzero(inside & (labels == part.category)) >= max(1, least)
    assert times.max(initial=0) <= 1
    if least <= 1:
        kept = np.isin(labels, (SKY, CAR, POLE))
        assert np.array_equal(times[kept], np.ones(kept.sum()))


@pytest.mark.parametrize(
    ("thresholds", "left"),
    [({}, {SKY, CAR, POLE}), ({"car": 0.9}, {SKY, POLE}), ({"sky": 1.0, "pole": 1.0}, {CAR})],
)
def test_pixels_below_their_categorys_threshold_are_nothing(
    thresholds: Mapping[str, float], left: set[int]
) -> None:
    prediction = predicted(scene(), sharpness=2.0)
    options = LabelMapOptions(thresholds=thresholds, least_area=1)
    assert set(found_in(prediction, plan_of(options))) == left


def test_categories_go_to_those_of_their_name_else_to_new_ones_background_nowhere() -> None:
    project = (Category(7, "Sky", "#111111"), Category(8, "car", "#222222"))
    assert suggested(CATEGORIES, project) == {
        "nothing": LEFT_OUT,
        "sky": CategoryTarget(7),
        "car": CategoryTarget(8),
        "pole": CategoryTarget(0, "pole"),
    }
    chosen = LabelMapOptions(
        targets={"pole": LEFT_OUT, "nothing": CategoryTarget(0, "ground")}, least_area=1
    )
    plan = plan_of(chosen, project)
    assert plan.first == (-1, SKY, CAR, -1)
    assert set(found_in(predicted(scene()), plan)) == {SKY, CAR}


def test_whether_a_category_is_a_thing_is_for_the_project_to_say() -> None:
    stuff = (Category(8, "car", "#222222", isthing=False),)
    found = found_in(predicted(scene()), plan_of(ALL, stuff))
    assert [part.mask.area for part in found[CAR]] == [300 - 9 + 225]


def test_categories_with_one_target_are_one() -> None:
    """Sky and pole touch; where both become one stuff, they are one part."""
    project = (Category(3, "far away", "#111111", isthing=False),)
    for target in (CategoryTarget(3), CategoryTarget(0, "far away")):
        options = LabelMapOptions(
            targets={"sky": target, "pole": CategoryTarget(0, "far away")}, least_area=1
        )
        found = found_in(predicted(scene()), plan_of(options, project))
        assert set(found) == {SKY, CAR}
        assert [part.mask.area for part in found[SKY]] == [1600]


def test_names_that_the_model_does_not_have_and_plans_for_nothing_are_refused() -> None:
    for options in (
        LabelMapOptions(targets={"bus": LEFT_OUT}),
        LabelMapOptions(thresholds={"bus": 0.5}),
    ):
        with pytest.raises(BadInputError, match="no category “bus”; it has car, nothing"):
            plan_of(options)
    with pytest.raises(BadInputError, match="None of the model's categories"):
        plan_of(LabelMapOptions(targets=dict.fromkeys(("sky", "car", "pole"), LEFT_OUT)))


def test_a_map_of_too_many_parts_is_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(label_map_parts, "MOST_PARTS", 3)
    with pytest.raises(BadInputError, match="falls into 4 parts; raise the least area"):
        parts(predicted(scene()), plan_of(), CancelToken())
    wide = plan_of(LabelMapOptions(least_area=20))
    assert len(parts(predicted(scene()), wide, CancelToken())) == 3


def test_it_can_be_cancelled() -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        parts(predicted(scene()), plan_of(), cancel)


def test_a_model_of_255_categories_keeps_the_last() -> None:
    many = tuple(ModelCategory(f"c{n}", "#123456", isthing=True) for n in range(255))
    labels = np.full((4, 4), 254, dtype=np.uint8)
    prediction = SemanticPrediction(many, labels, labels, labels, "m")
    plan = label_map_plan("Many", "m", many, (), ALL)
    assert [part.category for part in parts(prediction, plan, CancelToken())] == [254]
