"""From parts to annotations: what is labelled stays, nothing comes twice, provenance, one edit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from colour_model import CATEGORIES, ColourModel, scene, scene_store

from segstudio.core.annotation import Annotation, Stage
from segstudio.core.changes import Edit, Records
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageState, RgbImage
from segstudio.core.mask import Mask
from segstudio.core.prediction import SemanticPrediction
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.engine.image_session import ImageSession
from segstudio.engine.import_plan import CategoryTarget
from segstudio.engine.label_map_annotations import TOOL, turn_into_annotations
from segstudio.engine.label_map_parts import (
    Former,
    LabelMapOptions,
    label_map_plan,
    parts,
)
from segstudio.engine.partition import SETTING
from segstudio.models.semantic.contract import PredictSettings
from segstudio.store.project import ProjectStore

SIZE = (60, 80)
FINE = LabelMapOptions(least_area=5, hole_area=10)
ALL_NAMES = {"sky", "car", "pole"}


class Desk:
    """A project of one photo of the scene, its session, and a model to turn into annotations."""

    def __init__(self, store: ProjectStore) -> None:
        self.store = store
        (record,) = store.images()
        self.session = ImageSession(store, record.id)

    def predicted(
        self, pixels: npt.NDArray[np.uint8] | None = None, sharpness: float = 8.0
    ) -> SemanticPrediction:
        image = RgbImage(scene() if pixels is None else pixels)
        model = ColourModel(sharpness=sharpness)
        return model.predict(image, PredictSettings(), ignore_progress, CancelToken())

    def turn(
        self, options: LabelMapOptions = FINE, prediction: SemanticPrediction | None = None
    ) -> Edit | None:
        prediction = prediction or self.predicted()
        plan = label_map_plan(
            "Colours", prediction.model_key, CATEGORIES, self.store.categories(), options
        )
        found = parts(prediction, plan, CancelToken())
        return turn_into_annotations(self.session, self.store, found, plan)

    def label(self, box: tuple[int, int, int, int], *, locked: bool = False) -> Annotation:
        """An annotation of a person's, of the category "drawn"."""
        x0, y0, x1, y1 = box
        pixels = np.zeros(SIZE, dtype=np.bool_)
        pixels[y0:y1, x0:x1] = True
        known = [row.id for row in self.session.categories if row.name == "drawn"]
        if not known:
            self.session.add_category("drawn")
            known = [row.id for row in self.session.categories if row.name == "drawn"]
        now = time.time()
        row = Annotation(
            self.store.new_annotation_id(),
            self.session.image.id,
            known[0],
            Mask.from_array(pixels),
            locked=locked,
            tool="point",
            created_at=now,
            updated_at=now,
        )
        edit = Edit("Draw", self.session.image.id, Records(), Records((row,)))
        self.session.carry_out(lambda _: edit)
        return row

    def by_name(self) -> dict[str, list[Annotation]]:
        names = {row.id: row.name for row in self.store.categories()}
        found: dict[str, list[Annotation]] = {}
        for row in self.store.annotations(self.session.image.id):
            found.setdefault(names[row.category_id], []).append(row)
        return found

    def areas(self) -> dict[str, list[int]]:
        return {name: [row.mask.area for row in rows] for name, rows in self.by_name().items()}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with scene_store(tmp_path, "a.png") as store:
        yield Desk(store)


def test_parts_become_annotations_with_their_provenance_in_one_undo_step(desk: Desk) -> None:
    edit = desk.turn(FINE)
    assert edit is not None
    assert edit.text == "Annotations from Colours"
    assert {row.name for row in edit.after.categories} == ALL_NAMES
    assert desk.areas() == {"sky": [1588], "car": [300, 225], "pole": [12]}
    rows = desk.store.annotations(desk.session.image.id)
    assert [row.mask.area for row in rows] == [1588, 300, 225, 12]  # the smallest in front
    for row in rows:
        assert (row.tool, row.model_key, row.stage) == (TOOL, "colours-8", Stage.AUTOMATIC)
        assert row.predicted_iou == pytest.approx(1.0, abs=0.01)
        assert row.created_at == row.updated_at > 0
    made = {row.name: row for row in desk.store.categories()}
    assert (made["car"].colour, made["car"].isthing, made["sky"].isthing) == (
        "#ff0000",
        True,
        False,
    )
    assert desk.session.image.state is ImageState.LABELLED
    desk.session.undo()
    assert desk.areas() == {}
    assert desk.store.categories() == []
    assert desk.store.images()[0].state is ImageState.TODO
    desk.session.redo()
    assert desk.areas() == {"sky": [1588], "car": [300, 225], "pole": [12]}


def test_a_second_time_nothing_comes(desk: Desk) -> None:
    for options in (
        FINE,
        replace(FINE, unlabelled_only=False),
        replace(FINE, former=Former.SAME_MODEL),
    ):
        desk.turn(options)
        there = desk.store.annotations(desk.session.image.id)
        assert desk.turn(options) is None
        assert desk.store.annotations(desk.session.image.id) == there


def test_what_is_labelled_is_left_alone_and_its_pixels_are_cut_out(desk: Desk) -> None:
    drawn = desk.label((0, 25, 15, 50))  # half of the left car
    desk.turn()
    assert desk.areas() == {"drawn": [375], "sky": [1588], "car": [225, 150], "pole": [12]}
    assert desk.by_name()["drawn"] == [drawn]
    union = sum(row.mask.to_array().astype(int) for row in desk.store.annotations(1))
    assert union.max() == 1
    assert desk.turn() is None


def test_a_part_that_is_labelled_to_nine_tenths_is_nothing_new(desk: Desk) -> None:
    desk.label((5, 30, 24, 45))  # 19 of 20 columns of the left car
    desk.label((45, 30, 58, 45))  # 13 of 15 columns of the right one
    desk.turn()
    assert desk.areas()["car"] == [30]


