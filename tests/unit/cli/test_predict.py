"""`segstudio predict`: with a trained model's folder, on projects, folders and single images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from colour_model import CATEGORIES, ColourModel, scene, scene_store
from PIL import Image
from torch.nn import functional

from segstudio.__main__ import main as start
from segstudio.cli import main
from segstudio.cli import predict as command
from segstudio.core.errors import BadInputError, ProjectLockedError, WeightsError
from segstudio.core.image import ImageState, RgbImage
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.engine.image_session import ImageSession
from segstudio.models.semantic import library
from segstudio.models.semantic.card import Normalisation, SemanticCard
from segstudio.models.semantic.contract import PredictSettings
from segstudio.models.semantic.registry import build, network_spec
from segstudio.store.project import ProjectStore

NAMES = ("a.png", "day 1/b.png", "c.png")


SPEC = network_spec("unet_plain", "", len(CATEGORIES), {"features": 4})


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    """A small network that learnt the scene by heart in a second."""
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so little to do is only slowed down by more
    net: Any = build(SPEC)
    normal = Normalisation()
    pixels = torch.from_numpy(scene().astype(np.float32) / 255)
    images = ((pixels - torch.tensor(normal.mean)) / torch.tensor(normal.std)).permute(2, 0, 1)
    found = ColourModel().predict(
        RgbImage(scene()), PredictSettings(), ignore_progress, CancelToken()
    )
    truth = torch.from_numpy(found.labels).long()
    steps = torch.optim.AdamW(net.parameters(), lr=0.02)
    for _ in range(40):
        logits = net(images[None])["out"]
        loss = functional.cross_entropy(logits, truth[None], torch.tensor([1.0, 1.0, 3.0, 10.0]))
        steps.zero_grad()
        loss.backward()
        steps.step()
    with torch.no_grad():
        for _ in range(20):  # the running statistics catch up with the weights
            net(images[None])
    torch.set_num_threads(threads)
    right = net.eval()(images[None])["out"][0].argmax(dim=0) == truth
    assert right.float().mean() > 0.98
    return dict(net.state_dict())


@pytest.fixture
def model(own_home: Path, state: dict[str, torch.Tensor]) -> SemanticCard:
    """The network, kept as one that was trained here."""
    card = SemanticCard(
        key="small",
        title="Small",
        description="Knows one scene.",
        spec=SPEC,
        categories=CATEGORIES,
        licence="Apache-2.0",
        side=64,
    )
    return library.read(library.save(state, card))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    with scene_store(tmp_path, *NAMES) as store:
        return store.path


def ran(capsys: pytest.CaptureFixture[str], *arguments: object, status: int = 0) -> Any:
    capsys.readouterr()
    assert main([*map(str, arguments), "--json"]) == status
    return json.loads(capsys.readouterr().out)


def annotations(project: Path) -> int:
    with ProjectStore.open(project, read_only=True) as store:
        return sum(store.annotation_counts().values())


def test_label_maps_are_read_back_by_the_import_as_they_were_predicted(
    capsys: pytest.CaptureFixture[str], model: SemanticCard, project: Path, tmp_path: Path
) -> None:
    out = tmp_path / "maps"
    data = ran(capsys, "predict", project, "--model", "small", "--device", "cpu", "--out", out)
    assert (data["images"], data["predicted"], data["already_there"]) == (3, 3, 0)
    assert (data["model"], data["device"], data["failed"]) == ("small", "cpu", [])
    assert annotations(project) == 0
    names = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert names == ["categories.csv", "labels/a.png", "labels/c.png", "labels/day_1_b.png"]
    done = ran(capsys, "import", "label-maps", out, project)
    assert done["images"] == 3
    assert done["annotations"] >= 6  # sky and cars on each
    with ProjectStore.open(project, read_only=True) as store:
        named = {row.id: row for row in store.categories()}
        for image, name in zip(store.images(), ("a", "day_1_b", "c"), strict=True):
            assert image.split == ""
            with Image.open(out / f"labels/{name}.png") as picture:
                assert picture.mode == "P"
                palette = picture.getpalette() or []
                labels = np.asarray(picture)
            assert labels.shape == image.size
            for index, category in enumerate(CATEGORIES):
                colour = "#" + bytes(palette[3 * index : 3 * index + 3]).hex()
                assert colour == category.colour
            for row in store.annotations(image.id):
                index = [one.name for one in CATEGORIES].index(named[row.category_id].name)
                assert np.array_equal(row.mask.to_array(), labels == index)
        assert {row.name: row.isthing for row in named.values()}.items() <= {
            category.name: category.isthing for category in CATEGORIES[1:]
        }.items()


def test_annotations_come_as_a_run_that_take_back_takes_back(
    capsys: pytest.CaptureFixture[str], model: SemanticCard, project: Path
) -> None:
    arguments = ("predict", project, "--model", "small", "--device", "cpu", "--least-area", 1)
    first = ran(capsys, *arguments)
    assert first["changed"] == 3
    assert {"sky", "car"} <= set(first["new_categories"])
    assert first["annotations"] == annotations(project) > 0
    assert first["run"] == 1
    again = ran(capsys, *arguments)
    assert (again["run"], again["annotations"], again["already_there"]) == (None, 0, 3)
    gone = ran(capsys, "take-back", project)
    assert gone["removed"] == first["annotations"]
    assert annotations(project) == 0


def test_the_project_is_free_for_others_while_images_are_predicted(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    model: SemanticCard,
    project: Path,
) -> None:
    """What they do then is kept; where they are still at it in the end, the command waits."""
    real, others = command.predict_images, []

    def beside(*asked: Any, **how: Any) -> Any:
        with ProjectStore.open(project) as other:
            ImageSession(other, 1).add_category("tree")
        found = real(*asked, **how)
        others.append(ProjectStore.open(project))
        return found

    def closed(_: float) -> None:
        others.pop().close()

    monkeypatch.setattr(command, "predict_images", beside)
    monkeypatch.setattr("segstudio.cli.predict.time.sleep", closed)
    capsys.readouterr()
    asked = ["predict", str(project), "--model", "small", "--device", "cpu", "--least-area", "1"]
    assert main([*asked, "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["annotations"] == annotations(project) > 0
    assert "the annotations are added as soon as it is closed there" in told.err
    with ProjectStore.open(project, read_only=True) as store:
        assert "tree" in {row.name for row in store.categories()}
    assert not others


def test_a_project_that_is_open_elsewhere_is_told_before_any_work_and_label_maps_need_no_lock(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    model: SemanticCard,
    project: Path,
    tmp_path: Path,
) -> None:
    asked = ("predict", project, "--model", "small", "--device", "cpu")
    with ProjectStore.open(project):
        with monkeypatch.context() as patch:
            patch.setattr(command, "load_semantic_model", lambda *_, **__: pytest.fail("too late"))
            with pytest.raises(
                ProjectLockedError,
                match=r"by .+ \(process .+\), so no annotations can be added; .+ with --out\.$",
            ):
                main([*map(str, asked)])
        assert len(ran(capsys, *asked, "--out", tmp_path / "maps")["files"]) == 3


def test_a_folder_of_a_model_and_of_images_without_a_project(
    capsys: pytest.CaptureFixture[str], model: SemanticCard, tmp_path: Path
) -> None:
    assert model.folder is not None
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(scene()).save(photos / "a.png")
    (photos / "broken.png").write_bytes(b"no image")
    out = tmp_path / "maps"
    asked = ("predict", photos, "--model", model.folder, "--device", "cpu", "--out", out)
    data = ran(capsys, *asked)
    assert [Path(name).name for name in data["files"]] == ["a.png"]
    assert [failed["path"] for failed in data["failed"]] == ["broken.png"]
    again = ran(capsys, *asked)
    assert (again["predicted"], again["already_there"]) == (0, 1)
    (photos / "a.png").unlink()
    assert ran(capsys, *asked, status=1)["files"] == []
    with pytest.raises(BadInputError, match="is no project, so there is nothing to add"):
        main(["predict", str(photos), "--model", "small"])
    assert not list(photos.glob("*.segstudio"))


def test_one_image_with_thresholds_scales_flip_and_crf(
    capsys: pytest.CaptureFixture[str], model: SemanticCard, tmp_path: Path
) -> None:
    photo, out = tmp_path / "a.png", tmp_path / "maps"
    Image.fromarray(scene()).save(photo)
    asked = ("predict", photo, "--model", "small", "--device", "cpu", "--out", out)
    ran(capsys, *asked, "--scales", "0.75,1", "--flip", "--crf", "--temperature", 2, "--tile", 64)
    with Image.open(out / "labels/a.png") as picture:
        assert set(np.unique(np.asarray(picture))) <= {0, 1, 2, 3}
    ran(capsys, *asked, "--threshold", 1)
    with Image.open(out / "labels/a.png") as picture:
        assert set(np.unique(np.asarray(picture))) == {255}


def test_only_images_that_are_to_do_or_of_a_split(
    capsys: pytest.CaptureFixture[str], model: SemanticCard, project: Path, tmp_path: Path
) -> None:
    with ProjectStore.open(project) as store:
        ImageSession(store, 1).set_state(ImageState.REVIEWED)
        ImageSession(store, 2).set_state(ImageState.REJECTED)
    asked = ("predict", project, "--model", "small", "--device", "cpu", "--least-area", 1)
    assert ran(capsys, *asked, "--todo", "--out", tmp_path / "maps")["images"] == 1
    assert ran(capsys, *asked)["images"] == 2
    with pytest.raises(BadInputError, match="no such image"):
        main([*map(str, asked), "--split", "val"])


def test_maps_of_another_model_are_not_mixed_in(
    capsys: pytest.CaptureFixture[str], model: SemanticCard, project: Path, tmp_path: Path
) -> None:
    out = tmp_path / "maps"
    out.mkdir()
    (out / "categories.csv").write_text("id,name\n0,house\n")
    with pytest.raises(BadInputError, match="label maps of other categories already"):
        main(["predict", str(project), "--model", "small", "--out", str(out)])


def test_a_damaged_model_is_told_once_and_leaves_nothing_behind(
    model: SemanticCard, project: Path, tmp_path: Path
) -> None:
    assert model.folder is not None
    (model.folder / library.WEIGHTS).write_bytes(b"cut")
    out = tmp_path / "maps"
    with pytest.raises(WeightsError, match="train Small again"):
        main(["predict", str(project), "--model", "small", "--device", "cpu", "--out", str(out)])
    assert not out.exists()


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--scales", "0"), "--scales are from 0.25 to 4"),
        (("--temperature", "-1"), "--temperature is above 0"),
        (("--tile", "8"), "--tile goes from 32"),
        (("--overlap", "1"), "--overlap goes from 0"),
        (("--threshold", "car=2"), "a threshold is a number from 0 to 1"),
        (("--threshold", "bus=0.5"), "no category “bus”"),
        (("--threshold", "many"), "a threshold is a number"),
        (("--category", "car"), "write NAME=TARGET"),
        (("--least-area", "-1"), "must not be negative"),
        (("--agreement", "0"), "--agreement is above 0"),
        (("--model", "unheard-of"), "no semantic model 'unheard-of'"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(
    flags: tuple[str, ...], sentence: str, model: SemanticCard, tmp_path: Path
) -> None:
    """Before anything is opened."""
    with pytest.raises(BadInputError, match=sentence):
        main(["predict", str(tmp_path), "--model", "small", "--device", "cpu", *flags])


def test_the_exit_status_says_what_went_wrong(
    capsys: pytest.CaptureFixture[str], model: SemanticCard, tmp_path: Path
) -> None:
    assert start(["predict", str(tmp_path / "absent"), "--model", "small"]) == 1
    assert "There is no file or folder" in capsys.readouterr().err
    assert start(["predict", str(tmp_path)]) == 2


def test_categories_thresholds_and_a_prompt_model_are_taken_from_the_flags(
    capsys: pytest.CaptureFixture[str], model: SemanticCard, project: Path
) -> None:
    with pytest.raises(BadInputError, match="no category “bus”"):
        main(["predict", str(project), "--model", "small", "--category", "bus=vehicle"])
    flags = ("--category", "car=vehicle", "--category", "sky=", "--via", "graph_cut")
    data = ran(
        capsys, "predict", project, "--model", "small", "--device", "cpu", "--agreement", 0.5,
        "--least-area", 1, *flags,
    )  # fmt: skip
    assert {"vehicle"} <= set(data["new_categories"]) <= {"vehicle", "pole"}
    with ProjectStore.open(project, read_only=True) as store:
        assert {row.name for row in store.categories()} == set(data["new_categories"])
