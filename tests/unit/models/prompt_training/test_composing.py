"""Composed scenes: what is named is what is seen, the seed decides, what is held out stays out."""

from __future__ import annotations

from pathlib import Path

import made_data
import numpy as np
import pytest

from segstudio.models.prompt_training.assets import Assets, Piece
from segstudio.models.prompt_training.backgrounds import cropped
from segstudio.models.prompt_training.canvas import LEAST_AREA, MOST_SHARE, Canvas, seen_targets
from segstudio.models.prompt_training.composing import Composer, Mix
from segstudio.models.prompt_training.degrading import Degrading
from segstudio.models.prompt_training.pasting import Pose, paste, stamped
from segstudio.models.prompt_training.scene import Scene, Target, read_scene, scene_lines


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_data.write_everything(tmp_path_factory.mktemp("made"))


def same(one: Scene, other: Scene) -> bool:
    return (
        np.array_equal(one.image, other.image)
        and np.array_equal(one.ids, other.ids)
        and one.targets == other.targets
    )


def disc(kind: str = "drawn") -> Piece:
    """A white disc of two halves, 40 px."""
    y, x = np.mgrid[:40, :40] - 19.5
    inside = x**2 + y**2 < 19**2
    rgba = np.dstack([inside * 255] * 4).astype(np.uint8)
    return Piece(rgba, np.where(y < 0, 1, 2).astype(np.uint8) * inside, "disc", kind)


def test_the_seed_decides_every_sample(folder: Path):
    one, other = Composer(folder, 5), Composer(folder, 5)
    for size in ((128, 128), (128, 160), (200, 130)):
        assert same(one.sample(*size), other.sample(*size))
    assert not same(Composer(folder, 6).sample(128, 128), Composer(folder, 5).sample(128, 128))


def test_a_part_of_the_stream_does_not_depend_on_what_was_drawn_before(folder: Path):
    fresh, used = Composer(folder, 5, mebibytes=1), Composer(folder, 5, mebibytes=1)
    for _ in range(5):
        used.sample(128, 128)
    for composer in (fresh, used):
        composer.begin(9)
    assert all(same(fresh.sample(128, 128), used.sample(128, 128)) for _ in range(3))


@pytest.mark.parametrize("plain", [False, True])
def test_every_target_is_seen_large_enough_and_not_too_large(folder: Path, plain: bool):
    composer = Composer(folder, 1, plain=plain)
    kinds = set()
    for number in range(16):
        height, width = (128, 160) if number % 2 else (160, 128)
        scene = composer.sample(height, width)
        assert scene.image.shape == (height, width, 3) and scene.ids.shape == (height, width)
        assert scene.image.dtype == np.uint8 and scene.ids.dtype == np.uint16
        assert scene.targets
        for target in scene.targets:
            area = int(np.isin(scene.ids, target.ids).sum())
            assert LEAST_AREA <= area <= MOST_SHARE * scene.ids.size
            kinds.add(target.kind)
    assert kinds >= ({"object", "part"} if plain else {"object", "part", "region", "group"})


def test_a_folder_with_nothing_in_it_still_gives_scenes(tmp_path: Path):
    assert Composer(tmp_path, 0).sample(128, 128).targets


@pytest.mark.parametrize(
    "mix", [Mix(photos=1), Mix(photos=0, scenes=1), Mix(0, 0, shapes=1), Mix(0, 0, 0)]
)
def test_each_share_of_the_mix_gives_scenes(folder: Path, mix: Mix):
    composer = Composer(folder, 2, mix=mix)
    assert all(composer.sample(128, 128).targets for _ in range(3))


def test_held_out_photos_and_all_that_is_made_of_them_are_left_out(folder: Path):
    assets = Assets(folder, 0, without=["000"])
    photos = [path.stem for path in assets.photos] + [path.stem for path in assets.halves]
    assert photos == ["001", "002"] * 2
    assert [key.line.name for key in assets.pieces["photos"]] == ["001-00"]
    assert [key.line.name for key in assets.scenes["photos"]] == ["001"]
    assert len(Assets(folder, 0).photos) == 3


