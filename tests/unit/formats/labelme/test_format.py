"""labelme beside its own samples, and beside what labelme itself exported of them."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from found_project import found_in, project_of, write
from memory_project import MemoryProject, disc, photo_project
from PIL import Image, ImageDraw

from segstudio.core.errors import BadInputError, Cancelled
from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.engine.export_run import export
from segstudio.formats.found import Fault, Found, FoundAnnotation, FoundImage
from segstudio.formats.import_contract import ImportOptions
from segstudio.formats.labelme.format import LabelmeFormat, LabelmeOptions
from segstudio.formats.labelme.reading import LabelmeImport
from segstudio.formats.labelme.shapes import DrawnShape, mask_shape

IMPORT, EXPORT = LabelmeImport(), LabelmeFormat()
# Pixels that the Pillow of labelme's days painted otherwise than today's: with Pillow 10.4 the
# first is 0, and labelme 6 with today's Pillow paints as we do.
OLDER_PILLOW = {"2011_000006": 1, "apc2016_obj3": 8}


@pytest.fixture
def samples(reference_data: Path) -> Path:
    return reference_data / "labelme"


@pytest.fixture
def project(tmp_path: Path) -> MemoryProject:
    return photo_project(tmp_path / "photos")


def loaded(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return value


def maps(found: list[Found], names: list[str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """(H, W) classes and objects of each image, painted as labelme's exporter paints them."""
    painted: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    counts: dict[str, int] = {}
    for piece in found:
        assert not isinstance(piece, Fault), piece
        if isinstance(piece, FoundImage):
            assert piece.size is not None
            painted[piece.key] = (np.zeros(piece.size, np.uint8), np.zeros(piece.size, np.uint8))
        elif isinstance(piece, FoundAnnotation):
            classes, objects = painted[piece.image]
            inside = piece.mask(classes.shape).to_array()  # type: ignore[arg-type]
            counts[piece.image] = counts.get(piece.image, 0) + 1
            ignored = piece.category == "__ignore__"
            classes[inside] = 255 if ignored else names.index(piece.category)
            objects[inside] = 0 if ignored else counts[piece.image]
    return {Path(key).stem: pair for key, pair in painted.items()}


