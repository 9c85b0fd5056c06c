"""Turn into annotations: whose label maps, what their categories become, and what is left out."""

from __future__ import annotations

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

from segstudio.engine.import_plan import LEFT_OUT, ImportCategory
from segstudio.engine.label_map_parts import Former, LabelMapOptions
from segstudio.engine.label_map_preview import TurnPreview
from segstudio.gui.desks.semantic_turning import Question, Scope
from segstudio.gui.dialogs.category_targets import CategoryTargets
from segstudio.gui.dialogs.fields import (
    Field,
    add_row,
    check_field,
    choice_field,
    dim_label,
    explained,
    make_form,
    whole_field,
)
from segstudio.gui.semantic_words import annotations_in_words
from segstudio.gui.theme import SPACING

COUNT_MS = 250  # changes that follow one another are counted once
LARGEST_AREA = 10_000_000


class TurnDialog(QDialog):
    """Asks; `count_wanted` is answered with `show_preview` or `show_trouble`.

    The preview counts the open image; without one, nothing is counted and all can be turned.
    """

    count_wanted = Signal(object)  # LabelMapOptions
    wanted = Signal(object, object, bool)  # LabelMapOptions, Scope, sharpen

    def __init__(self, question: Question, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._question = question
        self.setWindowTitle(self.tr("Turn into annotations"))
        self.resize(620, 720)
        self.scope = self._make_scope()
        self.first = dim_label(self.tr("Those that are not predicted yet are predicted first."))
        self.targets = CategoryTargets()
        self.least = whole_field(0, LARGEST_AREA, "px")
        self.holes = whole_field(0, LARGEST_AREA, "px")
        self.unlabelled = check_field(self.tr("Only where nothing is labelled yet"))
        self.former = choice_field(
            [
                (Former.KEEP, self.tr("All stay"), ""),
                (Former.SAME_MODEL, self.tr("This model's go"), ""),
                (Former.ANY_MODEL, self.tr("Every model's go"), ""),
            ]
        )
        self.sharpen = check_field(self.tr("Crisp edges by {}").format(question.prompt_model))
        self.said = QLabel()
        self.said.setWordWrap(True)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(COUNT_MS)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.button = buttons.addButton(
            self.tr("Turn into annotations"), QDialogButtonBox.ButtonRole.AcceptRole
        )
        self.button.setDefault(True)
        self._lay_out(buttons)
        self._start_from(question)
        for field in (self.scope, self.least, self.holes, self.unlabelled, self.former):
            field.listen(self.look_again)
        self.sharpen.listen(self.look_again)
        self.targets.model.dataChanged.connect(self._targets_changed)
        self._soon.timeout.connect(self._ask)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        self.look_again()

    def _make_scope(self) -> Field:
        texts = {
            Scope.THIS: self.tr("This image"),
            Scope.PREDICTED: self.tr("All predicted images ({:,})"),
            Scope.SELECTED: self.tr("The selected images ({:,})"),
            Scope.UNLABELLED: self.tr("All unlabelled images ({:,})"),
            Scope.ALL: self.tr("All images ({:,})"),
        }
        images = self._question.images
        return choice_field(
            [(scope, texts[scope].format(len(ids)), "") for scope, ids in images.items()]
        )

    def _lay_out(self, buttons: QDialogButtonBox) -> None:
        form = make_form()
        images = QLabel(self.tr("Images"))
        images.setBuddy(self.scope.widget)
        self.scope.widget.setAccessibleName(images.text())
        self.scope.widget.setAccessibleDescription(self.first.text())
        form.addRow(images, explained(self.scope.widget, self.first))
        self.least.widget.setToolTip(self.tr("Smaller parts are left out."))
        self.holes.widget.setToolTip(self.tr("Smaller holes are filled."))
        add_row(form, self.tr("Least area"), self.least, "")
        add_row(form, self.tr("Fill holes below"), self.holes, "")
        add_row(form, "", self.unlabelled, "")
        former = self.tr("Of those that nobody has changed, reviewed or locked.")
        add_row(form, self.tr("Former predictions"), self.former, former)
        if self._question.prompt_model:
            sharpen = self.tr(
                "Things are shown to the prompt model by box and points; its mask is taken where "
                "the two agree. Takes longer."
            )
            add_row(form, "", self.sharpen, sharpen)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*[4 * SPACING] * 4)
        layout.setSpacing(3 * SPACING)
        layout.addLayout(form)
        layout.addWidget(self.targets, 1)
        if thresholds := self._thresholds():
            layout.addWidget(dim_label(thresholds))
        layout.addWidget(self.said)
        layout.addWidget(buttons)

    def _thresholds(self) -> str:
        parts = [f"{name} {value:.2f}" for name, value in self._question.options.thresholds.items()]
        return (
            self.tr("Thresholds, as the legend has them: {}.").format(", ".join(parts))
            if (parts)
            else ""
        )

    def _start_from(self, question: Question) -> None:
        options = question.options
        found = [
            ImportCategory(category.name, category.name, 0, question.targets[category.name])
            for category in question.card.categories
            if not category.background
        ]
        model = self.targets.model
        model.headings = (self.tr("Of the model"), self.tr("Here"), self.tr("Becomes"))
        model.show(found, question.known)
        for row, category in enumerate(found):
            if category.key in options.targets:
                model.put([row], options.targets[category.key])
        self.least.set_value(options.least_area)
        self.holes.set_value(options.hole_area)
        self.unlabelled.set_value(options.unlabelled_only)
        self.former.set_value(options.former)

    # -- the answer -----------------------------------------------------------------------------

    def options(self) -> LabelMapOptions:
        """What the fields say."""
        return LabelMapOptions(
            targets=dict(self.targets.model.targets),
            thresholds=self._question.options.thresholds,
            least_area=self.least.value(),
            hole_area=self.holes.value(),
            unlabelled_only=self.unlabelled.value(),
            former=Former(self.former.value()),
        )

    @property
    def chosen_scope(self) -> Scope:
        return Scope(self.scope.value())

    @property
    def _counts_here(self) -> bool:
        return Scope.THIS in self._question.images

    def _targets_changed(self, first: object, last: object) -> None:
        del first, last
        self.look_again()

    def look_again(self, _: object = None) -> None:
        """Count in a moment what the fields would come to."""
        self.first.setVisible(self.chosen_scope not in {Scope.THIS, Scope.PREDICTED})
        if all(target == LEFT_OUT for target in self.targets.model.targets.values()):
            self._soon.stop()
            self.show_trouble(
                self.tr("Every category is left out; choose what one of them becomes.")
            )
            return
        self.button.setEnabled(True)
        if self._counts_here:
            self._soon.start()
        else:
            self._say("", "dim")

    def _ask(self) -> None:
        self.count_wanted.emit(self.options())

    def show_preview(self, found: TurnPreview) -> None:
        """What the open image would get."""
        if self._soon.isActive():  # something else is asked by now
            return
        model = self.targets.model
        model.blockSignals(True)
        model.recount(found.added)
        model.blockSignals(False)
        self.targets.view.viewport().update()
        here = self.tr("This image gets {}.").format(annotations_in_words(found.total))
        if not found.total:
            here = self.tr("This image gets nothing new.")
        if found.replaced:
            former = annotations_in_words(found.replaced)
            here += " " + self.tr("Of former predictions, {} go.").format(former)
        if self.sharpen.value():
            here += " " + self.tr("Their edges follow later.")
        self._say(here, "")
        changes = found.total or found.replaced
        self.button.setEnabled(bool(changes) or self.chosen_scope is not Scope.THIS)

    def show_trouble(self, sentence: str) -> None:
        """Why nothing can be turned."""
        self._say(sentence, "danger")
        self.button.setEnabled(False)

    def _say(self, sentence: str, role: str) -> None:
        self.said.setText(sentence)
        self.said.setProperty("role", role)
        self.said.style().unpolish(self.said)  # the sheet is not asked otherwise
        self.said.style().polish(self.said)

    def accept(self) -> None:
        if self.button.isEnabled():
            self.wanted.emit(self.options(), self.chosen_scope, self.sharpen.value())
            super().accept()
