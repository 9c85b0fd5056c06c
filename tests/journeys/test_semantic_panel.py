"""Predicting in the window: a small model, real photos on disk, a real project file."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from colour_model import ColourModel, scene
from PIL import Image
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from segstudio.config.settings import Settings, load_settings
from segstudio.core.annotation import Stage
from segstudio.core.errors import DeviceError, WeightsError
from segstudio.gui.app import Studio
from segstudio.gui.canvas.label_map_levels import LabelMapLevels
from segstudio.gui.canvas.label_map_look import LabelMapLook, Shows
from segstudio.gui.demo_hand import Hand
from segstudio.gui.desks import semantic_turning as turning
from segstudio.gui.desks.semantic_turning import Scope
from segstudio.gui.dialogs.semantic_turning import TurnDialog
from segstudio.models.semantic.card import SemanticCard
from segstudio.models.semantic.contract import PredictSettings

SURE = 2.0  # how clearly the colours are told apart
CAR = (100.0, 72.0)  # a place on a car; the scene is twice as large as it was drawn


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three pictures, alike but for their noise."""
    folder = tmp_path / "photos"
    folder.mkdir()
    pixels = scene().repeat(2, axis=0).repeat(2, axis=1)
    for seed, name in enumerate(("a.png", "b.png", "c.png")):
        grain = np.random.default_rng(seed).integers(0, 12, pixels.shape, dtype=np.uint8)
        Image.fromarray(np.minimum(pixels, 240) + grain).save(folder / name)
    return folder


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> ColourModel:
    """The only model that the window knows."""
    made = ColourModel(sharpness=SURE)

    def load(card: SemanticCard, **_: Any) -> ColourModel:
        assert card.key == made.card.key
        return made

    monkeypatch.setattr("segstudio.gui.app.load_semantic_model", load)
    monkeypatch.setattr("segstudio.gui.desks.semantic_models.semantic_cards", lambda: (made.card,))
    return made


def open_window(qtbot: QtBot, photos: Path) -> Hand:
    hand = Hand(Studio(Settings(model="graph_cut", prefetch_neighbours=0)))
    qtbot.addWidget(hand.window)
    hand.show()
    hand.studio.desks.project.open(photos)
    hand.wait(lambda: hand.workspace.session is not None, "nothing opens")
    hand.open_image("a.png")
    return hand


@pytest.fixture
def hand(qtbot: QtBot, photos: Path, model: ColourModel) -> Iterator[Hand]:
    assert model.asked == 0
    hand = open_window(qtbot, photos)
    yield hand
    hand.close()


@pytest.fixture
def predicted(hand: Hand) -> Hand:
    hand.press("Ctrl+P")
    hand.wait(lambda: levels(hand) is not None, "nothing is predicted")
    hand.settle()
    return hand


def levels(hand: Hand) -> LabelMapLevels | None:
    return hand.studio.desks.semantic_view.levels


def look_as(hand: Hand, **changes: Any) -> None:
    view = hand.studio.desks.semantic_view
    view.use_look(replace(view.look, **changes))
    hand.settle()


def colour_at(hand: Hand, x: float, y: float) -> str:
    return hand.canvas.grab().toImage().pixelColor(hand.screen(x, y)).name()


def sentences(hand: Hand) -> list[str]:
    told: list[str] = []
    hand.workspace.told.connect(lambda sentence, _: told.append(sentence))
    return told


# -- predicting ---------------------------------------------------------------------------------


def test_predict_shows_a_legend_and_colours_over_the_photo(predicted: Hand) -> None:
    panel = predicted.window.semantic
    assert predicted.window.tabs.currentWidget() is panel
    rows = {row.category.name: row for row in panel.showing.legend.legend.rows}
    truth = scene().repeat(2, axis=0).repeat(2, axis=1)
    assert rows["car"].pixels == np.count_nonzero((truth == (255, 0, 0)).all(axis=2))
    assert 0.5 < rows["car"].confidence < 1.0
    plain = (1.0, 30.0)
    look_as(predicted, shows=Shows.CONFIDENCE, opacity=1.0, shown=frozenset({"nothing"}))
    covered = colour_at(predicted, *plain)
    look_as(predicted, shows=Shows.NOTHING)
    assert colour_at(predicted, *plain) != covered


