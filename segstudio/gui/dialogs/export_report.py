"""What became of an export: how it was proved, and what was lost, left out or came out wrong."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QPushButton, QVBoxLayout, QWidget

from segstudio.formats.contract import ExportReport, Proof
from segstudio.gui.dialogs.fields import dim_label
from segstudio.gui.dialogs.losses import (
    always_text,
    difference_rows,
    loss_headings,
    loss_rows,
    skipped_rows,
)
from segstudio.gui.dialogs.report_table import Finding, ReportTable
from segstudio.gui.theme import SPACING


def report_rows(report: ExportReport) -> list[Finding]:
    """What there is to know row by row: differences first, then losses, then what was left out."""
    rows = difference_rows(report.proof.differences) if report.proof else []
    rows += loss_rows(report.losses.listed) if report.losses else []
    return rows + skipped_rows(report.skipped)


class ExportReportDialog(QDialog):
    """Shows one report; a double click on a row leads to the image, if the project is still open.

    It stays open beside the window, so that its rows can be gone through one after the other.
    """

    opened = Signal(str, int)  # an image's path, and the id of an annotation or 0

    def __init__(self, target: Path, report: ExportReport, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Export report"))
        self._target = target
        self.headline = self._selectable(
            self.tr("Exported {:,} images with {:,} annotations to {}.").format(
                report.images, report.annotations, target
            )
        )
        self.verdict = self._selectable(self._in_words(report.proof))
        if report.proof is not None and not report.proof.equal:
            self.verdict.setProperty("role", "danger")
        self.verdict.setVisible(report.proof is not None)
        self.table = ReportTable(self.tr("What was lost, left out or came out wrong"),
                                 loss_headings())  # fmt: skip
        rows = report_rows(report)
        self.table.show_rows(rows, _total(report))
        self.table.setVisible(bool(rows))
        always = report.losses.always if report.losses else ()
        self.notes = dim_label(
            "\n".join(part for part in (always_text(always), *report.notes) if part)
        )
        self.notes.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.notes.setVisible(bool(always or report.notes))
        self._lay_out(bool(rows))
        self.table.opened.connect(self.opened)

    def _selectable(self, text: str) -> QLabel:
        label = QLabel(text)
        label.setWordWrap(True)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        return label

    def _in_words(self, proof: Proof | None) -> str:
        if proof is None:
            return ""
        if proof.equal:
            return self.tr(
                "Read back and compared: all {:,} annotations on {:,} images are as announced."
            ).format(proof.annotations, proof.images)
        return self.tr(
            "Read back and compared: {:,} differences among {:,} annotations on {:,} images. "
            "Do not use this export."
        ).format(proof.total, proof.annotations, proof.images)

    def _lay_out(self, tall: bool) -> None:
        copy = QPushButton(self.tr("Copy"))
        copy.setToolTip(self.tr("Copy the selected rows, or all of them"))
        copy.clicked.connect(self.table.copy)
        copy.setEnabled(tall)
        folder = QPushButton(self.tr("Open the folder"))
        folder.clicked.connect(
            lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._target)))
        )
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.addButton(copy, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.addButton(folder, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.rejected.connect(self.reject)
        for button in buttons.findChildren(QPushButton):
            button.setAutoDefault(False)  # Enter opens a row of the table
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*[4 * SPACING] * 4)
        layout.setSpacing(3 * SPACING)
        for widget in (self.headline, self.verdict):
            layout.addWidget(widget)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.notes)
        if not tall:
            layout.addStretch(1)
        layout.addWidget(buttons)
        self.resize(760, 480 if tall else 180)
        self.table.view.setFocus()  # Enter opens a row


def _total(report: ExportReport) -> int:
    """How many rows there would be if all were listed."""
    total = sum(not item.annotation_id for item in report.skipped)
    total += report.proof.total if report.proof else 0
    return total + (report.losses.total if report.losses else 0)
