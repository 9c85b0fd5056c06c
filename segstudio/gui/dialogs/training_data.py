"""What is learnt from: images, categories and what becomes of them, and how much there is."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from segstudio.core.category import Category
from segstudio.engine.training_choices import (
    BACKGROUND,
    IGNORED,
    ImageChoice,
    SetChoices,
    TrainingTarget,
    Unlabelled,
)
from segstudio.engine.training_survey import SetSurvey
from segstudio.gui.dialogs.fields import add_row, choice_field, make_form, real_field, whole_field
from segstudio.gui.panels.categories import swatch
from segstudio.gui.panels.training_bars import ShareBars
from segstudio.gui.theme import SPACING

_IGNORE, _BACKGROUND = "\0ignore", "\0background"


class DataChoice(QWidget):
    """Fields, the table that maps categories, and beside it the balance that follows from both."""

    changed = Signal()

    def __init__(self, categories: Mapping[int, Category], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._categories = tuple(categories.values())
        self.images = choice_field(
            [
                (ImageChoice.LABELLED, self.tr("Labelled and reviewed images"), ""),
                (ImageChoice.REVIEWED, self.tr("Reviewed images alone"), ""),
                (ImageChoice.ANNOTATED, self.tr("All images with annotations"), ""),
            ]
        )
        self.unlabelled = choice_field(
            [
                (Unlabelled.IGNORE, self.tr("do not count"), ""),
                (Unlabelled.BACKGROUND, self.tr("are background"), ""),
            ]
        )
        self.val_share = real_field(0.0, 1.0)
        self.seed = whole_field(0, None)
        self.targets = QTableWidget(len(self._categories), 2)
        self.combos: list[QComboBox] = []
        self.balance = ShareBars(
            self.tr("How much of each category there is"),
            (self.tr("Category"), self.tr("Share of pixels"), self.tr("To learn"),
             self.tr("To check")),
        )  # fmt: skip
        self.counts = QLabel()
        self.counts.setWordWrap(True)
        self._fill_targets()
        self._lay_out()
        self.show_choices(SetChoices())
        for field in (self.images, self.unlabelled, self.val_share, self.seed):
            field.listen(self.changed.emit)

    # -- layout ---------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        form = make_form()
        add_row(form, self.tr("Learn from"), self.images, self.tr("Rejected images never count."))
        unlabelled = self.tr(
            "Background is right where all that the categories name is labelled; otherwise the "
            "model would learn that what you have not labelled yet is nothing."
        )
        add_row(form, self.tr("Pixels without a label"), self.unlabelled, unlabelled)
        share = self.tr("Of images that are in no split; those of train and val go there.")
        add_row(form, self.tr("Kept to check with"), self.val_share, share)
        tables = QHBoxLayout()
        tables.setSpacing(4 * SPACING)
        for title, table, stretch in (
            (self.tr("What becomes of each category"), self.targets, 2),
            (self.tr("How much of each there is"), self.balance, 3),
        ):
            column = QVBoxLayout()
            column.setSpacing(SPACING)
            heading = QLabel(title)
            heading.setBuddy(table)
            column.addWidget(heading)
            column.addWidget(table, 1)
            tables.addLayout(column, stretch)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 2 * SPACING, 0, 0)
        layout.setSpacing(3 * SPACING)
        layout.addLayout(form)
        layout.addLayout(tables, 1)
        layout.addWidget(self.counts)

    def _fill_targets(self) -> None:
        table = self.targets
        table.setAccessibleName(self.tr("What becomes of each category"))
        table.setHorizontalHeaderLabels([self.tr("In the project"), self.tr("Learnt as")])
        table.verticalHeader().hide()
        table.setShowGrid(False)
        table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setTabKeyNavigation(False)
        for row, category in enumerate(self._categories):
            table.setItem(row, 0, QTableWidgetItem(swatch(category.colour), category.name))
            combo = QComboBox()
            combo.setAccessibleName(self.tr("{} is learnt as").format(category.name))
            combo.addItem(self.tr("ignored"), _IGNORE)
            combo.addItem(self.tr("background"), _BACKGROUND)
            for other in self._categories:
                combo.addItem(other.name, other.name)
            combo.currentIndexChanged.connect(lambda _: self.changed.emit())
            table.setCellWidget(row, 1, combo)
            table.setRowHeight(row, combo.sizeHint().height() + 2)
            self.combos.append(combo)
        header = table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)

    # -- value ----------------------------------------------------------------------------------

    def show_choices(self, choices: SetChoices) -> None:
        """Start from these; nobody is told."""
        was = self.blockSignals(True)
        self.images.set_value(choices.images)
        self.unlabelled.set_value(choices.unlabelled)
        self.val_share.set_value(choices.val_share)
        self.seed.set_value(choices.seed)
        for category, combo in zip(self._categories, self.combos, strict=True):
            place = combo.findData(_value(choices.target(category)))
            combo.setCurrentIndex(max(0, place))
        self.blockSignals(was)

    def choices(self) -> SetChoices:
        """What the fields say."""
        targets = {}
        for category, combo in zip(self._categories, self.combos, strict=True):
            value = str(combo.currentData())
            kinds = {_IGNORE: IGNORED, _BACKGROUND: BACKGROUND}
            targets[category.id] = kinds.get(value, TrainingTarget(value))
        return SetChoices(
            images=ImageChoice(self.images.value()),
            unlabelled=Unlabelled(self.unlabelled.value()),
            targets=targets,
            val_share=self.val_share.value(),
            seed=self.seed.value(),
        )

    # -- told from outside ----------------------------------------------------------------------

    def show_survey(self, survey: SetSurvey) -> None:
        """The balance, and how many images there are."""
        shares = survey.shares()
        total = sum(row.train_pixels + row.val_pixels for row in shares) or 1
        parts = {row.category.name: (row.train_pixels + row.val_pixels) / total for row in shares}
        self.balance.show_shares(
            [
                (row.category.name, parts[row.category.name], row.train_images, row.val_images)
                for row in shares
            ],
            {row.category.name: row.category.colour for row in shares},
            full=max(parts.values(), default=1.0),
        )
        ignored = survey.ignored_pixels()
        share = 100 * total / (total + ignored)
        self.counts.setText(self.tr("{:.0f} % of the pixels count.").format(share))

    def show_nothing(self) -> None:
        """The fields say something that cannot be looked at."""
        self.balance.show_shares([], {})
        self.counts.clear()


def _value(target: TrainingTarget) -> str:
    if target.background:
        return _BACKGROUND
    return target.name or _IGNORE
