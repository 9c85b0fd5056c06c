"""Flat cut-outs and photographs made ready: what is taken, what is left, run twice."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from segstudio.models.prompt_training.preparing import SIDE, main, shrunk, trimmed
from segstudio.models.prompt_training.scene import cut_out_lines, read_cut_out


def picture(side: int = 60, wide: int = 80) -> np.ndarray:
    """An ellipse on nothing, BGRA."""
    image = np.zeros((side, wide, 4), np.uint8)
    cv2.ellipse(
        image, (wide // 2, side // 2), (wide // 3, side // 3), 0, 0, 360, (9, 99, 199, 255), -1
    )
    return image


def test_a_picture_is_cropped_to_what_is_seen_and_made_no_longer_than_asked():
    large = trimmed(picture(900, 1200))
    assert large is not None
    assert max(large.shape) == SIDE
    small = trimmed(picture())
    assert small is not None
    assert small.shape == (41, 53, 4)


@pytest.mark.parametrize(
    "image",
    [
        None,
        np.zeros((60, 60, 4), np.uint8),
        np.full((60, 60, 3), 255, np.uint8),
        np.full((60, 60, 4), 255, np.uint8),
        np.pad(np.full((8, 90, 4), 255, np.uint8), ((20, 20), (0, 0), (0, 0))),
        np.hstack([picture(), picture()]),
    ],
    ids=["no picture", "empty", "no alpha", "full rectangle", "thin", "two things"],
)
def test_what_is_no_single_thing_is_left(image: np.ndarray | None):
    assert trimmed(image) is None


def test_colours_do_not_mix_with_what_cannot_be_seen():
    image = np.zeros((8, 8, 4), np.uint8)
    image[:, :3] = (10, 20, 200, 255)
    small = shrunk(image, 0.25)
    assert small[0, 0].tolist() == [10, 20, 200, 191]


def test_the_command_makes_the_same_folders_each_time(
    tmp_path: Path, capsys: pytest.CaptureFixture
):
    raw, photos, made = tmp_path / "raw", tmp_path / "photos", tmp_path / "made"
    files = {
        "openclipart-png/animals/cat.png": picture(),
        "openclipart-png/signs_and_symbols/stop.png": picture(),
        "fluent-emoji-3d/1f408.webp": picture(),
        "fluent-emoji-3d/1f44b-1f3fb.webp": picture(),
        "fluent-emoji-3d/0023-fe0f-20e3.webp": picture(),
        "fluent-emoji-3d/1f7e6.webp": picture(),
        "gcompris/fish_cutouts/ray.webp": np.hstack([picture(), picture()]),
    }
    for name, image in files.items():
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(raw / name), image, [cv2.IMWRITE_WEBP_QUALITY, 101])
    photos.mkdir()
    for name in ("000", "001"):
        cv2.imwrite(str(photos / f"{name}.jpg"), np.full((30, 1200, 3), 99, np.uint8))
    for _ in range(2):
        main([str(raw), str(photos), str(made), "--without", "001"])
        names = {
            kind: [line.name for line in cut_out_lines(made / f"cut_outs_{kind}")]
            for kind in ("clipart", "emoji", "fish")
        }
        assert names == {"clipart": ["00000"], "emoji": ["1f408"], "fish": ["raya", "rayb"]}
    (line,) = cut_out_lines(made / "cut_outs_emoji")
    cut_out = read_cut_out(made / "cut_outs_emoji", line)
    assert cut_out.rgba[20, 26].tolist() == [199, 99, 9, 255]
    sizes = [cv2.imread(str(path)).shape for path in sorted((made / "photos").rglob("*.jpg"))]
    assert sizes == [(26, 1024, 3), (13, 512, 3)]
    assert "cut_outs_emoji: 1" in capsys.readouterr().out
