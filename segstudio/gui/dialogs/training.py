"""Train: which network, on what, and how; what hinders it is said before it starts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QTabWidget, QVBoxLayout, QWidget

from segstudio.core.category import Category
from segstudio.core.progress import Progress
from segstudio.engine.training_choices import SetChoices
from segstudio.engine.training_survey import SetSurvey
from segstudio.gui.dialogs.training_data import DataChoice
from segstudio.gui.dialogs.training_fields import TrainingFields
from segstudio.gui.dialogs.training_network import NetworkChoice
from segstudio.gui.theme import SPACING
from segstudio.models.semantic.card import SemanticCard
from segstudio.models.training.settings import TrainingSettings

SURVEY_MS = 250  # changes that follow one another are looked at once
MOST_SAID = 4  # warnings; the rest is a number


class TrainingDialog(QDialog):
    """Three pages and what is to be said of them; `survey_wanted` is answered by `show_survey`."""

    survey_wanted = Signal(object)  # SetChoices
    wanted = Signal(object, object)  # TrainingSettings, SetChoices

    def __init__(
        self,
        settings: TrainingSettings,
        choices: SetChoices,
        categories: Mapping[int, Category],
        trained: Sequence[SemanticCard] = (),
        parent: QWidget | None = None,
        *,
        here: Collection[str] = (),
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Train a model"))
        self.resize(860, 680)
        self.network = NetworkChoice(trained, here)
        self.network.choose(settings.architecture, settings.encoder, pretrained=settings.pretrained)
        self.data = DataChoice(categories)
        self.data.show_choices(choices)
        self.fields = TrainingFields(settings)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.setAccessibleName(self.tr("Train a model"))
        self.summary, self.trouble, self.warnings = QLabel(), QLabel(), QLabel()
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.button = self._buttons.addButton(
            self.tr("Train"), QDialogButtonBox.ButtonRole.AcceptRole
        )
        self.button.setDefault(True)
        self.survey: SetSurvey | None = None
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(SURVEY_MS)
        self._lay_out()
        self._soon.timeout.connect(lambda: self.survey_wanted.emit(self.data.choices()))
        self.data.changed.connect(self.look_again)
        self.network.changed.connect(self._say)
        self.fields.changed.connect(self._say)
        self._buttons.accepted.connect(self._go)
        self._buttons.rejected.connect(self.reject)
        self.look_again()

    def _lay_out(self) -> None:
        self.tabs.addTab(self.network, self.tr("Network"))
        self.tabs.addTab(self.data, self.tr("Data"))
        self.tabs.addTab(self.fields, self.tr("Settings"))
        for label, role in (
            (self.summary, "dim"),
            (self.trouble, "danger"),
            (self.warnings, "warning"),
        ):
            label.setWordWrap(True)
            label.setProperty("role", role)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*[4 * SPACING] * 4)
        layout.setSpacing(2 * SPACING)
        layout.addWidget(self.tabs, 1)
        for widget in (self.summary, self.trouble, self.warnings, self._buttons):
            layout.addWidget(widget)

    # -- told from outside ----------------------------------------------------------------------

    def look_again(self, _: object = None) -> None:
        """Look at the data in a moment; until then nothing can start."""
        self.survey = None
        self._say()
        self._soon.start()

    def show_progress(self, progress: Progress) -> None:
        """How far the look at the data is."""
        if self.survey is None:
            self.summary.setText(progress.text)

    def show_survey(self, survey: SetSurvey) -> None:
        """What the data would come to; an answer to an older question is dropped."""
        if self._soon.isActive():
            return
        self.survey = survey
        if survey.categories:
            self.data.show_survey(survey)
        else:
            self.data.show_nothing()
        self._say()

    def show_trouble(self, sentence: str) -> None:
        """The data could not be looked at."""
        self.survey = None
        self.trouble.setText(sentence)
        self.trouble.show()

    # -- saying ---------------------------------------------------------------------------------

    def settings(self) -> TrainingSettings:
        """What the pages say."""
        network = self.network
        chosen, own = network.architecture, self.fields.settings()
        options = own.options if own.architecture == chosen.key else {}
        return replace(
            own,
            architecture=chosen.key,
            encoder=network.encoder_key,
            options=options,
            pretrained=network.from_weights,
            start=network.start.value(),
        )

    def _say(self) -> None:
        survey = self.survey
        faults = survey.faults if survey is not None else ()
        self.trouble.setText("\n".join(faults))
        self.trouble.setVisible(bool(faults))
        warnings = list(survey.warnings if survey is not None else ())
        if len(warnings) > MOST_SAID:
            more = self.tr("{} more of this kind.").format(len(warnings) - MOST_SAID + 1)
            warnings = [*warnings[: MOST_SAID - 1], more]
        self.warnings.setText("\n".join(warnings))
        self.warnings.setVisible(bool(warnings))
        self.button.setEnabled(survey is not None and not faults)
        if survey is None:
            self.summary.setText(self.tr("Looking at the labels…"))
            return
        told = self.tr("{}: {:,} categories, {:,} images to learn from, {:,} to check with.")
        self.summary.setText(
            told.format(
                self.network.title, len(survey.categories), len(survey.train), len(survey.val)
            )
        )
        self.summary.setVisible(not faults)

    def _go(self) -> None:
        if self.button.isEnabled():
            self.wanted.emit(self.settings(), self.data.choices())
            self.accept()
