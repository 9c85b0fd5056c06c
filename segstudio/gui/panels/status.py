"""The strip at the bottom: where the hand is, how things stand, what is wrong, what is running."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QDateTime, QSize, Qt, QTimer
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QProgressBar,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from segstudio.engine.job import Job, JobState
from segstudio.engine.jobs import JobRunner
from segstudio.gui.icons import icon
from segstudio.gui.theme import SPACING, numeric_font

SHOW_AFTER_MS = 300  # a job that ends before is not worth a flicker
MESSAGE_MS = 15_000


class ElidedLabel(QLabel):
    """One line that ends in "…" where it is too long; the whole of it is the tool tip."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._whole = ""
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)

    @property
    def whole_text(self) -> str:
        return self._whole

    def show_text(self, text: str) -> None:
        self._whole = text
        self.setToolTip(text)
        self._elide()

    def minimumSizeHint(self) -> QSize:
        return QSize(40, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        mode = Qt.TextElideMode.ElideRight
        self.setText(self.fontMetrics().elidedText(self._whole, mode, self.width()))


class StatusStrip(QWidget):
    """Coordinates, zoom, last saved, embedding, device; messages; running jobs with cancel."""

    def __init__(self, runner: JobRunner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.coordinates, self.zoom, self.saved = QLabel(), QLabel(), QLabel()
        self.embedding, self.device = QLabel(), QLabel()
        self.message = ElidedLabel()
        self.details = QToolButton()
        self.details.setText(self.tr("Details"))
        self.details.clicked.connect(self._show_details)
        self.offer_button = QToolButton()
        self.offer_button.setText(self.tr("Undo"))
        self.offer_button.clicked.connect(self._take_offer)
        self._offer: Callable[[], None] | None = None
        self.job_text = ElidedLabel()
        self.job_bar = QProgressBar()
        self.job_cancel = QToolButton()
        self.job_cancel.setIcon(icon("cancel"))
        self.job_cancel.setToolTip(self.tr("Cancel"))
        self.job_cancel.setAccessibleName(self.tr("Cancel"))
        self.job_cancel.clicked.connect(self._cancel)
        self._details_text, self._embedding, self._neighbours = "", "", ""
        self._jobs: dict[int, Job[Any]] = {}
        self._lay_out()
        self._forget = QTimer(self)
        self._forget.setSingleShot(True)
        self._forget.setInterval(MESSAGE_MS)
        self._forget.timeout.connect(lambda: self.tell(""))
        self._reveal = QTimer(self)
        self._reveal.setSingleShot(True)
        self._reveal.setInterval(SHOW_AFTER_MS)
        self._reveal.timeout.connect(self._show_job)
        self._stop_listening = runner.listen(self._follow)
        self.tell("")
        self._show_job()

    def _lay_out(self) -> None:
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 0, 8, 0)
        layout.setSpacing(12)
        for label, sample in (
            (self.coordinates, "00000, 00000"),
            (self.zoom, "0000 %"),
            (self.saved, ""),
            (self.embedding, ""),
            (self.device, ""),
        ):
            label.setFont(numeric_font(label.font()))
            label.setProperty("role", "dim")
            if sample:
                label.setMinimumWidth(label.fontMetrics().horizontalAdvance(sample))
            layout.addWidget(label)
        layout.addWidget(self.message, 3)
        layout.addWidget(self.offer_button)
        layout.addWidget(self.details)
        layout.addWidget(self.job_text, 1)
        self.job_bar.setFixedSize(120, 8)
        self.job_bar.setTextVisible(False)
        layout.addWidget(self.job_bar)
        layout.addWidget(self.job_cancel)
        self._keep_height()

    def _keep_height(self) -> None:
        """As high as what comes and goes: else each coming lays out and paints the whole window."""
        self.setStyleSheet(f"QToolButton {{ padding: 0 {SPACING}px; }}")
        buttons = (self.offer_button, self.details, self.job_cancel)
        for button in buttons:
            button.ensurePolished()
        self.setMinimumHeight(max(button.sizeHint().height() for button in buttons))

    def add_counts(self, widget: QWidget) -> None:
        """Numbers of a mode, between how things stand and the messages."""
        layout = self.layout()
        assert isinstance(layout, QHBoxLayout)
        layout.insertWidget(layout.indexOf(self.message), widget)

    # -- how things stand -----------------------------------------------------------------------

    def set_coordinates(self, where: tuple[float, float] | None) -> None:
        """Image pixels under the pointer, or nothing beside the image."""
        self.coordinates.setText(f"{int(where[0])}, {int(where[1])}" if where else "")

    def set_zoom(self, scale: float | None) -> None:
        self.zoom.setText(f"{100 * scale:.0f} %" if scale is not None else "")

    def set_saved(self, seconds: float) -> None:
        """When the last edit was written (seconds since 1970)."""
        self.saved.setText(self.tr("saved {}").format(clock(seconds)))

    def set_embedding(self, text: str) -> None:
        self._embedding = text
        self._show_embedding()

    def set_neighbours(self, ready: int, wanted: int) -> None:
        """How many of the next images can be clicked at once."""
        self._neighbours = self.tr("next {} of {}").format(ready, wanted) if wanted else ""
        self._show_embedding()

    def _show_embedding(self) -> None:
        parts = [part for part in (self._embedding, self._neighbours) if part]
        self.embedding.setText(" · ".join(parts))

    def set_device(self, name: str) -> None:
        self.device.setText(name)

    # -- messages -------------------------------------------------------------------------------

    def tell(self, sentence: str, details: str = "") -> None:
        """One sentence; what more there is to know opens with Details."""
        self.message.show_text(sentence)
        self._details_text = details
        self.details.setVisible(bool(details))
        self._offer = None
        self.offer_button.hide()
        if sentence and not details:
            self._forget.start()
        else:
            self._forget.stop()

    def offer(self, label: str, call: Callable[[], None]) -> None:
        """A button beside the sentence, which stays until the next one."""
        self._offer = call
        self.offer_button.setText(label)
        self.offer_button.show()
        self._forget.stop()

    def _take_offer(self) -> None:
        call = self._offer
        self.tell("")
        if call is not None:
            call()

    def _show_details(self) -> None:
        dialog = QDialog(self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle(self.tr("Details"))
        text = QPlainTextEdit(f"{self.message.whole_text}\n\n{self._details_text}")
        text.setReadOnly(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(dialog.close)
        layout = QVBoxLayout(dialog)
        layout.addWidget(text)
        layout.addWidget(buttons)
        dialog.resize(560, 320)
        dialog.show()

    # -- jobs -----------------------------------------------------------------------------------

    def _follow(self, job: Job[Any]) -> None:
        if not job.visible:
            return
        if job.state in (JobState.QUEUED, JobState.RUNNING):
            self._jobs[job.id] = job
        else:
            self._jobs.pop(job.id, None)
        if self._jobs and not self.job_bar.isVisible():
            if not self._reveal.isActive():
                self._reveal.start()
        else:
            self._show_job()

    def _show_job(self) -> None:
        """The oldest job that is under way; how many more there are."""
        jobs = list(self._jobs.values())
        for widget in (self.job_text, self.job_bar, self.job_cancel):
            widget.setVisible(bool(jobs))
        if not jobs:
            return
        progress = jobs[0].progress
        fraction = progress.fraction if progress else None
        text = jobs[0].text + (f" {100 * fraction:.0f} %" if fraction is not None else "")
        if len(jobs) > 1:
            text += self.tr(" (+{})").format(len(jobs) - 1)
        self.job_text.show_text(text)
        self.job_bar.setRange(0, 0 if fraction is None else 1000)
        self.job_bar.setValue(0 if fraction is None else round(1000 * fraction))

    def _cancel(self) -> None:
        for job in list(self._jobs.values())[:1]:
            job.cancel()


def clock(seconds: float) -> str:
    """A time of day in the user's own time zone, with seconds."""
    milliseconds = int(seconds * 1000)
    moment = QDateTime.fromMSecsSinceEpoch(milliseconds).time()
    return str(moment.toString("HH:mm:ss"))
