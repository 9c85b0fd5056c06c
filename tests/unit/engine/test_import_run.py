"""An import: looked at first, then one run, or nothing at all."""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_source import (
    SIZE,
    MadeUpFormat,
    a_category,
    an_annotation,
    an_image,
    boxed,
    photo_store,
    surveyed,
    write_photo,
)

from segstudio.core.annotation import Annotation
from segstudio.core.changes import Edit, Records
from segstudio.core.errors import BadInputError, Cancelled, StorageError
from segstudio.core.image import ImageState
from segstudio.core.origin import OriginKind
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.engine import import_copies
from segstudio.engine.import_plan import LEFT_OUT, CategoryTarget, ImportReport
from segstudio.engine.import_run import carry_out, survey, survey_with, targets_by_name
from segstudio.formats.found import Fault, Found, FoundDataset, Place
from segstudio.formats.import_contract import ImportOptions
from segstudio.store.project import ProjectStore

CAT, DOG = a_category("cat", "1", supercategory="animal", record={"x": [1]}), a_category("dog", "2")
A, B = an_image("a.png", split="train", record={"licence": 3}), an_image("one/b.png")
SOURCE: list[Found] = [
    FoundDataset({"info": {"year": 2026}}),
    CAT,
    DOG,
    A,
    B,
    an_annotation("a.png", "1", (1, 1, 9, 9), key="7", predicted_iou=0.5, record={"area": 64.5}),
    an_annotation("one/b.png", "2", (0, 0, 2, 2), key="8", iscrowd=True, tool="polygon"),
    an_annotation("a.png", "2", (4, 4, 12, 12), key="9", attributes={"difficult": True}),
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ProjectStore]:
    with photo_store(tmp_path, "a.png", "one/b.png", "one/c.png") as opened:
        yield opened


def imported(store: ProjectStore, pieces: list[Found], **options: object) -> ImportReport:
    with surveyed(store, pieces, **options) as plan:
        return carry_out(plan, store)


def state(store: ProjectStore) -> dict[str, object]:
    """All that an import could change, files included."""
    images = store.images()
    files = (path for path in store.images_dir.rglob("*") if path.suffix != ".segstudio")
    return {
        "images": images,
        "categories": store.categories(),
        "annotations": [row for image in images for row in store.annotations(image.id)],
        "origins": [store.origins(kind, range(200), "made-up") for kind in OriginKind],
        "runs": store.runs(),
        "files": sorted(path.as_posix() for path in files),
    }


def image_id(store: ProjectStore, path: str) -> int:
    return next(image.id for image in store.images() if image.path == path)


def test_a_survey_says_what_would_come_in_and_changes_nothing(store: ProjectStore) -> None:
    before = state(store)
    with surveyed(store, SOURCE) as plan:
        counts = plan.counts
        assert (counts.images, counts.matched, counts.to_copy, counts.unusable) == (2, 2, 0, 0)
        assert (counts.annotations, counts.already_there, counts.faults) == (3, 0, 0)
        assert [(each.name, each.annotations) for each in plan.categories] == [
            ("cat", 1),
            ("dog", 2),
        ]
        assert plan.mapping == {"1": CategoryTarget(0, "cat"), "2": CategoryTarget(0, "dog")}
        assert plan.text == "Import Made-up things"
    assert state(store) == before


def test_what_was_found_arrives_whole(store: ProjectStore) -> None:
    done = imported(store, SOURCE)
    assert (done.images, done.annotations, done.already_there, done.faulty) == (2, 3, 0, 0)
    assert done.new_categories == ("cat", "dog")
    cat, dog = store.categories()
    assert (cat.name, cat.supercategory, cat.key, dog.key) == ("cat", "animal", "1", "2")
    first, second = store.annotations(image_id(store, "a.png"))
    assert (first.category_id, first.mask) == (cat.id, boxed(SIZE, (1, 1, 9, 9)))
    assert (first.predicted_iou, first.tool, first.created_at > 0) == (0.5, "made-up", True)
    assert (second.category_id, second.attributes) == (dog.id, {"difficult": True})
    assert first.z_order < second.z_order
    (crowd,) = store.annotations(image_id(store, "one/b.png"))
    assert (crowd.iscrowd, crowd.tool) == (True, "polygon")
    image = store.image(image_id(store, "a.png"))
    assert (image.split, image.state) == ("train", ImageState.LABELLED)
    assert store.image(image_id(store, "one/c.png")).state is ImageState.TODO
    assert store.integrity() == []


