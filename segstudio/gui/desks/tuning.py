"""The tuning desk: operations with a number, seen on the canvas before they are done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication, QObject, QTimer
from PySide6.QtGui import QColor

from segstudio.core.annotation import Annotation
from segstudio.core.changes import Edit
from segstudio.core.progress import CancelToken
from segstudio.core.prompt import Prompt
from segstudio.engine.jobs import Job, Lane
from segstudio.engine.mask_operations import reshaped
from segstudio.engine.shape_preview import reshapings
from segstudio.engine.tuned_operations import Tuning, tuned_operation
from segstudio.gui.canvas.canvas import Canvas
from segstudio.gui.canvas.layers import Place
from segstudio.gui.canvas.number_strip import NumberStrip
from segstudio.gui.canvas.pictures import Draw
from segstudio.gui.canvas.preview import Picture
from segstudio.gui.canvas.reshaped import Change, changes_picture
from segstudio.gui.desks.prompt import PromptDesk
from segstudio.gui.theme import LIGHT
from segstudio.gui.workspace import Workspace

SELECT_TOOL = "select"
NAMES = {
    "crumbs": QT_TRANSLATE_NOOP("Tuning", "Remove crumbs below"),
    "grow": QT_TRANSLATE_NOOP("Tuning", "Grow by"),
    "shrink": QT_TRANSLATE_NOOP("Tuning", "Shrink by"),
    "open": QT_TRANSLATE_NOOP("Tuning", "Open by"),
    "close": QT_TRANSLATE_NOOP("Tuning", "Close by"),
    "smooth": QT_TRANSLATE_NOOP("Tuning", "Smooth by"),
}
FIRST = -2  # priority: a person waits for the preview
FRAME_MS, LONGEST_MS = 16, 2000  # how often, and how long, one looks whether an edit is in sight


@dataclass(frozen=True)
class _Preview:
    """A picture of what would be done, and how many pixels, crumbs and annotations that is."""

    draw: Draw
    gained: int
    lost: int
    lost_parts: int
    vanishing: int


class TuningDesk(QObject):
    """Opens the strip for the selection, keeps the preview, applies or drops.

    At most one preview is computed at a time, and the newest number comes next, so that a hand
    that never rests still sees fresh ones. The strip follows the selection and the edits of
    others; it closes with the image, without a selection, and once the hand works on the photo.
    """

    def __init__(self, workspace: Workspace, prompts: PromptDesk, canvas: Canvas) -> None:
        super().__init__()
        self._workspace, self._prompts, self._canvas = workspace, prompts, canvas
        self.strip = NumberStrip(canvas)
        self._tuning: Tuning | None = None
        self._job: Job[_Preview] | None = None
        self._asked: tuple[object, ...] = ()  # what the job under way computes
        self._seen = QTimer(self)
        self._seen.setInterval(FRAME_MS)
        self._seen.timeout.connect(self._hide_when_seen)
        self._waited = 0
        self.strip.changed.connect(self._tune)
        self.strip.applied.connect(self.apply)
        self.strip.dropped.connect(self.drop)
        workspace.image_changed.connect(self.drop)
        workspace.selection_changed.connect(self._follow)
        workspace.edited.connect(lambda _: self._follow())
        prompts.asked.connect(self._prompted)
        canvas.pressed.connect(self._pressed)

    def open(self, key: str) -> None:
        """The strip of the operation `key`, for what is selected."""
        tell, rows = self._workspace.tell, self._rows()
        if not self._workspace.selected:
            tell(self.tr("Select an annotation first."))
        elif not rows:
            tell(self.tr("What is selected is locked; unlock it first."))
        elif self._prompts.prompt:
            tell(self.tr("Accept the mask first, or press Esc."))
        else:
            operation = tuned_operation(key)
            number = int(getattr(self._workspace.settings, operation.setting))
            name = QCoreApplication.translate("Tuning", str(NAMES[key]))
            self._tuning = Tuning(operation, number)
            self.strip.open(name, number, operation.low, operation.high)
            self._preview()

    def apply(self) -> None:
        """Do it, as one undo step; the preview stays until the masks themselves show it."""
        tuning, ids = self._tuning, tuple(row.id for row in self._rows())
        if tuning is None:
            return
        self._remember(tuning)
        self._end()

        def shown(_: Edit) -> None:
            self._waited = 0
            self._seen.start()

        def nothing() -> None:
            self._hide()
            self._workspace.tell(self.tr("That changes nothing."))

        text = tuning.operation.with_number(tuning.number)
        self._workspace.edit(
            text,
            lambda session: session.change(reshaped(ids, text, tuning.reshape)),
            then=shown,
            otherwise=nothing,
            failed=self._hide,
        )

    def drop(self) -> None:
        """Leave the masks as they are."""
        if self._tuning is not None:
            self._remember(self._tuning)
            self._end()
            self._hide()

    # -- while it is open -----------------------------------------------------------------------

    def _rows(self) -> list[Annotation]:
        chosen = set(self._workspace.selected)
        return [row for row in self._workspace.annotations if row.id in chosen and not row.locked]

    def _tune(self, number: int) -> None:
        if self._tuning is not None:
            self._tuning = Tuning(self._tuning.operation, number)
            self._preview()

    def _follow(self) -> None:
        if self._tuning is None:
            return
        if self._rows():
            self._preview()
        else:
            self.drop()

    def _prompted(self, prompt: Prompt) -> None:
        if prompt:
            self.drop()

    def _pressed(self, _: object) -> None:
        if self._prompts.tools.tool_key != SELECT_TOOL:
            self.drop()

    def _end(self) -> None:
        self._tuning = None
        if self._job is not None:
            self._job.cancel()
            self._job = None
        self.strip.close_up()

    def _remember(self, tuning: Tuning) -> None:
        name = tuning.operation.setting
        if getattr(self._workspace.settings, name) != tuning.number:
            self._workspace.change_settings(**{name: tuning.number})

    # -- the preview ----------------------------------------------------------------------------

    def _preview(self) -> None:
        """Begin the newest preview, unless one is under way: it comes next then."""
        tuning = self._tuning
        if tuning is None or self._job is not None:
            return
        self._stop_waiting()
        rows, ids = self._workspace.annotations, self._workspace.selected
        self._asked = tuning, rows, ids

        work = self._work(tuning, rows, ids)

        def done(found: _Preview) -> None:
            if self._job is not job:
                return
            self._job = None
            self._canvas.pictures.operation.show(found.draw)
            self.strip.tell(self._effect(found))
            now = self._tuning, self._workspace.annotations, self._workspace.selected
            if any(one is not other for one, other in zip(now, self._asked, strict=True)):
                self._preview()

        def failed(error: Exception) -> None:
            if self._job is job:
                self._job = None
                self._workspace.tell_error(error)

        job = self._job = self._workspace.runner.submit(
            Lane.IO,
            self.tr("previewing"),
            lambda cancel, _: work(cancel),
            on_done=done,
            on_error=failed,
            priority=FIRST,
        )

    def _work(
        self, tuning: Tuning, rows: Sequence[Annotation], ids: Sequence[int]
    ) -> Callable[[CancelToken], _Preview]:
        # The photo has no theme: the darker red is seen on more photos.
        masks, lost = self._canvas.masks, QColor(LIGHT.danger)
        ringed = tuning.operation.key == "crumbs"

        def work(cancel: CancelToken) -> _Preview:
            found = reshapings(rows, ids, tuning, cancel)
            changes = [
                Change(one.gained, one.lost, masks.colour(one.annotation).lighter(130), ringed)
                for one in found
            ]

            def draw(place: Place, ratio: float) -> Picture | None:
                return changes_picture(changes, place, ratio, lost)

            return _Preview(
                draw,
                gained=sum(one.gained.area for one in found),
                lost=sum(one.lost.area for one in found),
                lost_parts=sum(one.lost_parts for one in found) if ringed else 0,
                vanishing=sum(one.vanishes for one in found),
            )

        return work

    def _effect(self, found: _Preview) -> str:
        parts = []
        if found.lost_parts == 1:
            parts.append(self.tr("1 crumb"))
        elif found.lost_parts:
            parts.append(self.tr("{:,} crumbs").format(found.lost_parts))
        if found.gained:
            parts.append(self.tr("+{:,} px").format(found.gained))
        if found.lost:
            parts.append(self.tr("−{:,} px").format(found.lost))
        if found.vanishing:
            parts.append(self.tr("{} would vanish and stay").format(found.vanishing))
        return " · ".join(parts) or self.tr("no change")

    def _hide_when_seen(self) -> None:
        self._waited += FRAME_MS
        painted = self._waited > FRAME_MS and self._canvas.scene.settled
        if painted or self._waited >= LONGEST_MS:
            self._hide()

    def _hide(self) -> None:
        self._stop_waiting()
        self._canvas.pictures.operation.show(None)

    def _stop_waiting(self) -> None:
        self._seen.stop()
