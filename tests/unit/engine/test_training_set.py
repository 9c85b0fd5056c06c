"""Projects become training sets: what is surveyed is what is written, and faults are sentences."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask
from training_project import (
    SIZE,
    add_category,
    add_image,
    annotate,
    shapes,
    training_project,
)

from segstudio.core import whole_files
from segstudio.core.category import Category
from segstudio.core.errors import BadInputError, Cancelled, StorageError
from segstudio.core.image import ImageState
from segstudio.core.prediction import IGNORE
from segstudio.core.progress import CancelToken, Progress
from segstudio.engine import training_set
from segstudio.engine.training_choices import (
    BACKGROUND,
    IGNORED,
    ImageChoice,
    SetChoices,
    TrainingTarget,
    Unlabelled,
    label_plan,
)
from segstudio.engine.training_set import write
from segstudio.engine.training_survey import SetSurvey, survey
from segstudio.imaging.read import read_image
from segstudio.models.training.settings import TrainingImage, TrainingSet
from segstudio.store.project import ProjectStore

EMPTY = SetChoices(unlabelled=Unlabelled.BACKGROUND)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ProjectStore]:
    with training_project(tmp_path / "project") as made:
        yield made


def written(
    store: ProjectStore, choices: SetChoices, folder: Path
) -> tuple[SetSurvey, TrainingSet]:
    made = write(store, survey(store, choices), folder)
    return made, msgspec.json.decode((folder / "set.json").read_bytes(), type=TrainingSet)


def labels_of(image: TrainingImage, folder: Path) -> np.ndarray:
    labels = np.asarray(Image.open(folder / image.labels))
    assert labels.dtype == np.uint8
    return labels


def painted(store: ProjectStore, image_id: int, values: dict[int, int], empty: int) -> np.ndarray:
    """The label map by pycocotools' decoder, one annotation after the other."""
    record = store.image(image_id)
    labels = np.full(record.size, empty, dtype=np.uint8)
    for row in sorted(store.annotations(image_id), key=lambda row: (row.z_order, row.id)):
        area = coco_mask.decode(row.mask.to_coco()).astype(bool)
        labels[area] = IGNORE if row.iscrowd else values[row.category_id]
    return labels


