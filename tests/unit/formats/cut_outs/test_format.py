"""Cut-outs, read back with Pillow and compared with numpy on full arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_project import MemoryProject, disc, photo_project
from PIL import Image

from segstudio.core.errors import BadInputError, Cancelled
from segstudio.core.image import ImageState
from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken, Progress, ignore_progress
from segstudio.formats.contract import ExportReport
from segstudio.formats.cut_outs.format import INDEX, CutOutsFormat, CutOutsOptions, cut_out
from segstudio.imaging import read


@pytest.fixture
def project(tmp_path: Path) -> MemoryProject:
    return photo_project(tmp_path / "photos")


def write(view: MemoryProject, folder: Path, **options: Any) -> ExportReport:
    folder.mkdir()
    chosen = CutOutsOptions(**options)
    return CutOutsFormat().write(view, folder, chosen, ignore_progress, CancelToken())


def index(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((folder / INDEX).read_text("utf-8"))["cut_outs"]
    return rows


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))


@pytest.mark.parametrize("margin", [0, 7])
def test_every_cut_out_is_the_photo_where_the_mask_is_and_nothing_elsewhere(
    project: MemoryProject, tmp_path: Path, margin: int
) -> None:
    write(project, tmp_path / "out", margin=margin)
    rows = index(tmp_path / "out")
    assert [row["file"] for row in sorted(rows, key=lambda row: str(row["file"]))] == files(
        tmp_path / "out"
    )
    images = {image.path: image for image in project.all_images}
    masks = {row.id: row.mask for row in project.all_annotations}
    assert {row["annotation"] for row in rows} == set(masks)
    for row in rows:
        with Image.open(tmp_path / "out" / row["file"]) as opened:
            assert opened.mode == "RGBA"
            found = np.asarray(opened)
        photo = read.read_image(project.image_path(images[row["image"]])).pixels
        full = masks[row["annotation"]].to_array()
        ys, xs = np.nonzero(full)
        x0, y0 = max(0, xs.min() - margin), max(0, ys.min() - margin)
        x1, y1 = (
            min(full.shape[1], xs.max() + 1 + margin),
            min(full.shape[0], ys.max() + 1 + margin),
        )
        assert row["box"] == [x0, y0, x1, y1]
        wanted = np.dstack((photo * full[:, :, None], full * np.uint8(255)))[y0:y1, x0:x1]
        assert np.array_equal(found, wanted)


def test_a_hole_in_a_mask_is_a_transparent_hole(project: MemoryProject, tmp_path: Path) -> None:
    ring = next(row for row in project.all_annotations if row.model_key == "graph_cut")
    write(project, tmp_path / "out", objects=str(ring.id))
    [row] = index(tmp_path / "out")
    with Image.open(tmp_path / "out" / row["file"]) as opened:
        pixels = np.asarray(opened)
    x0, y0, _, _ = row["box"]
    assert pixels[62 - y0, 75 - x0].tolist() == [0, 0, 0, 0]
    assert pixels[62 - y0, 75 - 25 - x0, 3] == 255


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_mask_and_margin_agree_with_numpy_on_full_arrays(data: st.DataObject) -> None:
    height, width = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    full = rng.random((height, width)) < data.draw(st.sampled_from([0.1, 0.5, 1.0]))
    full[rng.integers(height), rng.integers(width)] = True
    photo = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    margin = data.draw(st.integers(0, 12))
    found, (x0, y0, x1, y1) = cut_out(photo, Mask.from_array(full), margin)
    whole = np.zeros((height, width, 4), dtype=np.uint8)
    whole[y0:y1, x0:x1] = found
    assert np.array_equal(whole[:, :, 3] == 255, full)
    assert np.array_equal(whole[full][:, :3], photo[full])
    assert not whole[~full].any()
    ys, xs = np.nonzero(full)
    assert x0 == max(0, xs.min() - margin)
    assert y1 == min(height, ys.max() + 1 + margin)


def test_each_photo_is_read_once_and_only_if_something_is_cut_out_of_it(
    project: MemoryProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def counted(path: Path, folder: Path) -> object:
        assert folder.name == "pixels"
        seen.append(path.name)
        return read.read_image(path)

    monkeypatch.setattr("segstudio.formats.image_files.open_image", counted)
    write(project, tmp_path / "out")
    assert sorted(seen) == ["astronaut.png", "chelsea.jpg", "turned.jpg"]


def test_named_objects_alone_are_cut_out_also_of_a_rejected_image(
    project: MemoryProject, tmp_path: Path
) -> None:
    first, _, _, fourth, *_ = project.all_annotations
    project.change_image(project.all_images[0], state=ImageState.REJECTED)
    done = write(project, tmp_path / "out", objects=f" {first.id}, {fourth.id} ")
    assert (done.images, done.annotations, done.skipped) == (2, 2, ())
    assert [row["annotation"] for row in index(tmp_path / "out")] == [first.id, fourth.id]
    with pytest.raises(BadInputError, match="no annotation 999"):
        write(project, tmp_path / "other", objects=f"{first.id},999")
    with pytest.raises(BadInputError, match="numbers with commas"):
        write(project, tmp_path / "third", objects="cat")
    for digits in (19, 5000):  # more than a project file can hold, and than Python reads
        with pytest.raises(BadInputError, match="No annotation has a number as long"):
            write(project, tmp_path / str(digits), objects="9" * digits)


def test_a_photo_that_is_gone_is_left_out_and_named(project: MemoryProject, tmp_path: Path) -> None:
    (project.folder / "astronaut.png").unlink()
    done = write(project, tmp_path / "out")
    assert (done.images, done.annotations) == (3, 4)
    assert any(item.path == "astronaut.png" and "no file" in item.reason for item in done.skipped)


@pytest.mark.parametrize("folders", ["image", "category", "none"])
def test_hostile_and_equal_names_give_safe_files_of_their_own(tmp_path: Path, folders: str) -> None:
    project = MemoryProject(tmp_path / "photos")
    names = ["../up", "a b", "a_b", "A B", "con", "x" * 300, "木/é\n", "."]
    for name in names:
        project.add_category(name)
    for place in ("q/x.png", "q_x.png", "cut-outs.json.png"):
        photo = project.add_photo(place, np.full((12, 16, 3), 90, dtype=np.uint8))
        for category in project.all_categories:
            project.annotate(photo, category, disc(photo.size, 8, 6, 4))
    write(project, tmp_path / "out", folders=folders)
    found = files(tmp_path / "out")
    assert len({name.casefold() for name in found}) == len(found) == 3 * len(names)
    for name in found:
        assert all(
            len(part.encode()) <= 255 and part not in {"..", "con"} for part in name.split("/")
        )
    depth = 2 if folders == "none" else 3
    assert {len(name.split("/")) for name in found} == {depth}
    if folders == "category":  # no two categories share a folder
        assert len({name.split("/")[1].casefold() for name in found}) == len(names)


def test_it_can_be_cancelled_between_two_objects_of_one_image(
    project: MemoryProject, tmp_path: Path
) -> None:
    token, told = CancelToken(), []

    def report(progress: Progress) -> None:
        told.append(progress)
        token.cancel()

    (tmp_path / "out").mkdir()
    with pytest.raises(Cancelled):
        CutOutsFormat().write(project, tmp_path / "out", CutOutsOptions(), report, token)
    assert len(told) == 1
    assert files(tmp_path / "out") == []
