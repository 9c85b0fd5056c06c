"""YOLO-seg, drawn as Ultralytics documents it: cut off to whole pixels, then fillPoly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from found_project import found_in, project_of, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_project import MemoryProject, disc, photo_project
from PIL import Image
from random_projects import projects

from segstudio.core.errors import BadInputError
from segstudio.core.mask import Mask
from segstudio.core.origin import Origin, OriginKind, mask_key
from segstudio.engine.export_run import export
from segstudio.formats.boxes import BOX_ONLY
from segstudio.formats.found import Fault, FoundAnnotation, FoundCategory, FoundImage
from segstudio.formats.import_contract import ImportOptions
from segstudio.formats.yolo.format import YoloFormat, YoloOptions
from segstudio.formats.yolo.reading import YoloImport

IMPORT, EXPORT = YoloImport(), YoloFormat()
SIZE = (20, 30)


@pytest.fixture
def project(tmp_path: Path) -> MemoryProject:
    return photo_project(tmp_path / "photos")


def ultralytics_masks(labels: Path, size: tuple[int, int], *, rounds: bool) -> list[np.ndarray]:
    """(H, W) bool of each line, in 32-bit floats as there; `rounds`: as `supervision` reads."""
    masks = []
    for line in labels.read_text().splitlines():
        points = np.array(line.split()[1:], dtype=np.float32).reshape(-1, 2)
        assert points.min() >= 0 and points.max() <= 1
        assert len(points) >= 3, "fewer are taken for a box"
        pixels = points * np.array(size[::-1], dtype=np.float32)
        pixels = np.round(pixels) if rounds else pixels
        canvas = np.zeros(size, dtype=np.uint8)
        cv2.fillPoly(canvas, [pixels.astype(np.int32)], 1)
        masks.append(canvas.astype(bool))
    return masks


@pytest.mark.parametrize("parts", ["join", "split"])
@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_others_draw_from_our_lines_exactly_what_was_announced(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, parts: str
) -> None:
    folder = tmp_path_factory.mktemp("yolo")
    project = data.draw(projects(folder / "photos"))
    options = YoloOptions(parts=parts)
    out = write(EXPORT, project, folder / "out", options)
    names = yaml.safe_load((out / "data.yaml").read_text("utf-8"))["names"]
    holding = EXPORT.holding(project, options)
    for image in project.images():
        rows = [row for row in project.annotations(image.id) if row.mask.area]
        held = holding.image(image, rows)
        labels = out / Path(held.name.replace("images/", "labels/", 1)).with_suffix(".txt")
        wanted = [item.mask.to_array() for item in held.annotations]
        for rounds in (False, True):
            drawn = ultralytics_masks(labels, image.size, rounds=rounds)
            assert len(drawn) == len(wanted)
            assert all(np.array_equal(*pair) for pair in zip(drawn, wanted, strict=True))
        told = [names[int(line.split()[0])] for line in labels.read_text().splitlines()]
        assert told == [item.category for item in held.annotations]


@pytest.mark.parametrize("parts", ["join", "split"])
def test_exports_prove_themselves_and_say_what_is_lost(
    project: MemoryProject, tmp_path: Path, parts: str
) -> None:
    report = export("yolo-seg", project, tmp_path / "out", YoloOptions(parts=parts))
    assert report.proof is not None and report.losses is not None
    assert report.proof.equal, report.proof.differences
    assert {row.kind.value for row in report.losses.counts} == {"holes", "parts", "crowd"}
    joined = [loss.pixels for loss in report.losses.listed if loss.kind.value == "parts"]
    assert all(pixels > 0 if parts == "join" else pixels == 0 for pixels in joined)


def test_a_large_ragged_mask_comes_back_to_the_pixel(tmp_path: Path) -> None:
    """Widths at which a few digits would not do."""
    size = (61, 9973)
    project = MemoryProject(tmp_path)
    category = project.add_category("thing")
    image = project.add_photo("wide.png", np.zeros((*size, 3), dtype=np.uint8))
    noise = np.random.default_rng(3).random((15, 2494)) < 0.6
    ragged = cv2.resize(noise.astype(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(ragged, connectivity=8)
    largest = labels == 1 + np.argmax(stats[1:, cv2.CC_STAT_AREA])
    row = project.annotate(image, category, largest)
    out = write(EXPORT, project, tmp_path / "out")
    held = EXPORT.holding(project, YoloOptions()).image(image, [row])
    (found,) = (piece for piece in found_in(IMPORT, out) if isinstance(piece, FoundAnnotation))
    assert found.mask(size) == held.annotations[0].mask
    assert np.count_nonzero(found.mask(size).to_array() & largest) == row.mask.area


def dataset(folder: Path, labels: str, **said: object) -> Path:
    """One image of 30 x 20 in train, with these labels."""
    (folder / "images" / "train").mkdir(parents=True)
    (folder / "labels" / "train").mkdir(parents=True)
    Image.new("RGB", SIZE[::-1]).save(folder / "images" / "train" / "a.png")
    (folder / "labels" / "train" / "a.txt").write_text(labels, "utf-8")
    value = {"train": "images/train", "names": ["cat", "no"], **said}
    (folder / "data.yaml").write_text(yaml.safe_dump(value), "utf-8")
    return folder


def annotations(source: Path) -> list[FoundAnnotation]:
    found = found_in(IMPORT, source)
    assert not [piece for piece in found if isinstance(piece, Fault)]
    return [piece for piece in found if isinstance(piece, FoundAnnotation)]


def test_polygons_and_boxes_come_in(tmp_path: Path) -> None:
    source = dataset(tmp_path / "in", "1 0.1 0.1 0.5 0.1 0.5 0.5\n\n0.0 0.5 0.5 0.2 0.4\n")
    polygon, box = annotations(source)
    canvas = np.zeros(SIZE, dtype=np.uint8)
    cv2.fillPoly(canvas, [np.array([(3, 2), (15, 2), (15, 10)], dtype=np.int32)], 1)
    assert np.array_equal(polygon.mask(SIZE).to_array(), canvas > 0)
    assert (polygon.category, box.category) == ("1", "0")
    assert str(box.place) == "labels/train/a.txt, line 3"
    assert box.mask(SIZE).box == (12, 6, 18, 14)
    assert (box.attributes, polygon.attributes) == ({BOX_ONLY: True}, {})


def test_polygons_at_and_over_the_edge_are_cut_there(tmp_path: Path) -> None:
    source = dataset(
        tmp_path / "in", "0 0 0 1 0 1 1 0 1\n0 -0.01 0.2 1.01 0.2 1.01 0.5 -0.01 0.5\n"
    )
    whole, band = (found.mask(SIZE) for found in annotations(source))
    assert whole.area == SIZE[0] * SIZE[1]
    assert band.box == (0, 4, 30, 11)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("0 0.1 0.1 0.5 0.1 0.5", "has 5 numbers"),
        ("0 0.1 0.1", "has 2 numbers"),
        ("0", "has 0 numbers"),
        ("2 0.1 0.1 0.5 0.1 0.5 0.5", "no class 2"),
        ("-1 0.1 0.1 0.5 0.1 0.5 0.5", "no class -1"),
        ("0.5 0.1 0.1 0.5 0.1 0.5 0.5", "not the number of a class"),
        ("cat 0.1 0.1 0.5 0.1 0.5 0.5", "not the number of a class"),
        ("inf 0.1 0.1 0.5 0.1 0.5 0.5", "not the number of a class"),
        ("9" * 5000 + " 0.1 0.1 0.5 0.1 0.5 0.5", "not the number of a class"),
        ("0 0.1 0.1 0.5 nan 0.5 0.5", "not a finite number"),
        ("0 0.1 0.1 0.5 inf 0.5 0.5", "not a finite number"),
        ("0 0.1 0.1 0.5 1e999 0.5 0.5", "not a finite number"),
        ("0 0.1 0.1 0.5 x 0.5 0.5", "not a number"),
        ("0 0.1 0.1 0.5 1.2 0.5 0.5", "outside of the image"),
    ],
)
def test_a_line_that_cannot_be_used_is_a_fault(tmp_path: Path, line: str, what: str) -> None:
    source = dataset(tmp_path / "in", f"0 0 0 1 0 1 1\n{line}\n1 0 0 1 0 1 1\n")
    found = found_in(IMPORT, source)
    (fault,) = (piece for piece in found if isinstance(piece, Fault))
    assert what in fault.reason
    assert str(fault.place) == "labels/train/a.txt, line 2"
    assert len([piece for piece in found if isinstance(piece, FoundAnnotation)]) == 2


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ({"train": "/etc"}, "leads out of the source"),
        ({"train": "../../elsewhere"}, "leads out of the source"),
        ({"train": "../elsewhere"}, "leads out of the source"),
        ({"train": "images/elsewhere"}, "there is no"),
        ({"train": "data.yaml"}, "neither a folder nor a list"),
        ({"train": {"a": "b"}}, "no path"),
        ({"path": "/home/me/dataset"}, "remove that line"),
        ({"nc": 3}, "`nc` says 3"),
        ({"names": ["cat", "cat"]}, "Two categories"),
    ],
)
def test_what_data_yaml_says_wrongly_is_a_fault(
    tmp_path: Path, said: dict[str, object], what: str
) -> None:
    source = dataset(tmp_path / "in", "", **said)
    reasons = [p.reason for p in found_in(IMPORT, source) if isinstance(p, Fault)]
    assert any(what.lower() in reason.lower() for reason in reasons), reasons


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ({"names": 7}, "no list of names"),
        ({"names": {"x": "cat"}}, "not the number of a class"),
        ({"names": {0: ["cat"]}}, "not the number of a class"),
        ({"kpt_shape": [17, 3]}, "poses"),
    ],
)
def test_a_data_yaml_of_another_kind_is_refused(
    tmp_path: Path, said: dict[str, object], what: str
) -> None:
    with pytest.raises(BadInputError, match=f"data.yaml.*{what}"):
        found_in(IMPORT, dataset(tmp_path / "in", "", **said))


def test_a_folder_that_names_no_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"no data\.yaml"):
        found_in(IMPORT, tmp_path)


def to_outside(file: Path, outside: Path) -> None:
    outside.write_bytes(file.read_bytes())
    file.unlink()
    file.symlink_to(outside)


def test_links_out_of_the_source_are_not_followed(tmp_path: Path) -> None:
    source = dataset(tmp_path / "in", "0 0 0 1 0 1 1\n")
    to_outside(source / "images/train/a.png", tmp_path / "image")
    (image,) = (piece for piece in found_in(IMPORT, source) if isinstance(piece, FoundImage))
    assert image.file is None
    to_outside(source / "labels/train/a.txt", tmp_path / "labels")
    assert not [piece for piece in found_in(IMPORT, source) if isinstance(piece, FoundAnnotation)]
    to_outside(source / "data.yaml", tmp_path / "yaml")
    with pytest.raises(BadInputError, match="link that leads out"):
        found_in(IMPORT, source)


def test_a_label_file_that_is_a_link_out_is_a_fault(tmp_path: Path) -> None:
    source = dataset(tmp_path / "in", "0 0 0 1 0 1 1\n")
    to_outside(source / "labels/train/a.txt", tmp_path / "labels")
    (fault,) = (piece for piece in found_in(IMPORT, source) if isinstance(piece, Fault))
    assert "link that leads out" in fault.reason


def test_a_list_of_files_may_name_none_outside(tmp_path: Path) -> None:
    source = dataset(tmp_path / "in", "0 0 0 1 0 1 1\n", train="train.txt")
    (source / "train.txt").write_text("./images/train/a.png\n")
    assert len(annotations(source)) == 1
    (source / "train.txt").write_text("./images/train/a.png\n/etc/passwd\n")
    with pytest.raises(BadInputError, match=r"train\.txt, line 2: .*leads out"):
        found_in(IMPORT, source)


def test_folders_by_split_with_the_dots_of_roboflow(tmp_path: Path) -> None:
    source = dataset(tmp_path / "in", "0 0 0 1 0 1 1\n", train="../train/images")
    (source / "train").mkdir()
    for kind in ("images", "labels"):
        (source / kind / "train").rename(source / "train" / kind)
    (image,) = (piece for piece in found_in(IMPORT, source) if isinstance(piece, FoundImage))
    assert (image.name, image.split) == ("train/images/a.png", "train")
    assert len(annotations(source)) == 1


def test_labels_beside_the_images_and_a_list_of_classes(tmp_path: Path) -> None:
    Image.new("RGB", SIZE[::-1]).save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("1 0 0 1 0 1 1\n")
    (tmp_path / "classes.txt").write_text("cat\ntraffic light\n")
    found = found_in(IMPORT, tmp_path)
    names = [piece.name for piece in found if isinstance(piece, FoundCategory)]
    assert names == ["cat", "traffic light"]
    assert [piece.category for piece in annotations(tmp_path)] == ["1"]


def test_labels_without_their_image_come_with_its_likely_name(tmp_path: Path) -> None:
    source = dataset(tmp_path / "in", "0 0 0 1 0 1 1\n")
    (source / "images" / "train" / "a.png").unlink()
    (image,) = (piece for piece in found_in(IMPORT, source) if isinstance(piece, FoundImage))
    assert (image.name, image.file) == ("images/train/a.jpg", None)


def test_what_came_in_goes_out_line_by_line_with_its_numbers(tmp_path: Path) -> None:
    """A polygon through itself, more digits than ours, classes in another order than the ids."""
    labels = "1 0.123456789 0.1 0.5 0.111 0.2 0.5 0.9 0.6\n0 0.3 0.3 0.6 0.3 0.5 0.5\n"
    source = dataset(tmp_path / "in", labels)
    project = project_of(found_in(IMPORT, source), tmp_path / "project", "yolo-seg")
    project.all_categories.reverse()
    out = write(EXPORT, project, tmp_path / "out")
    (written,) = (out / "labels").rglob("*.txt")
    assert written.read_text() == labels
    assert yaml.safe_load((out / "data.yaml").read_text())["names"] == {0: "cat", 1: "no"}
    project.all_annotations[0] = replace(
        project.all_annotations[0], mask=Mask.from_array(disc(SIZE, 12, 9, 5))
    )
    out = write(EXPORT, project, tmp_path / "changed")
    (written,) = (out / "labels").rglob("*.txt")
    first, second = written.read_text().splitlines()
    assert second == labels.splitlines()[1]
    assert first not in labels


def test_an_origin_that_was_tampered_with_adds_no_line(project: MemoryProject) -> None:
    row = project.all_annotations[0]
    origin = Origin("yolo-seg", "", {"coordinates": "0 0\n1 0 0 1 1"}, mask_key(row.mask))
    project.all_origins[OriginKind.ANNOTATION, row.id] = origin
    image = project.all_images[0]
    held = EXPORT.holding(project, YoloOptions()).image(image, [row])
    assert {loss.kind.value for loss in held.losses} == {"holes", "parts"}


def test_splits_come_back_and_data_yaml_serves_ultralytics(
    project: MemoryProject, tmp_path: Path
) -> None:
    project.change_image(project.all_images[0], split="Prüfung 1")
    out = write(EXPORT, project, tmp_path / "out")
    said = yaml.safe_load((out / "data.yaml").read_text("utf-8"))
    assert (said["train"], said["val"]) == ("images/train", "images/val")
    assert said["nc"] == len(said["names"]) == 3
    assert "path" not in said, "Ultralytics would take it from where it is started"
    found = {piece.name: piece.split for piece in found_in(IMPORT, out) if is_image(piece)}
    assert found["images/Prüfung_1/cats_chelsea.jpg"] == "Prüfung 1"
    only = found_in(IMPORT, out, ImportOptions(split="val"))
    assert [piece.name for piece in only if is_image(piece)] == ["images/val/astronaut.png"]


def is_image(piece: object) -> bool:
    return isinstance(piece, FoundImage)


def test_without_splits_other_images_stand_in_and_twins_are_told(
    project: MemoryProject, tmp_path: Path
) -> None:
    for image in list(project.all_images):
        project.change_image(image, split="")
    row = project.all_annotations[0]
    project.all_annotations.append(replace(row, id=99))
    report = export("yolo-seg", project, tmp_path / "out")
    said = yaml.safe_load((tmp_path / "out" / "data.yaml").read_text("utf-8"))
    assert said["train"] == said["val"] == "images/default"
    assert any("keeps only one" in note for note in report.notes)
    assert sum("asks for" in note for note in report.notes) == 2
    splits = {piece.split for piece in found_in(IMPORT, tmp_path / "out") if is_image(piece)}
    assert splits == {""}


def test_it_knows_its_own(project: MemoryProject, tmp_path: Path) -> None:
    out = write(EXPORT, project, tmp_path / "out")
    assert IMPORT.recognises(out)
    assert IMPORT.recognises(out / "data.yaml")
    assert not IMPORT.recognises(project.folder)
    assert not IMPORT.recognises(tmp_path / "nowhere")
