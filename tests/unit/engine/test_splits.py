"""Splits: the ratio, whole folders, every category shared out; seeded, undoable, told."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segstudio.__main__ import main
from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.changes import Edit, Records
from segstudio.core.errors import BadInputError, Cancelled
from segstudio.core.image import ImageState
from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken
from segstudio.engine.split_assignment import Unsplit, at_random, by_category, by_folder, wanted
from segstudio.engine.splits import (
    SplitBy,
    SplitRecipe,
    apply_split,
    plan_split,
    stored_recipe,
)
from segstudio.store.project import NewImage, ProjectStore

NAMES, RATIO = ("train", "val", "test"), (70.0, 20.0, 10.0)


def shares(total: float) -> dict[str, float]:
    return wanted(NAMES, RATIO, total, {})


@given(st.integers(0, 200), st.integers(0, 5), st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_images_at_random_are_the_ratio_and_do_not_depend_on_ids_or_order(
    count: int, seed: int, rng: random.Random
) -> None:
    paths = [f"day {n % 7}/{n}.jpg" for n in range(count)]
    first = [Unsplit(number, path, {}) for number, path in enumerate(paths)]
    other = [Unsplit(1000 + number, path, {}) for number, path in enumerate(paths)]
    rng.shuffle(other)
    one, two = at_random(first, shares(count), seed), at_random(other, shares(count), seed)
    assert [one[number] for number in range(count)] == [two[1000 + n] for n in range(count)]
    counts = Counter(one.values())
    for name, share in shares(count).items():
        assert abs(counts[name] - share) < 1
    if count > 50:
        assert at_random(first, shares(count), seed + 1) != one


def test_folders_stay_together_and_those_called_like_a_split_go_there() -> None:
    images = [
        Unsplit(100 * folder + n, f"cam/{folder}/{n}.jpg", {})
        for folder in range(10)
        for n in range(10 + folder)
    ]
    images += [Unsplit(5000, "Validation/x/1.jpg", {}), Unsplit(5001, "test/1.jpg", {})]
    found = by_folder(images, shares(len(images)), NAMES, 3)
    assert found[5000] == "val" and found[5001] == "test"
    for folder in range(10):
        assert len({found[row.id] for row in images if row.path.startswith(f"cam/{folder}/")}) == 1
    counts = Counter(found.values())
    for name, share in shares(len(images)).items():
        assert abs(counts[name] - share) <= 19  # one folder


def long_tail(seed: int, count: int = 600) -> list[Unsplit]:
    """Images with few and many annotations of twelve categories, the last ones very rare."""
    rng = np.random.default_rng(seed)
    rates = 3.0 / (1.0 + np.arange(12)) ** 1.6
    rows = rng.poisson(rates, (count, 12))
    return [
        Unsplit(n, f"{n}.jpg", {c: int(k) for c, k in enumerate(row) if k})
        for n, row in enumerate(rows)
    ]


def worst(images: list[Unsplit], found: dict[int, str]) -> float:
    """The largest distance of a category's share of annotations in a split from the ratio."""
    totals: Counter[int] = Counter()
    there: Counter[tuple[str, int]] = Counter()
    for image in images:
        for category, count in image.categories.items():
            totals[category] += count
            there[found[image.id], category] += count
    return max(
        abs(there[name, category] / total - part / 100)
        for name, part in zip(NAMES, RATIO, strict=True)
        for category, total in totals.items()
    )


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_category_is_shared_out_more_evenly_than_at_random(seed: int) -> None:
    images = long_tail(seed)
    totals: Counter[int] = Counter()
    for image in images:
        totals.update(image.categories)
    goals = {category: shares(total) for category, total in totals.items()}
    found = by_category(images, shares(len(images)), goals, seed)
    assert set(found) == {image.id for image in images}
    chance = at_random(images, shares(len(images)), seed)
    assert worst(images, found) < 0.5 * worst(images, chance)
    moved = [Unsplit(row.id + 7000, row.path, row.categories) for row in reversed(images)]
    again = by_category(moved, shares(len(images)), goals, seed)
    assert {number - 7000: split for number, split in again.items()} == found


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with ProjectStore.create(tmp_path / "p.segstudio", tmp_path) as opened:
        states = {3: ImageState.LABELLED}
        images = opened.add_images(
            [
                NewImage(f"f{n % 4}/{n}.jpg", 6, 5, f"{n}", states.get(n, ImageState.TODO))
                for n in range(40)
            ]
        )
        names = [Category(opened.new_category_id(), f"c{n}", "#112233") for n in range(2)]
        opened.commit(Edit("Add", 0, Records(), Records(categories=tuple(names))))
        for image in images[:30]:
            record = Annotation(
                opened.new_annotation_id(), image.id, names[image.id % 2].id, Mask.empty((5, 6))
            )
            opened.commit(Edit("Accept", image.id, Records(), Records((record,))))
        yield opened


