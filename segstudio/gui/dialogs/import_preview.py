"""What an import would do: counts, what becomes of the categories, and every problem found."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QGridLayout, QLabel, QTabWidget, QVBoxLayout, QWidget

from segstudio.core.category import Category
from segstudio.engine.import_plan import CategoryTarget, ImportCounts, ImportPlan
from segstudio.gui.dialogs.category_targets import CategoryTargets
from segstudio.gui.dialogs.report_table import Finding, ReportTable
from segstudio.gui.theme import SPACING, numeric_font


class ImportPreview(QWidget):
    """Shows one plan, and takes what the user wants otherwise."""

    changed = Signal()  # whether it can be imported may have changed
    opened = Signal(str, int)  # an image's path in the project, and 0

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.counts = QGridLayout()
        self.counts.setHorizontalSpacing(3 * SPACING)
        self.counts.setVerticalSpacing(SPACING)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.setAccessibleName(self.tr("What was found"))
        self.categories = CategoryTargets()
        self.problems = ReportTable(self.tr("Problems"), (self.tr("Where"), self.tr("Why")))
        self.renamed = ReportTable(
            self.tr("Under another name"), (self.tr("In the source"), self.tr("In the project"))
        )
        self.leave_out_faults = QCheckBox(self.tr("Leave out what is faulty, and import the rest"))
        self.leave_out_faults.toggled.connect(lambda _: self.changed.emit())
        for table in (self.problems, self.renamed):
            table.setContentsMargins(0, 2 * SPACING, 0, 0)  # as the first tab has it
        self.renamed.opened.connect(self.opened)
        for page in (self.categories, self.problems, self.renamed):
            self.tabs.addTab(page, "")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3 * SPACING)
        layout.addLayout(self.counts)
        layout.addWidget(self.tabs, 1)
        layout.addWidget(self.leave_out_faults)
        self._plan: ImportPlan | None = None

    def show_plan(self, plan: ImportPlan, known: Mapping[int, Category]) -> None:
        """Show a plan; `known` are the project's categories by id."""
        self._plan = plan
        self._show_counts(plan.counts)
        self.categories.model.show(plan.categories, known)
        self.problems.show_rows(
            [Finding((str(fault.place), fault.reason)) for fault in plan.faults], plan.counts.faults
        )
        self.renamed.show_rows([Finding(pair, pair[1]) for pair in plan.renamed])
        self.leave_out_faults.setChecked(plan.options.leave_out_faults)
        self.leave_out_faults.setVisible(bool(plan.counts.faults))
        self._show_tab(self.categories, self.tr("Categories ({:,})"), len(plan.categories))
        self._show_tab(self.problems, self.tr("Problems ({:,})"), plan.counts.faults)
        self._show_tab(self.renamed, self.tr("Under another name ({:,})"), len(plan.renamed))
        faulty = plan.counts.faults and not plan.options.leave_out_faults
        self.tabs.setCurrentWidget(self.problems if faulty else self.categories)
        self.changed.emit()

    def _show_tab(self, page: QWidget, title: str, count: int) -> None:
        at = self.tabs.indexOf(page)
        self.tabs.setTabText(at, title.format(count))
        self.tabs.setTabVisible(at, count > 0 or page is self.categories)

    @property
    def importable(self) -> bool:
        """Whether the plan may be carried out as the preview stands."""
        return self._plan is not None and (
            not self._plan.counts.faults or self.leave_out_faults.isChecked()
        )

    def mapping(self) -> dict[str, CategoryTarget]:
        return dict(self.categories.model.targets)

    # -- counts ---------------------------------------------------------------------------------

    def _show_counts(self, counts: ImportCounts) -> None:
        while (item := self.counts.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.deleteLater()
        for row, (number, name, parts) in enumerate(self._lines(counts)):
            shown = QLabel(f"{number:,}")
            shown.setFont(numeric_font(self.font()))
            shown.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            texts = [f"{part:,} {said}" for part, said in parts if part]
            rest = QLabel(" · ".join(texts))
            rest.setProperty("role", "dim")
            for column, label in enumerate((shown, QLabel(name), rest)):
                label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
                self.counts.addWidget(label, row, column)
        self.counts.setColumnStretch(2, 1)

    def _lines(self, counts: ImportCounts) -> list[tuple[int, str, list[tuple[int, str]]]]:
        images = [
            (counts.matched, self.tr("in the project")),
            (counts.to_copy, self.tr("will be copied")),
            (counts.unusable, self.tr("cannot be used")),
        ]
        annotations = [
            (counts.annotations - counts.already_there, self.tr("new")),
            (counts.already_there, self.tr("already there")),
            (counts.empty, self.tr("without a pixel")),
            (counts.stranded, self.tr("on images that cannot be used")),
        ]
        lines = [
            (counts.images, self.tr("images"), images),
            (counts.annotations + counts.stranded, self.tr("annotations"), annotations),
        ]
        if counts.faults:
            lines.append((counts.faults, self.tr("problems"), []))
        return lines