def test_crumbs_beside_what_is_labelled_are_left_out(desk: Desk) -> None:
    """A person's box over the left car leaves a corner of 4 pixels and a strip of 60."""
    pixels = np.zeros(SIZE, dtype=np.bool_)
    pixels[30:45, 5:21] = True
    pixels[30:32, 5:7] = False
    desk.label((0, 0, 1, 1))
    row = desk.by_name()["drawn"][0]
    desk.session.change_mask(row.id, Mask.from_array(pixels))
    desk.turn(replace(FINE, least_area=5))
    assert desk.areas()["car"] == [225, 60]


def test_over_what_is_labelled_only_locked_annotations_keep_their_pixels(desk: Desk) -> None:
    desk.label((0, 25, 15, 50))
    locked = desk.label((45, 30, 50, 45), locked=True)
    desk.turn(replace(FINE, unlabelled_only=False))
    assert desk.areas()["car"] == [300, 225 - 75]
    assert locked in desk.store.annotations(1)
    assert desk.turn(replace(FINE, unlabelled_only=False)) is None


def test_in_a_partition_what_is_added_is_taken_from_those_that_are_not_locked(desk: Desk) -> None:
    desk.store.set_setting(SETTING, True)
    drawn = desk.label((0, 25, 15, 50))
    desk.turn(replace(FINE, unlabelled_only=False))
    areas = desk.areas()
    assert areas["car"] == [300, 225]
    assert areas["drawn"] == [drawn.mask.area - 150]
    times = sum(row.mask.to_array().astype(int) for row in desk.store.annotations(1))
    assert times.max() == 1


def test_categories_go_where_they_are_sent(desk: Desk) -> None:
    desk.session.add_category("vehicle")
    (vehicle,) = desk.store.categories()
    targets = {"car": CategoryTarget(vehicle.id), "sky": CategoryTarget(0, "heaven")}
    desk.turn(replace(FINE, targets=targets))
    assert desk.areas() == {"heaven": [1588], "vehicle": [300, 225], "pole": [12]}


def test_a_category_that_is_gone_meanwhile_is_a_sentence_and_changes_nothing(desk: Desk) -> None:
    desk.session.add_category("vehicle")
    (vehicle,) = desk.store.categories()
    prediction = desk.predicted()
    options = replace(FINE, targets={"car": CategoryTarget(vehicle.id)})
    plan = label_map_plan("Colours", "m", CATEGORIES, desk.store.categories(), options)
    found = parts(prediction, plan, CancelToken())
    desk.session.delete_category(vehicle.id)
    with pytest.raises(BadInputError, match="“car” was to become is not in the project any more"):
        turn_into_annotations(desk.session, desk.store, found, plan)
    assert desk.areas() == {}


def test_former_predictions_that_nobody_touched_are_replaced_if_asked(desk: Desk) -> None:
    desk.turn()
    before = desk.by_name()
    left, right = before["car"]
    desk.session.set_category([left.id], before["sky"][0].category_id)  # a person's hand
    moved = scene()
    moved[30:45, 45:60] = 0
    moved[50:55, 60:70] = (255, 0, 0)  # the right car is elsewhere now
    prediction = desk.predicted(moved)
    assert desk.turn(FINE, prediction) is not None  # kept: the new place comes beside the old
    assert sorted(desk.areas()["car"]) == [50, 225]
    desk.session.undo()
    desk.turn(replace(FINE, former=Former.SAME_MODEL), prediction)
    after = desk.by_name()
    assert [row.mask.area for row in after["car"]] == [50]
    assert right.id not in {row.id for rows in after.values() for row in rows}
    touched = next(row for row in after["sky"] if row.id == left.id)
    assert touched.mask == left.mask
    unchanged = {row.id for row in before["sky"]} | {row.id for row in before["pole"]}
    assert unchanged <= {row.id for rows in after.values() for row in rows}
    desk.session.undo()
    assert right.id in {row.id for rows in desk.by_name().values() for row in rows}


def test_other_weights_are_another_model_unless_any_is_meant(desk: Desk) -> None:
    desk.turn()
    moved = scene()
    moved[30:45, 45:60] = 0
    prediction = desk.predicted(moved, sharpness=9.0)
    assert prediction.model_key != "colours-8"
    assert desk.turn(replace(FINE, former=Former.SAME_MODEL), prediction) is None
    desk.turn(replace(FINE, former=Former.ANY_MODEL), prediction)
    assert desk.areas()["car"] == [300]


def test_locked_and_reviewed_predictions_are_not_replaced(desk: Desk) -> None:
    desk.turn()
    desk.session.set_locked([desk.by_name()["car"][1].id], True)
    moved = scene()
    moved[30:45] = 0
    desk.turn(replace(FINE, former=Former.ANY_MODEL), desk.predicted(moved))
    assert desk.areas()["car"] == [225]


def test_a_prediction_of_nothing_takes_the_former_away_and_the_image_is_to_do(desk: Desk) -> None:
    desk.turn()
    nothing = desk.predicted(np.zeros((*SIZE, 3), dtype=np.uint8))
    assert desk.turn(FINE, nothing) is None
    edit = desk.turn(replace(FINE, former=Former.SAME_MODEL), nothing)
    assert edit is not None
    assert desk.areas() == {}
    assert desk.session.image.state is ImageState.TODO


def test_new_categories_come_only_with_an_annotation_of_theirs(desk: Desk) -> None:
    desk.label((0, 0, 80, 20))  # all of sky and pole
    edit = desk.turn()
    assert edit is not None
    assert {row.name for row in edit.after.categories} == {"car"}