def indices(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize(
    ("sample", "folder"),
    [
        ("instance_segmentation", "SegmentationClass"),
        ("semantic_segmentation", "SegmentationClass"),
        ("video_annotation", "SegmentationClassPNG"),
    ],
)
def test_samples_come_in_as_the_masks_that_labelme_exported(
    samples: Path, sample: str, folder: str
) -> None:
    exported = samples / sample / "data_dataset_voc"
    names = (exported / "class_names.txt").read_text().splitlines()
    painted = maps(found_in(IMPORT, samples / sample / "data_annotated"), names)
    assert len(painted) >= 3
    for stem, (classes, objects) in painted.items():
        wrong = np.count_nonzero(classes != indices(exported / folder / f"{stem}.png"))
        assert wrong == OLDER_PILLOW.get(stem, 0)
        instances = exported / "SegmentationObject" / f"{stem}.png"
        if instances.exists():
            wrong = np.count_nonzero(objects != indices(instances))
            assert wrong == OLDER_PILLOW.get(stem, 0)


def test_the_tutorials_embedded_image_and_masks_come_in(samples: Path) -> None:
    source = samples / "tutorial" / "apc2016_obj3.json"
    found = found_in(IMPORT, source)
    names = (samples / "tutorial/apc2016_obj3/label_names.txt").read_text().splitlines()
    classes, _ = maps(found, names)["apc2016_obj3"]
    label = indices(samples / "tutorial/apc2016_obj3/label.png")
    assert np.count_nonzero(classes != label) == OLDER_PILLOW["apc2016_obj3"]
    (image,) = (piece for piece in found if isinstance(piece, FoundImage))
    assert image.name == "apc2016_obj3.jpg"
    assert image.data is not None
    with Image.open(io.BytesIO(image.data())) as opened:
        assert opened.size == (1210, 907)


@pytest.mark.parametrize(
    "sample",
    ["instance_segmentation", "semantic_segmentation", "bbox_detection", "video_annotation"],
)
def test_samples_go_out_as_they_came(samples: Path, sample: str, tmp_path: Path) -> None:
    source = samples / sample / "data_annotated"
    project = project_of(found_in(IMPORT, source), tmp_path / "in", "labelme")
    out = write(EXPORT, project, tmp_path / "out")
    files = sorted(source.glob("*.json"))
    assert len(files) >= 3
    assert all(loaded(out / file.name) == loaded(file) for file in files)


@pytest.mark.parametrize("sample", ["primitives", "classification/data_annotated"])
def test_every_kind_of_shape_and_flags_of_images_go_out_as_they_came(
    samples: Path, sample: str, tmp_path: Path
) -> None:
    source = samples / sample
    project = project_of(found_in(IMPORT, source), tmp_path / "in", "labelme")
    out = write(EXPORT, project, tmp_path / "out")
    assert all(loaded(out / file.name) == loaded(file) for file in source.glob("*.json"))


def whole(draw_on: Any, size: tuple[int, int]) -> np.ndarray:
    canvas = Image.new("L", size[::-1])
    draw_on(ImageDraw.Draw(canvas))
    return np.asarray(canvas) > 0


def test_shapes_are_drawn_as_pillow_draws_them_on_the_whole_image() -> None:
    """labelme's `shape_to_mask`, as its source describes it, on an image of full size."""
    random = np.random.default_rng(4)
    for _ in range(150):
        size = tuple(random.integers(10, 120, 2).tolist())
        xy = random.uniform(-30, 150, (5, 2))
        flat = xy.ravel().tolist()
        (ax, ay), (bx, by) = xy[:2].tolist()
        radius = math.hypot(bx - ax, by - ay)
        box = [min(ax, bx), min(ay, by), max(ax, bx), max(ay, by)]
        wanted = {
            "polygon": whole(lambda d, p=flat: d.polygon(p, outline=1, fill=1), size),
            "linestrip": whole(lambda d, p=flat: d.line(p, fill=1, width=10), size),
            "line": whole(lambda d, p=flat: d.line(p[:4], fill=1, width=10), size),
            "rectangle": whole(lambda d, b=box: d.rectangle(b, outline=1, fill=1), size),
            "circle": whole(
                lambda d, x=ax, y=ay, r=radius: d.ellipse(
                    [x - r, y - r, x + r, y + r], outline=1, fill=1
                ),
                size,
            ),
            "point": whole(
                lambda d, x=ax, y=ay: d.ellipse([x - 5, y - 5, x + 5, y + 5], outline=1, fill=1),
                size,
            ),
        }
        counts = {"polygon": 5, "linestrip": 5, "point": 1}
        for kind, pixels in wanted.items():
            mask = DrawnShape(kind, xy[: counts.get(kind, 2)]).mask(size)
            assert np.array_equal(mask.to_array(), pixels), kind


def test_points_are_a_disc_each() -> None:
    xy = np.array([(10.0, 12.0), (40.5, 30.0)])
    both = DrawnShape("points", xy).mask((50, 60))
    single = [DrawnShape("point", xy[[at]]).mask((50, 60)) for at in (0, 1)]
    assert both == single[0].union(single[1])


def one_shape(folder: Path, **changes: object) -> Path:
    """A labelme file with one shape; `image_...` changes the file, the rest the shape."""
    shape: dict[str, object] = {
        "label": "cat",
        "points": [[1, 1], [8, 1], [8, 6]],
        "shape_type": "polygon",
        "group_id": None,
        "flags": {},
    }
    page: dict[str, object] = {"imagePath": "a.png", "imageHeight": 20, "imageWidth": 30}
    for key, value in changes.items():
        target = page if key.startswith("image") else shape
        target[key] = value
    folder.mkdir(exist_ok=True)
    file = folder / "a.json"
    file.write_text(json.dumps(page | {"version": "5.5.0", "shapes": [shape]}), "utf-8")
    return file


def png(pixels: np.ndarray) -> str:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, format="PNG")
    return base64.b64encode(data.getvalue()).decode()


