"""Folders of label maps as label sets, written by hand and by the project's own export."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from segstudio.core.errors import BadInputError
from segstudio.core.progress import CancelToken
from segstudio.engine.evaluation import EvaluationOptions, evaluate
from segstudio.engine.label_map_folder import LabelMapFolder

IDS = np.array([[0, 1, 2, 3], [255, 2, 1, 0]], np.uint8)


def write(folder, name="a.png", ids=IDS):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(ids).save(path)
    return folder


def values(folder, **more):
    """The first image as names of categories; "-" for unlabelled."""
    with LabelMapFolder(folder, **more).opened(CancelToken()) as opened:
        rows = opened.categories
        labels = opened.read(opened.images[0]).labels
        return [["-" if v == 255 else rows[v].name for v in line] for line in labels.tolist()]


def nothings(folder, **more):
    with LabelMapFolder(folder, **more).opened(CancelToken()) as opened:
        return {row.name: row.nothing for row in opened.categories if row.nothing}


def test_without_a_table_ids_are_the_categories_and_255_is_void(tmp_path):
    folder = write(tmp_path / "maps")
    assert values(folder) == [["0", "1", "2", "3"], ["void", "2", "1", "0"]]
    assert values(folder, void=(2, 3))[0] == ["0", "1", "void", "void"]
    found = evaluate(LabelMapFolder(folder), LabelMapFolder(folder))
    assert [row.name for row in found.categories] == ["0", "1", "2", "3"]
    assert found.confusion.counts.shape == (4, 5)
    assert found.scores.miou == 1
    assert found.unlabelled == pytest.approx(1 / 8)


def test_a_table_names_the_ids_and_says_which_are_nothing(tmp_path):
    folder = write(tmp_path / "maps")
    (folder / "classes.txt").write_text("1 road 1 2 3\n2 car 9 9 9\n3 void 0 0 0\n")
    assert values(folder) == [["-", "road", "car", "void"], ["void", "car", "road", "-"]]
    assert nothings(folder) == {"void": "void"}
    (folder / "classes.txt").unlink()
    (folder / "categories.csv").write_text(
        "id,name,ignore\n0,background,1\n1,road,0\n2,car,\n3,Unlabelled,\n"
    )
    assert nothings(folder) == {
        "background": "unlabelled",
        "Unlabelled": "unlabelled",
        "void": "void",
    }
    other = tmp_path / "named.txt"
    other.write_text("sky\nroad\ncar\nvoid\n")
    assert values(folder, table=other)[0] == ["sky", "road", "car", "void"]


def test_what_one_table_ignores_and_the_other_names_is_a_category(tmp_path):
    model, truth = write(tmp_path / "model"), write(tmp_path / "truth")
    (model / "categories.csv").write_text("id,name,ignore\n0,background,1\n1,a,\n2,b,\n3,c,\n")
    (truth / "classes.txt").write_text("background\na\nb\nc\n")
    found = evaluate(LabelMapFolder(model), LabelMapFolder(truth))
    assert [(row.name, row.iou) for row in found.categories] == [
        ("background", 1),
        ("a", 1),
        ("b", 1),
        ("c", 1),
    ]
    swapped = evaluate(LabelMapFolder(truth), LabelMapFolder(model))
    assert swapped.scores.miou == 1


def test_void_stays_void_where_unlabelled_pixels_are_background(tmp_path):
    folder = write(tmp_path / "maps")
    (folder / "classes.txt").write_text("1 road\n2 car\n3 tree\n")
    found = evaluate(
        LabelMapFolder(folder), LabelMapFolder(folder), EvaluationOptions(unlabelled="background")
    )
    assert [row.pixels for row in found.categories] == [2, 2, 1, 2]
    assert found.categories[-1].name == "background"
    assert found.confusion.total == 7


def test_maps_of_colours_are_read_by_the_table(tmp_path):
    colours = np.array([[1, 2, 3], [9, 9, 9]], np.uint8)
    folder = write(tmp_path / "maps", ids=colours[np.array([[0, 1], [1, 0]])])
    (folder / "classes.txt").write_text("4 road 1 2 3\n7 car 9 9 9\n")
    assert values(folder) == [["road", "car"], ["car", "road"]]
    write(folder, ids=np.full((2, 2, 3), (5, 6, 7), np.uint8))
    with pytest.raises(BadInputError, match=r"a\.png has the colour \(5, 6, 7\)"):
        values(folder)


def test_maps_of_sixteen_bits_and_a_palette_are_read(tmp_path):
    deep = np.array([[300, 65535]], np.uint16)
    folder = write(tmp_path / "deep", ids=deep)
    (folder / "classes.txt").write_text("300 lamp\n")
    assert values(folder) == [["lamp", "void"]]
    palette = Image.fromarray(IDS)
    palette.putpalette(list(range(256)) * 3)
    (tmp_path / "palette").mkdir()
    palette.save(tmp_path / "palette" / "a.png")
    assert values(tmp_path / "palette")[0] == ["0", "1", "2", "3"]


def test_camvids_layout_is_read_with_its_splits(reference_data):
    with LabelMapFolder(reference_data / "camvid").opened(CancelToken()) as opened:
        splits = {image.split for image in opened.images}
        assert splits == {"train", "val", "test"}
        assert len(opened.images) == 701
        assert not opened.open_table
        assert [row.nothing for row in opened.categories].count("") == 11
        first = opened.read(opened.images[0])
    assert first.labels.shape == (360, 480)
    assert first.ids is None


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "none", "is no folder"),
        (lambda folder: folder, "holds no label map"),
        (lambda folder: write(folder, ids=np.full((2, 2), 254, np.uint8)), "the id 254"),
        (lambda folder: write(folder, ids=np.full((2, 2), 999, np.uint16)), "the id 999"),
    ],
)
def test_what_is_no_folder_of_label_maps_is_refused(tmp_path, make, words):
    with pytest.raises(BadInputError, match=words):
        values(make(tmp_path))


def test_an_id_that_the_table_has_not_leaves_the_image_out_with_a_sentence(tmp_path):
    folder = write(write(tmp_path / "maps"), "b.png", np.full((2, 4), 77, np.uint8))
    (folder / "classes.txt").write_text("1 road\n2 car\n3 tree\n")
    found = evaluate(LabelMapFolder(folder), LabelMapFolder(folder))
    assert [row.name for row in found.images] == ["a.png"]
    assert found.left_out[0].reason == (
        "b.png has the id 77, which is not in the table classes.txt."
    )


def test_a_table_of_too_many_categories_is_refused(tmp_path):
    folder = write(tmp_path / "maps")
    (folder / "classes.txt").write_text("".join(f"{n} c{n}\n" for n in range(300)))
    with pytest.raises(BadInputError, match="300 categories"):
        values(folder)
