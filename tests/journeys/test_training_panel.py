"""Stories of trainings in the window: begun, paused, stopped, resumed, watched, used, deleted.

The process is a stand-in that counts steps and tells events as a training does, so that the
stories take seconds; everything else is what users have.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from training_project import training_project
from training_stand_in import COMMAND

from segstudio.config.settings import Settings
from segstudio.core.errors import WeightsError
from segstudio.core.prediction import ModelCategory
from segstudio.engine.training_folder import RunState
from segstudio.engine.training_run import TrainingRuns
from segstudio.gui.app import Studio
from segstudio.gui.demo_hand import Hand
from segstudio.gui.desks import training as desk_module
from segstudio.gui.dialogs.training import TrainingDialog
from segstudio.gui.panels.training import TrainingPanel
from segstudio.gui.theme import apply_theme
from segstudio.models.semantic import library
from segstudio.models.semantic.card import NetworkSpec, SemanticCard
from segstudio.models.training.settings import TrainingSettings

IMAGES = 6


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Six labelled images of squares and discs."""
    with training_project(tmp_path, IMAGES) as store:
        return store.path


@pytest.fixture
def mischief(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    stood_in = functools.partial(TrainingRuns, command=COMMAND)
    monkeypatch.setattr(desk_module, "TrainingRuns", stood_in)
    return monkeypatch


def open_window(qtbot: QtBot, project: Path) -> Hand:
    hand = Hand(Studio(Settings(model="graph_cut", prefetch_neighbours=0)))
    qtbot.addWidget(hand.window)
    hand.show()
    hand.studio.desks.project.open(project)
    hand.wait(lambda: hand.workspace.session is not None, "nothing opens")
    hand.settle()
    return hand


@pytest.fixture
def hand(
    qtbot: QtBot, qapp: QApplication, project: Path, mischief: pytest.MonkeyPatch
) -> Iterator[Hand]:
    apply_theme(qapp, "dark")
    hand = open_window(qtbot, project)
    yield hand
    hand.close()
    apply_theme(qapp, "system")


def panel(hand: Hand) -> TrainingPanel:
    return hand.window.training


def said(hand: Hand) -> str:
    return hand.window.status.message.whole_text


def asked(hand: Hand) -> TrainingDialog:
    """Ctrl+T, and the dialog once it has looked at the labels."""
    hand.press("Ctrl+T")

    def found() -> list[TrainingDialog]:
        return [one for one in hand.window.findChildren(TrainingDialog) if one.isVisible()]

    hand.wait(lambda: bool(found()), "no dialog opens")
    dialog = found()[0]
    hand.wait(lambda: dialog.survey is not None, "the labels are not looked at")
    return dialog


def train(hand: Hand, epochs: int = 5) -> None:
    dialog = asked(hand)
    dialog.network.choose("unet", "resnet18", pretrained=False)
    dialog.fields.fields["epochs"].set_value(epochs)
    dialog.button.click()


def ended(hand: Hand) -> None:
    desk = hand.studio.desks.training
    hand.wait(lambda: bool(desk.runs) and desk.live is None, "the training does not end")
    hand.settle()


def state(hand: Hand) -> str:
    desk = hand.studio.desks.training
    return desk.state_of(desk.runs[0]) if desk.runs else ""


def give_model(hand: Hand) -> None:
    """A best model in the run's folder, as a training leaves it."""
    run = hand.studio.desks.training.runs[0]
    categories = tuple(ModelCategory(name, "#e69f00") for name in ("square", "disc"))
    spec = NetworkSpec("unet", "resnet18", 2)
    card = SemanticCard("best", "U-Net", "", spec, categories, "MIT")
    (run.folder.path / "best").mkdir()
    library.write({}, card, run.folder.path / "best")


def test_an_empty_panel_says_what_to_do_first(hand: Hand) -> None:
    assert panel(hand).empty.isVisibleTo(panel(hand))
    assert f"{IMAGES} so far" in panel(hand).empty.text()


def test_a_training_is_begun_watched_and_done(hand: Hand) -> None:
    train(hand)
    assert hand.window.tabs.currentWidget() is panel(hand)
    ended(hand)
    view = panel(hand).view
    assert "best mIoU 83.3 %" in said(hand)
    assert hand.window.status.offer_button.text() == "Use this model"
    assert "done" in view.title.text() and "U-Net · ResNet-18" in view.title.text()
    assert view.categories.model.rowCount() == 2
    hand.wait(lambda: view.curves is not None and view.worst.rows, "nothing is drawn", 30)
    epochs, scores = view.curves._scores.getData()
    assert list(epochs) == [1, 2, 3, 4, 5] and scores[-1] == pytest.approx(100 * 5 / 6)
    assert not view.pause.isVisibleTo(view) and view.delete.isVisibleTo(view)
    worst = view.worst.rows[0]
    QTest.mouseClick(worst, Qt.MouseButton.LeftButton)
    hand.settle()
    session = hand.workspace.session
    assert session is not None and session.image.path == worst.shown.example.name


def test_pause_resume_and_stop_are_heard_and_a_stopped_one_goes_on(
    hand: Hand, mischief: pytest.MonkeyPatch
) -> None:
    mischief.setenv("TRAINING_STAND_IN", "slow")
    view, desk = panel(hand).view, hand.studio.desks.training
    train(hand)
    hand.wait(lambda: desk.live is not None and desk.live.story.step == 2, "it does not run")
    hand.wait(view.pause.isEnabled, "it cannot be paused")
    QTest.mouseClick(view.pause, Qt.MouseButton.LeftButton)
    hand.wait(lambda: state(hand) == "paused", "it does not pause")
    assert hand.window.focusWidget() is hand.canvas  # not the next button, which Space would press
    hand.wait(lambda: view.resume.isVisibleTo(view), "it cannot go on")
    assert "paused" in view.title.text()
    view.resume.click()
    hand.wait(lambda: state(hand) == "running", "it does not go on")
    view.stop.click()
    ended(hand)
    assert "all is saved" in said(hand) and state(hand) == RunState.STOPPED
    mischief.delenv("TRAINING_STAND_IN")
    assert view.resume.isVisibleTo(view)
    view.resume.click()
    hand.wait(lambda: desk.live is not None, "it is not resumed")
    ended(hand)
    assert state(hand) == RunState.DONE and len(desk.runs) == 1
    assert list(panel(hand).view.story.loss_epochs) == [1, 2, 3, 4, 5]
    bar = view.verticalScrollBar()
    bar.setValue(bar.maximum())
    panel(hand).larger.click()
    assert bar.value() == 0


def test_only_one_trains_at_a_time_and_that_is_said(
    hand: Hand, mischief: pytest.MonkeyPatch
) -> None:
    mischief.setenv("TRAINING_STAND_IN", "slow")
    train(hand)
    desk = hand.studio.desks.training
    hand.wait(lambda: desk.live is not None, "it does not run")
    hand.press("Ctrl+T")
    hand.settle()
    assert "A training is running" in said(hand)
    desk.stop()
    ended(hand)


def test_a_crash_is_one_sentence_and_can_be_resumed(
    hand: Hand, mischief: pytest.MonkeyPatch
) -> None:
    mischief.setenv("TRAINING_STAND_IN", "crash")
    train(hand)
    ended(hand)
    assert "the network fell over" in said(hand) and state(hand) == RunState.FAILED
    view = panel(hand).view
    assert "the network fell over" in view.why.text() and view.resume.isVisibleTo(view)


def test_where_weights_cannot_be_had_one_can_begin_without_them(
    hand: Hand, mischief: pytest.MonkeyPatch
) -> None:
    tried: list[bool] = []

    def offline(settings: TrainingSettings, **_: object) -> None:
        tried.append(settings.pretrained)
        if settings.pretrained:
            raise WeightsError("The weights cannot be fetched: there is no network.")

    mischief.setattr(desk_module, "ensure_start", offline)
    dialog = asked(hand)
    dialog.network.choose("unet", "resnet18", pretrained=True)
    dialog.fields.fields["epochs"].set_value(2)
    dialog.button.click()
    hand.wait(lambda: "no network" in said(hand), "it is not said")
    offer = hand.window.status.offer_button
    assert offer.text() == "Train from nothing" and not hand.studio.desks.training.runs
    offer.click()
    ended(hand)
    assert tried == [True, False] and state(hand) == RunState.DONE


def test_closing_the_window_saves_what_trains_and_the_next_start_offers_it(
    qtbot: QtBot, project: Path, mischief: pytest.MonkeyPatch
) -> None:
    mischief.setenv("TRAINING_STAND_IN", "slow")
    hand = open_window(qtbot, project)
    train(hand)
    desk = hand.studio.desks.training
    hand.wait(lambda: desk.live is not None and desk.live.story.step == 2, "it does not run")
    hand.window.close()
    assert hand.window.isVisible() and "being saved" in said(hand)
    hand.wait(lambda: not hand.window.isVisible(), "it does not close")
    hand.close()
    mischief.delenv("TRAINING_STAND_IN")
    later = open_window(qtbot, project)
    hand.wait(lambda: state(later) == RunState.STOPPED, "it is forgotten")
    later.studio.desks.training.resume(later.studio.desks.training.runs[0].name)
    later.wait(lambda: later.studio.desks.training.live is not None, "it is not resumed")
    ended(later)
    assert state(later) == RunState.DONE
    later.close()


def test_a_model_is_put_to_use_and_stays_when_its_training_is_deleted(hand: Hand) -> None:
    train(hand, epochs=2)
    ended(hand)
    give_model(hand)
    adopted: list[str] = []
    desk = hand.studio.desks.training
    desk.model_adopted.connect(adopted.append)
    panel(hand).view.use.click()
    hand.wait(lambda: bool(adopted), "no model is adopted")
    hand.settle()
    assert [card.key for card in library.cards()] == adopted
    assert hand.window.tabs.currentWidget() is hand.window.semantic
    folder = desk.runs[0].folder.path
    panel(hand).view.delete.click()
    hand.settle()
    assert not desk.runs and folder.is_dir(), "it can still be had back"
    hand.window.status.offer_button.click()
    hand.settle()
    assert len(desk.runs) == 1 and panel(hand).runs.model.rowCount() == 1
    panel(hand).view.delete.click()
    hand.close()
    desk._bin.empty()  # as its timer does, should that be late
    assert not folder.exists() and [card.key for card in library.cards()] == adopted


def test_a_training_that_ends_while_another_project_is_open_can_be_put_to_use(
    hand: Hand, mischief: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mischief.setenv("TRAINING_STAND_IN", "slow")
    with training_project(tmp_path / "other", 2) as store:
        other = store.path
    train(hand, epochs=2)
    desk = hand.studio.desks.training
    hand.wait(lambda: desk.live is not None, "it does not run")
    give_model(hand)
    hand.studio.desks.project.open(other)
    hand.wait(lambda: len(hand.workspace.images) == 2, "the other does not open")
    hand.wait(lambda: desk.live is None, "the training does not end")
    hand.settle()
    assert hand.window.status.offer_button.text() == "Use this model"
    assert desk.runs == ()
    hand.window.status.offer_button.click()
    hand.settle()
    assert [card.title for card in library.cards()] == ["U-Net · ResNet-18"]


def test_what_hinders_a_training_is_said_before_it_starts(hand: Hand) -> None:
    dialog = asked(hand)
    assert dialog.button.isEnabled() and not dialog.trouble.text()
    assert dialog.data.balance.model.rowCount() == 2
    for combo in dialog.data.combos:
        combo.setCurrentIndex(0)  # ignored
    assert not dialog.button.isEnabled()
    hand.wait(lambda: bool(dialog.trouble.text()), "nothing is said")
    assert "no category to learn" in dialog.trouble.text() and not dialog.button.isEnabled()
    dialog.data.combos[0].setCurrentIndex(dialog.data.combos[0].findData("square"))
    hand.wait(lambda: dialog.survey is not None and bool(dialog.trouble.text()), "no answer")
    assert "Every pixel that counts is “square”" in dialog.trouble.text()
    dialog.data.unlabelled.set_value("background")
    hand.wait(dialog.button.isEnabled, "it is still hindered")
    assert not dialog.trouble.text()
    dialog.reject()
