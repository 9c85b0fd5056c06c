"""The Semantic panel's parts: cards, settings, legend, and the dialog about one model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from segstudio.core.prediction import ModelCategory, SemanticPrediction
from segstudio.core.progress import Progress
from segstudio.gui.canvas.label_map_levels import LabelMapLevels
from segstudio.gui.canvas.label_map_look import LabelMapLook
from segstudio.gui.dialogs.semantic_card import CardDialog
from segstudio.gui.panels.semantic import SemanticPanel
from segstudio.gui.panels.semantic_asking import SCALES, PredictFields
from segstudio.gui.panels.semantic_card import ModelChoice
from segstudio.gui.panels.semantic_legend import NAME, PERCENT, PIXELS, SURE, Legend
from segstudio.gui.semantic_state import ModelRow
from segstudio.gui.semantic_words import (
    asked_in_words,
    get_text,
    scores_in_words,
    settings_in_words,
)
from segstudio.models.card import WeightsFile
from segstudio.models.semantic.card import NetworkSpec, SemanticCard
from segstudio.models.semantic.contract import CrfSettings, PredictSettings
from segstudio.models.semantic.published import PUBLISHED

CATEGORIES = (
    ModelCategory("rest", "#101010", background=True),
    ModelCategory("road", "#804080"),
    ModelCategory("car", "#0000ff", isthing=True),
)
WEIGHTS = WeightsFile("a.pth", "https://example.org/a.pth", 20 << 20, "ab" * 32, "MIT")
OWN = SemanticCard(
    "own", "My streets", "Trained here.", NetworkSpec("unet", "resnet18", 3), CATEGORIES, "MIT",
    scores={"miou": 0.684}, trained_on="12 images",
)  # fmt: skip
THEIRS = replace(OWN, key="theirs", title="VOC", weights=WEIGHTS, scores={}, trained_on="")
LIMITED = replace(THEIRS, key="limited", title="Cityscapes", noncommercial=True)


def trained(row: SemanticCard) -> SemanticCard:
    return replace(row, folder=Path("models") / row.key)


# -- cards --------------------------------------------------------------------------------------


@pytest.fixture
def choice(qtbot: QtBot) -> ModelChoice:
    choice = ModelChoice()
    qtbot.addWidget(choice)
    choice.show()
    return choice


def test_ones_own_models_come_first_and_need_no_get(choice: ModelChoice) -> None:
    rows = (ModelRow(THEIRS, True), ModelRow(trained(OWN), True))
    choice.show_models(rows, "own")
    titles = [choice.box.itemText(n) for n in range(choice.box.count())]
    assert [title for title in titles if title] == ["My streets", "VOC"]
    assert choice.key == "own"
    assert choice.brief.whole_text == "mIoU 68.4 % · trained on 12 images · MIT"
    assert choice.categories.whole_text == "3 categories: rest, road, car"
    assert not choice.get_button.isVisible() and not choice.train.isVisible()


def test_weights_that_are_missing_are_offered_with_size_and_limits(choice: ModelChoice) -> None:
    wanted: list[str] = []
    choice.get_wanted.connect(wanted.append)
    choice.show_models((ModelRow(THEIRS, False), ModelRow(LIMITED, False)), "limited")
    assert choice.get_button.text() == "Get Cityscapes (20 MB)"
    assert choice.warning.isVisible() and choice.train.isVisible()
    choice.get_button.click()
    assert wanted == ["limited"]
    choice.show_models((ModelRow(THEIRS, False), ModelRow(LIMITED, False)), "theirs")
    assert not choice.warning.isVisible()


def test_choosing_tells_the_key(choice: ModelChoice) -> None:
    chosen: list[str] = []
    choice.chosen.connect(chosen.append)
    choice.show_models((ModelRow(THEIRS, True), ModelRow(LIMITED, False)), "theirs")
    choice.box.activated.emit(choice.box.findData("limited"))
    assert chosen == ["limited"]


@pytest.mark.parametrize("card", PUBLISHED, ids=lambda card: card.key)
def test_every_published_card_can_be_shown_in_full(qtbot: QtBot, card: SemanticCard) -> None:
    dialog = CardDialog(ModelRow(card, False), licence_accepted=not card.noncommercial)
    qtbot.addWidget(dialog)
    assert dialog.get_button.text() == get_text(card)
    assert dialog.get_button.isEnabled() != card.noncommercial


# -- the dialog about a model -------------------------------------------------------------------


def test_a_limited_licence_is_accepted_before_the_download(qtbot: QtBot) -> None:
    dialog = CardDialog(ModelRow(LIMITED, False), licence_accepted=False)
    qtbot.addWidget(dialog)
    dialog.show()
    accepted: list[SemanticCard] = []
    plain: list[SemanticCard] = []
    dialog.accepted_and_wanted.connect(accepted.append)
    dialog.get_wanted.connect(plain.append)
    assert not dialog.get_button.isEnabled()
    dialog.accept_licence.setChecked(True)
    dialog.get_button.click()
    assert (accepted, plain) == ([LIMITED], [])
    assert dialog.busy and dialog.bar.isVisible()


def test_a_download_is_followed_and_stopped(qtbot: QtBot) -> None:
    dialog = CardDialog(ModelRow(THEIRS, False))
    qtbot.addWidget(dialog)
    dialog.show()
    stops: list[bool] = []
    dialog.stop_wanted.connect(lambda: stops.append(True))
    dialog.show_progress(Progress(5 << 20, 20 << 20, "Downloading VOC"))
    assert dialog.bar.value() == 250
    assert dialog.progress_text.whole_text == "Downloading VOC 5 / 20 MB"
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    assert stops == [True] and dialog.isVisible()
    assert dialog.progress_text.whole_text == "Stopping…", "the hand is answered at once"
    assert dialog.close_button.text() == "Close", "a dead line keeps nobody waiting"
    dialog.show_idle("The line broke; try again.")
    assert dialog.trouble.isVisible() and dialog.get_button.isEnabled()
    dialog.show_here()
    assert not dialog.get_button.isVisible()


def test_words_of_scores_and_settings() -> None:
    card = replace(OWN, scores={"miou": 0.684, "epochs": 40.0}, settings={"loss": "dice", "x": ()})
    assert scores_in_words(card) == "mIoU 68.4 %, epochs 40"
    assert settings_in_words(card) == "loss dice"
    unknown = replace(WEIGHTS, size=0, sha256="")
    assert get_text(replace(THEIRS, weights=unknown)) == "Get VOC"


# -- how it is asked ----------------------------------------------------------------------------


def test_fields_say_what_they_were_shown(qtbot: QtBot) -> None:
    fields = PredictFields()
    qtbot.addWidget(fields)
    wanted = PredictSettings(
        tile=768, scales=(0.5, 1.0, 1.75), flip=True, temperature=1.5, crf=CrfSettings()
    )
    told: list[PredictSettings] = []
    fields.changed.connect(told.append)
    fields.show_settings(wanted)
    assert fields.value == wanted and told == []
    assert asked_in_words(wanted) == "3 scales, mirrored, CRF, window 768 px, temperature 1.5"
    fields.usual.click()
    assert told == [PredictSettings()]
    assert asked_in_words(PredictSettings()) == ""


def test_without_any_scale_it_is_the_images_own(qtbot: QtBot) -> None:
    fields = PredictFields()
    qtbot.addWidget(fields)
    fields.scales[1.0].click()
    assert fields.value.scales == (1.0,)
    assert fields.scales[1.0].isChecked()
    assert tuple(fields.scales) == SCALES


def test_what_is_otherwise_than_usual_is_told_while_the_fields_are_shut(qtbot: QtBot) -> None:
    panel = SemanticPanel()
    qtbot.addWidget(panel)
    panel.asking.show_settings(PredictSettings(scales=(0.5,), crf=CrfSettings()))
    assert panel.disclosure.summary.whole_text == "× 0.5, CRF"
    assert panel.disclosure.summary.isVisibleTo(panel)
    panel.disclosure.button.setChecked(True)
    assert not panel.disclosure.summary.isVisibleTo(panel)


# -- legend -------------------------------------------------------------------------------------


@pytest.fixture
def levels() -> LabelMapLevels:
    labels = np.zeros((10, 100), dtype=np.uint8)
    labels[:, 20:] = 1
    labels[:5, 90:] = 2
    sure = np.full(labels.shape, 204, dtype=np.uint8)
    sure[labels == 2] = 102
    return LabelMapLevels.of(SemanticPrediction(CATEGORIES, labels, sure, 255 - sure, "m"))


@pytest.fixture
def legend(qtbot: QtBot, levels: LabelMapLevels) -> Legend:
    legend = Legend()
    qtbot.addWidget(legend)
    legend.legend.show(levels.shares(LabelMapLook().least(CATEGORIES)), 1000)
    legend.resize(400, 200)
    legend.show()
    return legend


def texts(legend: Legend, column: int) -> list[str]:
    return [legend.legend.text(row, column) for row in legend.legend.rows]


def test_the_largest_comes_first_with_area_and_confidence(legend: Legend) -> None:
    assert texts(legend, NAME) == ["road", "rest", "car"]
    assert texts(legend, PIXELS) == ["750", "200", "50"]
    assert texts(legend, PERCENT) == ["75.0 %", "20.0 %", "5.0 %"]
    assert texts(legend, SURE) == ["80 %", "80 %", "40 %"]
    assert [legend.legend.is_hidden(row) for row in range(3)] == [False, True, False]


def test_rows_keep_their_places_under_a_moving_threshold(
    legend: Legend, levels: LabelMapLevels
) -> None:
    legend.selectRow(2)
    look = LabelMapLook(thresholds={"road": 0.9, "car": 0.5})
    legend.legend.follow(levels.shares(look.least(CATEGORIES)), look)
    assert texts(legend, NAME) == ["road", "rest", "car"]
    assert texts(legend, PIXELS) == ["0", "200", "0"]
    assert legend.names() == ("car",)


def test_sorting_keeps_the_selection_with_its_category(legend: Legend) -> None:
    legend.selectRow(2)
    legend.sortByColumn(NAME, Qt.SortOrder.AscendingOrder)
    assert texts(legend, NAME) == ["car", "rest", "road"]
    assert legend.names() == ("car",)
    legend.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
    assert texts(legend, NAME) == ["road", "rest", "car"]


# -- the panel ----------------------------------------------------------------------------------


def test_the_menu_counts_and_greys_out_what_there_is_none_of(qtbot: QtBot) -> None:
    panel = SemanticPanel()
    qtbot.addWidget(panel)
    panel.show_counts(0, 120, 3120)
    assert not panel.selected.isEnabled()
    assert panel.unlabelled.text() == "Predict all unlabelled images (120)"
    assert panel.all_images.text() == "Predict all images (3,120)"
    panel.show_ready(False, "No image is open.", others=True)
    assert panel.more.isEnabled() and not panel.predict.isEnabled()


def test_progress_is_told_with_numbers_and_can_be_cancelled(qtbot: QtBot) -> None:
    panel = SemanticPanel()
    qtbot.addWidget(panel)
    panel.show()
    panel.show_running(True, Progress(3, 12, "Images"))
    assert panel.progress_text.whole_text == "Images 3 of 12"
    assert panel.bar.value() == 250
    assert panel.cancel.isVisible() and not panel.predict.isVisible()
    panel.show_running(False, None)
    assert panel.predict.isVisible() and not panel.bar.isVisible()