def complaint(source: Path) -> str:
    """The one fault of a source, or why it is refused; masks are drawn."""
    said = []
    try:
        for piece in found_in(IMPORT, source):
            if isinstance(piece, Fault):
                said.append(f"{piece.place}: {piece.reason}")
            elif isinstance(piece, FoundAnnotation):
                piece.mask((20, 30))
    except BadInputError as error:
        said.append(str(error))
    assert len(said) == 1, said
    return said[0]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"points": [[1, 1], [2, 2]]}, r"a.json, shapes\[0\]: A polygon does not have 2 points"),
        ({"points": [[1, 1], [2, "x"], [3, 3]]}, "not pairs of numbers"),
        ({"points": [[1, 1], [2, None], [3, 3]]}, "not a finite number"),
        ({"points": [[1, 1], [1e300, 2], [3, 3]]}, "further out"),
        ({"points": 7}, r"shapes\[0\]: .*points"),
        ({"shape_type": "spline"}, "no shape 'spline'"),
        ({"shape_type": "mask", "points": [[1, 1], [2, 2]]}, "has no mask"),
        ({"label": 3}, "label"),
        ({"group_id": [1]}, "group_id"),
        ({"label": " "}, "no name"),
        ({"imagePath": "../../a.png"}, "leads out of the source"),
        ({"imagePath": "..\\..\\a.png"}, "leads out of the source"),
        ({"imagePath": "/etc/passwd"}, "leads out of the source"),
        ({"imagePath": "C:\\a.png"}, "leads out of the source"),
        ({"imageHeight": -4}, "30 x -4 pixels"),
        ({"imagePath": "", "imageData": "%%%%"}, "not base64"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_place(
    tmp_path: Path, changes: dict[str, object], what: str
) -> None:
    source = tmp_path / "in"
    one_shape(source, **changes)
    if changes.get("label") == " ":  # the category, and what is of it
        said = [piece.reason for piece in found_in(IMPORT, source) if isinstance(piece, Fault)]
        assert "A category has no name." in said
        return
    assert re.search(what, complaint(source))


@pytest.mark.parametrize(
    ("points", "mask", "what"),
    [
        ([[2, 2], [5, 5]], np.ones((3, 4), np.uint8), "4 x 3 pixels where its points leave 4 x 4"),
        ([[2, 2], [99999, 99999]], np.ones((4, 4), np.uint8), "does not lie inside its image"),
        ([[-1, 2], [2, 5]], np.ones((4, 4), np.uint8), "does not lie inside its image"),
        ([[2, 2], [5, 5]], np.ones((4, 4, 3), np.uint8), "has colours"),
    ],
)
def test_mask_shapes_must_fit(
    tmp_path: Path, points: list[list[int]], mask: np.ndarray, what: str
) -> None:
    source = one_shape(tmp_path / "in", shape_type="mask", points=points, mask=png(mask))
    assert what in complaint(source)


@pytest.mark.parametrize("mask", ["!!!", base64.b64encode(b"no png").decode()])
def test_mask_shapes_must_be_pngs(tmp_path: Path, mask: str) -> None:
    points = [[2, 2], [5, 5]]
    source = one_shape(tmp_path / "in", shape_type="mask", points=points, mask=mask)
    assert "PNG" in complaint(source)


def test_an_image_that_is_a_link_out_of_the_source_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    source = tmp_path / "in"
    one_shape(source)
    (source / "a.png").symlink_to(tmp_path / "secret.png")
    assert "link that leads out" in complaint(source)


def test_an_image_beside_the_folder_of_the_json_is_found_within_the_source(tmp_path: Path) -> None:
    one_shape(tmp_path / "labels", imagePath="../images/a.png")
    (tmp_path / "images").mkdir()
    Image.new("RGB", (30, 20)).save(tmp_path / "images" / "a.png")
    (image,) = (piece for piece in found_in(IMPORT, tmp_path) if isinstance(piece, FoundImage))
    assert (image.name, image.file) == ("images/a.png", tmp_path / "images" / "a.png")


def test_shapes_of_a_group_are_one_object_and_other_labels_of_it_are_not(tmp_path: Path) -> None:
    page = loaded(one_shape(tmp_path / "in", group_id=3, description="left", difficult=True))
    first = page["shapes"][0]
    moved = [[x + 12, y + 9] for x, y in first["points"]]
    page["shapes"] += [{**first, "points": moved}, {**first, "label": "dog"}]
    (tmp_path / "in" / "a.json").write_text(json.dumps(page), "utf-8")
    cats, dogs = (p for p in found_in(IMPORT, tmp_path / "in") if isinstance(p, FoundAnnotation))
    mask = cats.mask((20, 30)).to_array()
    one = dogs.mask((20, 30)).to_array()
    assert np.array_equal(mask, one | np.roll(one, (9, 12), axis=(0, 1)))
    assert cats.attributes == {"group_id": 3, "description": "left", "difficult": True}


def test_what_people_changed_since_goes_out_changed(samples: Path, tmp_path: Path) -> None:
    source = samples / "instance_segmentation" / "data_annotated"
    project = project_of(found_in(IMPORT, source), tmp_path / "in", "labelme")
    first, second = project.all_annotations[:2]
    image = project.all_images[0]
    mask = Mask.from_array(disc(image.size, 60, 50, 20))
    project.all_annotations[0] = replace(first, mask=mask, attributes={"description": "new"})
    project.all_annotations[1] = replace(second, iscrowd=True, predicted_iou=0.5)
    out = write(EXPORT, project, tmp_path / "out")
    shapes = loaded(out / Path(image.path).with_suffix(".json").name)["shapes"]
    assert (shapes[0]["shape_type"], shapes[0]["description"]) == ("mask", "new")
    assert (shapes[1]["shape_type"], shapes[1]["iscrowd"]) == ("polygon", 1)
    found = [p for p in found_in(IMPORT, out) if isinstance(p, FoundAnnotation)]
    assert found[0].mask(image.size) == mask
    assert (found[1].iscrowd, found[1].predicted_iou) == (True, 0.5)


@pytest.mark.parametrize("shapes", ["masks", "polygons"])
def test_exports_prove_themselves_and_only_polygons_fill_holes(
    project: MemoryProject, tmp_path: Path, shapes: str
) -> None:
    report = export("labelme", project, tmp_path / "out", LabelmeOptions(shapes=shapes))
    assert report.proof is not None and report.losses is not None
    assert report.proof.equal, report.proof.differences
    kinds = {row.kind.value for row in report.losses.counts}
    assert kinds == ({"holes"} if shapes == "polygons" else set())


def test_a_shared_group_id_is_left_and_said_so(project: MemoryProject, tmp_path: Path) -> None:
    rows = [replace(row, attributes={"group_id": 1}) for row in project.all_annotations]
    project.all_annotations = rows
    report = export("labelme", project, tmp_path / "out", LabelmeOptions(shapes="polygons"))
    assert report.proof is not None and report.losses is not None
    assert report.proof.equal, report.proof.differences
    said = [loss.text for loss in report.losses.listed if loss.kind.value == "attributes"]
    assert len(said) == 2  # the second cat, the second person
    assert all("group_id" in text for text in said)


def test_splits_are_folders_and_come_back_by_their_names(
    project: MemoryProject, tmp_path: Path
) -> None:
    project.change_image(project.all_images[0], split="Prüfung 1")
    out = write(EXPORT, project, tmp_path / "out")
    found = found_in(IMPORT, out)
    images = {piece.name: piece.split for piece in found if isinstance(piece, FoundImage)}
    assert images["Prüfung_1/cats_chelsea.jpg"] == "Prüfung 1"
    assert images["val/astronaut.png"] == "val"
    only = found_in(IMPORT, out, ImportOptions(split="val"))
    assert [piece.name for piece in only if isinstance(piece, FoundImage)] == ["val/astronaut.png"]


def test_embedded_images_are_the_files_bytes(project: MemoryProject, tmp_path: Path) -> None:
    out = write(EXPORT, project, tmp_path / "out", LabelmeOptions(embed=True, images=False))
    assert not list(out.rglob("*.jpg"))
    found = [piece for piece in found_in(IMPORT, out) if isinstance(piece, FoundImage)]
    (cat,) = (piece for piece in found if "cats/chelsea.jpg" in piece.also)
    assert cat.data is not None
    assert cat.data() == (project.folder / "cats/chelsea.jpg").read_bytes()


def test_a_mask_shape_is_its_box(tmp_path: Path) -> None:
    mask = Mask.from_array(disc((40, 50), 20, 15, 8))
    shape = mask_shape(mask)
    (x0, y0), (x1, y1) = shape["points"]
    assert (x0, y0, x1 + 1, y1 + 1) == tuple(mask.box)
    assert DrawnShape("mask", np.array(shape["points"]), shape["mask"]).mask((40, 50)) == mask


def test_it_knows_its_own(samples: Path, tmp_path: Path) -> None:
    assert IMPORT.recognises(samples / "primitives")
    assert IMPORT.recognises(samples / "primitives" / "primitives.json")
    assert not IMPORT.recognises(samples / "instance_segmentation" / "data_dataset_coco")
    assert not IMPORT.recognises(tmp_path / "nowhere")


def test_reading_stops_when_it_is_cancelled(samples: Path) -> None:
    token = CancelToken()
    token.cancel()
    pieces = IMPORT.read(samples / "primitives", ImportOptions(), ignore_progress, token)
    with pytest.raises(Cancelled):
        list(pieces)


def test_json_of_something_else_in_the_folder_is_passed_over(tmp_path: Path) -> None:
    source = tmp_path / "in"
    one_shape(source)
    alone = [type(piece) for piece in found_in(IMPORT, source)]
    coco = json.dumps({"images": [], "annotations": [], "categories": []})
    (source / "instances_train.json").write_text(coco, "utf-8")
    (source / "list.json").write_text("[1, 2]", "utf-8")
    assert [type(piece) for piece in found_in(IMPORT, source)] == alone
    (source / "half.json").write_text('{"shapes": [', "utf-8")
    (source / "other.json").write_text('{"imagePath": "b.jpg"}', "utf-8")
    faults = [piece.place.file for piece in found_in(IMPORT, source) if isinstance(piece, Fault)]
    assert faults == ["half.json", "other.json"]


def test_a_folder_that_holds_json_of_others_only_is_refused(tmp_path: Path) -> None:
    (tmp_path / "coco.json").write_text('{"images": []}', "utf-8")
    with pytest.raises(BadInputError, match="holds no JSON file of labelme's"):
        found_in(IMPORT, tmp_path)
    with pytest.raises(BadInputError, match="shapes"):
        found_in(IMPORT, tmp_path / "coco.json")


def test_what_a_later_shape_of_an_object_says_stays_there_until_somebody_changes_it(
    tmp_path: Path,
) -> None:
    source = tmp_path / "in"
    one_shape(source, group_id=1)
    page = loaded(source / "a.json")
    second = {"description": "second", "flags": {"x": True}, "difficult": True, "own": 1}
    page["shapes"].append({**page["shapes"][0], **second})
    (source / "a.json").write_text(json.dumps(page), "utf-8")
    project = project_of(found_in(IMPORT, source), tmp_path / "photos", "labelme")
    assert loaded(write(EXPORT, project, tmp_path / "same") / "a.json")["shapes"] == page["shapes"]
    (row,) = project.all_annotations
    project.all_annotations = [replace(row, attributes={"group_id": 1, "difficult": "no"})]
    report = export("labelme", project, tmp_path / "changed")
    assert report.proof is not None
    assert report.proof.differences == ()
    shapes = loaded(tmp_path / "changed" / "a.json")["shapes"]
    said = [(one.get("difficult"), one["flags"], one.get("description")) for one in shapes]
    assert said == [("no", {}, None), (None, {}, None)]
    assert shapes[1]["own"] == 1
