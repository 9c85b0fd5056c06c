"""A loaded model is made ready in the background, beside its work, and nothing waits for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from prompt_desk import WAIT, ScriptedModel, card

from segstudio.core.errors import DeviceError
from segstudio.core.progress import CancelToken, Progress, ProgressSink, ignore_progress
from segstudio.engine import model_preparing
from segstudio.engine.jobs import JobRunner, Lane
from segstudio.engine.model_preparing import prepare_later, prepare_now
from segstudio.models.card import ModelCard


class PreparedModel(ScriptedModel):
    """Takes as long to prepare as it is let, and tells so if there is something to do."""

    def __init__(self, text: str = "") -> None:
        super().__init__(card())
        self.text = text
        self.begun_preparing, self.may_end = threading.Event(), threading.Event()
        self.ended = ""

    def prepare(self, report: ProgressSink, cancel: CancelToken) -> None:
        if self.text:
            report(Progress(0, 0, self.text))
        self.begun_preparing.set()
        while not self.may_end.wait(0.005):
            if cancel.cancelled:
                self.ended = "cancelled"
            cancel.check()
        self.ended = "done"


@pytest.fixture
def runner() -> Iterator[JobRunner]:
    runner = JobRunner()
    yield runner
    runner.shutdown()


def test_it_shows_itself_where_there_is_something_to_do(runner: JobRunner) -> None:
    model = PreparedModel("Preparing MobileSAM for this computer (once)")
    seen = []
    runner.listen(lambda job: seen.append((job.visible, job.text)))
    job = prepare_later(runner, model)
    assert model.begun_preparing.wait(WAIT)
    assert job.visible and job.text == model.text and job.lane is Lane.IO
    assert (True, model.text) in seen
    model.may_end.set()
    assert runner.wait_idle(WAIT) and model.ended == "done"


def test_where_there_is_nothing_to_do_nobody_sees_it(runner: JobRunner) -> None:
    model = PreparedModel()
    model.may_end.set()
    job = prepare_later(runner, model)
    assert runner.wait_idle(WAIT) and model.ended == "done"
    assert not job.visible


def test_the_models_other_work_goes_on_meanwhile(runner: JobRunner) -> None:
    model = PreparedModel("Preparing")
    prepare_later(runner, model)
    assert model.begun_preparing.wait(WAIT)
    done = threading.Event()
    runner.submit(Lane.DEVICE, "Encoding", lambda cancel, report: done.set())
    assert done.wait(WAIT) and model.ended == ""
    model.may_end.set()


def test_a_newer_model_and_the_end_of_the_program_stop_it(runner: JobRunner) -> None:
    older, newer = PreparedModel("Older"), PreparedModel("Newer")
    prepare_later(runner, older)
    assert older.begun_preparing.wait(WAIT)
    prepare_later(runner, newer)
    assert newer.begun_preparing.wait(WAIT)
    runner.shutdown()
    assert older.ended == newer.ended == "cancelled"


def test_after_a_download_the_model_is_loaded_and_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = PreparedModel()
    model.may_end.set()
    asked = []

    def load(self: ModelCard, weights: Path | None, device: str) -> PreparedModel:
        asked.append((self.key, weights, device))
        return model

    monkeypatch.setattr(ModelCard, "load", load)
    monkeypatch.setattr(model_preparing, "choose_device", lambda: "cpu")
    prepare_now(card(), tmp_path / "w.pt", ignore_progress, CancelToken())
    assert asked == [("slow", tmp_path / "w.pt", "cpu")] and model.ended == "done"


@pytest.mark.parametrize("error", [DeviceError("no memory"), ImportError("torch"), OSError()])
def test_a_download_is_good_even_if_the_model_does_not_load(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def load(*_: object) -> None:
        asked.append(True)
        raise error

    monkeypatch.setattr(ModelCard, "load", load)
    monkeypatch.setattr(model_preparing, "choose_device", lambda: "cpu")
    prepare_now(card(), tmp_path / "w.pt", ignore_progress, CancelToken())
    assert asked
