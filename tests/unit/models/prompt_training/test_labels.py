"""Labels drawn on photographs: atoms, packing, what is made of them and what is held out."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segstudio.models.prompt_training.labels import (
    atoms,
    labelled_names,
    main,
    make,
    pack,
    read_labels,
    unpack,
)
from segstudio.models.prompt_training.photo_cut_outs import cut
from segstudio.models.prompt_training.scene import (
    cut_out_lines,
    read_cut_out,
    read_scene,
    scene_lines,
)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two photos of 120 x 160: a red disc with a blue bar across it, on green."""
    folder = tmp_path / "photos"
    folder.mkdir()
    image = np.full((120, 160, 3), (40, 200, 40), np.uint8)
    cv2.circle(image, (80, 60), 40, (30, 30, 220), -1)
    image[55:65, 41:120] = (220, 40, 30)
    for name in ("000", "001"):
        cv2.imwrite(str(folder / f"{name}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 98])
    rows = [{"name": name, "sha256": name * 20, "size": [160, 120]} for name in ("000", "001")]
    (folder / "photos.json").write_text(json.dumps(rows))
    return folder


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """The disc with its bar, the bar as its part, and the grass."""
    disc = np.zeros((120, 160), np.uint8)
    cv2.circle(disc, (80, 60), 40, 255, -1)
    bar = np.zeros_like(disc)
    bar[55:65, 41:120] = 255
    masks = {"disc 1": (disc, "object"), "bar": (bar, "part"), "grass": (255 - disc, "region")}
    for name in ("000", "001"):
        folder = tmp_path / "labels" / name
        folder.mkdir(parents=True)
        index = {}
        for number, (called, (mask, kind)) in enumerate(masks.items()):
            cv2.imwrite(str(folder / f"{number}.png"), mask)
            index[called] = {"file": f"{number}.png", "kind": kind}
        (folder / "index.json").write_text(json.dumps(index))
    return tmp_path / "labels"


@given(st.integers(1, 40).flatmap(lambda n: hnp.arrays(bool, (n, 5, 6))))
def test_every_mask_is_the_union_of_its_atoms(masks: np.ndarray):
    ids, members = atoms(list(masks))
    assert np.array_equal(ids > 0, masks.any(0))
    for mask, numbers in zip(masks, members, strict=True):
        assert np.array_equal(np.isin(ids, numbers), mask)


def test_photos_become_scenes_and_cut_outs_without_those_held_out(
    labels: Path, photos: Path, tmp_path: Path
):
    assert make(labels, photos, tmp_path / "made", without=["000"]) == (1, 1)
    folder = tmp_path / "made" / "scenes_photos"
    (line,) = scene_lines(folder)
    scene = read_scene(folder, line)
    drawn = {label.name: label for label in read_labels(labels, "001")}
    assert line.name == "001"
    assert [target.kind for target in line.targets] == ["object", "part", "region"]
    for target, label in zip(line.targets, drawn.values(), strict=True):
        assert np.array_equal(scene.mask(target), label.mask)
    (cut_line,) = cut_out_lines(tmp_path / "made" / "cut_outs_photos")
    assert (cut_line.name, cut_line.subject) == ("001-00", "001-disc")
    cut_out = read_cut_out(tmp_path / "made" / "cut_outs_photos", cut_line)
    assert cut_out.parts is not None and np.unique(cut_out.parts).tolist() == [0, 1, 2]


def test_a_cut_out_has_no_rim_of_its_old_background(labels: Path, photos: Path):
    image = cv2.imread(str(photos / "000.jpg"))
    disc, bar, _grass = (label.mask for label in read_labels(labels, "000"))
    found = cut(image, disc, [bar])
    assert found is not None
    rgba, parts = found
    seen = rgba[..., 3] > 100
    assert (rgba[..., 1][seen] < 90).all()  # no green
    assert seen.sum() == pytest.approx(disc.sum(), rel=0.06)
    assert (parts == 2).sum() == pytest.approx(bar.sum(), rel=0.02)


def test_what_the_image_cuts_off_or_hardly_shows_is_not_cut_out():
    image = np.zeros((100, 100, 3), np.uint8)
    mask = np.zeros((100, 100), bool)
    mask[:60, 20:70] = True
    assert cut(image, mask, []) is None
    small = np.zeros_like(mask)
    small[40:50, 40:50] = True
    assert cut(image, small, []) is None
    assert cut(image, np.roll(mask, 20, axis=0), []) is not None


def test_packed_labels_unpack_to_what_they_were(labels: Path, photos: Path, tmp_path: Path):
    packed = pack(labels, photos)
    assert list(json.loads(packed)) == ["000" * 20, "001" * 20]
    assert unpack(packed, photos, tmp_path / "again") == ["000", "001"]
    for name in labelled_names(labels):
        for old, new in zip(
            read_labels(labels, name), read_labels(tmp_path / "again", name), strict=True
        ):
            assert (old.name, old.kind) == (new.name, new.kind)
            assert np.array_equal(old.mask, new.mask)
    main(["pack", str(tmp_path / "again"), str(photos), str(tmp_path / "packed.json")])
    assert (tmp_path / "packed.json").read_bytes() == packed


def test_a_mask_that_is_gone_is_named(labels: Path):
    (labels / "000" / "1.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"mask 1\.png of photo 000"):
        read_labels(labels, "000")
