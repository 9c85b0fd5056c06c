"""`segstudio evaluate` on label maps, projects, and parts of one project."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from labelled_project import LabelledProject
from PIL import Image
from sklearn.metrics import jaccard_score

from segstudio.cli.command_line import main
from segstudio.core.annotation import Stage
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageState
from segstudio.engine.named_label_sets import SetName
from segstudio.store.project import ProjectStore


def evaluated(capsys, *arguments):
    assert main(["evaluate", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def folders(tmp_path):
    rng = np.random.default_rng(2)
    found = []
    for name in ("said", "true"):
        folder = tmp_path / name
        folder.mkdir()
        for number in range(3):
            ids = rng.choice([0, 1, 2, 255] if name == "true" else [0, 1, 2], (20, 30))
            Image.fromarray(ids.astype(np.uint8)).save(folder / f"{number}.png")
        found.append(folder)
    return found


@pytest.fixture
def project(tmp_path):
    made = LabelledProject.make(tmp_path / "street.segstudio")
    made.draw(0, "road", (0, 0, 60, 20), stage=Stage.ASSISTED)
    made.draw(0, "road", (0, 0, 60, 10), stage=Stage.AUTOMATIC, model_key="unet", predicted_iou=0.5)
    made.draw(1, "car", (0, 0, 9, 9), stage=Stage.ASSISTED)
    made.mark(1, ImageState.LABELLED, "test")
    made.store.close()
    return made.store.path


def test_label_maps_score_as_scikit_learn_says(folders, capsys):
    data = evaluated(capsys, *folders)
    both = [
        np.concatenate([np.asarray(Image.open(f)).ravel() for f in sorted(folder.iterdir())])
        for folder in folders
    ]
    kept = both[1] != 255
    expected = jaccard_score(both[1][kept], both[0][kept], average=None)
    assert [row["iou"] for row in data["per_category"]] == pytest.approx(expected)
    assert data["miou"] == pytest.approx(expected.mean())
    assert data["pixel_accuracy"] == pytest.approx((both[0] == both[1])[kept].mean())
    assert 0 < data["mean_dice"] < 1
    assert 0 < data["boundary_iou"] < 1
    assert 0 < data["trimap_iou"] < 1
    assert (data["pq"], data["ap"], data["images"]) == (None, None, 3)
    assert "per_image" not in data


def test_rows_of_images_come_when_asked_for_those_that_differ_most_first(folders, capsys):
    data = evaluated(capsys, *folders, "--per-image")
    rows = data["per_image"]
    assert len(rows) == 3
    shares = [row["disagreement"] for row in rows]
    assert shares == sorted(shares, reverse=True)
    x0, y0, x1, y1 = rows[0]["box"]
    assert 0 <= x0 < x1 <= 30
    assert 0 <= y0 < y1 <= 20
    assert {rows[0]["box_truth"], rows[0]["box_predicted"]} <= {"0", "1", "2"}


def test_the_confusion_matrix_is_written_as_table_and_picture(folders, tmp_path, capsys):
    table, picture = tmp_path / "out" / "c.csv", tmp_path / "out" / "c.png"
    data = evaluated(capsys, *folders, "--confusion-csv", table, "--confusion-png", picture)
    with table.open(newline="") as file:
        rows = list(csv.reader(file))
    assert [[int(cell) for cell in row[1:]] for row in rows[1:]] == data["confusion"]
    assert Image.open(picture).size[0] > 200
    with pytest.raises(BadInputError, match=r"must end with \.png"):
        main(["evaluate", *map(str, folders), "--confusion-png", "c.jpg"])


def test_curves_are_written_as_a_table_and_why_there_are_none_is_said(
    project, folders, tmp_path, capsys
):
    store = ProjectStore.open(project)
    made = LabelledProject(store, {row.name: row for row in store.categories()})
    for at, (place, score) in enumerate([((0, 0, 9, 9), 0.75), ((20, 0, 29, 9), 0.5)]):
        made.draw(1, "car", place, stage=Stage.AUTOMATIC, model_key=f"m{at}", predicted_iou=score)
    store.close()
    table = tmp_path / "curves.csv"
    sets = f"{project}:stage=automatic", ":stage=assisted"
    data = evaluated(capsys, *sets, "--curves", table)
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["category", "kind", "threshold", "recall", "precision"]
    kinds = ["masks@.50", "masks@.75", "masks@[.50:.95]"]
    assert [(one["category"], one["kind"]) for one in data["curves"]] == [("car", k) for k in kinds]
    first = [row for row in rows if row["kind"] == kinds[0]]
    curve = data["curves"][0]
    for name in ("threshold", "recall", "precision"):
        assert [float(row[name]) for row in first] == pytest.approx(curve[name], abs=1e-5)
    assert set(curve["threshold"]) == {0.75}
    assert np.mean(curve["precision"]) == pytest.approx(curve["ap"]) == pytest.approx(1)
    assert "curves" not in evaluated(capsys, *sets)
    assert main(["evaluate", *map(str, folders), "--curves", str(table)]) == 0
    assert "neither objects with scores nor pixels with confidence" in capsys.readouterr().out
    assert table.read_text() == "category,kind,threshold,recall,precision\n"


def test_ids_to_ignore_and_a_table_may_be_given(folders, tmp_path, capsys):
    table = tmp_path / "classes.txt"
    table.write_text("sky\nroad\ncar\n")
    data = evaluated(capsys, *folders, "--classes", table, "--ignore", "2")
    assert [row["name"] for row in data["per_category"]] == ["sky", "road"]
    (folders[1] / "classes.txt").write_text("sky\nroad\ncar\n")
    assert [row["name"] for row in evaluated(capsys, *folders)["per_category"]] == [
        "sky",
        "road",
        "car",
    ]


def test_parts_of_a_project_compare(project, capsys):
    data = evaluated(capsys, f"{project}:model=unet", ":stage=assisted", "--missing", "wrong")
    by_name = {row["name"]: row for row in data["per_category"]}
    assert by_name["road"]["iou"] == 0.5
    assert by_name["car"]["iou"] == 0
    assert data["left_out"] == []
    assert data["truth"] == ":stage=assisted"
    left = evaluated(capsys, f"{project}:model=unet", ":stage=assisted")
    assert [row["image"] for row in left["left_out"]] == ["street/2.jpg"]
    whole = evaluated(capsys, project, project, "--split", "test")
    assert (whole["images"], whole["pq"], whole["miou"]) == (1, 1, 1)
    assert whole["ap"] == whole["coco"]["ap"] == pytest.approx(1)


def test_text_is_for_people(project, capsys):
    assert main(["evaluate", f"{project}:model=unet", ":stage=assisted", "--per-image"]) == 0
    text = capsys.readouterr().out
    assert "mIoU                                   50.0" in text
    assert "trimap IoU (3 px each side)" in text
    assert "road" in text
    assert "street/1.jpg  most at x 0-60, y 10-20" in text
    assert "1 images left out" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("{folder}", "{none}"), "no project and no folder"),
        (("{folder}:stage=assisted", "{folder}"), "label maps, which have no stage"),
        (("{project}:stage=late", "{project}"), "no stage"),
        (("{project}", "{folder}"), "no table that names its categories"),
        (("{map}", "{folder}"), "neither a project"),
    ],
)
def test_what_cannot_be_compared_is_said_in_a_sentence(
    arguments, words, folders, project, tmp_path
):
    places = {
        "folder": folders[0],
        "none": tmp_path / "none",
        "project": project,
        "map": folders[0] / "0.png",
    }
    with pytest.raises(BadInputError, match=words):
        main(["evaluate", *(text.format(**places) for text in arguments)])


@pytest.mark.parametrize(
    "flags", [("--ignore", "a"), ("--trimap-width", "0"), ("--boundary-share", "2")]
)
def test_wrong_flags_are_wrong_usage(folders, flags, capsys):
    with pytest.raises(SystemExit) as left:
        main(["evaluate", *map(str, folders), *flags])
    assert left.value.code == 2


def test_a_name_that_looks_like_a_filter_is_a_path_where_it_is_there(tmp_path):
    odd = tmp_path / "maps:stage=assisted"
    odd.mkdir()
    assert SetName.read(str(odd)).folder == odd
    with pytest.raises(BadInputError, match="no folder"):
        SetName.read(f"{tmp_path / 'gone'}:stage=assisted")
