"""Splits: how images are shared out, and what each split would get, before anything is set."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

from segstudio.core.category import Category
from segstudio.core.errors import BadInputError
from segstudio.engine.splits import SplitBy, SplitPlan, SplitRecipe
from segstudio.gui.dialogs.fields import (
    add_row,
    check_field,
    choice_field,
    make_form,
    text_field,
    whole_field,
)
from segstudio.gui.dialogs.report_table import Finding, ReportTable
from segstudio.gui.theme import SPACING

PLAN_MS = 250  # keys that follow one another are planned for once


class SplitDialog(QDialog):
    """Asks for a recipe; `plan_wanted` is answered with `show_plan` or `show_trouble`."""

    plan_wanted = Signal(object)  # SplitRecipe
    wanted = Signal(object)  # SplitPlan to set

    def __init__(self, recipe: SplitRecipe, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Splits"))
        self.resize(620, 620)
        self.by = choice_field(
            [
                (SplitBy.RATIO, self.tr("Images at random"), ""),
                (SplitBy.FOLDER, self.tr("Whole folders"), ""),
                (SplitBy.CATEGORY, self.tr("Each category alike"), ""),
            ]
        )
        self.names, self.ratio = text_field(), text_field()
        self.seed = whole_field(0, None)
        self.anew = check_field(self.tr("Split all images anew"))
        self.said = QLabel()
        self.said.setWordWrap(True)
        self.table = ReportTable(self.tr("What each split gets"), ("",))
        keeps_place = self.table.sizePolicy()
        keeps_place.setRetainSizeWhenHidden(True)  # else the form spreads over its place
        self.table.setSizePolicy(keeps_place)
        self._plan: SplitPlan | None = None
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(PLAN_MS)
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.button = self._buttons.addButton(
            self.tr("Set splits"), QDialogButtonBox.ButtonRole.AcceptRole
        )
        self.button.setDefault(True)
        self._lay_out()
        self._start_from(recipe)
        for field in (self.by, self.names, self.ratio, self.seed, self.anew):
            field.listen(self.look_again)
        self._soon.timeout.connect(self._ask)
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)
        self.look_again()

    def _lay_out(self) -> None:
        form = make_form()
        by = self.tr(
            "Whole folders keep shots of one scene together; a folder called like a split goes "
            "there. Each category alike shares every category's annotations out by the ratio."
        )
        add_row(form, self.tr("Share out"), self.by, by)
        add_row(form, self.tr("Names"), self.names, "")
        add_row(form, self.tr("Ratio"), self.ratio, "")
        seed = self.tr("The same number gives the same splits again.")
        add_row(form, self.tr("Seed"), self.seed, seed)
        anew = self.tr("Without, images that have a split keep it, and count.")
        add_row(form, "", self.anew, anew)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*[4 * SPACING] * 4)
        layout.setSpacing(3 * SPACING)
        layout.addLayout(form)
        layout.addWidget(self.said)
        layout.addWidget(self.table, 1)
        layout.addWidget(self._buttons)

    def _start_from(self, recipe: SplitRecipe) -> None:
        self.by.set_value(recipe.by)
        self.names.set_value(", ".join(recipe.names))
        self.ratio.set_value(", ".join(f"{part:g}" for part in recipe.ratio))
        self.seed.set_value(recipe.seed)
        self.anew.set_value(recipe.anew)

    # -- recipe ---------------------------------------------------------------------------------

    def recipe(self) -> SplitRecipe:
        """What the fields say. Raises BadInputError where that makes no sense."""
        try:
            ratio = tuple(float(part) for part in _parts(self.ratio.value()))
        except ValueError:
            raise BadInputError(self.tr("The ratio needs numbers, such as 80, 10, 10.")) from None
        recipe = SplitRecipe(
            by=SplitBy(self.by.value()),
            names=_parts(self.names.value()),
            ratio=ratio,
            seed=self.seed.value(),
            anew=self.anew.value(),
        )
        recipe.require_sound()
        return recipe

    def look_again(self, _: object = None) -> None:
        """Ask in a moment what the fields would come to; until then nothing can be set."""
        self._plan = None
        self.button.setEnabled(False)
        self._soon.start()

    def _ask(self) -> None:
        try:
            recipe = self.recipe()
        except BadInputError as error:
            self.show_trouble(str(error))
        else:
            self.plan_wanted.emit(recipe)

    # -- told from outside ----------------------------------------------------------------------

    def show_plan(self, plan: SplitPlan, categories: Mapping[int, Category]) -> None:
        """What the recipe would come to; `categories` are the project's by id."""
        if self._soon.isActive():  # something else is asked by now
            return
        self._plan = plan
        self.button.setEnabled(True)
        if plan.changed:
            said = self.tr("{:,} of {:,} images get another split than now.")
            self._say(said.format(len(plan.changed), len(plan.splits)), "")
        else:
            self._say(self.tr("Every image has its split already."), "")
        headings = (self.tr("What"), *(row.name for row in plan.counts), "")
        rows = [
            Finding((self.tr("Images"), *(row.images for row in plan.counts), "")),
            Finding((self.tr("Annotations"), *(row.annotations for row in plan.counts), "")),
        ]
        for number, category in categories.items():
            counts = (row.categories.get(number, 0) for row in plan.counts)
            rows.append(Finding((category.name, *counts, "")))
        self.table.show_rows(rows, headings=headings)
        self.table.show()

    def show_trouble(self, sentence: str) -> None:
        """Why there is nothing to set."""
        self._say(sentence, "danger")
        self.table.hide()

    def _say(self, sentence: str, role: str) -> None:
        self.said.setText(sentence)
        self.said.setProperty("role", role)
        self.said.style().unpolish(self.said)  # the sheet is not asked otherwise
        self.said.style().polish(self.said)

    def accept(self) -> None:
        if self._plan is not None:
            self.wanted.emit(self._plan)
            super().accept()


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
