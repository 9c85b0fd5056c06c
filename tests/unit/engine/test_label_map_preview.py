"""What is announced is what comes: the preview counts as turning does."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from colour_model import CATEGORIES, ColourModel, scene, scene_store

from segstudio.core.image import RgbImage
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.engine.image_session import ImageSession
from segstudio.engine.import_plan import LEFT_OUT, CategoryTarget
from segstudio.engine.label_map_annotations import turn_into_annotations
from segstudio.engine.label_map_parts import Former, LabelMapOptions, label_map_plan, parts
from segstudio.engine.label_map_preview import TurnPreview, preview
from segstudio.models.semantic.contract import PredictSettings


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (LabelMapOptions(least_area=5), {"sky": 1, "car": 2, "pole": 1}),
        (LabelMapOptions(least_area=20), {"sky": 1, "car": 2}),
        (LabelMapOptions(least_area=5, targets={"car": LEFT_OUT}), {"sky": 1, "pole": 1}),
        (
            LabelMapOptions(
                least_area=5,
                targets={"car": CategoryTarget(0, "thing"), "pole": CategoryTarget(0, "thing")},
            ),
            {"sky": 1, "car": 3},
        ),
    ],
    ids=["all", "large ones", "one left out", "two become one"],
)
def test_the_preview_announces_what_turning_makes(
    tmp_path: Path, options: LabelMapOptions, expected: dict[str, int]
) -> None:
    model = ColourModel()
    said = model.predict(RgbImage(scene()), PredictSettings(), ignore_progress, CancelToken())
    with scene_store(tmp_path, "a.png") as store:
        (record,) = store.images()
        session = ImageSession(store, record.id)

        def announced(wanted: LabelMapOptions) -> TurnPreview:
            plan = label_map_plan("C", said.model_key, CATEGORIES, store.categories(), wanted)
            found = parts(said, plan, CancelToken())
            shown = preview(found, plan, session.image, session.annotations, partition=False)
            assert session.annotations == tuple(store.annotations(record.id)), "nothing is stored"
            return shown

        first = announced(options)
        assert first.added == expected
        assert first.total == sum(expected.values())
        plan = label_map_plan("C", said.model_key, CATEGORIES, store.categories(), options)
        turn_into_annotations(session, store, parts(said, plan, CancelToken()), plan)
        assert len(session.annotations) == first.total
        names = {row.id: row.name for row in store.categories()}
        made = Counter(names[row.category_id] for row in session.annotations)
        assert sorted(made.values()) == sorted(expected.values())

        assert announced(options).total == 0, "a second time nothing comes"
        again = LabelMapOptions(least_area=1000, targets=options.targets, former=Former.ANY_MODEL)
        found = announced(again)  # some change their holes: they go and come
        small = sum(row.mask.area < 1000 for row in session.annotations)
        assert found.replaced - found.total == small > 0