def test_what_the_source_says_beyond_is_kept(store: ProjectStore) -> None:
    imported(store, SOURCE)
    image = image_id(store, "a.png")
    first = store.annotations(image)[0].id
    origin = store.origins(OriginKind.ANNOTATION, [first], "made-up")[first]
    assert (origin.key, origin.record) == ("7", {"area": 64.5})
    assert store.origins(OriginKind.IMAGE, [image], "made-up")[image].record == {"licence": 3}
    cat = store.categories()[0].id
    assert store.origins(OriginKind.CATEGORY, [cat], "made-up")[cat].record == {"x": [1]}
    project = store.origins(OriginKind.PROJECT, [0], "made-up")[0]
    assert project.record == {"info": {"year": 2026}}


def test_importing_again_adds_nothing(store: ProjectStore) -> None:
    imported(store, SOURCE)
    before = state(store)
    with surveyed(store, SOURCE) as plan:
        assert plan.counts.already_there == 3
        done = carry_out(plan, store)
    assert (done.run_id, done.annotations, done.already_there) == (0, 0, 3)
    assert state(store) == before


def test_two_sources_that_say_other_things_of_the_same_add_no_empty_runs(
    store: ProjectStore,
) -> None:
    other = [a_category("cat", "77"), replace(A, key="88", record={"seen": True})]
    imported(store, SOURCE)
    assert imported(store, other).run_id == 0
    # Another format's word is news, and is kept without touching an image's history.
    steps = store.history_line(image_id(store, "a.png")).total
    with surveyed(store, other) as plan:
        plan.format_key = "another"
        done = carry_out(plan, store)
    assert (done.run_id > 0, done.images) == (True, 0)
    image = image_id(store, "a.png")
    assert store.origins(OriginKind.IMAGE, [image], "another")[image].key == "88"
    assert store.history_line(image).total == steps


def test_several_categories_that_become_one_leave_one_origin_that_lasts(
    store: ProjectStore,
) -> None:
    with surveyed(store, SOURCE) as plan:
        pets = {"1": CategoryTarget(name="pet"), "2": CategoryTarget(name="pet")}
        carry_out(plan, store, pets)
        assert carry_out(plan, store, pets).run_id == 0
    pet = store.categories()[0].id
    assert store.origins(OriginKind.CATEGORY, [pet], "made-up")[pet].key == "1"


def test_the_same_plan_twice_adds_nothing_twice(store: ProjectStore) -> None:
    with surveyed(store, SOURCE) as plan:
        assert carry_out(plan, store).annotations == 3
        assert carry_out(plan, store).annotations == 0


def test_work_on_what_was_imported_is_not_undone_by_importing_again(store: ProjectStore) -> None:
    imported(store, SOURCE)
    image = image_id(store, "a.png")
    old = store.annotations(image)[0]
    new = replace(old, category_id=store.categories()[1].id)
    store.commit(Edit("Change category", image, Records((old,)), Records((new,))))
    assert imported(store, SOURCE).annotations == 0
    # One that was deleted comes again.
    store.commit(Edit("Delete", image, Records((new,)), Records()))
    assert imported(store, SOURCE).annotations == 1


def test_twins_of_a_source_both_arrive_once(store: ProjectStore) -> None:
    twins = [CAT, A, *(an_annotation("a.png", "1") for _ in range(3))]
    assert imported(store, twins).annotations == 3
    assert imported(store, twins).annotations == 0
    assert imported(store, [*twins, an_annotation("a.png", "1")]).annotations == 1


