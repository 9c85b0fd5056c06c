"""Predicting many images: through the cache, resumable, what fails is told, one run to undo."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from colour_model import ColourModel, colour_card, scene, scene_store
from PIL import ExifTags, Image

from segstudio.core.changes import Edit, Records
from segstudio.core.errors import BadInputError, Cancelled, DeviceError, WeightsError
from segstudio.core.image import ImageState, RgbImage
from segstudio.core.prediction import SemanticPrediction
from segstudio.core.progress import CancelToken, Progress, ProgressSink, ignore_progress
from segstudio.engine.embedding_cache import EmbeddingCache
from segstudio.engine.image_session import ImageSession
from segstudio.engine.import_plan import CategoryTarget
from segstudio.engine.job import Callbacks
from segstudio.engine.jobs import JobRunner, Lane
from segstudio.engine.label_map_parts import LabelMapOptions
from segstudio.engine.label_map_prompts import Prompting
from segstudio.engine.predicted_parts import PredictedParts
from segstudio.engine.prediction_cache import PredictionCache
from segstudio.engine.project_session import new_project
from segstudio.engine.semantic_run import (
    RUN_KIND,
    Predicting,
    PredictReport,
    carry_out,
    predict_images,
    predicting_steps,
)
from segstudio.engine.semantic_slot import SemanticSlot, predict_image
from segstudio.models.prompt.graph_cut import GraphCut
from segstudio.models.registry import prompt_model
from segstudio.models.semantic.card import SemanticCard
from segstudio.models.semantic.contract import PredictSettings
from segstudio.store.project import ProjectStore

FINE = LabelMapOptions(least_area=5, hole_area=10)
NAMES = ("a.png", "b.png", "c.png")
EACH = {"sky": 1, "car": 2, "pole": 1}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ProjectStore]:
    with scene_store(tmp_path, *NAMES) as opened:
        yield opened


@pytest.fixture
def predicting(tmp_path: Path) -> Predicting:
    cache = PredictionCache(tmp_path / "cache", 1 << 24)
    return Predicting(ColourModel(), PredictSettings(), cache)


def all_of(store: ProjectStore) -> list[int]:
    return [image.id for image in store.images()]


def ran(
    store: ProjectStore, predicting: Predicting, options: LabelMapOptions = FINE
) -> PredictReport:
    with predict_images(store, all_of(store), predicting, options) as found:
        return carry_out(found, store)


def counts(store: ProjectStore, image_id: int) -> dict[str, int]:
    names = {row.id: row.name for row in store.categories()}
    found: dict[str, int] = {}
    for row in store.annotations(image_id):
        found[names[row.category_id]] = found.get(names[row.category_id], 0) + 1
    return found


def test_many_images_are_one_run_which_is_undone_and_taken_back_in_one_step(
    store: ProjectStore, predicting: Predicting
) -> None:
    report = ran(store, predicting)
    assert (report.images, report.added, report.new_categories) == (3, 12, ("sky", "car", "pole"))
    assert report.failures == ()
    for number in all_of(store):
        assert counts(store, number) == EACH
        assert store.image(number).state is ImageState.LABELLED
    last = store.last_run(RUN_KIND)
    assert last is not None
    assert last.id == report.run_id
    assert last.parameters["model_key"] == "colours-8"
    assert last.parameters["options"]["least_area"] == 5
    assert last.result == {"images": 3, "added": 12, "replaced": 0}
    taken = store.take_back(report.run_id, CancelToken())
    assert (taken.images, taken.removed) == (3, 12)
    assert store.categories() == []
    assert {image.state for image in store.images()} == {ImageState.TODO}
    assert store.redo(all_of(store)[0]) is not None
    assert counts(store, all_of(store)[2]) == EACH


def test_what_people_changed_since_is_kept_when_the_run_is_taken_back(
    store: ProjectStore, predicting: Predicting
) -> None:
    report = ran(store, predicting)
    session = ImageSession(store, all_of(store)[1])
    sky = session.annotations[0]
    car = session.annotations[1]
    session.set_category([car.id], sky.category_id)
    taken = store.take_back(report.run_id, CancelToken())
    assert taken.kept == (car.id,)
    assert taken.removed == 11
    assert [counts(store, number) for number in all_of(store)] == [{}, {"sky": 1}, {}]


def test_a_second_run_asks_the_cache_and_adds_nothing(
    store: ProjectStore, predicting: Predicting
) -> None:
    ran(store, predicting)
    with predict_images(store, all_of(store), predicting, FINE) as found:
        assert (found.predicted, found.known) == (0, 3)
        again = carry_out(found, store)
    assert again == PredictReport()
    assert len(store.runs(RUN_KIND)) == 1
    model = predicting.model
    assert isinstance(model, ColourModel)
    assert model.asked == 3


def test_a_run_that_was_stopped_goes_on_where_it_was_and_left_nothing(
    store: ProjectStore, predicting: Predicting
) -> None:
    cancel = CancelToken()

    def stop(progress: Progress) -> None:
        if progress.text == "Predicting c.png":
            cancel.cancel()

    with pytest.raises(Cancelled):
        predict_images(store, all_of(store), predicting, FINE, stop, cancel)
    assert store.runs() == []
    with predict_images(store, all_of(store), predicting, FINE) as found:
        assert (found.known, found.predicted) == (2, 1)


def test_adding_that_is_cancelled_changes_nothing(
    store: ProjectStore, predicting: Predicting
) -> None:
    cancel = CancelToken()

    def stop(progress: Progress) -> None:
        if progress.done == 2:
            cancel.cancel()

    with predict_images(store, all_of(store), predicting, FINE) as found:
        with pytest.raises(Cancelled):
            carry_out(found, store, stop, cancel)
        assert store.runs() == []
        assert store.categories() == []
        assert [counts(store, number) for number in all_of(store)] == [{}, {}, {}]
        assert carry_out(found, store).added == 12


def test_progress_goes_through_each_image_and_never_back(
    store: ProjectStore, predicting: Predicting
) -> None:
    told: list[Progress] = []
    with predict_images(store, all_of(store), predicting, FINE, told.append):
        pass
    shares = [progress.fraction or 0.0 for progress in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert {progress.text for progress in told} >= {f"Predicting {name}" for name in NAMES}
    assert len({share for share in shares if 0 < share < 1 / 3}) >= 1  # within the first image


def test_a_click_comes_between_two_images_of_a_run(
    store: ProjectStore, predicting: Predicting
) -> None:
    """Only the model takes the device lane, and gives it back after each image."""
    runner = JobRunner()
    model = predicting.model
    assert isinstance(model, ColourModel)
    order: list[str] = []
    real = model.predict

    def predict(*asked: Any) -> SemanticPrediction:
        order.append(threading.current_thread().name)
        runner.submit(Lane.DEVICE, "click", lambda c, p: order.append("click"))
        return real(*asked)

    model.predict = predict  # type: ignore[method-assign]
    done: list[PredictedParts] = []
    steps = predicting_steps(store, all_of(store), predicting, FINE)
    runner.submit_steps("predicting", steps, Callbacks(done.append), priority=1)
    assert runner.wait_idle(20)
    assert order == ["segstudio-device-1", "click"] * 3
    with done[0] as found:
        assert (found.predicted, carry_out(found, store).added) == (3, 12)
    runner.shutdown()


def test_what_the_cache_has_does_not_wait_for_the_device(
    store: ProjectStore, predicting: Predicting
) -> None:
    ran(store, predicting)
    runner, release, ended = JobRunner(), threading.Event(), threading.Event()
    runner.submit(Lane.DEVICE, "somebody clicks", lambda c, p: release.wait(20))
    steps = predicting_steps(store, all_of(store), predicting, FINE)
    runner.submit_steps("predicting", steps, Callbacks(lambda found: (found.close(), ended.set())))
    assert ended.wait(20)
    release.set()
    runner.shutdown()


def test_a_run_is_predicted_from_a_project_that_is_only_read(
    store: ProjectStore, predicting: Predicting
) -> None:
    """Meanwhile its writer goes on: an image that has another size by then is passed over."""
    with ProjectStore.open(store.path, read_only=True) as reader:
        found = predict_images(reader, all_of(reader), predicting, FINE)
    first = store.images()[0]
    other = replace(first, width=first.width + 1)
    store.commit(
        Edit("Take the changed file", 0, Records(images=(first,)), Records(images=(other,)))
    )
    with found:
        report = carry_out(found, store)
    assert (report.images, report.added) == (2, 8)
    assert [failure.path for failure in report.failures] == ["a.png"]
    assert "was 80 x 60 pixels and is 81 x 60 pixels" in report.failures[0].reason


def test_images_that_fail_are_told_and_passed_over(
    store: ProjectStore, predicting: Predicting
) -> None:
    first, second, _ = store.images()
    store.image_path(first).write_bytes(b"no image")
    Image.fromarray(scene()[:30, :40]).save(store.image_path(second))
    with predict_images(store, all_of(store), predicting, FINE) as found:
        assert [failure.path for failure in found.failures] == ["a.png", "b.png"]
        assert "40 x 30 pixels now and was 80 x 60 pixels" in found.failures[1].reason
        report = carry_out(found, store)
    assert (report.images, report.added) == (1, 4)
    assert report.failures == tuple(found.failures)


def test_a_device_that_fails_an_image_is_told_too(
    store: ProjectStore, predicting: Predicting
) -> None:
    model = predicting.model
    assert isinstance(model, ColourModel)
    model.broken = True
    with predict_images(store, all_of(store), predicting, FINE) as found:
        assert len(found.failures) == 3
        assert carry_out(found, store).run_id == 0


def test_options_that_do_not_fit_the_model_are_refused_before_any_image(
    store: ProjectStore, predicting: Predicting
) -> None:
    bad = replace(FINE, targets={"bus": CategoryTarget(0, "bus")})
    with pytest.raises(BadInputError, match="no category “bus”"):
        predict_images(store, all_of(store), predicting, bad)
    model = predicting.model
    assert isinstance(model, ColourModel)
    assert model.asked == 0


def test_however_a_photo_is_stored_its_annotations_lie_where_they_are_seen(
    tmp_path: Path, predicting: Predicting
) -> None:
    """On its side with a note that says so, with transparency, with a palette."""
    folder = tmp_path / "photos"
    folder.mkdir()
    upright = Image.fromarray(scene())
    upright.save(folder / "a plain.png")
    note = Image.Exif()
    note[ExifTags.Base.Orientation] = 6  # to be turned clockwise
    upright.transpose(Image.Transpose.ROTATE_90).save(folder / "b on its side.png", exif=note)
    glass = upright.convert("RGBA")
    glass.putpixel((79, 59), (255, 0, 0, 0))  # red that nobody sees
    glass.save(folder / "c see-through.png")
    upright.quantize(8, dither=Image.Dither.NONE).save(folder / "d palette.png")
    new_project(tmp_path / "p.segstudio", folder, ignore_progress, CancelToken())
    with ProjectStore.open(tmp_path / "p.segstudio") as store:
        assert {image.size for image in store.images()} == {(60, 80)}
        assert ran(store, predicting).added == 16
        plain, *others = (
            {(row.category_id, row.mask) for row in store.annotations(image.id)}
            for image in store.images()
        )
        for found in others:
            assert found == plain


def test_a_category_that_no_annotation_gets_is_not_made(
    store: ProjectStore, predicting: Predicting
) -> None:
    """Where the poles stand is labelled already, on each image."""
    targets = replace(FINE, targets={"car": CategoryTarget(0, "")})
    ran(
        store,
        predicting,
        replace(targets, targets={**targets.targets, "pole": CategoryTarget(0, "sky")}),
    )
    assert [category.name for category in store.categories()] == ["sky"]
    report = ran(store, predicting)
    assert report.new_categories == ("car",)
    assert counts(store, all_of(store)[0])["car"] == 2


def test_parts_that_were_prompted_come_back_from_disk_with_all_they_had(
    store: ProjectStore, predicting: Predicting
) -> None:
    prompting = Prompting(
        GraphCut(prompt_model("graph_cut")), EmbeddingCache(None, 1 << 24, 0), agreement=0.5
    )
    first = all_of(store)[:1]
    with predict_images(store, first, predicting, FINE, prompting=prompting) as found:
        carry_out(found, store)
    rows = [row for row in store.annotations(first[0]) if row.prompt is not None]
    assert rows
    for row in rows:
        assert row.attributes == {"prompt_model": prompting.model.model_key}
        assert row.model_key == "colours-8"
        assert row.stability is not None
        assert row.prompt.prior is not None
        assert row.prompt.box is not None


# -- slots ---------------------------------------------------------------------------------------


def slot_of(models: dict[str, ColourModel], said: list[str], calls: list[str]) -> SemanticSlot:
    """A slot that loads the model of a device; "auto" is the first of them."""

    def load(
        card: SemanticCard, device: str | None, cancel: CancelToken, report: ProgressSink
    ) -> ColourModel:
        calls.append(device or "auto")
        return models[device or "auto"]

    return SemanticSlot(
        colour_card(), load, JobRunner(), on_loaded=lambda: None, on_moved=said.append
    )


def asked(slot: SemanticSlot, cache: PredictionCache) -> SemanticPrediction:
    return predict_image(
        slot, RgbImage(scene()), PredictSettings(), cache, ignore_progress, CancelToken()
    )


def test_a_slot_goes_on_on_the_cpu_where_its_device_fails(tmp_path: Path) -> None:
    failing = ColourModel(device="cuda")
    failing.broken = True
    said: list[str] = []
    calls: list[str] = []
    slot = slot_of({"auto": failing, "cpu": ColourModel()}, said, calls)
    found = asked(slot, PredictionCache(tmp_path, 1 << 24))
    assert np.array_equal(np.unique(found.labels), [0, 1, 2, 3])
    assert calls == ["auto", "cpu"]
    assert said == ["The device has no memory left; Colours computes on the CPU now."]


def test_what_the_cache_has_needs_no_model_once_it_was_loaded(tmp_path: Path) -> None:
    calls: list[str] = []
    slot = slot_of({"auto": ColourModel()}, [], calls)
    cache = PredictionCache(tmp_path, 1 << 24)
    first = asked(slot, cache)
    slot.drop()
    again = asked(slot, cache)
    assert np.array_equal(first.confidence, again.confidence)
    assert calls == ["auto"]
    assert slot.model is None


def test_a_model_that_cannot_be_loaded_is_told_before_any_image(store: ProjectStore) -> None:
    def load(*_: object) -> ColourModel:
        raise WeightsError("The weights of Colours are not on this machine.")

    slot = SemanticSlot(
        colour_card(), load, JobRunner(), on_loaded=lambda: None, on_moved=lambda _: None
    )
    predicting = Predicting(slot, PredictSettings(), PredictionCache(None, 0))
    with pytest.raises(WeightsError, match="not on this machine"):
        predict_images(store, all_of(store), predicting, FINE)


def test_without_a_cache_a_run_works_the_same(store: ProjectStore) -> None:
    report = ran(store, Predicting(ColourModel(), PredictSettings(), PredictionCache(None, 0)))
    assert report.added == 12


def test_a_model_without_memory_on_the_cpu_raises(tmp_path: Path) -> None:
    model = ColourModel()
    model.broken = True
    with pytest.raises(DeviceError):
        asked(slot_of({"auto": model}, [], []), PredictionCache(tmp_path, 1 << 20))