@pytest.mark.parametrize("by", list(SplitBy))
def test_a_split_is_one_run_that_is_told_stored_and_undone_at_once(
    store: ProjectStore, by: SplitBy
) -> None:
    recipe = SplitRecipe(by, ratio=(50.0, 25.0, 25.0), seed=4)
    plan = plan_split(store, recipe)
    assert {image.split for image in store.images()} == {""}  # planning changes nothing
    assert sum(row.images for row in plan.counts) == 40
    assert sum(row.annotations for row in plan.counts) == 30
    assert apply_split(store, plan, CancelToken()) == store.runs("split")[0].id
    assert {image.id: image.split for image in store.images()} == plan.splits
    assert Counter(plan.splits.values()) == {row.name: row.images for row in plan.counts}
    assert stored_recipe(store) == recipe
    assert apply_split(store, plan_split(store, recipe), CancelToken()) == 0  # nothing is left
    undone = store.undo(plan.changed[5].id)
    assert undone is not None and undone.run_id
    assert {image.split for image in store.images()} == {""}
    assert store.redo(plan.changed[0].id) is not None
    assert {image.id: image.split for image in store.images()} == plan.splits


def test_images_with_a_split_keep_it_and_count_unless_anew(store: ProjectStore) -> None:
    half = store.images()[:20]
    for index, image in enumerate(half):
        split = "test" if index < 15 else "minival"
        after = Records(images=(replace(image, split=split),))
        store.commit(Edit("Split", image.id, Records(images=(image,)), after))
    plan = plan_split(store, SplitRecipe(ratio=(60.0, 20.0, 20.0)))
    assert all(plan.splits[image.id] in {"test", "minival"} for image in half)
    counts = {row.name: row.images for row in plan.counts}
    assert counts["test"] == 15 and counts["minival"] == 5  # more than its share: gets no more
    assert counts["train"] + counts["val"] == 20 and counts["train"] == 15
    anew = plan_split(store, SplitRecipe(ratio=(60.0, 20.0, 20.0), anew=True))
    assert {row.name: row.images for row in anew.counts} == {"train": 24, "val": 8, "test": 8}


def test_a_split_that_is_cancelled_or_out_of_date_changes_nothing(store: ProjectStore) -> None:
    plan = plan_split(store, SplitRecipe())
    token = CancelToken()
    with pytest.raises(Cancelled):
        apply_split(store, plan, token, lambda step: token.cancel() if step.done == 9 else None)
    assert {image.split for image in store.images()} == {""} and store.runs() == []
    assert stored_recipe(store) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"names": ("a/b", "c", "d")},
        {"names": ("", "c", "d")},
        {"names": ("Val", "val", "d")},
        {"names": ()},
        {"ratio": (1.0, 2.0)},
        {"ratio": (0.0, 0.0, 0.0)},
        {"ratio": (1.0, -1.0, 2.0)},
        {"ratio": (1.0, float("nan"), 2.0)},
        {"ratio": (1e308, 1e308, 1e308)},
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(
    store: ProjectStore, changes: dict[str, Any]
) -> None:
    with pytest.raises(BadInputError):
        plan_split(store, SplitRecipe(**changes))


@pytest.mark.parametrize("data", [None, [], {}, {**SplitRecipe().to_json(), "by": "x"}])
def test_a_stored_recipe_that_is_damaged_is_refused(data: Any) -> None:
    assert SplitRecipe.from_json(json.loads(json.dumps(SplitRecipe().to_json()))) == SplitRecipe()
    with pytest.raises(BadInputError):
        SplitRecipe.from_json(data)


def test_the_command_line_splits_and_tells(
    store: ProjectStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store.close()
    path = tmp_path / "copy.segstudio"
    shutil.copy(store.path, path)
    command = ["split", str(path), "--by", "category", "--ratio", "60,20,20", "--json"]
    assert main([*command, "--dry-run"]) == 0
    told = json.loads(capsys.readouterr().out)
    with ProjectStore.open(path, read_only=True) as copy:
        assert {image.split for image in copy.images()} == {""}
    assert main(command) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["splits"] == told["splits"] and data["changed"] == 40 and data["run"] == 1
    with ProjectStore.open(path, read_only=True) as copy:
        counts = Counter(image.split for image in copy.images())
    assert counts == {row["name"]: row["images"] for row in data["splits"]}
    assert main(["split", str(path), "--ratio", "1,2"]) == 1
    assert main(["split", str(path)]) == 0
    assert "train" in capsys.readouterr().out