def test_what_people_drew_alike_is_not_doubled(store: ProjectStore) -> None:
    imported(store, [CAT, A, an_annotation("a.png", "1", key="other")])
    image = image_id(store, "a.png")
    drawn = store.annotations(image)[0]
    other = [a_category("Cat", "x"), A, an_annotation("a.png", "x")]
    with surveyed(store, other) as plan:
        assert plan.mapping == {"x": CategoryTarget(drawn.category_id)}  # found without its case
        assert carry_out(plan, store).already_there == 1
    assert store.annotations(image) == [drawn]


def test_imported_ones_lie_in_front_and_touch_none_of_the_others(store: ProjectStore) -> None:
    imported(store, [CAT, A, an_annotation("a.png", "1", key="1")])
    image = image_id(store, "a.png")
    (mine,) = store.annotations(image)
    locked = replace(mine, locked=True, z_order=40)
    store.commit(Edit("Lock", image, Records((mine,)), Records((locked,))))
    imported(store, SOURCE)
    rows = store.annotations(image)
    assert rows[0] == locked
    assert [row.z_order for row in rows] == [40, 41, 42]


def test_categories_go_where_they_are_told(store: ProjectStore) -> None:
    imported(store, [a_category("animal"), A])
    animal = store.categories()[0]
    with surveyed(store, SOURCE) as plan:
        mapping = {"1": CategoryTarget(animal.id), "2": LEFT_OUT}
        done = carry_out(plan, store, mapping)
        assert (done.annotations, done.left_out, done.new_categories) == (1, 2, ())
        assert store.categories() == [animal]
        done = carry_out(plan, store, {"2": CategoryTarget(name=" animal "), "1": LEFT_OUT})
        assert (done.annotations, done.new_categories) == (2, ())
    assert {row.category_id for row in store.annotations(image_id(store, "a.png"))} == {animal.id}


def test_several_categories_become_one_new_one(store: ProjectStore) -> None:
    with surveyed(store, SOURCE) as plan:
        mapping = targets_by_name(plan.categories, {"cat": "pet", "dog": "pet"}, [])
        assert carry_out(plan, store, mapping).new_categories == ("pet",)
        with pytest.raises(BadInputError, match="no category “bird”; its categories are: cat, dog"):
            targets_by_name(plan.categories, {}, ["bird"])


def test_a_target_that_is_gone_is_refused(store: ProjectStore) -> None:
    before = state(store)
    refused = pytest.raises(BadInputError, match="not in the project any more")
    with surveyed(store, SOURCE) as plan, refused:
        carry_out(plan, store, {"1": CategoryTarget(77)})
    assert state(store) == before


def test_colours_come_along_where_they_are_some(store: ProjectStore) -> None:
    names = (("red", "#FF0000"), ("odd", "#zz0000"), ("none", ""))
    imported(store, [a_category(name, colour=colour) for name, colour in names])
    red, odd, none = store.categories()
    assert red.colour == "#ff0000"
    assert len({red.colour, odd.colour, none.colour}) == 3


def test_one_undo_takes_all_of_it_back_and_one_redo_brings_it_again(store: ProjectStore) -> None:
    before = state(store)
    done = imported(store, SOURCE)
    after = state(store)
    undone = store.undo(image_id(store, "one/b.png"))
    assert undone is not None
    assert undone.run_id == done.run_id
    assert {**state(store), "runs": []} == {**before, "runs": []}
    assert store.redo(image_id(store, "a.png")) is not None
    assert state(store) == after


def test_after_an_undo_the_same_source_comes_in_again(store: ProjectStore) -> None:
    imported(store, SOURCE)
    store.undo(image_id(store, "a.png"))
    assert imported(store, SOURCE).annotations == 3
    assert store.integrity() == []


def test_split_and_state_that_people_gave_stay(store: ProjectStore) -> None:
    old = store.image(image_id(store, "a.png"))
    new = replace(old, split="val", state=ImageState.REJECTED)
    store.commit(Edit("Reject", old.id, Records(images=(old,)), Records(images=(new,))))
    imported(store, [A])
    assert store.image(old.id) == new


def test_an_image_without_annotations_is_labelled_unless_the_source_says_nothing(
    store: ProjectStore,
) -> None:
    imported(store, [A, an_image("one/b.png", labelled=False)])
    states = {image.path: image.state for image in store.images()}
    assert (states["a.png"], states["one/b.png"]) == (ImageState.LABELLED, ImageState.TODO)


