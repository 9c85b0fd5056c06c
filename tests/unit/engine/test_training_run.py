"""Trainings in their own process: steered, killed, resumed, told of later, put to use."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import training_stand_in
from training_project import add_category, annotate, training_project
from training_stand_in import COMMAND

from segstudio.core.errors import BadInputError, Cancelled, StorageError
from segstudio.core.prediction import ModelCategory
from segstudio.core.progress import CancelToken, Progress
from segstudio.engine import training_folder, training_run, training_space
from segstudio.engine.training_choices import SetChoices, Unlabelled
from segstudio.engine.training_folder import RunFolder, RunState
from segstudio.engine.training_process import ProcessState, TrainingProcess, death_sentence
from segstudio.engine.training_run import TrainingRun, TrainingRuns, training_dir
from segstudio.engine.training_survey import survey
from segstudio.models.semantic import library, registry
from segstudio.models.semantic.card import Architecture, NetworkSpec, SemanticCard
from segstudio.models.semantic.registry import ARCHITECTURES
from segstudio.models.training.events import Ended, Event, Paused, Started, Stepped, Validated
from segstudio.models.training.settings import Augmentation, Optimiser, TrainingSettings
from segstudio.store.project import ProjectStore

EMPTY = SetChoices(unlabelled=Unlabelled.BACKGROUND)
SHORT = TrainingSettings(architecture="unet", encoder="mobilenet_v2", epochs=5)
WAIT = 30.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ProjectStore]:
    with training_project(tmp_path / "project") as made:
        yield made


@pytest.fixture
def runs(store: ProjectStore) -> TrainingRuns:
    return TrainingRuns(store, command=COMMAND)


@pytest.fixture
def mischief(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda name: monkeypatch.setenv("TRAINING_STAND_IN", name)


def until(process: TrainingProcess, kind: type[Event]) -> None:
    """Wait until such an event came."""
    _until(lambda: any(isinstance(event, kind) for event in process.events))


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)


def the_run(runs: TrainingRuns) -> TrainingRun:
    (run,) = runs.history()
    return run


# -- one training --------------------------------------------------------------------------------


def test_a_training_tells_its_events_and_is_noted_in_the_project(
    runs: TrainingRuns, store: ProjectStore
) -> None:
    seen: list[Event] = []
    ends: list[TrainingProcess] = []
    process = runs.start(SHORT, EMPTY, on_event=seen.append, on_end=ends.append, title="First")
    assert process.wait(WAIT)
    assert ends == [process]
    assert process.state is ProcessState.ENDED
    assert tuple(seen) == process.events
    assert process.events_after(len(seen) - 2) == tuple(seen[-2:])
    assert process.events_after(len(seen)) == ()
    assert isinstance(seen[0], Started)
    assert isinstance(seen[-1], Ended)
    assert [event.step for event in seen if isinstance(event, Stepped)] == [1, 2, 3, 4, 5]
    run = the_run(runs)
    assert (run.state, run.title, run.settings, run.choices) == (
        RunState.DONE,
        "First",
        SHORT,
        EMPTY,
    )
    assert (run.train_images, run.val_images) == (4, 1)
    assert run.facts.miou == pytest.approx(5 / 6)
    assert run.facts.epochs == 5
    (row,) = store.runs("training")
    assert run.id == row.id
    assert row.parameters["settings"]["encoder"] == "mobilenet_v2"
    assert row.result["miou"] == pytest.approx(5 / 6)
    assert row.finished_at is not None


def test_it_pauses_goes_on_and_stops_and_can_be_resumed(
    runs: TrainingRuns, mischief: Callable[[str], None]
) -> None:
    mischief("slow")
    process = runs.start(SHORT, EMPTY)
    until(process, Stepped)
    process.pause()
    until(process, Paused)
    _until(lambda: process.state is ProcessState.PAUSED)
    told = len(process.events)
    time.sleep(0.05)
    assert len(process.events) == told
    process.resume()
    assert process.state is ProcessState.RUNNING
    process.stop()
    assert process.wait(WAIT)
    assert process.ended is not None
    assert process.ended.reason == "stopped"
    process.pause()
    assert process.state is ProcessState.ENDED
    run = the_run(runs)
    assert run.state is RunState.STOPPED
    assert run.resumable
    mischief("")
    again = runs.resume(run)
    assert again.wait(WAIT)
    assert again.ended == Ended("done", 5, miou=5 / 6)
    assert again.events[:told] == process.events[:told]
    starts = [event.step for event in again.events if isinstance(event, Started)]
    assert starts[0] == 0
    assert starts[1] == run.facts.step > 0
    done = the_run(runs)
    assert done.state is RunState.DONE
    with pytest.raises(BadInputError, match="is done"):
        runs.resume(done)


def test_noise_on_its_output_is_no_event_and_no_harm(
    runs: TrainingRuns, mischief: Callable[[str], None]
) -> None:
    mischief("garbage")
    process = runs.start(SHORT, EMPTY)
    assert process.wait(WAIT)
    assert process.ended is not None
    assert process.ended.reason == "done"
    assert "unheard-of" in process.details
    assert len(process.events) == 12


def test_a_kill_is_told_in_a_sentence_and_resumed(
    runs: TrainingRuns, mischief: Callable[[str], None], store: ProjectStore
) -> None:
    mischief("die")
    process = runs.start(SHORT, EMPTY)
    assert process.wait(WAIT)
    assert process.ended is not None
    assert process.ended.reason == "failed"
    assert process.ended.step == 3
    assert "memory ran out" in process.ended.message
    run = the_run(runs)
    assert run.state is RunState.FAILED
    assert run.facts.message == process.ended.message
    (row,) = store.runs("training")
    assert row.progress["step"] == 3
    assert row.finished_at is None
    mischief("")
    again = runs.resume(run)
    assert again.wait(WAIT)
    assert [event.step for event in again.events if isinstance(event, Started)] == [0, 3]


def test_a_crash_is_told_with_its_last_line_and_the_details_are_kept(
    runs: TrainingRuns, mischief: Callable[[str], None]
) -> None:
    mischief("crash")
    process = runs.start(SHORT, EMPTY)
    assert process.wait(WAIT)
    assert process.ended is not None
    assert process.ended.message == (
        "The training ended by itself (exit status 1): RuntimeError: the network fell over."
    )
    assert "Traceback" in process.details


@pytest.mark.parametrize(
    ("status", "part"),
    [
        (-signal.SIGKILL, "memory"),
        (-signal.SIGSEGV, "SIGSEGV"),
        (-99, "signal 99"),
        (3, "status 3"),
    ],
)
def test_every_death_is_one_sentence(status: int, part: str) -> None:
    sentence = death_sentence(status)
    assert part in sentence
    assert sentence.endswith(".")


def test_what_it_started_ends_with_it(runs: TrainingRuns, mischief: Callable[[str], None]) -> None:
    mischief("child")
    process = runs.start(SHORT, EMPTY)
    assert process.wait(WAIT)
    child = int((process.folder.path / "child").read_text())
    _until(lambda: not psutil.pid_exists(child) or _zombie(child))


def _zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_kill_ends_it_at_once_and_close_waits_until_all_is_saved(
    runs: TrainingRuns, mischief: Callable[[str], None]
) -> None:
    mischief("slow")
    process = runs.start(SHORT, EMPTY)
    until(process, Stepped)
    process.kill()
    assert process.wait(WAIT)
    assert process.ended is not None
    assert process.ended.reason == "stopped"
    assert "at once" in process.ended.message
    again = runs.resume(the_run(runs))
    _until(lambda: again.state is ProcessState.RUNNING)
    again.close()
    assert again.state is ProcessState.ENDED
    assert the_run(runs).state is RunState.STOPPED
    third = runs.resume(the_run(runs))
    third.release()
    assert third.wait(WAIT)
    ended = the_run(runs).facts.ended
    assert ended is not None
    assert ended.reason == "stopped"


@pytest.mark.skipif(os.name != "posix", reason="niceness and sessions are POSIX's")
def test_it_is_patient_and_hears_no_ctrl_c(
    runs: TrainingRuns, mischief: Callable[[str], None]
) -> None:
    mischief("slow")
    process = runs.start(SHORT, EMPTY)
    until(process, Started)
    assert os.getsid(process.pid) == process.pid
    assert psutil.Process(process.pid).nice() == max(10, psutil.Process().nice())
    process.close()


def test_a_listener_that_fails_does_not_end_the_listening(
    runs: TrainingRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    complaints: list[object] = []
    monkeypatch.setattr("threading.excepthook", complaints.append)

    def fail(event: Event) -> None:
        raise RuntimeError("a listener's own fault")

    process = runs.start(SHORT, EMPTY, on_event=fail)
    assert process.wait(WAIT)
    assert process.ended is not None
    assert len(complaints) == len(process.events)


# -- two programs --------------------------------------------------------------------------------


def test_two_do_not_train_in_one_folder(
    runs: TrainingRuns, mischief: Callable[[str], None]
) -> None:
    mischief("slow")
    process = runs.start(SHORT, EMPTY)
    until(process, Started)
    run = the_run(runs)
    assert run.state is RunState.RUNNING
    for deed in (runs.resume, runs.delete):
        with pytest.raises(StorageError, match="is running in another process"):
            deed(run)
    process.close()
    runs.delete(the_run(runs))


PARENT = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from training_stand_in import COMMAND
from segstudio.engine.training_choices import SetChoices, Unlabelled
from segstudio.engine.training_run import TrainingRuns
from segstudio.models.training.settings import TrainingSettings
from segstudio.store.project import ProjectStore
with ProjectStore.open(Path(sys.argv[1])) as store:
    runs = TrainingRuns(store, command=COMMAND)
    settings = TrainingSettings(architecture="unet", encoder="mobilenet_v2", epochs=5)
    process = runs.start(settings, SetChoices(unlabelled=Unlabelled.BACKGROUND))
    while not any(getattr(event, "step", 0) >= 2 for event in process.events):
        time.sleep(0.01)
    print("trains", flush=True)
    time.sleep(600)
"""