@given(data=st.data())
@settings(max_examples=25)
def test_written_maps_are_what_the_annotations_draw_and_what_the_survey_counted(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("set")
    photos = folder / "photos"
    photos.mkdir()
    with ProjectStore.create(folder / "p.segstudio", photos) as store:
        categories = [add_category(store, name) for name in "abcd"]
        rng = np.random.default_rng(data.draw(st.integers(0, 1 << 20)))
        for number in range(data.draw(st.integers(2, 4))):
            size = int(rng.integers(5, 30)), int(rng.integers(5, 30))
            image = add_image(store, f"{number}.png", np.zeros((*size, 3), np.uint8))
            for _ in range(rng.integers(1, 5)):
                array = np.zeros(size, bool)
                y, x = rng.integers(0, size[0]), rng.integers(0, size[1])
                array[y : y + rng.integers(1, 20), x : x + rng.integers(1, 20)] = True
                annotate(
                    store, image, categories[rng.integers(4)], array,
                    z_order=int(rng.integers(-2, 3)), iscrowd=bool(rng.random() < 0.2),
                )  # fmt: skip
        kinds = [IGNORED, BACKGROUND, TrainingTarget("a"), TrainingTarget("both"), None]
        drawn = {row.id: data.draw(st.sampled_from(kinds)) for row in categories}
        targets = {number: target for number, target in drawn.items() if target is not None}
        unlabelled = data.draw(st.sampled_from(Unlabelled))
        choices = SetChoices(unlabelled=unlabelled, targets=targets)
        found = survey(store, choices)
        if not found.sound:
            with pytest.raises(BadInputError):
                write(store, found, folder / "run")
            assert not (folder / "run").exists()
            return
        made, read = written(store, choices, folder / "run")
        plan = label_plan(categories, choices)
        assert made.fingerprint == found.fingerprint
        assert read.categories == plan.categories == found.categories
        totals: Counter[int] = Counter()
        for row in (*read.train, *read.val):
            labels = labels_of(row, folder / "run")
            assert np.array_equal(
                labels, painted(store, row.image_id, dict(plan.values), plan.empty)
            )
            assert (labels != IGNORE).any()
            totals.update(dict(zip(*np.unique(labels, return_counts=True), strict=True)))
        shares = found.shares()
        assert [share.train_pixels + share.val_pixels for share in shares] == [
            totals.get(value, 0) for value in range(len(plan.categories))
        ]
        assert found.ignored_pixels() == totals.get(IGNORE, 0)


def test_maps_have_the_size_of_the_upright_image_whatever_its_depth(tmp_path: Path) -> None:
    with training_project(tmp_path / "p", count=2, sizes=(SIZE, (31, 90))) as store:
        square = store.categories()[0]
        turned = store.images_dir / "turned.jpg"
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(np.full((40, 70, 3), 90, np.uint8)).save(turned, exif=exif)
        deep = np.linspace(0, 4000, 50 * 20).reshape(50, 20).astype(np.uint16)
        Image.fromarray(deep).save(store.images_dir / "deep.png")
        clear = np.full((21, 33, 4), 128, np.uint8)
        Image.fromarray(clear).save(store.images_dir / "clear.png")
        for name in ("turned.jpg", "deep.png", "clear.png"):
            height, width = read_image(store.images_dir / name).size
            image = _added(store, name, (height, width))
            annotate(
                store, image, square, np.arange(height * width).reshape(height, width) % 3 == 0
            )
        _, read = written(store, EMPTY, tmp_path / "run")
        names = {row.name for row in (*read.train, *read.val)}
        assert names == {"0.png", "1.png", "turned.jpg", "deep.png", "clear.png"}
        for row in (*read.train, *read.val):
            assert labels_of(row, tmp_path / "run").shape == read_image(Path(row.image)).size
        assert read_image(turned).size == (70, 40)


def _added(store: ProjectStore, name: str, size: tuple[int, int]) -> int:
    from segstudio.imaging.read import file_sha256
    from segstudio.store.project import NewImage

    digest = file_sha256(store.images_dir / name)
    new = NewImage(name, size[1], size[0], digest, ImageState.LABELLED)
    return store.add_images([new])[0].id


# -- splits --------------------------------------------------------------------------------------


def split_of(store: ProjectStore, choices: SetChoices) -> tuple[set[str], set[str]]:
    found = survey(store, choices)
    train, val = ({row.record.path for row in part} for part in (found.train, found.val))
    return train, val


def test_the_projects_own_splits_hold_and_others_stay_out(tmp_path: Path) -> None:
    with training_project(tmp_path / "p", count=0) as store:
        square, disc = store.categories()
        for number, split in enumerate(["train", "train", "val", "test", "test", "test", ""]):
            pixels, in_square, in_disc = shapes(SIZE, number)
            image = add_image(store, f"{number}.png", pixels, split=split)
            annotate(store, image, square, in_square)
            annotate(store, image, disc, in_disc, z_order=1)
        found = survey(store, EMPTY)
        train, val = split_of(store, EMPTY)
        assert {"0.png", "1.png"} <= train
        assert "2.png" in val
        assert train | val == {"0.png", "1.png", "2.png", "6.png"}
        held = [row.path for row in found.left_out if row.held]
        assert held == ["3.png", "4.png", "5.png"]


def test_images_without_a_split_are_shared_out_by_the_seed_and_both_parts_get_some(
    tmp_path: Path,
) -> None:
    with training_project(tmp_path / "p", count=10) as store:
        train, val = split_of(store, EMPTY)
        assert (len(train), len(val)) == (8, 2)
        assert split_of(store, EMPTY) == (train, val)
        seeds = [split_of(store, SetChoices(unlabelled=Unlabelled.BACKGROUND, seed=n))[1]
                 for n in range(5)]  # fmt: skip
        assert any(part != val for part in seeds)
        few = SetChoices(unlabelled=Unlabelled.BACKGROUND, val_share=0.01)
        most = SetChoices(unlabelled=Unlabelled.BACKGROUND, val_share=0.99)
        assert len(split_of(store, few)[1]) == 1
        assert len(split_of(store, most)[0]) == 1


def test_without_a_validation_split_some_training_images_are_taken_and_it_is_said(
    tmp_path: Path,
) -> None:
    with training_project(tmp_path / "p", count=0) as store:
        square, disc = store.categories()
        for number in range(5):
            pixels, in_square, in_disc = shapes(SIZE, number)
            image = add_image(store, f"{number}.png", pixels, split="train")
            annotate(store, image, square, in_square)
            annotate(store, image, disc, in_disc, z_order=1)
        found = survey(store, EMPTY)
        assert (len(found.train), len(found.val)) == (4, 1)
        assert any("“val”" in sentence for sentence in found.warnings)


# -- choices -------------------------------------------------------------------------------------


def test_images_count_by_their_state(store: ProjectStore) -> None:
    pixels, in_square, _ = shapes(SIZE, 77)
    square = store.categories()[0]
    for name, state in (("todo.png", ImageState.TODO), ("good.png", ImageState.REVIEWED),
                        ("bad.png", ImageState.REJECTED)):  # fmt: skip
        annotate(store, add_image(store, name, pixels, state), square, in_square)
    add_image(store, "nothing.png", pixels)

    def names(images: ImageChoice) -> set[str]:
        found = survey(store, SetChoices(images, Unlabelled.BACKGROUND))
        return {row.record.path for row in (*found.train, *found.val)} or set(found.faults)

    usual = {f"{number}.png" for number in range(5)}
    assert names(ImageChoice.LABELLED) == usual | {"good.png", "nothing.png"}
    assert names(ImageChoice.ANNOTATED) == usual | {"good.png", "todo.png"}
    assert names(ImageChoice.REVIEWED) == {"good.png"}
    assert "Only one image" in fault_of(
        store, SetChoices(ImageChoice.REVIEWED, Unlabelled.BACKGROUND)
    )


def test_a_category_called_background_is_the_background_unless_it_is_said_otherwise() -> None:
    rows = [Category(4, "Background", "#112233"), Category(9, "car", "#445566", isthing=True)]
    plan = label_plan(rows, SetChoices())
    assert [row.name for row in plan.categories] == ["background", "car"]
    assert plan.categories[0].background and not plan.categories[1].background
    assert dict(plan.values) == {4: 0, 9: 1}
    assert plan.empty == IGNORE
    assert label_plan(rows, EMPTY).empty == 0
    own = label_plan(rows, SetChoices(targets={4: TrainingTarget("car")}))
    assert dict(own.values) == {4: 0, 9: 0}


def test_more_categories_than_a_map_holds_are_refused() -> None:
    rows = [Category(number, f"c{number}", "#000000") for number in range(1, 257)]
    with pytest.raises(BadInputError, match="at most 255 categories"):
        label_plan(rows, SetChoices())
    assert len(label_plan(rows[:255], SetChoices()).categories) == 255


# -- bad input -----------------------------------------------------------------------------------


def fault_of(store: ProjectStore, choices: SetChoices = EMPTY) -> str:
    found = survey(store, choices)
    assert not found.sound
    assert len(found.faults) == 1
    assert not found.warnings
    return found.faults[0]


def test_copies_of_an_image_are_never_learnt_from_and_checked_with(tmp_path: Path) -> None:
    with training_project(tmp_path / "p", count=4) as store:
        square = store.categories()[0]
        for number in range(12):
            pixels, in_square, _ = shapes(SIZE, number % 4)
            annotate(store, add_image(store, f"copy{number}.png", pixels), square, in_square)
        pixels, in_square, _ = shapes(SIZE, 9)
        for path, split in (("u.png", "train"), ("v.png", "val")):
            annotate(store, add_image(store, path, pixels, split=split), square, in_square)
        for seed in range(5):
            made = survey(store, SetChoices(seed=seed))
            train, val = ({row.record.sha256 for row in part} for part in (made.train, made.val))
            assert train and val and not train & val
            assert len(made.train) + len(made.val) == 18
            assert [text for text in made.warnings if "copies" in text] == [
                "v.png is the same image as u.png of “train”; copies count where the first of "
                "them is."
            ]


def test_each_fault_is_one_sentence_with_a_remedy(tmp_path: Path) -> None:
    with training_project(tmp_path / "p", count=0) as store:
        square, disc = store.categories()
        assert "No image is labelled yet" in fault_of(store)
        pixels, in_square, _ = shapes(SIZE, 1)
        first = add_image(store, "first.png", pixels)
        annotate(store, first, square, in_square)
        assert "Only one image can be used (first.png)" in fault_of(store)
        copy = add_image(store, "copy.png", pixels)
        annotate(store, copy, square, in_square)
        assert "Only one image can be used (first.png)" in fault_of(store)
        second = add_image(store, "second.png", pixels ^ 1)
        annotate(store, second, square, in_square)
        assert "Every pixel that counts is “square”" in fault_of(store, SetChoices())
        nothing = SetChoices(targets={square.id: IGNORED})
        assert "No pixel of the labelled images" in fault_of(store, nothing)
        all_out = SetChoices(targets={square.id: IGNORED, disc.id: IGNORED})
        assert "There is no category to learn" in fault_of(store, all_out)
        assert "between 0 and 100 %" in fault_of(store, SetChoices(val_share=1.0))
        for name in ("first.png", "copy.png", "second.png"):
            (store.images_dir / name).unlink()
        sentence = fault_of(store)
        assert sentence.startswith("None of the labelled images can be used; first.png:")


def test_what_is_worth_knowing_is_said(store: ProjectStore) -> None:
    add_category(store, "bird")
    pixels, in_square, _ = shapes(SIZE, 5)
    add_image(store, "blank.png", pixels)
    gone = add_image(store, "gone.png", pixels)
    other = add_image(store, "other.png", pixels)
    for image in (gone, other):
        annotate(store, image, store.categories()[0], in_square)
    (store.images_dir / "gone.png").unlink()
    Image.fromarray(pixels[:20]).save(store.images_dir / "other.png")
    found = survey(store, SetChoices())
    assert found.sound
    said = " ".join(found.warnings)
    assert "“bird” has no pixel in the training images" in said
    assert "No pixel counts on blank.png" in said
    assert "gone.png and other.png cannot be used" in said
    reasons = {row.path: row.reason for row in found.left_out}
    assert "There is no file" in reasons["gone.png"]
    assert "64 x 20 pixels now and was 64 x 48" in reasons["other.png"]


def test_a_file_with_other_pixels_of_the_same_size_is_left_out(store: ProjectStore) -> None:
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(store.images_dir / "0.png")
    found = survey(store, EMPTY)
    assert [row.path for row in found.left_out] == ["0.png"]
    assert "other content" in found.left_out[0].reason


# -- writing -------------------------------------------------------------------------------------


def test_a_cancelled_writing_leaves_nothing(store: ProjectStore, tmp_path: Path) -> None:
    found, token, seen = survey(store, EMPTY), CancelToken(), []

    def sink(progress: Progress) -> None:
        seen.append(progress)
        if progress.done == 2:
            token.cancel()

    with pytest.raises(Cancelled):
        write(store, found, tmp_path / "run", sink, token)
    assert len(seen) == 3
    assert not (tmp_path / "run").exists()


def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    store: ProjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written_files = 0
    real = whole_files.put

    def put(path: Path, content: bytes) -> None:
        nonlocal written_files
        written_files += 1
        if written_files == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, content)

    monkeypatch.setattr(training_set, "put", put)
    with pytest.raises(StorageError, match="is full; make room") as caught:
        write(store, survey(store, EMPTY), tmp_path / "run")
    assert str(caught.value).count(". ") == 0
    assert not (tmp_path / "run").exists()


