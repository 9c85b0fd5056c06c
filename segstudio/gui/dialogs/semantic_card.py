"""All about one semantic model, and getting its weights under its licence."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from segstudio.core.progress import Progress
from segstudio.gui.dialogs.fields import make_form
from segstudio.gui.panels.categories import swatch
from segstudio.gui.panels.status import ElidedLabel
from segstudio.gui.semantic_state import ModelRow
from segstudio.gui.semantic_words import (
    get_text,
    network_in_words,
    scores_in_words,
    settings_in_words,
    source_in_words,
)
from segstudio.gui.theme import SPACING
from segstudio.models.licences import licence_text

LIST_HEIGHT, MARK = 150, 14


class CardDialog(QDialog):
    """A card in full. Weights that are limited in their use are fetched once that is accepted."""

    get_wanted = Signal(object)  # SemanticCard; its licence needs no accepting
    accepted_and_wanted = Signal(object)  # SemanticCard; its licence was read and accepted
    stop_wanted = Signal()

    def __init__(
        self, row: ModelRow, *, licence_accepted: bool = True, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.card = row.card
        self._here, self._accepted = row.here, licence_accepted
        self.busy = self._stopping = False
        self.setWindowTitle(self.card.title)
        self.resize(520, 560)
        self.accept_licence = QCheckBox(
            self.tr("I have read this and use the weights for research or evaluation only.")
        )
        self.trouble = QLabel()
        self.trouble.setWordWrap(True)
        self.trouble.setProperty("role", "danger")
        self.progress_text, self.bar = ElidedLabel(), QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(self.tr("Progress"))
        self._buttons = QDialogButtonBox()
        self.close_button = self._buttons.addButton(
            self.tr("Close"), QDialogButtonBox.ButtonRole.RejectRole
        )
        self.get_button = QPushButton(get_text(self.card))
        self._buttons.addButton(self.get_button, QDialogButtonBox.ButtonRole.ActionRole)
        self._lay_out()
        self.accept_licence.toggled.connect(lambda _: self._follow())
        self.get_button.clicked.connect(self._get)
        self._buttons.rejected.connect(self.reject)
        self._follow()

    def _lay_out(self) -> None:
        card = self.card
        description = _wrapped(card.description)
        form = make_form()
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.DontWrapRows)
        for name, text in (
            (self.tr("Network"), network_in_words(card)),
            (self.tr("Trained on"), card.trained_on),
            (self.tr("Scores"), scores_in_words(card)),
            (self.tr("Settings"), settings_in_words(card)),
            (self.tr("Weights"), source_in_words(card)),
            (self.tr("Licence"), licence_text(card.licence)),
        ):
            if text:
                form.addRow(name, _wrapped(text))
        categories = QListWidget()
        categories.setAccessibleName(self.tr("Categories"))
        categories.setMinimumHeight(LIST_HEIGHT)
        categories.setIconSize(QSize(MARK, MARK))
        for category in card.categories:
            text = self.tr("{} (background)") if category.background else "{}"
            categories.addItem(QListWidgetItem(swatch(category.colour), text.format(category.name)))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*[4 * SPACING] * 4)
        layout.setSpacing(3 * SPACING)
        layout.addWidget(description)
        layout.addLayout(form)
        count = len(card.categories)
        several = self.tr("{} categories").format(count)
        layout.addWidget(QLabel(self.tr("1 category") if count == 1 else several))
        layout.addWidget(categories, 1)
        for part in (self.accept_licence, self.trouble, self.progress_text, self.bar):
            layout.addWidget(part)
        layout.addWidget(self._buttons)

    # -- told from outside ----------------------------------------------------------------------

    def show_progress(self, progress: Progress | None) -> None:
        """The download is under way, and this far; once it was told to stop, it says that."""
        self.busy = True
        fraction = progress.fraction if progress and not self._stopping else None
        self.bar.setRange(0, 0 if fraction is None else 1000)
        self.bar.setValue(0 if fraction is None else round(1000 * fraction))
        told = _told(progress) if progress else ""
        self.progress_text.show_text(self.tr("Stopping…") if self._stopping else told)
        self._follow()

    def show_idle(self, trouble: str = "") -> None:
        """Nothing is under way any more; what went wrong, if something did."""
        self.busy = self._stopping = False
        self.trouble.setText(trouble)
        self._follow()

    def show_here(self) -> None:
        """The weights have come."""
        self._here = True
        self.show_idle()

    # -- pressed --------------------------------------------------------------------------------

    def _get(self) -> None:
        self.trouble.clear()
        self.show_progress(None)
        if self._accepted:
            self.get_wanted.emit(self.card)
        else:
            self.accepted_and_wanted.emit(self.card)

    def reject(self) -> None:
        """Stop the download; with none under way, or one that stops already, close.

        On a line that is dead it stops when the next bytes do not come.
        """
        if self.busy and not self._stopping:
            self._stopping = True
            self.show_progress(None)
            self.stop_wanted.emit()
        else:
            super().reject()

    def _follow(self) -> None:
        asks = not self._here and not self._accepted
        self.accept_licence.setVisible(asks)
        self.accept_licence.setEnabled(not self.busy)
        self.get_button.setVisible(not self._here)
        allowed = self._accepted or self.accept_licence.isChecked()
        self.get_button.setEnabled(allowed and not self.busy)
        running = self.busy and not self._stopping
        self.close_button.setText(self.tr("Stop") if running else self.tr("Close"))
        for part in (self.bar, self.progress_text):
            part.setVisible(self.busy)
        self.trouble.setVisible(bool(self.trouble.text()) and not self.busy)


def _wrapped(text: Any) -> QLabel:
    label = QLabel(str(text))
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def _told(progress: Progress) -> str:
    if progress.total > 1 << 20:
        return f"{progress.text} {progress.done / 2**20:.0f} / {progress.total / 2**20:.0f} MB"
    return progress.text
