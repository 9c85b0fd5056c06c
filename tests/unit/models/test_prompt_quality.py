"""The benchmark of prompt models (tests/benchmarks/prompt_quality.py), on made-up photos."""

from __future__ import annotations

import json
from itertools import chain, combinations
from pathlib import Path

import cv2
import numpy as np
import prompt_quality
import pytest
from prompt_figures import answer_to
from prompt_rows import Answer, Row, RowFile, measured
from prompt_segmenters import SIMPLE, BestSuperpixels, ClickedSuperpixels
from prompt_targets import Target, deepest, iou, next_click, targets, thinned

from segstudio.core.image import RgbImage
from segstudio.core.mask import Mask
from segstudio.core.prompt import Prompt
from segstudio.models.registry import prompt_model

SIZE = 60, 80


def disc(x: float, y: float, radius: float) -> np.ndarray:
    ys, xs = np.mgrid[: SIZE[0], : SIZE[1]]
    return (xs + 0.5 - x) ** 2 + (ys + 0.5 - y) ** 2 <= radius**2


def photo(mask: np.ndarray, path: Path) -> None:
    pixels = np.where(mask[..., None], (30, 60, 220), (90, 160, 60)).astype(np.uint8)
    cv2.imwrite(str(path), pixels + np.random.default_rng(0).integers(0, 9, pixels.shape, np.uint8))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """One COCO photo with a disc (and what is no target), one BSDS photo of two annotators."""
    coco, bsds = tmp_path / "coco_instances", tmp_path / "bsds" / "val"
    for folder in (coco / "annotations", coco / "train2017", coco / "val2017", bsds):
        folder.mkdir(parents=True)
    mask = disc(30, 30, 20)
    photo(mask, coco / "val2017" / "a.png")
    outline, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    polygon = [(outline[0].reshape(-1, 2) + 0.5).ravel().tolist()]
    image = {"id": 1, "file_name": "a.png", "height": SIZE[0], "width": SIZE[1]}
    rows = [
        {"id": 7, "image_id": 1, "segmentation": polygon, "iscrowd": 0},
        {"id": 8, "image_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9, 1, 9]], "iscrowd": 0},
        {"id": 9, "image_id": 1, "segmentation": polygon, "iscrowd": 1},
    ]
    for split, entries in (("train2017", []), ("val2017", rows)):
        content = {"images": [image], "annotations": entries}
        (coco / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
    photo(disc(50, 30, 15), bsds / "b.jpg")
    narrow, wide = 1 + disc(50, 30, 15), 1 + disc(50, 30, 18)
    narrow[0, 0] = 3  # less than one per cent
    np.savez(bsds / "b.npz", segmentations=np.stack([narrow, wide]).astype(np.uint16))
    return tmp_path


def test_targets_are_large_objects_and_segments_with_what_others_drew_around_the_click(
    data: Path,
) -> None:
    found = {target.key: target for target in targets(data)}
    assert set(found) == {"coco/val2017/7", "bsds/b/1/1", "bsds/b/1/2"}
    assert iou(found["coco/val2017/7"].truth.to_array(), disc(30, 30, 20)) > 0.95
    assert found["coco/val2017/7"].others == ()
    inner = found["bsds/b/1/2"]
    assert inner.others == (Mask.from_array(disc(50, 30, 15)),)
    assert inner.first_click == pytest.approx((50, 30), abs=1.5)
    assert len(targets(data, (0, 1))) == 1
    assert [target.dataset for target in thinned(targets(data), 2)] == ["bsds", "coco"]


def test_a_click_lies_where_the_largest_error_is_deepest() -> None:
    truth = disc(25, 30, 15) | disc(70, 10, 4)
    found = deepest(truth)
    assert found is not None
    (x, y), area = found
    inside = np.argwhere(truth) + 0.5
    outside = np.argwhere(~truth) + 0.5
    depth = np.sqrt(((inside[:, None] - outside[None]) ** 2).sum(-1)).min(1)
    own = depth[(inside == (y, x)).all(1)][0]
    assert own >= 0.97 * depth.max()  # the distance transform is OpenCV's approximate one
    assert area == disc(25, 30, 15).sum()
    assert next_click(truth, truth) is None
    assert next_click(truth, disc(70, 10, 4)) == (found[0], 1)
    added = next_click(disc(70, 10, 4), truth)
    assert added == (found[0], 0)
    assert deepest(np.zeros(SIZE, bool)) is None
    assert deepest(np.ones((5, 5), bool)) == ((2.5, 2.5), 25)  # the edge is a border as well


class Scripted:
    """Answers with ever larger discs around the truth's middle; the second mask is perfect."""

    key, clicks, boxes, promises = "scripted", 20, True, True

    def __init__(self) -> None:
        self.asked: list[Prompt] = []

    def look(self, image: RgbImage) -> float:
        assert image.size == SIZE
        return 1.0

    def answer(
        self, prompt: Prompt, truth: np.ndarray
    ) -> tuple[list[np.ndarray], list[float], float]:
        self.asked.append(prompt)
        radius = 2 * len(prompt.points) or 18
        return [disc(30, 30, radius), truth], [0.9, 0.2], 0.5


def made_target(folder: Path) -> Target:
    path = folder / "photo.png"
    photo(disc(30, 30, 20), path)
    other = Mask.from_array(disc(30, 30, 10))
    return Target("one", "coco", path, Mask.from_array(disc(30, 30, 20)), (other,))


def test_the_chosen_mask_decides_the_next_click_until_it_is_good(tmp_path: Path) -> None:
    model = Scripted()
    (row,) = measured(model, [made_target(tmp_path)], prior=False)
    # 0.85 of the area is a radius of 18.4: the tenth disc is the first one as large.
    assert len(row.clicks) == 10
    for count, answer in enumerate(row.clicks, 1):
        area = disc(30, 30, 2 * count).sum()
        assert answer.drawn == pytest.approx((area / disc(30, 30, 20).sum(), 1), abs=1e-5)
        assert answer.chosen == 0
    assert row.clicks[4].any[0] == 1
    assert row.box is not None
    assert [len(prompt.points) for prompt in model.asked] == [*range(1, 11), 0]
    assert model.asked[-1].box == (10, 10, 50, 50)
    assert all(prompt.prior is None for prompt in model.asked)
    (again,) = measured(model, [made_target(tmp_path)], prior=True)
    assert again.clicks == row.clicks
    assert model.asked[13].prior == Mask.from_array(disc(30, 30, 4))


def row(image: str, sel: float, promise: float, clicks: int = 1, most: int = 20) -> Row:
    answer = Answer(0, (promise, 0.1), (sel, 0.95), (sel, 0.95), 0.5)
    return Row(image + str(sel), "coco", image, 0.02, most, (answer,) * clicks, answer, 2.0)


def test_figures_are_means_over_objects_and_ranks_over_answers() -> None:
    rows = [row("a", 0.2, 0.3), row("a", 0.4, 0.5), row("b", 0.9, 0.4)]
    found = prompt_quality.figures(rows)
    sel = found["iou"]["drawn"]["sel"]["3"]
    assert sel["mean"] == pytest.approx(0.5)
    # Resampled photos: twice a, both, or twice b.
    assert (sel["low"], sel["high"]) == (pytest.approx(0.3), pytest.approx(0.9))
    assert found["iou"]["drawn"]["best"]["box"]["mean"] == pytest.approx(0.95)
    assert found["noc"]["mean"] == pytest.approx((20 + 20 + 1) / 3)
    assert found["noc"]["never"] == 2
    assert found["promise"]["chosen"]["spearman"] == pytest.approx(0.5)
    assert found["promise"]["chosen"]["calibration_error"] == pytest.approx(0.7 / 3)
    assert found["promise"]["best_was_chosen"] == 0
    assert [size["objects"] for size in found["sizes"]] == [0, 3, 0, 0]
    assert prompt_quality.figures([row("a", 0.2, 0.3, most=5)])["noc"] is None
    gap = prompt_quality.difference(rows, [row("b", 0.9, 0.4), row("a", 0.2, 0.3)])
    assert (gap["1"]["mean"], gap["1"]["n"]) == (0, 2)


def test_the_best_union_of_superpixels_is_the_best_of_all_unions() -> None:
    truth = disc(33, 28, 17)
    ys, xs = np.mgrid[: SIZE[0], : SIZE[1]]
    labels = ys // 24 + 3 * ((xs + ys) // 36)
    bound, clicked = BestSuperpixels("best", 8), ClickedSuperpixels("clicked", 8)
    bound._labels = clicked._labels = labels = np.unique(labels, return_inverse=True)[1]
    middles = {}
    for label in range(int(labels.max()) + 1):
        found = deepest(labels == label)
        assert found is not None
        middles[label] = found[0]
    unions = chain.from_iterable(combinations(middles, n) for n in range(1, len(middles) + 1))
    best = 0.0
    for union in unions:
        prompt = Prompt(tuple(middles[label] for label in union), (1,) * len(union))
        best = max(best, iou(clicked.mask(prompt, truth), truth))
    assert len(middles) > 3
    assert iou(bound.mask(Prompt(), truth), truth) == pytest.approx(best)


def test_simple_means_fill_the_box(tmp_path: Path) -> None:
    target = made_target(tmp_path)
    boxes = {
        name: measured(SIMPLE[name](), [target], False)[0].box for name in ("box_filled", "ellipse")
    }
    assert boxes["box_filled"] is not None
    assert boxes["box_filled"].drawn[0] == pytest.approx(np.pi / 4, abs=0.02)
    assert boxes["ellipse"] is not None
    assert boxes["ellipse"].drawn[0] > 0.99


def test_a_model_is_measured_once_and_goes_on_where_it_stopped(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, figures = tmp_path / "kept" / "rows.jsonl", tmp_path / "figures.json"
    command = ["--data", str(data), "--rows", str(rows), "--json", str(figures), "--clicks", "5"]
    command += ["--beside", "ellipse", "box_filled"]
    prompt_quality.main(command)
    first, table = json.loads(figures.read_text()), capsys.readouterr().out
    lines = rows.read_bytes().splitlines(keepends=True)
    assert len(lines) == 9  # three targets, three segmenters
    rows.write_bytes(b"".join(lines[:4]) + lines[4][:50])  # killed while it wrote
    prompt_quality.main(command)
    again = json.loads(figures.read_text())
    for dataset, names in first["figures"].items():
        for name, found in names.items():
            assert again["figures"][dataset][name]["iou"] == found["iou"]
    assert first["figures"]["coco"]["graph_cut"]["iou"]["drawn"]["sel"]["box"]["mean"] > 0.9
    assert "## coco: 1 objects" in table
    assert len(RowFile(rows)._known) == 9


def test_a_loaded_model_is_measured_without_the_command(data: Path) -> None:
    objects = targets(data, (1, 0))
    model = prompt_model("graph_cut").load(None, "cpu")
    (found,) = prompt_quality.measure(model, objects, most_clicks=5)
    one, box = answer_to(found, "1"), answer_to(found, "box")
    assert one is not None
    assert box is not None
    assert box.drawn[box.chosen] > 0.9
    assert "graph_cut" in prompt_quality.report({"graph_cut": [found]}, ["graph_cut"])
