"""Label maps of every layout: in, out, and back to the pixel."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from found_project import found_in, project_of, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_project import MemoryProject, disc, photo_project
from PIL import Image
from random_projects import projects
from torchvision.datasets import Cityscapes

from segstudio.core.errors import BadInputError
from segstudio.core.mask import Mask
from segstudio.engine.export_run import export
from segstudio.formats.found import (
    Fault,
    Found,
    FoundAnnotation,
    FoundCategory,
    FoundDataset,
    FoundImage,
)
from segstudio.formats.holding import LossKind
from segstudio.formats.label_maps.format import LabelMapsFormat, LabelMapsOptions
from segstudio.formats.label_maps.reading import LabelMapsImport, LabelMapsImportOptions
from segstudio.imaging.enclosed import union_of

CAMVID = Path(__file__).resolve().parents[4] / "shared" / "data" / "camvid"
READER, WRITER = LabelMapsImport(), LabelMapsFormat()
SIZE = (24, 36)


def save(pixels: np.ndarray, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def photo(path: Path) -> Path:
    return save(np.full((*SIZE, 3), 120, dtype=np.uint8), path)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as opened:
        return np.asarray(opened)


def of(found: list[Found], kind: type) -> list:  # type: ignore[type-arg]
    return [piece for piece in found if isinstance(piece, kind)]


def painted(found: list[Found], size: tuple[int, int] = SIZE) -> np.ndarray:
    """(H, W) what the annotations of a single image say, by category key; -1 where none does."""
    labels = np.full(size, -1)
    for piece in of(found, FoundAnnotation):
        labels[piece.mask(size).to_array()] = int(piece.category)
    return labels


def random_map(largest: int, dtype: type, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, largest + 1, (4, 6))
    return np.kron(coarse, np.ones((6, 6), dtype=int)).astype(dtype)


@pytest.mark.skipif(not CAMVID.is_dir(), reason="the reference data is not here")
def test_camvid_goes_in_and_out_equal_to_the_pixel(tmp_path: Path) -> None:
    source = tmp_path / "camvid"
    for split in ("train", "val"):
        for path in sorted((CAMVID / split).iterdir())[:2]:
            target = source / split / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
            label = f"{split}annot/{path.stem}.png"
            (source / label).parent.mkdir(exist_ok=True)
            (source / label).write_bytes((CAMVID / label).read_bytes())
    (source / "classes.txt").write_bytes((CAMVID / "classes.txt").read_bytes())

    assert READER.recognises(source)
    found = found_in(READER, source)
    assert [piece.name for piece in of(found, FoundCategory)][:3] == ["Sky", "Building", "Pole"]
    assert of(found, FoundCategory)[8].colour == "#400080"
    assert len(of(found, FoundCategory)) == 11  # the twelfth is void
    images = of(found, FoundImage)
    assert sorted({image.split for image in images}) == ["train", "val"]
    assert all(image.file is not None and image.file.suffix == ".jpg" for image in images)

    project = project_of(found, tmp_path / "photos", "label-maps")
    out = write(WRITER, project, tmp_path / "out")
    for image in images:
        before = pixels(source / f"{image.split}annot" / f"{Path(image.name).stem}.png")
        stem = image.name.removesuffix(".jpg").replace("/", "_")
        after = pixels(out / "labels" / image.split / f"{stem}.png")
        assert after.dtype == np.uint8
        np.testing.assert_array_equal(after, before)
    assert found_in(READER, out)[0] == found[0]
    again = project_of(found_in(READER, out), tmp_path / "again", "label-maps")
    masks = [{row.mask for row in item.all_annotations} for item in (project, again)]
    assert masks[0] == masks[1]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("layout", ["ids", "colours", "ade20k"])
def test_ids_of_both_depths_come_back_and_ids_of_nothing_too(
    tmp_path: Path, layout: str, dtype: type
) -> None:
    labels = random_map(5, dtype)
    labels[labels == 5] = 700 if dtype is np.uint16 else 200
    labels[3, 4] = 65_535 if dtype is np.uint16 else 255
    save(labels, tmp_path / "in" / "labels" / "a.png")
    photo(tmp_path / "in" / "images" / "a.jpg")
    rows = "".join(f"{number} class {number}\n" for number in np.unique(labels)[1:-1])
    (tmp_path / "in" / "classes.txt").write_text(rows)
    found = found_in(READER, tmp_path / "in")
    wanted = labels.astype(int)
    wanted[(labels == 0) | (labels == labels[3, 4])] = -1
    np.testing.assert_array_equal(painted(found), wanted)

    project = project_of(found, tmp_path / "photos", "label-maps")
    out = write(WRITER, project, tmp_path / "out", LabelMapsOptions(layout=layout))
    np.testing.assert_array_equal(painted(found_in(READER, out)), wanted)
    folder = "annotations" if layout == "ade20k" else "labels"
    after = pixels(out / folder / "images_a.png")
    if layout == "colours":
        assert after.shape == (*SIZE, 3)
    else:
        assert after.dtype == dtype
        np.testing.assert_array_equal(after, labels)


def test_new_categories_get_numbers_above_those_of_the_source_and_not_those_of_nothing(
    tmp_path: Path,
) -> None:
    save(random_map(2, np.uint8), tmp_path / "in" / "labels" / "a.png")
    (tmp_path / "in" / "classes.txt").write_text("0 sky\n1 road\n2 void\n")
    project = project_of(found_in(READER, tmp_path / "in"), tmp_path / "photos", "label-maps")
    bird = project.add_category("bird")
    mask = disc(SIZE, 8, 8, 3)
    project.annotate(project.all_images[0], bird, mask, z_order=9)
    out = write(WRITER, project, tmp_path / "out")
    table = (out / "categories.csv").read_text().splitlines()
    assert [row.split(",")[:2] for row in table[1:]] == [
        ["0", "sky"], ["1", "road"], ["2", "void"], ["3", "bird"],
    ]  # fmt: skip
    assert (pixels(out / "labels" / "a.png")[mask] == 3).all()


@pytest.mark.parametrize("layout", ["ids", "colours", "ade20k", "cityscapes"])
@pytest.mark.parametrize("images", [True, False])
def test_every_layout_comes_back_as_what_it_can_hold(
    tmp_path: Path, layout: str, images: bool
) -> None:
    project = photo_project(tmp_path / "photos")
    twin = replace(project.all_categories[1], id=4, name="twin")  # of the same colour
    project.all_categories.append(twin)
    project.annotate(project.all_images[1], twin, disc(project.all_images[1].size, 20, 20, 9))
    options = LabelMapsOptions(layout=layout, images=images)
    out = write(WRITER, project, tmp_path / "out", options)
    found = found_in(READER, out)
    assert not of(found, Fault)
    categories = {piece.key: piece for piece in of(found, FoundCategory)}
    assert [(row.name, row.supercategory, row.isthing) for row in categories.values()] == [
        (row.name, row.supercategory, row.isthing) for row in project.all_categories
    ]
    holding = WRITER.holding(project, options)
    by_name = {piece.name: piece for piece in of(found, FoundImage)}
    assert len(by_name) == 4
    for image in project.all_images[:4]:
        held = holding.image(image, project.annotations(image.id))
        piece = by_name[held.name]
        assert (piece.size, piece.split) == (image.size, image.split)
        assert (piece.file is not None) == images
        came = {
            (categories[row.category].name, row.iscrowd, row.mask(image.size))
            for row in of(found, FoundAnnotation)
            if row.image == piece.key
        }
        assert came == {(row.category, row.iscrowd, row.mask) for row in held.annotations}


def test_losses_are_named_with_their_pixels(tmp_path: Path) -> None:
    project = MemoryProject(tmp_path / "photos")
    sky, cat = project.add_category("sky", isthing=False), project.add_category("cat")
    image = project.add_photo("a.png", np.full((*SIZE, 3), 9, dtype=np.uint8))
    box = np.zeros(SIZE, dtype=bool)
    box[4:12, 4:12] = True
    wide = np.zeros(SIZE, dtype=bool)
    wide[:, :20] = True
    behind = project.annotate(image, sky, wide, z_order=0)
    under = project.annotate(image, sky, box, z_order=1)
    front = project.annotate(image, cat, box, z_order=2, iscrowd=True)
    apart = project.annotate(image, cat, np.roll(box, 15, axis=1), z_order=3)
    rows = project.annotations(image.id)

    held = WRITER.holding(project, LabelMapsOptions()).image(image, rows)
    assert [(loss.kind, loss.annotation_id, loss.pixels) for loss in held.losses] == [
        (LossKind.OVERLAP, behind.id, 64 + 8),
        (LossKind.COVERED, under.id, 64),
        (LossKind.INSTANCES, front.id, 0),
        (LossKind.CROWD, front.id, 0),
        (LossKind.INSTANCES, apart.id, 0),
    ]
    assert [row.ids for row in held.annotations] == [(behind.id,), (front.id, apart.id)]
    by_instance = LabelMapsOptions(layout="cityscapes")
    held = WRITER.holding(project, by_instance).image(image, rows)
    assert [(loss.kind, loss.annotation_id) for loss in held.losses] == [
        (LossKind.OVERLAP, behind.id),
        (LossKind.COVERED, under.id),
    ]
    assert [(row.ids, row.iscrowd) for row in held.annotations] == [
        ((behind.id,), False), ((front.id,), True), ((apart.id,), False),
    ]  # fmt: skip


def cityscapes(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """A small Cityscapes: road and sky, two cars, a group of cars, a licence of no use."""
    labels = np.full(SIZE, 7, dtype=np.uint8)
    labels[:6] = 23
    labels[20:] = 1  # the ego vehicle
    instances = labels.astype(np.uint16)
    for number, columns in enumerate((slice(2, 8), slice(8, 14))):
        labels[10:16, columns] = 26
        instances[10:16, columns] = 26_000 + number
    labels[10:16, 20:30] = 26
    instances[10:16, 20:30] = 26
    base = "aachen_000000_000019"
    maps = folder / "gtFine" / "train" / "aachen"
    save(labels, maps / f"{base}_gtFine_labelIds.png")
    save(instances, maps / f"{base}_gtFine_instanceIds.png")
    save(np.zeros((*SIZE, 3), dtype=np.uint8), maps / f"{base}_gtFine_color.png")
    photo(folder / "leftImg8bit" / "train" / "aachen" / f"{base}_leftImg8bit.png")
    return labels, instances


def test_cityscapes_is_read_object_by_object_and_written_as_it_was(tmp_path: Path) -> None:
    labels, instances = cityscapes(tmp_path / "in")
    assert READER.recognises(tmp_path / "in")
    found = found_in(READER, tmp_path / "in")
    (image,) = of(found, FoundImage)
    assert image.name == "leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png"
    assert (image.split, image.size) == ("train", SIZE)
    names = {piece.key: piece.name for piece in of(found, FoundCategory)}
    assert (names["26"], names["24"], len(names)) == ("car", "person", 30)
    came = [(names[row.category], row.iscrowd) for row in of(found, FoundAnnotation)]
    assert came == [
        ("road", False), ("sky", False), ("car", True), ("car", False), ("car", False),
    ]  # fmt: skip

    project = project_of(found, tmp_path / "photos", "label-maps")
    out = write(WRITER, project, tmp_path / "out", LabelMapsOptions(layout="cityscapes"))
    maps = out / "gtFine" / "train" / "aachen"
    for kind, before in (("labelIds", labels), ("instanceIds", instances)):
        np.testing.assert_array_equal(
            pixels(maps / f"aachen_000000_000019_gtFine_{kind}.png"), before
        )

    reader = Cityscapes(str(out), split="train", target_type=["semantic", "instance"])
    ((picture, (semantic, objects)),) = list(reader)
    assert picture.size == SIZE[::-1]
    np.testing.assert_array_equal(np.asarray(semantic), labels)
    np.testing.assert_array_equal(np.asarray(objects), instances)

    plain = found_in(READER, tmp_path / "in", LabelMapsImportOptions(objects="category"))
    cars = union_of([row.mask(SIZE) for row in of(plain, FoundAnnotation)
                     if row.category == "26"], SIZE)  # fmt: skip
    assert cars == Mask.from_array(labels == 26)


def test_a_thing_of_the_id_0_gets_another_where_objects_are_numbered(tmp_path: Path) -> None:
    save(random_map(2, np.uint8), tmp_path / "in" / "labels" / "a.png")
    (tmp_path / "in" / "classes.txt").write_text("0 car\n1 road\n2 void\n")
    project = project_of(found_in(READER, tmp_path / "in"), tmp_path / "photos", "label-maps")
    out = write(WRITER, project, tmp_path / "out", LabelMapsOptions(layout="cityscapes"))
    found = found_in(READER, out)
    assert [(row.key, row.name) for row in of(found, FoundCategory)] == [
        ("1", "road"),
        ("3", "car"),
    ]
    masks = {row.category: row.mask(SIZE) for row in of(found, FoundAnnotation)}
    assert set(masks.values()) == {row.mask for row in project.all_annotations}
    assert not any(row.iscrowd for row in of(found, FoundAnnotation))


def test_ade20k_is_read_with_its_own_table(tmp_path: Path) -> None:
    labels = random_map(3, np.uint8)
    save(labels, tmp_path / "annotations" / "validation" / "ADE_val_00000001.png")
    photo(tmp_path / "images" / "validation" / "ADE_val_00000001.jpg")
    (tmp_path / "objectInfo150.txt").write_text(
        "Idx\tRatio\tTrain\tVal\tStuff\tName\n"
        "1\t0.1576\t11664\t1172\t1\twall\t\t\t\n"
        "2\t0.1072\t6046\t612\t1\tbuilding, edifice\t\n"
        "3\t0.0332\t2423\t262\t0\tbed \t\n"
    )
    assert READER.recognises(tmp_path)
    found = found_in(READER, tmp_path)
    assert [(row.key, row.name, row.isthing) for row in of(found, FoundCategory)] == [
        ("1", "wall", False), ("2", "building, edifice", False), ("3", "bed", True),
    ]  # fmt: skip
    assert of(found, FoundImage)[0].split == "val"
    np.testing.assert_array_equal(painted(found), np.where(labels == 0, -1, labels.astype(int)))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colours_are_read_by_the_table(tmp_path: Path, mode: str) -> None:
    labels = random_map(3, np.uint8)
    colours = np.array([(0, 0, 0), (64, 128, 64), (192, 0, 128), (1, 2, 3)], dtype=np.uint8)
    (tmp_path / "labels").mkdir()
    if mode == "P":  # indices count there, whatever their colours
        image = Image.fromarray(labels)
        image.putpalette([9, 9, 9] * 256)
    else:
        image = Image.fromarray(colours[labels]).convert(mode)
    image.save(tmp_path / "labels" / "a.png")
    (tmp_path / "label_colors.txt").write_text(
        "0 0 0\tVoid\n64 128 64\tAnimal\n192 0 128\tArchway\n1 2 3\tSmall thing\n"
    )
    found = found_in(READER, tmp_path)
    assert [row.name for row in of(found, FoundCategory)] == ["Animal", "Archway", "Small thing"]
    np.testing.assert_array_equal(painted(found), np.where(labels == 0, -1, labels.astype(int)))


def test_connected_parts_become_annotations_of_their_own(tmp_path: Path) -> None:
    labels = np.zeros(SIZE, dtype=np.uint8)
    labels[2:6, 2:6] = labels[10:20, 10:30] = 4
    save(labels, tmp_path / "a.png")
    found = found_in(READER, tmp_path, LabelMapsImportOptions(objects="part"))
    assert [row.mask(SIZE).area for row in of(found, FoundAnnotation)] == [200, 16]
    assert [row.name for row in of(found, FoundCategory)] == ["class 4"]


def test_what_belongs_to_nothing_can_be_chosen(tmp_path: Path) -> None:
    save(random_map(3, np.uint8), tmp_path / "a.png")
    for ignore, kept in (("", {1, 2, 3}), ("none", {0, 1, 2, 3}), ("0, 2", {1, 3})):
        found = found_in(READER, tmp_path, LabelMapsImportOptions(ignore=ignore))
        assert {int(row.key) for row in of(found, FoundCategory)} == kept
    assert of(found, FoundDataset)[0].record["empty"] == 0
    with pytest.raises(BadInputError, match="numbers with commas"):
        found_in(READER, tmp_path, LabelMapsImportOptions(ignore="sky"))


def test_photos_are_found_where_the_layouts_have_them(tmp_path: Path) -> None:
    layouts = {
        "camvid": ("0001_L.png", "0001.png"),
        "beside": ("a.png", "a.jpg"),
        "segnet": ("trainannot/x.png", "train/x.png"),
        "mmseg": ("ann_dir/val/x.png", "img_dir/val/x.jpg"),
        "masks": ("masks/b/x_mask.png", "images/b/x.jpeg"),
        "deep": ("labels/train/x.png", "images/train/x.tif"),
    }
    for name, (label, image) in layouts.items():
        save(random_map(2, np.uint8), tmp_path / name / label)
        photo(tmp_path / name / image)
        found = of(found_in(READER, tmp_path / name), FoundImage)
        assert [(row.name, row.file) for row in found] == [(image, tmp_path / name / image)], name
    (tmp_path / "camvid" / "0001.png").unlink()
    (alone,) = of(found_in(READER, tmp_path / "camvid"), FoundImage)
    assert (alone.name, alone.also) == ("0001_L.png", ("0001.png",))


def test_an_id_that_the_table_lacks_is_a_fault_with_its_place(tmp_path: Path) -> None:
    labels = np.zeros(SIZE, dtype=np.uint8)
    labels[5:7, 9:11] = 37
    save(labels, tmp_path / "labels" / "a.png")
    save(np.ones(SIZE, dtype=np.uint8), tmp_path / "labels" / "b.png")
    (tmp_path / "classes.txt").write_text("0 void\n1 road\n")
    found = found_in(READER, tmp_path)
    (fault,) = of(found, Fault)
    assert str(fault.place) == "labels/a.png"
    assert fault.reason.startswith("The id 37, of 4 pixels, the first at (9, 5), is not in")
    assert [row.image for row in of(found, FoundAnnotation)] == ["labels/b"]
    save(np.full((*SIZE, 3), (1, 2, 3), dtype=np.uint8), tmp_path / "labels" / "a.png")
    (tmp_path / "classes.txt").write_text("0 void 0 0 0\n1 road 9 9 9\n")
    (fault,) = of(found_in(READER, tmp_path), Fault)
    assert "The colour (1, 2, 3), of 864 pixels, the first at (0, 0)" in fault.reason


def test_hostile_maps_are_faults_and_nothing_is_given_the_memory(tmp_path: Path) -> None:
    folder = tmp_path / "in" / "labels"
    save(random_map(2, np.uint8), folder / "good.png")
    data = (folder / "good.png").read_bytes()
    huge = (100_000).to_bytes(4, "big")
    (folder / "claim.png").write_bytes(data[:16] + huge + huge + data[24:])
    (folder / "cut.png").write_bytes(data[: len(data) // 2])
    (folder / "text.png").write_text("no picture")
    save(random_map(2, np.uint8), tmp_path / "outside.png")
    (folder / "link.png").symlink_to(tmp_path / "outside.png")
    found = found_in(READER, tmp_path / "in")
    assert sorted(fault.place.file for fault in of(found, Fault)) == [
        "labels/claim.png", "labels/cut.png", "labels/text.png",
    ]  # fmt: skip
    assert [image.key for image in of(found, FoundImage)] == ["labels/good"]
    for options in (
        LabelMapsImportOptions(maps="../in"),
        LabelMapsImportOptions(maps="nowhere"),
        LabelMapsImportOptions(table="../secret.txt"),
        LabelMapsImportOptions(table="/nowhere/at/all.txt"),
    ):
        with pytest.raises(BadInputError):
            found_in(READER, tmp_path / "in", options)
    with pytest.raises(BadInputError, match="choose the one"):
        found_in(READER, folder / "good.png")
    with pytest.raises(BadInputError, match="pixels and its image"):
        of(found, FoundAnnotation)[0].mask((5, 5))


def test_ids_of_nothing_that_instance_maps_have_no_room_for_are_left_out(tmp_path: Path) -> None:
    labels = random_map(2, np.uint16)
    labels[:3] = 65_535
    save(labels, tmp_path / "in" / "labels" / "a.png")
    project = project_of(found_in(READER, tmp_path / "in"), tmp_path / "photos", "label-maps")
    out = write(WRITER, project, tmp_path / "out", LabelMapsOptions(layout="cityscapes"))
    found = found_in(READER, out)
    assert not of(found, Fault)
    wanted = np.where((labels == 0) | (labels == 65_535), -1, labels.astype(int))
    np.testing.assert_array_equal(painted(found), wanted)


@pytest.mark.parametrize("layout", ["colours", "ade20k", "cityscapes"])
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_random_project_in_any_layout_is_proved(layout: str, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        project = data.draw(projects(Path(name) / "photos"))
        options = LabelMapsOptions(layout=layout, images=data.draw(st.booleans()))
        report = export("label-maps", project, Path(name) / "out", options)
    assert report.proof is not None
    assert report.proof.differences == ()


def test_more_things_than_an_instance_map_numbers_are_refused(tmp_path: Path) -> None:
    project = MemoryProject(tmp_path)
    for number in range(65):
        project.add_category(f"thing {number}")
    with pytest.raises(BadInputError, match="choose another layout"):
        WRITER.holding(project, LabelMapsOptions(layout="cityscapes"))
    WRITER.holding(project, LabelMapsOptions(layout="ids"))


def test_other_formats_are_not_taken_for_label_maps(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    photo(tmp_path / "photos" / "a.png")
    assert not READER.recognises(tmp_path / "photos")
    save(random_map(2, np.uint8), tmp_path / "voc" / "SegmentationClass" / "a.png")
    (tmp_path / "voc" / "labelmap.txt").write_text("a:1,2,3::\n")
    assert not READER.recognises(tmp_path / "voc")
    assert not READER.recognises(tmp_path / "missing")