# -- faults ----------------------------------------------------------------------------------------

HURT = an_annotation("a.png", "1", (0, 0, 99, 1), key="far")


def test_one_fault_stops_the_import_unless_it_is_to_be_left_out(store: ProjectStore) -> None:
    before = state(store)
    faulty = [*SOURCE, HURT, Fault(Place("f.json", "line 3"), "It is not right.")]
    with surveyed(store, faulty) as plan:
        assert [str(fault.place) for fault in plan.faults] == [
            "made.up, annotation far",
            "f.json, line 3",
        ]
        with pytest.raises(BadInputError) as caught:
            carry_out(plan, store)
        assert str(caught.value) == (
            "Nothing was imported: made.up, annotation far: Its mask leaves the image. There is "
            "1 more fault. Mend the source, or choose to leave out what is faulty."
        )
        assert state(store) == before
        done = carry_out(plan, store, leave_out_faults=True)
    assert (done.annotations, done.faulty) == (3, 2)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (an_image("gone.png"), "neither in the project nor in the source"),
        (an_image("a.png", size=(99, 99)), "99 x 99 in the source"),
        (an_image("x.png", file=Path("x.png")), "choose to copy the images"),
    ],
)
def test_an_image_that_cannot_be_used_is_one_fault(
    store: ProjectStore, image: Found, reason: str
) -> None:
    marks = [an_annotation(image.key, "1", key=str(number)) for number in range(3)]
    with surveyed(store, [CAT, image, *marks]) as plan:
        assert (plan.counts.unusable, plan.counts.stranded, plan.counts.faults) == (1, 3, 1)
        assert reason in plan.faults[0].reason
        assert plan.faults[0].place == image.place


def test_two_images_of_a_source_cannot_be_the_same_one(store: ProjectStore) -> None:
    twice = [CAT, A, an_image("copy of a.png", also=("a.png",))]
    with surveyed(store, twice) as plan:
        assert "are the same image of the project, “a.png”" in plan.faults[0].reason


def test_a_mask_is_not_made_before_the_image_is_known_to_have_its_size(
    store: ProjectStore,
) -> None:
    def never(size: tuple[int, int]) -> object:
        raise AssertionError("a mask was made")

    big = an_image("a.png", size=(1_000_000, 1_000_000))
    mark = replace(an_annotation("a.png", "1"), mask=never)  # type: ignore[arg-type]
    with surveyed(store, [CAT, big, mark]) as plan:
        assert plan.counts.faults == 1


@pytest.mark.parametrize(
    "hurt",
    [
        {"predicted_iou": math.nan},
        {"stability": math.inf},
        {"attributes": {"x": math.nan}},
        {"attributes": {"x": object()}},
        {"record": {"x": [math.inf]}},
        {"mask": lambda size: boxed((5, 5), (0, 0, 1, 1))},
    ],
)
def test_values_that_no_project_can_keep_are_faults(
    store: ProjectStore, hurt: dict[str, object]
) -> None:
    mark = replace(an_annotation("a.png", "1", key="7"), **hurt)  # type: ignore[arg-type]
    with surveyed(store, [CAT, A, mark, an_annotation("a.png", "1", key="8")]) as plan:
        assert [str(fault.place) for fault in plan.faults] == ["made.up, annotation 7"]
        assert carry_out(plan, store, leave_out_faults=True).annotations == 1
    with surveyed(store, [a_category("c", record={"x": math.nan})]) as plan:
        assert plan.counts.faults == 1


def test_a_source_that_is_no_good_as_a_whole_leaves_nothing(store: ProjectStore) -> None:
    before = state(store)
    with pytest.raises(BadInputError, match="this is a bomb"):
        surveyed(store, [*SOURCE, BadInputError("f.xml, line 2: this is a bomb")])
    with pytest.raises(BadInputError, match="cannot be read"):
        surveyed(store, [*SOURCE, PermissionError(errno.EACCES, "Permission denied")])
    with pytest.raises(BadInputError, match="the formats are"):
        survey("no-such-format", Path("x"), store)
    assert state(store) == before