def test_coming_back_shows_what_is_kept_without_asking_the_model(
    predicted: Hand, model: ColourModel
) -> None:
    predicted.open_image("b.png")
    assert levels(predicted) is None
    assert predicted.canvas.pictures.label_map.draw is None
    assert not predicted.window.semantic.showing.isVisible()
    predicted.open_image("a.png")
    predicted.wait(lambda: levels(predicted) is not None, "what was predicted does not come back")
    assert model.asked == 1


def test_all_images_are_predicted_one_after_the_other_and_kept(
    hand: Hand, model: ColourModel
) -> None:
    told = sentences(hand)
    hand.studio.desks.semantic.predict_all()
    hand.wait(lambda: not hand.studio.desks.semantic.running, "predicting does not end")
    hand.settle()
    assert told == ["3 images predicted."]
    assert model.asked == 3
    assert levels(hand) is not None, "the open image is one of them"
    hand.open_image("c.png")
    hand.wait(lambda: levels(hand) is not None, "it was predicted")
    assert model.asked == 3


def test_an_image_that_cannot_be_read_is_passed_over_and_named(
    hand: Hand, photos: Path, model: ColourModel
) -> None:
    """Also where it is the first, before the model is loaded."""
    told: list[tuple[str, str]] = []
    hand.workspace.told.connect(lambda *parts: told.append(parts))
    (photos / "a.png").write_bytes((photos / "a.png").read_bytes()[:300])
    hand.studio.desks.semantic.predict_all()
    hand.wait(lambda: not hand.studio.desks.semantic.running, "predicting does not end")
    sentence, details = told[-1]
    assert sentence == "2 images predicted. 1 image passed over."
    assert details.startswith("a.png: ")
    assert model.asked == 2


def test_the_selection_is_what_is_selected_in_the_gallery(hand: Hand, model: ColourModel) -> None:
    gallery, desk = hand.window.gallery, hand.studio.desks.semantic
    assert [hand.workspace.images[id_].path for id_ in desk.selected()] == ["a.png"]
    row = gallery.view.visualRect(gallery.model.index(2)).center()
    shift = Qt.KeyboardModifier.ShiftModifier
    QTest.mouseClick(gallery.view.viewport(), Qt.MouseButton.LeftButton, shift, row)
    hand.wait(lambda: bool(hand.workspace.session) and shown_path(hand) == "c.png", "it opens")
    hand.settle()
    assert [hand.workspace.images[id_].path for id_ in desk.selected()] == [
        "a.png", "b.png", "c.png",
    ]  # fmt: skip
    desk.predict_selection()
    hand.wait(lambda: not desk.running, "predicting does not end")
    assert model.asked == 3
    hand.press("A")
    hand.wait(lambda: shown_path(hand) == "b.png", "paging does not work")
    assert len(desk.selected()) == 1
    row = gallery.view.visualRect(gallery.model.index(0)).center()
    control = Qt.KeyboardModifier.ControlModifier
    QTest.mouseClick(gallery.view.viewport(), Qt.MouseButton.LeftButton, control, row)
    hand.wait(lambda: shown_path(hand) == "a.png", "a further one opens too")
    assert len(desk.selected()) == 2


def shown_path(hand: Hand) -> str:
    return hand.workspace.session.image.path if hand.workspace.session else ""


