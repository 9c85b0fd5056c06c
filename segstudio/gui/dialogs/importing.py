"""Import: which source, a look at what it holds, and the import itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QLabel,
    QProgressBar,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from segstudio.core.category import Category
from segstudio.core.progress import Progress
from segstudio.engine.import_plan import ImportPlan
from segstudio.gui.dialogs.import_preview import ImportPreview
from segstudio.gui.dialogs.import_source import ImportSource
from segstudio.gui.panels.status import ElidedLabel
from segstudio.gui.theme import SPACING

_Role = QDialogButtonBox.ButtonRole


class ImportDialog(QDialog):
    """Two pages: the source, and what was found there. Nothing changes before Import is pressed.

    While something is under way (`show_progress`), only Stop can be pressed; Escape stops, too.
    """

    look_wanted = Signal(str, object, object)  # format key, Path of the source, options record
    import_wanted = Signal(object, object, bool)  # ImportPlan, targets by key, leave faults out?
    stop_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Import"))
        self.resize(720, 560)
        self.source, self.preview = ImportSource(), ImportPreview()
        self._headline = ElidedLabel()
        self.trouble = QLabel()
        self.trouble.setWordWrap(True)
        self.trouble.setProperty("role", "danger")
        self.trouble.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.progress_text, self.bar = ElidedLabel(), QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(self.tr("Progress"))
        self.pages = QStackedWidget()
        self._buttons = QDialogButtonBox()
        self.back = self._buttons.addButton(self.tr("Back"), _Role.ResetRole)
        self.go = self._buttons.addButton(self.tr("Look"), _Role.AcceptRole)
        self.cancel = self._buttons.addButton(self.tr("Cancel"), _Role.RejectRole)
        self.plan: ImportPlan | None = None
        self.busy = False
        self._lay_out()
        self.source.changed.connect(self._follow)
        self.preview.changed.connect(self._follow)
        self._buttons.accepted.connect(self._go)
        self._buttons.rejected.connect(self.reject)
        self.back.clicked.connect(self.show_source)
        self._follow()

    def _lay_out(self) -> None:
        scrolled = QScrollArea()
        scrolled.setWidgetResizable(True)
        scrolled.setFrameShape(QScrollArea.Shape.NoFrame)
        scrolled.setWidget(self.source)
        found = QWidget()
        column = QVBoxLayout(found)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3 * SPACING)
        column.addWidget(self._headline)
        column.addWidget(self.preview, 1)
        self.pages.addWidget(scrolled)
        self.pages.addWidget(found)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*[4 * SPACING] * 4)
        layout.setSpacing(2 * SPACING)
        layout.addWidget(self.pages, 1)
        for widget in (self.trouble, self.progress_text, self.bar, self._buttons):
            layout.addWidget(widget)
        self.go.setDefault(True)

    # -- told from outside ----------------------------------------------------------------------

    def use_source(self, source: Path) -> None:
        """Start from that file or folder."""
        self.source.source.setText(str(source))

    def show_progress(self, progress: Progress | None) -> None:
        """Something is under way, and this far."""
        self.busy = True
        fraction = progress.fraction if progress else None
        self.bar.setRange(0, 0 if fraction is None else 1000)
        self.bar.setValue(0 if fraction is None else round(1000 * fraction))
        self.progress_text.show_text(progress.text if progress else "")
        self._follow()

    def show_idle(self, trouble: str = "") -> None:
        """Nothing is under way any more; what went wrong, if something did."""
        self.busy = False
        self.trouble.setText(trouble)
        self._follow()

    def show_plan(self, plan: ImportPlan, known: Mapping[int, Category]) -> None:
        """What was found; `known` are the project's categories by id."""
        self.plan = plan
        self._headline.show_text(self.tr("{} from {}").format(plan.title, plan.source))
        self.pages.setCurrentIndex(1)
        self.preview.show_plan(plan, known)
        self.show_idle()

    def show_source(self) -> None:
        """Back to the first page; the plan is the owner's to close."""
        self.pages.setCurrentIndex(0)
        self.show_idle()

    # -- pressed --------------------------------------------------------------------------------

    @property
    def previewing(self) -> bool:
        return self.pages.currentIndex() == 1

    def _go(self) -> None:
        path = self.source.path()
        if not self.go.isEnabled():
            return
        self.trouble.clear()
        if self.previewing and self.plan is not None:
            self.show_progress(None)
            leave_out = self.preview.leave_out_faults.isChecked()
            self.import_wanted.emit(self.plan, self.preview.mapping(), leave_out)
        elif path is not None:
            self.show_progress(None)
            self.look_wanted.emit(self.source.format_key, path, self.source.options())

    def reject(self) -> None:
        """Stop what is under way; with nothing under way, close."""
        if self.busy:
            self.stop_wanted.emit()
        else:
            super().reject()

    def leave(self) -> None:
        """Close, whatever is under way."""
        if self.busy:
            self.stop_wanted.emit()
        super().reject()

    def _follow(self) -> None:
        previewing, busy = self.previewing, self.busy
        self.pages.setEnabled(not busy)
        self.back.setVisible(previewing)
        self.back.setEnabled(not busy)
        self.go.setText(self.tr("Import") if previewing else self.tr("Look"))
        ready = self.preview.importable if previewing else self.source.path() is not None
        self.go.setEnabled(ready and not busy)
        self.cancel.setText(self.tr("Stop") if busy else self.tr("Cancel"))
        self.bar.setVisible(busy)
        self.progress_text.setVisible(busy)
        self.trouble.setVisible(bool(self.trouble.text()) and not busy)
        if not busy:  # what was disabled meanwhile lost the keys
            QTimer.singleShot(0, self, self._take_keys)

    def _take_keys(self) -> None:
        if self.isActiveWindow() and self.focusWidget() in (None, self, self.cancel, self.back):
            taker = self.go if self.go.isEnabled() else self.source.source
            taker.setFocus()
