"""A proof finds whatever was changed in an export since it was written, and says where."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from memory_project import MemoryProject, disc, photo_project
from PIL import Image

from segstudio.core.errors import Cancelled
from segstudio.core.progress import CancelToken, Progress, ProgressSink, ignore_progress
from segstudio.engine import export_losses, export_proof, export_run
from segstudio.engine.export_losses import announce
from segstudio.engine.export_proof import Export, prove
from segstudio.engine.export_run import export, losses
from segstudio.formats.contract import ExportOptions, Proof
from segstudio.formats.cut_outs.format import CutOutsFormat, CutOutsOptions
from segstudio.formats.found import Found
from segstudio.formats.holding import HeldImage, LossKind
from segstudio.formats.registry import export_format


@pytest.fixture
def project(tmp_path: Path) -> MemoryProject:
    return photo_project(tmp_path / "photos")


def proof_of(
    key: str,
    project: MemoryProject,
    folder: Path,
    change: Callable[[Path], None],
    options: ExportOptions | None = None,
) -> Proof:
    """Write, change what was written, prove."""
    member = export_format(key)
    chosen = options or member.options()
    folder.mkdir()
    rest = (chosen, ignore_progress, CancelToken())
    announced = announce(member, project, *rest)
    member.write(project, folder, *rest)
    change(folder)
    whole = Export(member, project, chosen, folder)
    return prove(whole, announced, frozenset(), ignore_progress, CancelToken())


def nothing(_: Path) -> None:
    """What was written stays as it is."""


def in_json(name: str, change: Callable[[Any], object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / name
        data = json.loads(path.read_text("utf-8"))
        change(data)
        path.write_text(json.dumps(data), "utf-8")

    return edit


def repainted(name: str, change: Callable[[np.ndarray], object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        with Image.open(folder / name) as opened:
            palette, pixels = opened.getpalette(), np.array(opened)
        change(pixels)
        written = Image.fromarray(pixels)
        if palette:
            written.putpalette(palette)
        written.save(folder / name)

    return edit


def rewritten(name: str, old: str, new: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        text = (folder / name).read_text("utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1), "utf-8")

    return edit


def swap_masks(data: Any) -> None:
    first, second = data["annotations"][0], data["annotations"][1]
    first["segmentation"], second["segmentation"] = second["segmentation"], first["segmentation"]


def swap_order(data: Any) -> None:
    rows = data["annotations"]
    rows[0], rows[1] = rows[1], rows[0]
    for number, row in enumerate(rows):
        row["z_order"] = number


INSTANCES = "annotations/instances_train.json"
COCO: dict[str, tuple[Callable[[Any], object], str]] = {
    "masks": (swap_masks, "is a “table"),
    "category": (lambda data: data["annotations"][1].update(category_id=2), "is a “person” in"),
    "crowd": (lambda data: data["annotations"][1].update(iscrowd=1), "is a crowd in the files"),
    "name": (lambda data: data["categories"][0].update(name="dog"), "is a “dog” in the files"),
    "annotation": (lambda data: data["annotations"].pop(), '(“table <wood> & "cloth"”) is not in'),
    "image": (lambda data: data["images"].pop(), "The image is not in the files"),
    "more": (
        lambda data: data["annotations"].append({**data["annotations"][0], "id": 999}),
        "that should not be there",
    ),
    "stranger": (
        lambda data: data["images"].append({**data["images"][0], "id": 99, "file_name": "x.jpg"}),
        "“x.jpg”, which should not be there",
    ),
    "size": (lambda data: data["images"][0].update(width=5), "The files say that it is 5 x 150"),
}


@pytest.mark.parametrize("what", COCO)
def test_it_finds_what_was_changed_in_coco(
    project: MemoryProject, tmp_path: Path, what: str
) -> None:
    change, sentence = COCO[what]
    proof = proof_of("coco", project, tmp_path / "out", in_json(INSTANCES, change))
    assert not proof.equal
    assert proof.total == len(proof.differences)
    assert any(sentence in row.text for row in proof.differences), proof.differences


@pytest.mark.parametrize("kind", ["SegmentationClass", "SegmentationObject"])
def test_it_finds_one_wrong_pixel_in_voc(project: MemoryProject, tmp_path: Path, kind: str) -> None:
    def pixel(pixels: np.ndarray) -> None:
        pixels[50, 60] = 0

    change = repainted(f"{kind}/astronaut.png", pixel)
    proof = proof_of("voc", project, tmp_path / "out", change)
    assert not proof.equal
    assert {row.path for row in proof.differences} == {"astronaut.png"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (rewritten("Annotations/astronaut.xml", "<name>person<", "<name>cat<"), "is a “cat” in"),
        (rewritten("Annotations/astronaut.xml", "<width>171<", "<width>99<"), "99 x 171"),
        (lambda out: (out / "Annotations/astronaut.xml").write_text("<annot"), "astronaut.xml"),
        (lambda out: shutil.rmtree(out / "SegmentationObject"), "label maps is missing"),
        (lambda out: (out / "SegmentationClass/astronaut.png").unlink(), "label maps is missing"),
    ],
    ids=["name", "size", "broken", "objects", "classes"],
)
def test_it_finds_what_was_changed_in_voc(
    project: MemoryProject, tmp_path: Path, change: Callable[[Path], None], sentence: str
) -> None:
    proof = proof_of("voc", project, tmp_path / "out", change)
    assert not proof.equal
    told = [f"{row.path}: {row.text}" for row in proof.differences]
    assert any(sentence in text for text in told), told


CUT_OUT = "objects/astronaut/person_13.png"


def clear(pixels: np.ndarray) -> None:
    pixels[45, 45] = 0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (repainted(CUT_OUT, clear), "1 pixels too few in the files, the first at x"),
        (repainted(CUT_OUT, lambda pixels: pixels.__setitem__((0, 0, 0), 9)), "where it is clear"),
        (lambda out: (out / CUT_OUT).unlink(), "is not there"),
        (lambda out: shutil.copyfile(out / CUT_OUT, out / "a.png"), "is not in the index"),
        (rewritten("cut-outs.json", '"category": "person"', '"category": "dog"'), "is a “dog”"),
    ],
    ids=["pixel", "colour", "missing", "stranger", "category"],
)
def test_it_finds_what_was_changed_in_cut_outs(
    project: MemoryProject, tmp_path: Path, change: Callable[[Path], None], sentence: str
) -> None:
    proof = proof_of("cut-outs", project, tmp_path / "out", change)
    assert any(sentence in row.text for row in proof.differences), proof.differences
    assert proof.total <= 2


def test_a_difference_names_the_image_the_annotation_the_place_and_the_pixel(
    project: MemoryProject, tmp_path: Path
) -> None:
    proof = proof_of("cut-outs", project, tmp_path / "out", repainted(CUT_OUT, clear))
    (row,) = proof.differences
    assert (row.path, row.annotation_id) == ("astronaut.png", 13)
    x, y = 60 - 45 + 45, 50 - 45 + 45
    place = "Annotation 13 (“person”, cut-outs.json, cut_outs[3])"
    assert row.text == f"{place} has 1 pixels too few in the files, the first at x {x}, y {y}."


def test_changing_the_order_is_found_where_the_format_holds_it(
    project: MemoryProject, tmp_path: Path
) -> None:
    proof = proof_of("coco", project, tmp_path / "out", in_json(INSTANCES, swap_order))
    assert [row.text for row in proof.differences] == [
        "Its annotations lie over one another in another order."
    ]


def test_files_that_cannot_be_read_at_all_are_one_difference(
    project: MemoryProject, tmp_path: Path
) -> None:
    change: Callable[[Path], object] = lambda out: (out / "cut-outs.json").write_text("{")  # noqa: E731
    proof = proof_of("cut-outs", project, tmp_path / "out", change)  # type: ignore[arg-type]
    (row,) = proof.differences
    assert row.text.startswith("The files cannot be read back: cut-outs.json, line 1")


@dataclasses.dataclass(frozen=True)
class _Silent:
    """Cut-outs whose holding announces less than it loses: every mask is its own upper half."""

    inner: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def image(self, *arguments: Any) -> HeldImage:
        held: HeldImage = self.inner.image(*arguments)
        return dataclasses.replace(held, annotations=held.annotations[1:], losses=())


class _SilentFormat(CutOutsFormat):
    def holding(self, *arguments: Any) -> Any:
        return _Silent(super().holding(*arguments))

    def write(self, *arguments: Any) -> Any:
        raise AssertionError("only losses are asked for")

    def reread(self, *_: Any) -> Iterator[Found]:
        return iter(())


def test_what_a_format_does_not_announce_is_a_difference(project: MemoryProject) -> None:
    announced = announce(_SilentFormat(), project, CutOutsOptions(), ignore_progress, CancelToken())
    told = {(row.annotation_id, row.text) for row in announced.unannounced}
    assert (10, "Annotation 10 is gone, which was not announced.") in told
    crowd = "Annotation 14 changes its crowd mark, which was not announced."
    assert (14, crowd) in told


# -- losses ---------------------------------------------------------------------------------------


def test_losses_are_counted_by_kind_and_listed_with_their_place(project: MemoryProject) -> None:
    found = losses("voc", project)
    (overlap,) = [row for row in found.counts if row.kind is LossKind.OVERLAP]
    hidden = _covered(project)
    assert (overlap.annotations, overlap.images) == (len(hidden), 1)
    assert overlap.pixels == sum(hidden.values())
    listed = {row.annotation_id: row.pixels for row in found.listed if row.kind is overlap.kind}
    assert listed == hidden
    assert found.total == sum(row.annotations for row in found.counts)


def _covered(project: MemoryProject) -> dict[int, int]:
    """Pixels of each annotation of the first image that lie under others, counted by hand."""
    seen: dict[int, int] = {}
    rows = project.annotations(1)
    for number, row in enumerate(rows):
        over = np.zeros(row.mask.size, dtype=bool)
        for other in rows[number + 1 :]:
            over |= other.mask.to_array()
        if count := int(np.count_nonzero(over & row.mask.to_array())):
            seen[row.id] = count
    return seen


def test_the_losses_before_are_those_after(project: MemoryProject, tmp_path: Path) -> None:
    before = losses("voc", project)
    after = export("voc", project, tmp_path / "out").losses
    assert before == after
    assert before.counts


def test_images_that_could_not_be_written_lose_nothing_more(
    project: MemoryProject, tmp_path: Path
) -> None:
    (project.folder / "cats/chelsea.jpg").unlink()
    before = losses("voc", project)
    done = export("voc", project, tmp_path / "out")
    assert done.losses is not None
    assert done.proof is not None
    assert done.proof.equal
    assert LossKind.OVERLAP in {row.kind for row in before.counts}
    assert LossKind.OVERLAP not in {row.kind for row in done.losses.counts}
    assert (done.losses.images, done.proof.images) == (done.images, done.images)


def test_an_empty_mask_is_a_loss_and_is_left_out(project: MemoryProject, tmp_path: Path) -> None:
    photo = project.all_images[1]
    row = project.annotate(photo, project.all_categories[0], np.zeros(photo.size, dtype=bool))
    for key in ("coco", "voc", "cut-outs"):
        done = export(key, project, tmp_path / key)
        assert done.losses is not None
        empty = [loss for loss in done.losses.listed if loss.kind is LossKind.EMPTY]
        assert [(loss.path, loss.annotation_id) for loss in empty] == [("astronaut.png", row.id)]
        assert done.proof is not None
        assert done.proof.equal


def test_only_so_many_losses_are_listed_but_all_are_counted(
    project: MemoryProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_losses, "MOST_LISTED", 1)
    found = losses("voc", project)
    assert len(found.listed) == 1
    assert found.total > 1


def test_only_so_many_differences_are_listed_but_all_are_counted(
    project: MemoryProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_proof, "MOST_LISTED", 1)
    monkeypatch.setattr(export_proof, "MOST_READ_AGAIN", 1)

    def twice(folder: Path) -> None:
        rewritten("cut-outs.json", '"category": "person"', '"category": "dog"')(folder)
        rewritten("cut-outs.json", '"category": "cat"', '"category": "dog"')(folder)

    proof = proof_of("cut-outs", project, tmp_path / "out", twice)
    assert (len(proof.differences), proof.total) == (1, 2)


def test_chosen_objects_are_proved_and_the_others_are_no_loss(
    project: MemoryProject, tmp_path: Path
) -> None:
    options = CutOutsOptions(objects="11,14", margin=3)
    done = export("cut-outs", project, tmp_path / "out", options)
    assert done.proof == Proof(2, 2)
    assert done.losses is not None
    assert [row.annotation_id for row in done.losses.listed] == [14]


@pytest.mark.parametrize("folders", ["image", "category", "none"])
@pytest.mark.parametrize("margin", [0, 500])
def test_cut_outs_of_every_layout_are_proved(
    project: MemoryProject, tmp_path: Path, folders: str, margin: int
) -> None:
    options = CutOutsOptions(folders=folders, margin=margin)
    assert proof_of("cut-outs", project, tmp_path / "out", nothing, options) == Proof(3, 6)


# -- the run --------------------------------------------------------------------------------------


def test_work_that_goes_on_meanwhile_waits_for_the_next_export(
    real_project: Any, tmp_path: Path
) -> None:
    """The export is of the moment at which it began, and its proof as well."""
    store, add = real_project

    def report(progress: Progress) -> None:
        if progress.done < 500:
            add(store)

    done = export("coco", store, tmp_path / "out", None, report)
    assert done.annotations == 1
    assert done.proof is not None
    assert done.proof.differences == ()
    assert len(store.annotations(1)) > 1


@pytest.fixture
def real_project(tmp_path: Path) -> Iterator[Any]:
    from segstudio.core.annotation import Annotation
    from segstudio.core.category import Category
    from segstudio.core.changes import Edit, Records
    from segstudio.core.mask import Mask
    from segstudio.store.project import NewImage, ProjectStore

    photo = MemoryProject(tmp_path).add_photo("a.png", np.zeros((20, 30, 3), dtype=np.uint8))
    with ProjectStore.create(tmp_path / "p.segstudio", tmp_path) as store:
        store.add_images([NewImage("a.png", photo.width, photo.height, photo.sha256)])
        category = Category(store.new_category_id(), "thing", "#ff0000")
        mask = Mask.from_array(disc(photo.size, 9, 9, 4))

        def add(store: ProjectStore, *categories: Category) -> None:
            row = Annotation(store.new_annotation_id(), 1, category.id, mask)
            store.commit(Edit("Add", 1, Records(), Records((row,), categories)))

        add(store, category)
        yield store, add


@pytest.mark.parametrize("at", [0.05, 0.3, 0.8])
def test_cancelling_in_any_part_leaves_nothing(
    project: MemoryProject, tmp_path: Path, at: float
) -> None:
    token = CancelToken()
    seen: list[float] = []

    def report(progress: Progress) -> None:
        seen.append(progress.fraction or 0.0)
        if seen[-1] >= at:
            token.cancel()

    with pytest.raises(Cancelled):
        export("cut-outs", project, tmp_path / "exports" / "out", None, report, token)
    assert seen[-1] < 1.0
    assert not (tmp_path / "exports").exists()


def test_one_bar_rises_over_reckoning_writing_and_proving(
    project: MemoryProject, tmp_path: Path
) -> None:
    seen: list[Progress] = []
    export("cut-outs", project, tmp_path / "out", None, seen.append)
    done = [progress.done for progress in seen]
    assert done == sorted(done)
    words = [progress.text.split(" ")[0] for progress in seen]
    assert list(dict.fromkeys(words)) == ["Looking", "Cutting", "Exported", "Reading"]
    assert {progress.total for progress in seen} == {export_run._STEPS}


def test_a_folder_that_does_not_prove_is_there_and_the_report_says_so(
    project: MemoryProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetful(
        _self: object, folder: Path, _options: object, report: ProgressSink, cancel: CancelToken
    ) -> Iterator[Found]:
        pieces = list(read_all(folder, report, cancel))
        return iter(pieces[:-1])

    from segstudio.formats.cut_outs.reading import read_cut_outs as read_all

    monkeypatch.setattr(CutOutsFormat, "reread", forgetful)
    done = export("cut-outs", project, tmp_path / "out")
    assert done.proof is not None
    assert [row.path for row in done.proof.differences] == ["desk/turned.jpg"]
    assert (tmp_path / "out" / "cut-outs.json").is_file()