def test_a_prediction_under_way_can_be_stopped_from_the_panel(
    hand: Hand, model: ColourModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    sees_it = threading.Event()

    def endless(*arguments: Any) -> None:
        while True:
            if arguments[-1].cancelled:
                sees_it.wait(20)  # a window that is under way is computed to its end
            arguments[-1].check()

    monkeypatch.setattr(ColourModel, "predict", endless)
    panel, told = hand.window.semantic, sentences(hand)
    hand.press("Ctrl+P")
    hand.wait(panel.cancel.isVisible, "nothing can be stopped")
    assert not panel.predict.isVisible()
    QTest.mouseClick(panel.cancel, Qt.MouseButton.LeftButton)
    assert panel.progress_text.whole_text == "Cancelling…", "the hand is answered at once"
    assert not panel.cancel.isEnabled()
    hand.press("Ctrl+P")
    assert told == ["The last prediction is still stopping; press Predict in a moment."]
    sees_it.set()
    hand.wait(lambda: not hand.studio.desks.semantic.running, "it does not stop")
    assert hand.window.focusWidget() is hand.canvas  # not what comes after the button that went
    assert panel.predict.isVisible()
    assert levels(hand) is None


def test_a_model_that_fails_is_told_in_a_sentence_and_the_window_goes_on(
    hand: Hand, model: ColourModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.broken = True
    told = sentences(hand)
    hand.press("Ctrl+P")
    hand.wait(lambda: bool(told), "nobody says anything")
    hand.settle()
    assert told == [str(DeviceError("The device has no memory left; close other programs."))]
    model.broken = False
    hand.press("Ctrl+P")
    hand.wait(lambda: levels(hand) is not None, "it does not work again")
    models = hand.studio.desks.semantic_models
    assert models.slot is not None
    models.slot.drop()  # it rests, and meanwhile somebody deletes it

    def gone(card: SemanticCard, **_: Any) -> ColourModel:
        raise WeightsError(f"{card.title} is gone.")

    monkeypatch.setattr("segstudio.gui.app.load_semantic_model", gone)
    models._cards = tuple
    hand.open_image("b.png")
    hand.press("Ctrl+P")
    hand.wait(lambda: models.current is None, "it is still offered")
    assert told[-1] == "Colours is gone."
    assert hand.window.semantic.empty.text().startswith("There is no model yet")


def test_asked_otherwise_the_old_answer_goes_and_comes_back_with_the_old_question(
    predicted: Hand, model: ColourModel
) -> None:
    fields = predicted.window.semantic.asking
    fields.flip.click()
    predicted.settle()
    assert predicted.studio.desks.semantic.settings == PredictSettings(flip=True)
    assert levels(predicted) is None
    fields.usual.click()
    predicted.wait(lambda: levels(predicted) is not None, "the first answer is kept")
    assert model.asked == 1


# -- how it is shown ----------------------------------------------------------------------------


def test_a_threshold_takes_effect_at_once_in_legend_and_picture(predicted: Hand) -> None:
    showing = predicted.window.semantic.showing
    names = [row.category.name for row in showing.legend.legend.rows]
    showing.legend.selectRow(names.index("car"))
    look_as(predicted, opacity=1.0)
    before = colour_at(predicted, *CAR)
    showing.threshold.number.setValue(1.0)
    row = showing.legend.legend.rows[names.index("car")]
    assert row.pixels < row.held
    assert predicted.studio.desks.semantic_view.look.thresholds == {"car": 1.0}
    predicted.settle()
    assert before == "#ff0000" != colour_at(predicted, *CAR)


def test_eyes_and_opacity_count_for_one_category(predicted: Hand) -> None:
    showing = predicted.window.semantic.showing
    view = predicted.studio.desks.semantic_view
    row = [row.category.name for row in showing.legend.legend.rows].index("sky")
    eye = showing.legend.visualRect(showing.legend.legend.index(row, 0)).center()
    predicted.window.semantic.showing.legend.scrollTo(showing.legend.legend.index(row, 0))
    QTest.mouseClick(showing.legend.viewport(), Qt.MouseButton.LeftButton, pos=eye)
    assert view.look.hidden == {"sky"}
    assert showing.legend.names() == (), "the eye leaves the selection as it is"
    showing.legend.selectRow(row)
    showing.own_opacity.number.setValue(0.25)
    assert view.look.opacities == {"sky": 0.25}
    showing.own_opacity.number.setValue(1.0)
    assert view.look.opacities == {}
    QTest.keyClick(showing.legend, Qt.Key.Key_Return)
    assert view.look.hidden == frozenset()


def test_the_opacity_is_remembered(predicted: Hand) -> None:
    predicted.window.semantic.showing.opacity.number.setValue(0.8)
    predicted.close()
    assert load_settings().semantic_opacity == 0.8


def test_each_model_is_shown_and_asked_as_it_was_last_also_when_the_project_opens_again(
    hand: Hand, qtbot: QtBot, photos: Path, model: ColourModel
) -> None:
    desks = hand.studio.desks
    other = replace(model.card, key="others", title="Others")
    desks.semantic_models._cards = lambda: (model.card, other)
    desks.semantic_models.look()
    hand.settle()
    wanted = replace(
        desks.semantic_view.look,
        thresholds={"car": 0.5}, opacities={"sky": 0.25},
        hidden=frozenset({"pole"}), shown=frozenset({"nothing"}),
    )  # fmt: skip
    desks.semantic_view.use_look(wanted)
    hand.window.semantic.asking.flip.click()
    desks.semantic_models.use("others")
    assert desks.semantic_view.look == LabelMapLook(opacity=wanted.opacity)
    assert desks.semantic.settings == PredictSettings()
    assert not hand.window.semantic.asking.flip.isChecked()
    desks.semantic_models.use(model.card.key)
    assert desks.semantic_view.look == wanted
    assert hand.window.semantic.asking.flip.isChecked()
    hand.close()
    again = open_window(qtbot, photos)
    assert again.studio.desks.semantic_view.look == wanted
    assert again.studio.desks.semantic.settings == PredictSettings(flip=True)
    assert again.window.semantic.asking.flip.isChecked()
    again.close()


def test_the_line_between_before_and_after_is_dragged_and_stepped(predicted: Hand) -> None:
    look_as(predicted, shows=Shows.CONFIDENCE, opacity=1.0, shown=frozenset({"nothing"}))
    divider = predicted.studio.desks.semantic_view.divider
    left, right = (20.0, 100.0), (140.0, 100.0)
    covered, there = colour_at(predicted, *left), colour_at(predicted, *right)
    predicted.press("Shift+V")
    assert divider.isVisible() and divider.hasFocus()
    assert predicted.window.semantic.showing.compare.isChecked()
    assert colour_at(predicted, *left) != covered
    assert colour_at(predicted, *right) == there
    middle = QPoint(divider.width() // 2, divider.height() // 3)
    QTest.mousePress(divider, Qt.MouseButton.LeftButton, pos=middle)
    target = predicted.screen(150.0, 60.0).x() - divider.x()
    QTest.mouseMove(divider, QPoint(target, middle.y()))
    QTest.mouseRelease(divider, Qt.MouseButton.LeftButton, pos=middle)
    assert colour_at(predicted, *right) != there, "now left of the line"
    QTest.keyClick(divider, Qt.Key.Key_Home)
    assert divider.share == 0.0
    QTest.keyClick(divider, Qt.Key.Key_Right)
    assert divider.share == pytest.approx(0.01)
    assert shown_path(predicted) == "a.png", "the arrow keys turn no page"
    QTest.keyClick(divider, Qt.Key.Key_Escape)
    assert predicted.canvas.hasFocus()
    predicted.press("Shift+V")
    assert not divider.isVisible()
    assert colour_at(predicted, *left) == covered


def test_the_pointer_is_told_category_and_confidence(predicted: Hand) -> None:
    pointed: list[str] = []
    view = predicted.studio.desks.semantic_view
    view.pointed.connect(pointed.append)
    at = predicted.screen(*CAR)
    QTest.mouseMove(predicted.canvas, at)
    x, y = predicted.canvas.view.to_image(at.x(), at.y())
    QApplication.processEvents()
    shown = levels(predicted)
    assert shown is not None
    sure = int(shown.prediction.confidence[int(y), int(x)])
    percent = round(100 * sure / 255)
    assert pointed[-1] == f"car {percent} %"
    look_as(predicted, thresholds={"car": 1.0})
    assert pointed[-1] == f"car {percent} %, below its threshold"


def test_ctrl_m_goes_through_what_can_be_shown(predicted: Hand) -> None:
    seen = []
    for _ in range(4):
        predicted.press("Ctrl+M")
        seen.append(predicted.window.semantic.showing.shows.currentText())
    assert seen == ["Confidence", "Entropy", "None", "Label map"]


# -- turning into annotations -------------------------------------------------------------------


def turn_dialog(hand: Hand) -> TurnDialog:
    hand.press("Ctrl+Shift+P")
    hand.wait(lambda: bool(hand.window.findChildren(TurnDialog)), "no dialog opens")
    dialog = hand.window.findChildren(TurnDialog)[-1]
    hand.wait(lambda: bool(dialog.said.text()), "nothing is counted")
    return dialog


def test_this_image_becomes_annotations_as_announced_and_undo_takes_them_back(
    predicted: Hand,
) -> None:
    dialog = turn_dialog(predicted)
    dialog.least.set_value(40)
    predicted.wait(lambda: dialog.said.text() == "This image gets 4 annotations.", "not counted")
    counts = {row.name: row.annotations for row in dialog.targets.model.rows}
    assert counts == {"sky": 1, "car": 2, "pole": 1}
    dialog.button.click()
    predicted.wait(lambda: bool(predicted.workspace.annotations), "nothing is made")
    predicted.settle()
    rows = predicted.workspace.annotations
    named = sorted(predicted.workspace.categories[row.category_id].name for row in rows)
    assert named == ["car", "car", "pole", "sky"]
    assert {(row.tool, row.stage, row.model_key) for row in rows} == {
        ("semantic", Stage.AUTOMATIC, f"colours-{SURE:g}")
    }
    predicted.press("Ctrl+Z")
    predicted.wait(lambda: not predicted.workspace.annotations, "one undo takes all back")


def test_a_category_that_is_left_out_becomes_nothing(predicted: Hand) -> None:
    dialog = turn_dialog(predicted)
    dialog.targets.view.selectAll()
    dialog.targets.leave_out.click()
    assert not dialog.button.isEnabled()
    assert "left out" in dialog.said.text()
    dialog.targets.view.clearSelection()
    row = [row.name for row in dialog.targets.model.rows].index("car")
    dialog.targets.model.put([row], None)
    predicted.wait(lambda: "2 annotations" in dialog.said.text(), "not counted")
    dialog.button.click()
    predicted.wait(lambda: len(predicted.workspace.annotations) == 2, "nothing is made")
    predicted.settle()
    assert [one.name for one in predicted.workspace.categories.values()] == ["car"]


def test_all_images_become_annotations_as_one_run_that_is_taken_back(
    predicted: Hand, model: ColourModel
) -> None:
    told = sentences(predicted)
    dialog = turn_dialog(predicted)
    dialog.scope.set_value(Scope.ALL)
    dialog.least.set_value(40)
    dialog.button.click()
    predicted.wait(lambda: any("12 annotations" in one for one in told), "nothing is made", 60)
    predicted.settle()
    assert model.asked == 3
    assert "3 images: 12 annotations." in told
    assert sum(predicted.workspace.image_counts.values()) == 12
    predicted.window.status.offer_button.click()
    predicted.wait(lambda: any("Taken back" in one for one in told), "it is not taken back")
    predicted.settle()
    assert predicted.workspace.annotations == ()
    assert sum(predicted.workspace.image_counts.values()) == 0


def test_what_is_predicted_of_one_project_never_becomes_annotations_of_the_next(
    predicted: Hand, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = photos.parent / "other"
    shutil.copytree(photos, other, ignore=shutil.ignore_patterns("*.segstudio*"))
    released, real = threading.Event(), ColourModel.predict

    def held(*arguments: Any) -> Any:
        released.wait(20)
        return real(*arguments)

    monkeypatch.setattr(ColourModel, "predict", held)
    dialog = turn_dialog(predicted)
    dialog.scope.set_value(Scope.ALL)
    dialog.button.click()
    before = predicted.workspace.store
    predicted.studio.desks.project.open(other)
    predicted.wait(lambda: predicted.workspace.store is not before, "the other does not open")
    released.set()
    predicted.settle()
    assert sum(predicted.workspace.image_counts.values()) == 0
    assert not predicted.workspace.categories


def test_things_get_crisp_edges_from_the_prompt_model(predicted: Hand) -> None:
    dialog = turn_dialog(predicted)
    dialog.sharpen.set_value(True)
    dialog.button.click()
    predicted.wait(lambda: bool(predicted.workspace.annotations), "nothing is made")
    predicted.settle()
    sharp = [row for row in predicted.workspace.annotations if row.prompt is not None]
    assert sharp
    assert {row.attributes["prompt_model"].split("-")[0] for row in sharp} == {"graph_cut"}


def test_what_becomes_of_an_image_comes_to_it_though_the_page_is_turned_meanwhile(
    predicted: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    released, real = threading.Event(), turning.parts

    def held(*arguments: Any) -> Any:
        released.wait(20)
        return real(*arguments)

    dialog, told = turn_dialog(predicted), sentences(predicted)
    dialog.least.set_value(40)
    monkeypatch.setattr(turning, "parts", held)
    dialog.button.click()
    predicted.press("D")
    predicted.wait(lambda: shown_path(predicted) == "b.png", "the page does not turn")
    released.set()
    predicted.wait(lambda: bool(told), "nothing is made")
    assert told == ["a.png: 4 annotations."]
    assert not predicted.workspace.annotations
    predicted.open_image("a.png")
    assert len(predicted.workspace.annotations) == 4
    predicted.press("Ctrl+Z")
    predicted.wait(lambda: not predicted.workspace.annotations, "it cannot be undone there")


# -- without a model ----------------------------------------------------------------------------


def test_without_any_model_the_panel_leads_to_training(
    qtbot: QtBot, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segstudio.gui.desks.semantic_models.semantic_cards", tuple)
    hand = open_window(qtbot, photos)
    panel, told = hand.window.semantic, sentences(hand)
    hand.press("Ctrl+P")
    assert told == ["There is no model yet: train one on your own labels."]
    assert not panel.predict.isEnabled()
    assert panel.empty.text() == told[0]
    panel.models.train.click()
    assert hand.window.tabs.currentWidget() is hand.window.training
    hand.close()


def test_a_model_that_is_not_here_is_offered_and_nothing_else_happens(
    qtbot: QtBot, photos: Path
) -> None:
    """The published models as the registry has them, without a network."""
    hand = open_window(qtbot, photos)
    panel, desk = hand.window.semantic, hand.studio.desks.semantic_models
    hand.wait(lambda: bool(desk.rows), "no model is listed")
    hand.settle()
    row = desk.current
    assert row is not None and not row.here
    assert panel.models.get_button.isVisibleTo(panel)
    assert panel.models.get_button.text().startswith(f"Get {row.card.title}")
    assert not panel.predict.isEnabled()
    assert panel.empty.text() == f"Get the weights of {row.card.title} first."
    hand.close()