def test_few_faults_of_many_are_kept_and_all_are_counted(
    store: ProjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segstudio.engine.import_survey.MOST_FAULTS", 2)
    faults = [Fault(Place("f"), "x" * 5000) for _ in range(5)]
    with surveyed(store, faults) as plan:
        assert (len(plan.faults), plan.counts.faults) == (2, 5)
        assert len(plan.faults[0].reason) <= 1000


# -- cancelling and failing ------------------------------------------------------------------------


def cancelling_at(moment: int, token: CancelToken) -> ProgressSink:
    """Cancels at the report of that number."""
    left = iter(range(moment))

    def report(_: Progress) -> None:
        if next(left, None) is None:
            token.cancel()

    return report


def test_it_can_be_cancelled_at_every_moment_and_leaves_nothing(
    store: ProjectStore, tmp_path: Path
) -> None:
    before = state(store)
    file = write_photo(tmp_path / "source" / "new.png", 77)
    pieces = [*SOURCE, an_image("new.png", file=file), an_annotation("new.png", "1")]
    options = ImportOptions(copy_images=True)
    for moment in range(1000):
        token = CancelToken()
        report = cancelling_at(moment, token)
        member = MadeUpFormat(pieces)
        try:
            with survey_with(member, Path("made"), store, options, report, token) as plan:
                carry_out(plan, store, report=report, cancel=token)
        except Cancelled:
            assert state(store) == before
            continue
        break
    assert moment > 10
    assert len(store.annotations(image_id(store, "made/new.png"))) == 1


def test_a_project_that_changed_since_the_survey_is_not_harmed(store: ProjectStore) -> None:
    with surveyed(store, SOURCE) as plan:
        old = store.image(image_id(store, "one/b.png"))
        new = replace(old, width=old.width + 1)
        store.commit(
            Edit("Take the changed file", 0, Records(images=(old,)), Records(images=(new,)))
        )
        before = state(store)
        with pytest.raises(BadInputError, match="look at it again"):
            carry_out(plan, store)
        assert state(store) == before


def test_work_that_goes_on_meanwhile_is_seen(store: ProjectStore) -> None:
    with surveyed(store, SOURCE) as plan:
        imported(store, SOURCE)  # somebody was quicker
        assert carry_out(plan, store).annotations == 0


# -- copies ----------------------------------------------------------------------------------------


def with_copies(tmp_path: Path) -> list[Found]:
    one = write_photo(tmp_path / "source" / "sub" / "one.png", 70)
    data = write_photo(tmp_path / "source" / "two.jpg", 71).read_bytes()
    return [
        *SOURCE,
        an_image("sub/one.png", file=one, split="val"),
        an_image("../../evil:two.json", data=lambda: data, size=None),
        an_annotation("sub/one.png", "1", key="n1"),
        an_annotation("../../evil:two.json", "2", key="n2"),
    ]


def test_images_that_the_project_lacks_are_copied(store: ProjectStore, tmp_path: Path) -> None:
    with surveyed(store, with_copies(tmp_path), copy_images=True) as plan:
        assert (plan.counts.matched, plan.counts.to_copy) == (2, 2)
        done = carry_out(plan, store)
    assert done.copied == ("made/sub/one.png", "made/evil_two.json.jpg")
    for path, source in zip(done.copied, ("sub/one.png", "two.jpg"), strict=True):
        image = store.image(image_id(store, path))
        assert len(store.annotations(image.id)) == 1
        assert store.image_path(image).read_bytes() == (tmp_path / "source" / source).read_bytes()
    assert store.image(image_id(store, "made/sub/one.png")).split == "val"
    assert sorted(path.name for path in store.images_dir.iterdir()) == ["a.png", "made", "one"]
    assert store.integrity() == []


def test_copies_are_found_again_and_not_copied_twice(store: ProjectStore, tmp_path: Path) -> None:
    pieces = with_copies(tmp_path)
    imported(store, pieces, copy_images=True)
    before = state(store)
    with surveyed(store, pieces, copy_images=True) as plan:
        assert plan.counts.to_copy == 0
        assert carry_out(plan, store).run_id == 0
    assert state(store) == before


def test_undo_leaves_the_copied_files_and_takes_back_the_rest(
    store: ProjectStore, tmp_path: Path
) -> None:
    done = imported(store, with_copies(tmp_path), copy_images=True)
    store.undo(image_id(store, "a.png"))
    image = store.image(image_id(store, done.copied[0]))
    assert (image.state, image.split) == (ImageState.TODO, "")
    assert store.image_path(image).is_file()
    assert [row for each in store.images() for row in store.annotations(each.id)] == []
    assert store.categories() == []


def test_copies_never_overwrite(store: ProjectStore, tmp_path: Path) -> None:
    write_photo(store.images_dir / "made" / "kept.png", 5)
    (store.images_dir / "made_2").symlink_to(tmp_path)
    done = imported(store, with_copies(tmp_path), copy_images=True)
    assert done.copied[0] == "made_3/sub/one.png"
    assert (store.images_dir / "made" / "kept.png").is_file()


def test_names_that_differ_by_case_alone_get_files_of_their_own(
    store: ProjectStore, tmp_path: Path
) -> None:
    one, two = (write_photo(tmp_path / "s" / f"{grey}.png", grey) for grey in (80, 81))
    pieces: list[Found] = [an_image("X/n.png", file=one), an_image("x/N.png", file=two)]
    assert imported(store, pieces, copy_images=True).copied == ("made/X/n.png", "made/x/N_2.png")


def test_a_source_that_changes_meanwhile_is_refused(store: ProjectStore, tmp_path: Path) -> None:
    before = state(store)
    with surveyed(store, with_copies(tmp_path), copy_images=True) as plan:
        write_photo(tmp_path / "source" / "sub" / "one.png", 90)
        with pytest.raises(BadInputError, match="was changed after it was looked at"):
            carry_out(plan, store)
        (tmp_path / "source" / "sub" / "one.png").unlink()
        with pytest.raises(BadInputError, match="cannot be read"):
            carry_out(plan, store)
    assert state(store) == before


def test_a_disk_that_fills_up_while_copying_leaves_nothing(
    store: ProjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state(store)
    real = import_copies._chunks

    def full(copy: import_copies.Copy) -> Iterator[bytes]:
        if copy.file is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        yield from real(copy)

    with surveyed(store, with_copies(tmp_path), copy_images=True) as plan:
        monkeypatch.setattr(import_copies, "_chunks", full)
        with pytest.raises(StorageError, match=r"is full; nothing was imported\. Make room"):
            carry_out(plan, store)
        assert state(store) == before
        monkeypatch.undo()
        assert carry_out(plan, store).annotations == 5


def test_a_fault_after_the_copies_takes_them_away_again(
    store: ProjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state(store)

    def fail(*_: object) -> list[Annotation]:
        raise StorageError("The disk is gone.")

    with surveyed(store, with_copies(tmp_path), copy_images=True) as plan:
        monkeypatch.setattr(plan.spool, "annotations", fail)
        with pytest.raises(StorageError, match="gone"):
            carry_out(plan, store)
    monkeypatch.undo()
    assert state(store) == before


def test_an_embedded_image_that_is_none_is_a_fault(store: ProjectStore) -> None:
    image = an_image("x.png", data=lambda: b"\x89PNG and nothing else")
    with surveyed(store, [image], copy_images=True) as plan:
        assert plan.faults[0].reason == "The embedded image cannot be read."


def test_leftovers_of_an_import_that_was_killed_are_cleared(
    store: ProjectStore, tmp_path: Path
) -> None:
    left = store.images_dir / ".segstudio-import-dead" / "new"
    write_photo(left / "x.png", 5)
    imported(store, with_copies(tmp_path), copy_images=True)
    assert not left.parent.exists()


def test_a_run_says_what_it_was(store: ProjectStore) -> None:
    done = imported(store, SOURCE)
    (run,) = store.runs("import")
    assert run.id == done.run_id
    assert run.parameters["format"] == "made-up"
    assert run.result["annotations"] == 3
    assert json.dumps(run.result)
    assert run.finished_at is not None