def test_what_is_pasted_plainly_is_named_where_it_is_seen(tmp_path: Path):
    made_data.write_cut_outs(tmp_path, "clipart", ["sun", "hat"])
    made_data.write_photos(tmp_path, {"000": 20})
    composer = Composer(tmp_path, 3, plain=True)
    for _ in range(6):
        scene = composer.sample(160, 160)
        seen = (np.abs(scene.image.astype(int) - 20) > 60).any(2)
        named = scene.ids > 0
        assert (seen ^ named).sum() <= 0.04 * named.sum() + 12  # the discs' soft edges


def test_a_stamp_lies_where_its_pose_says():
    piece = disc()
    stamp = stamped(piece, Pose(size=40, x=70, y=50), (100, 120))
    assert stamp is not None
    alpha = np.zeros((100, 120), np.float32)
    alpha[stamp.window] = stamp.alpha
    expected = np.zeros((100, 120), np.float32)
    expected[30:70, 50:90] = piece.rgba[..., 3] / 255
    np.testing.assert_allclose(alpha, expected, atol=1 / 64)


def test_a_small_turned_stamp_keeps_its_middle_and_area():
    stamp = stamped(disc(), Pose(size=16, x=33.3, y=28.6, angle=0.7, mirrored=True), (64, 64))
    assert stamp is not None
    rows, columns = np.mgrid[stamp.window]
    weight = stamp.alpha.sum()
    assert ((columns + 0.5) * stamp.alpha).sum() / weight == pytest.approx(33.3, abs=0.15)
    assert ((rows + 0.5) * stamp.alpha).sum() / weight == pytest.approx(28.6, abs=0.15)
    assert weight == pytest.approx(np.pi * (19 * 16 / 40) ** 2, rel=0.05)


def test_a_piece_beyond_the_border_gives_no_stamp():
    assert stamped(disc(), Pose(size=20, x=200, y=20), (64, 64)) is None


def test_parts_are_named_apart_and_what_is_covered_is_no_target():
    canvas = Canvas(np.zeros((64, 64, 3), np.float32))
    for size in (20, 50):
        stamp = stamped(disc(), Pose(size=size, x=32, y=32), canvas.size)
        assert stamp is not None
        ids = paste(canvas, stamp)
        assert len(ids) == 2
        canvas.add(ids, "object")
    scene = canvas.scene()
    assert [target.ids for target in scene.targets] == [(3, 4)]
    assert np.unique(scene.ids[:31][scene.ids[:31] > 0]).tolist() == [3]
    assert (scene.image[scene.ids > 0] > 120).all()


def test_targets_of_one_and_the_same_mask_are_listed_once():
    ids = np.zeros((20, 20), np.uint16)
    ids[:10, :10] = 1
    ids[0, 15:] = 2
    listed = [Target((1, 7)), Target((1,), "part"), Target((2,)), Target((1, 2), "group")]
    assert seen_targets(ids, listed) == (Target((1,)), Target((1, 2), "group"))


def test_a_crop_of_a_scene_takes_ids_and_pixels_alike(folder: Path):
    rng = np.random.default_rng(0)
    scene = read_scene(folder / "scenes_3d", next(scene_lines(folder / "scenes_3d")))
    colours = {int(n): scene.image[scene.ids == n][0].astype(int) for n in np.unique(scene.ids)}
    for _ in range(10):
        canvas = cropped(rng, scene, 70, 90)
        off = np.zeros((70, 90))
        for number, colour in colours.items():
            wrong = np.abs(canvas.image - colour).max(2)
            off = np.where(canvas.ids == number, wrong, off)
        edges = np.abs(np.diff(canvas.ids.astype(int), axis=0)).astype(bool).sum()
        edges += np.abs(np.diff(canvas.ids.astype(int), axis=1)).astype(bool).sum()
        assert (off > 40).sum() <= 2 * edges


def test_degrading_moves_nothing():
    degrading, rng = Degrading(0), np.random.default_rng(0)
    image = np.full((96, 96, 3), 30, np.uint8)
    image[36:60, 30:54] = 220
    for _ in range(25):
        out = degrading(rng, image)
        assert out.shape == image.shape and out.dtype == np.uint8
        light = out.astype(float).mean(2)
        light = np.where(light > (light.max() + light.min()) / 2, 1.0, 0.0)
        rows, columns = np.nonzero(light)
        assert np.median(rows) == pytest.approx(47.5, abs=1)
        assert np.median(columns) == pytest.approx(41.5, abs=1)
