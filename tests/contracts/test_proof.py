"""Every format announces what it loses, and its proof finds one wrong pixel, category or order."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from memory_project import MemoryProject, photo_project

from segstudio.core.errors import Cancelled
from segstudio.core.image import ImageState
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.engine.export_losses import announce
from segstudio.engine.export_proof import Export, prove
from segstudio.engine.export_run import export
from segstudio.formats.contract import (
    ExportFormat,
    ExportOptions,
    ExportReport,
    Proof,
    declared_options,
)
from segstudio.formats.holding import LossKind
from segstudio.formats.registry import EXPORT_FORMATS
from segstudio.formats.selection import drawn_annotations

every_format = pytest.mark.parametrize("member", EXPORT_FORMATS, ids=lambda member: member.key)
SIZE = (30, 40)


def box(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    mask = np.zeros(SIZE, dtype=bool)
    mask[y0:y1, x0:x1] = True
    return mask


def two_boxes(folder: Path) -> MemoryProject:
    """Two photos, each with a cat and a dog that lies over part of it: all formats hold both."""
    project = MemoryProject(folder)
    cat, dog = project.add_category("cat"), project.add_category("dog")
    for name in ("one.png", "two.png"):
        photo = project.add_photo(name, np.full((*SIZE, 3), 90, dtype=np.uint8))
        project.annotate(photo, cat, box(5, 5, 25, 20), z_order=0)
        project.annotate(photo, dog, box(15, 10, 35, 25), z_order=1)
    return project


def proof_against(
    member: ExportFormat, told: MemoryProject, written: MemoryProject, folder: Path
) -> Proof:
    """Announce one project, write another: files in which something has been changed since."""
    folder.mkdir()
    rest = (member.options(), ignore_progress, CancelToken())
    announced = announce(member, told, *rest)
    member.write(written, folder, *rest)
    whole = Export(member, told, member.options(), folder)
    return prove(whole, announced, frozenset(), ignore_progress, CancelToken())


def change(project: MemoryProject, number: int, **values: object) -> None:
    rows = project.all_annotations
    rows[number] = dataclasses.replace(rows[number], **values)  # type: ignore[arg-type]


def one_pixel(project: MemoryProject) -> None:
    """The dog of the second photo loses the corner pixel at its lower right."""
    mask = box(15, 10, 35, 25)
    mask[24, 34] = False
    change(project, 3, mask=type(project.all_annotations[3].mask).from_array(mask))


def one_pixel_more(project: MemoryProject) -> None:
    mask = box(15, 10, 35, 25)
    mask[25, 20] = True
    change(project, 3, mask=type(project.all_annotations[3].mask).from_array(mask))


def another_category(project: MemoryProject) -> None:
    change(project, 3, category_id=1)


def another_name(project: MemoryProject) -> None:
    project.all_categories[1] = dataclasses.replace(project.all_categories[1], name="wolf")


def another_order(project: MemoryProject) -> None:
    change(project, 2, z_order=7)


def one_lost(project: MemoryProject) -> None:
    project.all_annotations.pop()


def one_more(project: MemoryProject) -> None:
    project.annotate(project.all_images[1], project.all_categories[0], box(1, 26, 5, 29))


def an_image_lost(project: MemoryProject) -> None:
    project.change_image(project.all_images[1], state=ImageState.REJECTED)


FAULTS: tuple[Callable[[MemoryProject], None], ...] = (
    one_pixel,
    one_pixel_more,
    another_category,
    another_name,
    another_order,
    one_lost,
    one_more,
    an_image_lost,
)


@every_format
def test_what_was_written_is_proved(member: ExportFormat, tmp_path: Path) -> None:
    project = two_boxes(tmp_path / "photos")
    proof = proof_against(member, project, project, tmp_path / "out")
    assert proof.differences == ()
    assert (proof.images, proof.annotations) == (2, 4)


@every_format
@pytest.mark.parametrize("plant", FAULTS, ids=lambda plant: plant.__name__)
def test_the_proof_finds_a_planted_fault(
    member: ExportFormat, plant: Callable[[MemoryProject], None], tmp_path: Path
) -> None:
    told, written = (two_boxes(tmp_path / "photos") for _ in range(2))
    plant(written)
    proof = proof_against(member, told, written, tmp_path / "out")
    assert proof.total >= 1
    if plant is not another_name:  # the name stands in a table, and so it may be of no one image
        assert {row.path for row in proof.differences} >= {"two.png"}
        assert "one.png" not in {row.path for row in proof.differences}


@every_format
def test_a_lost_crowd_mark_is_announced_or_found(member: ExportFormat, tmp_path: Path) -> None:
    told, written = (two_boxes(tmp_path / "photos") for _ in range(2))
    change(told, 3, iscrowd=True)
    rest = (member.options(), ignore_progress, CancelToken())
    kinds = {row.kind for row in announce(member, told, *rest).losses().counts}
    proof = proof_against(member, told, written, tmp_path / "out")
    if member.key == "voc":  # it is announced, and the files say "difficult" instead
        assert LossKind.CROWD in kinds
        assert ["difficult" in row.text for row in proof.differences] == [True]
    else:
        assert (LossKind.CROWD in kinds) == proof.equal


def told_and_written(
    member: ExportFormat, tmp_path: Path, change_one: Callable[[MemoryProject], None]
) -> tuple[bool, Proof]:
    """Whether the format brings attributes and splits back, and what its proof says if they are
    not those that were announced."""
    told, written = (two_boxes(tmp_path / "photos") for _ in range(2))
    for project in (told, written):
        for image in tuple(project.all_images):
            project.change_image(image, split="train")
    change_one(written)
    holding = member.holding(told, member.options())
    image = told.all_images[1]
    held = holding.image(image, told.annotations(image.id))
    compared = held.annotations[-1].attributes is not None, held.split is not None
    proof = proof_against(member, told, written, tmp_path / "out")
    assert "one.png" not in {row.path for row in proof.differences}
    return compared[change_one is another_split], proof


def another_attribute(project: MemoryProject) -> None:
    change(project, 3, attributes={"truncated": True})


def another_split(project: MemoryProject) -> None:
    project.change_image(project.all_images[1], split="val")


@every_format
@pytest.mark.parametrize("plant", [another_attribute, another_split])
def test_attributes_and_splits_that_a_format_brings_back_are_proved(
    member: ExportFormat, plant: Callable[[MemoryProject], None], tmp_path: Path
) -> None:
    compared, proof = told_and_written(member, tmp_path, plant)
    without_any = {
        another_attribute: {"yolo-seg", "label-maps", "cut-outs"},
        another_split: {"yolo-seg", "label-maps", "cut-outs"},
    }
    assert compared == (member.key not in without_any[plant])
    if compared:
        assert not proof.equal
        word = "truncated" if plant is another_attribute else "val"
        assert any(word in row.text for row in proof.differences), proof.differences


@every_format
def test_losses_say_where_and_why_in_sentences(member: ExportFormat, tmp_path: Path) -> None:
    project = photo_project(tmp_path)
    categories = project.categories()
    holding = member.holding(project, member.options())
    assert holding.always_lost
    assert all(sentence.endswith(".") for sentence in holding.always_lost)
    for image in project.all_images[:4]:
        drawn, _ = drawn_annotations(project, image, categories)
        for loss in holding.image(image, drawn).losses:
            assert loss.path == image.path
            assert loss.annotation_id in {row.id for row in drawn}
            assert loss.pixels >= 0
            assert loss.text.endswith(".")
            assert loss.text[0].isupper() or loss.text[0].isdigit()


@every_format
def test_what_is_held_is_no_more_than_was_announced(member: ExportFormat, tmp_path: Path) -> None:
    project = photo_project(tmp_path)
    announced = announce(member, project, member.options(), ignore_progress, CancelToken())
    assert announced.unannounced == []
    losses = announced.losses()
    assert losses.images == 4
    assert losses.total == sum(row.annotations for row in losses.counts) >= len(losses.counts)


@every_format
def test_reckoning_and_proving_stop_when_they_are_cancelled(
    member: ExportFormat, tmp_path: Path
) -> None:
    project = two_boxes(tmp_path / "photos")
    rest = (member.options(), ignore_progress, CancelToken())
    announced = announce(member, project, *rest)
    (tmp_path / "out").mkdir()
    done = member.write(project, tmp_path / "out", *rest)
    assert isinstance(done, ExportReport)
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        announce(member, project, member.options(), ignore_progress, token)
    whole = Export(member, project, member.options(), tmp_path / "out")
    with pytest.raises(Cancelled):
        prove(whole, announced, frozenset(), ignore_progress, token)


def ragged(folder: Path) -> MemoryProject:
    """What formats stumble over: holes, several parts, overlaps, one covered wholly, a crowd."""
    project = MemoryProject(folder)
    cat, stuff = project.add_category("cat"), project.add_category("wet grass", isthing=False)
    photo = project.add_photo("a/b c.png", np.full((*SIZE, 3), 90, dtype=np.uint8), split="train")
    ring = box(4, 4, 20, 20) & ~box(8, 8, 14, 14)
    project.annotate(photo, stuff, box(0, 0, 40, 30), z_order=0)
    project.annotate(photo, cat, ring | box(30, 2, 33, 5), z_order=1)
    project.annotate(photo, cat, box(16, 10, 24, 16), z_order=2, iscrowd=True)
    project.annotate(photo, cat, box(17, 11, 18, 12), z_order=1)
    project.annotate(photo, stuff, box(22, 14, 36, 28), z_order=3, attributes={"difficult": True})
    return project


def every_choice(member: ExportFormat) -> list[dict[str, object]]:
    """Each option of the format's own, set to each other thing that it may be."""
    common = {row.name for row in declared_options(ExportOptions)}
    cases: list[dict[str, object]] = []
    for row in declared_options(member.options):
        if row.name not in common:
            values: set[object] = {row.minimum, min(2, row.maximum), row.maximum, *row.choices}
            values = {True, False} if row.kind is bool else values
            kept = (value for value in values if type(value) is row.kind and value != row.default)
            cases += [{row.name: value} for value in sorted(kept, key=str)]
    return cases


@every_format
def test_every_option_keeps_what_was_announced(member: ExportFormat, tmp_path: Path) -> None:
    project = ragged(tmp_path / "photos")
    for number, values in enumerate([{}, {"split": "train"}, *every_choice(member)]):
        options = member.options(**values)
        done = export(member.key, project, tmp_path / f"out{number}", options)
        assert done.proof is not None
        assert (values, done.proof.differences) == (values, ())
        assert done.proof.images == 1