def test_when_the_program_is_killed_the_training_saves_itself_and_is_found_again(
    store: ProjectStore, mischief: Callable[[str], None]
) -> None:
    mischief("slow")
    store.close()
    support = str(Path(training_stand_in.__file__).parent)
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(store.path), support], stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"trains\n"
    parent.kill()
    parent.wait()
    parent.stdout.close()
    mischief("")
    with ProjectStore.open(store.path) as opened:
        runs = TrainingRuns(opened, command=COMMAND)
        run = the_run(runs)
        assert run.state in {RunState.RUNNING, RunState.STOPPED}
        found = runs.unfinished(SHORT, run.fingerprint)
        assert found is not None
        assert found.name == run.name
        again = runs.resume(found)  # waits until that process has saved
        assert again.wait(WAIT)
        assert Ended("stopped", 2) in again.events
        assert [event.step for event in again.events if isinstance(event, Started)] == [0, 2]
        assert the_run(runs).state is RunState.DONE


@pytest.fixture
def stopped(runs: TrainingRuns, mischief: Callable[[str], None]) -> TrainingRun:
    mischief("slow")
    process = runs.start(SHORT, EMPTY)
    until(process, Stepped)
    process.close()
    return the_run(runs)


def test_the_last_words_of_a_process_that_was_waited_for_are_among_the_events(
    runs: TrainingRuns, stopped: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = RunFolder.wait_dead

    def saves_and_dies(folder: RunFolder, timeout: float) -> bool:
        folder.add_event(Ended("stopped", 77))
        return died(folder, timeout)

    monkeypatch.setattr(RunFolder, "wait_dead", saves_and_dies)
    process = runs.resume(stopped)
    assert Ended("stopped", 77) in process.events
    process.close()


def test_a_process_that_ends_while_it_is_looked_at_is_not_taken_for_a_dead_one(
    runs: TrainingRuns, stopped: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped.folder.add_event(Started(2, 5, 5, "cpu", "32", 1234, 0.0))
    assert the_run(runs).state is RunState.INTERRUPTED

    def ends(folder: RunFolder) -> bool:
        folder.add_event(Ended("stopped", 3))
        return False

    monkeypatch.setattr(RunFolder, "alive", ends)
    assert the_run(runs).state is RunState.STOPPED


def test_a_machine_that_lost_its_power_is_told_as_interrupted(
    runs: TrainingRuns, mischief: Callable[[str], None]
) -> None:
    mischief("slow")
    process = runs.start(SHORT, EMPTY)
    until(process, Stepped)
    process.kill()
    assert process.wait(WAIT)
    events = process.folder.path / "events.jsonl"
    lines = events.read_bytes().splitlines()
    events.write_bytes(b"\n".join(lines[:-1]) + b'\n{"event":"step')  # and its last line cut short
    run = the_run(runs)
    assert run.state is RunState.INTERRUPTED
    assert run.resumable
    mischief("")
    assert runs.resume(run).wait(WAIT)
    assert the_run(runs).state is RunState.DONE


def test_a_project_that_another_program_holds_is_trained_and_noted_later(
    store: ProjectStore,
) -> None:
    with ProjectStore.open(store.path, read_only=True) as reader:
        theirs = TrainingRuns(reader, command=COMMAND)
        assert theirs.start(SHORT, EMPTY).wait(WAIT)
        assert the_run(theirs).id == 0
    assert store.runs("training") == []
    ours = the_run(TrainingRuns(store, command=COMMAND))
    (row,) = store.runs("training")
    assert ours.id == row.id > 0
    assert row.result["state"] == "done"
    assert the_run(TrainingRuns(store, command=COMMAND)) == ours
    assert len(store.runs("training")) == 1


def test_trainings_of_a_project_that_was_made_anew_are_noted_in_the_new_one(
    store: ProjectStore, runs: TrainingRuns
) -> None:
    assert runs.start(SHORT, EMPTY).wait(WAIT)
    before = the_run(runs)
    store.close()
    for file in store.path.parent.glob(f"{store.path.name}*"):
        file.unlink()
    with ProjectStore.create(store.path, store.images_dir) as anew:
        other = anew.start_run("import", {})
        assert other == before.id, "the number is taken by something else now"
        found = the_run(TrainingRuns(anew, command=COMMAND))
        assert found.id not in {0, other}
        assert (found.name, found.state) == (before.name, RunState.DONE)
        assert the_run(TrainingRuns(anew, command=COMMAND)) == found
        (row,) = anew.runs("import")
        assert (row.progress, row.result) == (None, None)


def test_a_listener_whose_terminal_is_gone_does_not_keep_a_training_from_its_end(
    runs: TrainingRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("threading.excepthook", broken)
    process = runs.start(SHORT, EMPTY, on_event=broken)
    assert process.wait(WAIT)
    assert the_run(runs).state is RunState.DONE


def test_the_project_is_not_held_while_it_trains(
    store: ProjectStore, mischief: Callable[[str], None]
) -> None:
    mischief("slow")
    runs = TrainingRuns(store, command=COMMAND)
    process = runs.start(SHORT, EMPTY)
    until(process, Started)
    store.close()
    with ProjectStore.open(store.path) as other:
        assert the_run(TrainingRuns(other, command=COMMAND)).state is RunState.RUNNING
    process.close()
    with ProjectStore.open(store.path) as other:
        assert the_run(TrainingRuns(other, command=COMMAND)).state is RunState.STOPPED


# -- many trainings ------------------------------------------------------------------------------


def test_trainings_of_other_projects_are_not_told(runs: TrainingRuns, tmp_path: Path) -> None:
    runs.prepare(SHORT, EMPTY)
    with training_project(tmp_path / "another") as other:
        theirs = TrainingRuns(other, command=COMMAND)
        assert theirs.history() == ()
        theirs.prepare(SHORT, EMPTY, title="Theirs")
        assert the_run(theirs).title == "Theirs"
    assert the_run(runs).title == "U-Net · MobileNet v2"


def test_the_project_remembers_a_training_whose_folder_is_gone(
    runs: TrainingRuns, store: ProjectStore
) -> None:
    assert runs.start(SHORT, EMPTY, title="Lost").wait(WAIT)
    run = the_run(runs)
    run.folder.delete()
    lost = the_run(runs)
    assert (lost.state, lost.title, lost.resumable) == (RunState.GONE, "Lost", False)
    with pytest.raises(BadInputError, match="are gone"):
        runs.resume(lost)
    runs.delete(lost)
    assert runs.history() == ()
    (row,) = store.runs("training")
    assert row.result["deleted"] is True


def test_a_deleted_training_leaves_no_file(runs: TrainingRuns) -> None:
    assert runs.start(SHORT, EMPTY).wait(WAIT)
    runs.delete(the_run(runs))
    assert list(training_dir().iterdir()) == []
    assert runs.history() == ()


def test_a_training_is_named_by_its_number_or_its_folder(runs: TrainingRuns) -> None:
    run = runs.prepare(SHORT, EMPTY)
    assert runs.run(str(run.id)).name == runs.run(run.name).name == run.name
    with pytest.raises(BadInputError, match=f"there are: {run.id}"):
        runs.run("99")


def test_what_was_not_finished_is_found_by_its_settings_and_labels(
    runs: TrainingRuns, store: ProjectStore
) -> None:
    run = runs.prepare(SHORT, EMPTY)
    now = survey(store, EMPTY).fingerprint
    found = runs.unfinished(SHORT, now)
    assert found is not None
    assert found.name == run.name
    assert runs.unfinished(TrainingSettings(architecture="unet", epochs=6), now) is None
    assert runs.unfinished(SHORT, survey(store, SetChoices()).fingerprint) is None
    image = store.images()[0]
    annotate(store, image.id, store.categories()[0], np.ones(image.size, bool), z_order=5)
    assert runs.unfinished(SHORT, survey(store, EMPTY).fingerprint) is None


def test_the_history_reads_each_record_once(
    runs: TrainingRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    for title in ("one", "two"):
        runs.launch(runs.prepare(SHORT, EMPTY, title=title)).wait(WAIT)
    read, real = [], training_folder.read_events

    def counted(folder: Path) -> Iterator[Event]:
        read.append(folder)
        return real(folder)

    monkeypatch.setattr(training_folder, "read_events", counted)
    for _ in range(2):  # once what is new is noted, and once nothing is
        read.clear()
        assert {(run.title, run.state, run.id) for run in runs.history()} == {
            ("one", RunState.DONE, 1),
            ("two", RunState.DONE, 2),
        }
        assert len(read) == len(set(read)) == 2


def test_a_survey_that_was_just_made_is_not_made_again(
    runs: TrainingRuns, store: ProjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = survey(store, EMPTY)

    def refuse(*_: object) -> None:
        raise AssertionError("it was surveyed again")

    monkeypatch.setattr(training_run, "survey", refuse)
    assert runs.prepare(SHORT, EMPTY, made=made).fingerprint == made.fingerprint


def test_a_set_that_a_killed_program_left_half_written_is_cleared(
    runs: TrainingRuns,
) -> None:
    left = training_dir() / "shapes-left"
    (left / "labels").mkdir(parents=True)
    young = training_dir() / "shapes-young"
    (young / "labels").mkdir(parents=True)
    os.utime(left, (1, 1))
    assert runs.history() == ()
    assert not left.exists()
    assert young.exists()


# -- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        (TrainingSettings(architecture="no-such-net"), "no architecture"),
        (TrainingSettings(architecture="unet", encoder="no-such"), "does not go with"),
        (TrainingSettings(architecture="unet", batch=0), "batch of a training is at least 1"),
        (TrainingSettings(architecture="unet", learning_rate=float("nan")), "learning rate"),
        (TrainingSettings(architecture="unet", learning_rate=float("inf")), "at most 1e"),
        (TrainingSettings(architecture="unet", side=100_000), "side of a training is at most"),
        (TrainingSettings(architecture="unet", seed=-5), "seed of a training is at least 0"),
        (TrainingSettings(architecture="unet", minutes=-1), "minutes of a training is at least 0"),
        (
            TrainingSettings(architecture="unet", augmentation=Augmentation(scale=(2.0, 1.0))),
            "largest scale of a training is at least 2",
        ),
    ],
)
def test_settings_that_make_no_sense_are_refused_and_nothing_is_left(
    runs: TrainingRuns, settings: TrainingSettings, part: str
) -> None:
    with pytest.raises(BadInputError, match=part):
        runs.prepare(settings, EMPTY)
    assert not training_dir().exists() or list(training_dir().iterdir()) == []


def test_a_project_that_cannot_be_trained_is_refused_in_its_own_words(
    runs: TrainingRuns, store: ProjectStore
) -> None:
    for image in store.images()[1:]:
        (store.images_dir / image.path).unlink()
    with pytest.raises(BadInputError, match="Only one image can be used"):
        runs.start(SHORT, EMPTY)
    assert store.runs("training") == []


def test_a_cancelled_preparation_leaves_nothing(runs: TrainingRuns, store: ProjectStore) -> None:
    token = CancelToken()

    def sink(progress: Progress) -> None:
        if progress.text.startswith("Writing the labels"):
            token.cancel()

    with pytest.raises(Cancelled):
        runs.prepare(SHORT, EMPTY, sink, token)
    assert list(training_dir().iterdir()) == []
    assert store.runs("training") == []


def test_a_disk_without_room_is_told_before_anything_is_written(
    runs: TrainingRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = training_space.shutil._ntuple_diskusage(10**9, 10**9 - 10**6, 10**6)
    monkeypatch.setattr(training_space.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(StorageError, match="and its disk has 1 MB free"):
        runs.prepare(SHORT, EMPTY)
    assert not training_dir().exists()


def test_more_is_needed_of_the_disk_for_more_parameters_and_moments(store: ProjectStore) -> None:
    made = survey(store, EMPTY)
    small = training_space.needed_bytes(SHORT, made)
    sgd = training_space.needed_bytes(
        TrainingSettings(architecture="unet", encoder="mobilenet_v2", optimiser=Optimiser.SGD), made
    )
    large = training_space.needed_bytes(
        TrainingSettings(architecture="unet", encoder="resnet101"), made
    )
    assert sgd < small < large


@pytest.mark.parametrize(
    "architecture",
    [*(row for row in ARCHITECTURES if not row.encoders), registry.architecture("unet")],
    ids=lambda row: row.key,
)
def test_what_is_needed_of_the_disk_is_little_more_than_14_times_the_parameters(
    store: ProjectStore, architecture: Architecture
) -> None:
    """Four checkpoints with two moments each, two models; the project has five small images."""
    import torch

    made = survey(store, EMPTY)
    with torch.device("meta"):  # no memory, no time
        net = registry.build(registry.network_spec(architecture.key, "", len(made.categories)))
    real = 14 * 4 * sum(one.numel() for one in net.parameters())
    told = training_space.needed_bytes(TrainingSettings(architecture=architecture.key), made)
    assert real < told < 1.8 * real + (80 << 20)


# -- the model -----------------------------------------------------------------------------------


def with_model(run: TrainingRun) -> SemanticCard:
    import torch

    categories = (ModelCategory("a", "#000000"), ModelCategory("b", "#ffffff"))
    spec = NetworkSpec("unet", "mobilenet_v2", 2)
    card = SemanticCard("best", "Best", "", spec, categories, "Apache-2.0", scores={"miou": 0.5})
    best = run.folder.path / "best"
    best.mkdir()
    library.write({"weight": torch.arange(6.0)}, card, best)
    return card


def test_the_best_model_is_put_among_those_that_can_be_used(runs: TrainingRuns) -> None:
    run = runs.prepare(SHORT, EMPTY, title="Fünf Formen!")
    with pytest.raises(BadInputError, match="has no model yet"):
        runs.adopt(run)
    with_model(run)
    assert the_run(runs).has_model
    first, second = runs.adopt(run), runs.adopt(run, "Fünf Formen!")
    assert (first.key, second.key) == ("funf-formen", "funf-formen-2")
    assert first.title == "Fünf Formen!"
    assert first.trained_on == "4 images of “shapes”"
    assert first.scores == {"miou": 0.5}
    assert {card.key for card in library.cards()} == {first.key, second.key}
    assert first.folder is not None
    ours = (first.folder / library.WEIGHTS).read_bytes()
    assert ours == (run.folder.path / "best" / library.WEIGHTS).read_bytes()
    runs.delete(run)
    assert len(library.cards()) == 2


def test_a_model_that_is_taken_while_a_better_one_is_written_has_its_own_card(
    runs: TrainingRuns, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import save_file

    run = runs.prepare(SHORT, EMPTY)
    card = with_model(run)
    best = run.folder.path / "best"
    (tmp_path / "better").mkdir()
    better = dataclasses.replace(card, scores={"miou": 0.7}, temperature=2.0)
    library.write({"weight": torch.ones(6)}, better, tmp_path / "better")
    shutil.copy(tmp_path / "better" / library.WEIGHTS, best)  # its card comes a moment later
    taken = runs.adopt(run)
    assert (taken.scores, taken.temperature) == ({"miou": 0.7}, 2.0)
    save_file({"weight": torch.ones(6)}, best / library.WEIGHTS)  # as former versions did
    assert runs.adopt(run).scores == {"miou": 0.5}
    (best / library.WEIGHTS).write_bytes(b"no weights")
    with pytest.raises(BadInputError, match="has no model yet"):
        runs.adopt(run)
    assert len(library.cards()) == 2
    assert not [path for path in library.folder().iterdir() if path.name.startswith(".")]


def test_a_category_added_later_does_not_hinder_a_resume(
    runs: TrainingRuns, store: ProjectStore
) -> None:
    run = runs.prepare(SHORT, EMPTY)
    add_category(store, "later")
    process = runs.resume(run)
    assert process.wait(WAIT)
    validated = [event for event in process.events if isinstance(event, Validated)]
    assert set(validated[0].iou) == {"background", "square", "disc"}


def test_a_home_named_from_the_working_folder_is_the_same_one_for_the_process(
    store: ProjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEGSTUDIO_HOME", "home here")
    runs = TrainingRuns(store, command=COMMAND)
    assert runs.start(SHORT, EMPTY).wait(WAIT)
    assert the_run(runs).state is RunState.DONE
    assert (tmp_path / "home here" / "data" / "training").is_dir()


def test_trainings_are_kept_in_the_users_data(own_home: Path) -> None:
    assert training_run.training_dir() == own_home / "data" / "training"
