"""What an export loses, in words and in a table: before it is written, and after."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication, Qt, Signal
from PySide6.QtWidgets import QLabel, QProgressBar, QVBoxLayout, QWidget

from segstudio.core.progress import Progress
from segstudio.formats.contract import Difference, Losses, Skipped
from segstudio.formats.holding import Loss, LossKind
from segstudio.gui.dialogs.fields import dim_label
from segstudio.gui.dialogs.report_table import Finding, ReportTable
from segstudio.gui.theme import SPACING


def _text(text: str) -> str:
    return str(QT_TRANSLATE_NOOP("Losses", text))


_KINDS = {
    LossKind.EMPTY: _text("Empty mask"),
    LossKind.HOLES: _text("Holes"),
    LossKind.PARTS: _text("Several parts"),
    LossKind.OVERLAP: _text("Overlap"),
    LossKind.COVERED: _text("Covered"),
    LossKind.INSTANCES: _text("Instances joined"),
    LossKind.BORDER: _text("Border"),
    LossKind.OUTLINE: _text("Outline"),
    LossKind.CROWD: _text("Crowd"),
    LossKind.CATEGORY: _text("Category"),
    LossKind.DEPTH: _text("Order"),
    LossKind.ATTRIBUTES: _text("Attributes"),
    LossKind.SIZE: _text("Another size"),
}
LEFT_OUT, DIFFERENT = _text("Left out"), _text("Different")
NEVER = _text("Lost in any case:")


def kind_name(kind: LossKind) -> str:
    """What users read for a kind of loss."""
    return _translated(_KINDS[kind])


def loss_headings() -> tuple[str, ...]:
    """The columns of the rows below."""
    texts = (_text("What"), _text("Image"), _text("Pixels"), _text("Why"))
    return tuple(_translated(text) for text in texts)


def loss_rows(losses: Iterable[Loss]) -> list[Finding]:
    return [
        Finding(
            (kind_name(loss.kind), loss.path, loss.pixels, loss.text), loss.path, loss.annotation_id
        )
        for loss in losses
    ]


def skipped_rows(skipped: Iterable[Skipped]) -> list[Finding]:
    """Of images that are left out; annotations that are have their loss already."""
    left_out = _translated(LEFT_OUT)
    return [
        Finding((left_out, item.path, 0, item.reason), item.path)
        for item in skipped
        if not item.annotation_id
    ]


def difference_rows(differences: Iterable[Difference]) -> list[Finding]:
    different = _translated(DIFFERENT)
    return [
        Finding((different, item.path, 0, item.text), item.path, item.annotation_id)
        for item in differences
    ]


def always_text(always: Iterable[str]) -> str:
    """What a format holds of no annotation, a line each below a line that says so; or nothing."""
    lines = list(always)
    return "\n".join([_translated(NEVER), *lines]) if lines else ""


class LossesPanel(QWidget):
    """What would be lost, looked for in the background: said, counted, and row by row."""

    opened = Signal(str, int)  # an image's path, and the id of an annotation or 0

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        title = QLabel(self.tr("What is lost"))
        font = title.font()
        font.setBold(True)
        title.setFont(font)
        self.headline = QLabel()
        self.headline.setWordWrap(True)
        self.headline.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(self.tr("Progress"))
        self.table = ReportTable(self.tr("What is lost"), loss_headings())
        self.always = dim_label("")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2 * SPACING)
        for widget in (title, self.headline, self.bar):
            layout.addWidget(widget)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.always)
        layout.addStretch(0)
        self.table.opened.connect(self.opened)
        self.show_looking(None)

    def show_looking(self, progress: Progress | None) -> None:
        """It is being looked for; how far that is, if that is known."""
        fraction = progress.fraction if progress else None
        self.bar.setRange(0, 0 if fraction is None else 1000)
        self.bar.setValue(0 if fraction is None else round(1000 * fraction))
        self._say(self.tr("Looking for what this format cannot hold…"), "")
        self.bar.show()

    def show_losses(self, losses: Losses) -> None:
        """What an export as it is asked for now would lose."""
        rows = [*loss_rows(losses.listed), *skipped_rows(losses.skipped)]
        if losses.total:
            said = self.tr("{:,} annotations come back otherwise: {}.").format(
                lossy_annotations(losses), _kinds(losses)
            )
        elif losses.annotations:
            said = self.tr("All {:,} masks come back as they are.").format(losses.annotations)
        else:
            said = self.tr("There is no annotation to write.")
        left_out = sum(not item.annotation_id for item in losses.skipped)
        if left_out:
            said += " " + self.tr("Images left out: {:,}.").format(left_out)
        self._say(said, "warning" if losses.total else "")
        self.table.show_rows(rows, losses.total + left_out)
        self.table.setVisible(bool(rows))
        self.always.setText(always_text(losses.always))
        self.always.setVisible(bool(losses.always))

    def show_trouble(self, sentence: str) -> None:
        """The export cannot be made as it is asked for now."""
        self._say(sentence, "danger")

    def _say(self, sentence: str, role: str) -> None:
        """The sentence alone; what belongs to another one goes."""
        self.bar.hide()
        self.table.hide()
        self.always.hide()
        self.headline.setText(sentence)
        if self.headline.property("role") != role:
            self.headline.setProperty("role", role)
            self.headline.style().unpolish(self.headline)  # the sheet is not asked otherwise
            self.headline.style().polish(self.headline)


def lossy_annotations(losses: Losses) -> int:
    """How many annotations lose something; counted once for each kind where not all are listed."""
    if losses.total == len(losses.listed):
        return len({(loss.path, loss.annotation_id) for loss in losses.listed})
    return losses.total


def _kinds(losses: Losses) -> str:
    return ", ".join(f"{kind_name(row.kind).lower()} {row.annotations:,}" for row in losses.counts)


def _translated(text: str) -> str:
    return QCoreApplication.translate("Losses", text)