def test_maps_that_are_there_already_are_used_again(store: ProjectStore, tmp_path: Path) -> None:
    first, _ = written(store, EMPTY, tmp_path / "one")
    image = first.train[0].record
    annotate(store, image.id, store.categories()[0], np.ones(SIZE, bool), z_order=9)
    found = survey(store, EMPTY)
    assert found.fingerprint != first.fingerprint
    write(store, found, tmp_path / "two", reuse=[tmp_path / "one"])
    one, two = ({path.name: path.stat().st_ino for path in (tmp_path / name / "labels").iterdir()}
                for name in ("one", "two"))  # fmt: skip
    assert len(two) == 5
    assert sum(two[name] == one.get(name) for name in two) == 4


def test_labels_that_change_between_survey_and_writing_are_written_as_they_are(
    store: ProjectStore, tmp_path: Path
) -> None:
    found = survey(store, EMPTY)
    image = found.val[0].record
    annotate(store, image.id, store.categories()[0], np.ones(SIZE, bool), z_order=9)
    add_category(store, "later")
    made = write(store, found, tmp_path / "run")
    assert made.fingerprint == survey(store, SetChoices(
        unlabelled=Unlabelled.BACKGROUND, targets={3: IGNORED})).fingerprint  # fmt: skip
    read = msgspec.json.decode((tmp_path / "run" / "set.json").read_bytes(), type=TrainingSet)
    assert (labels_of(read.val[0], tmp_path / "run") == 1).all()
    for one in (*read.train, *read.val):
        counts = np.bincount(labels_of(one, tmp_path / "run").ravel(), minlength=256)
        assert one.pixels == tuple(counts[: len(read.categories)])
