"""The partition desk: turns the mode on and off, and leads to what is not labelled just once."""

from __future__ import annotations

from PySide6.QtCore import QLocale, QObject, QTimer, Signal

from segstudio.core.mask import Box
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.engine.jobs import Lane
from segstudio.engine.overlaps import Flaws, find_flaws, resolve_overlaps
from segstudio.engine.partition import SETTING
from segstudio.gui.canvas.canvas import Canvas
from segstudio.gui.workspace import Workspace
from segstudio.imaging.mask_parts import Place

COUNT_KEY = "partition-flaws"
MARK_MS = 1600  # long enough to be found by an eye that was elsewhere


class PartitionDesk(QObject):
    """What the actions on partition mode call. The mode is kept with the project."""

    changed = Signal()  # the mode, or what was counted

    def __init__(self, workspace: Workspace, canvas: Canvas) -> None:
        super().__init__()
        self._workspace, self._canvas = workspace, canvas
        self.mode = False
        self.flaws: Flaws | None = None  # None: not counted, or the mode is off
        self._wanted = False  # what the mode will be once it is written
        self._offer = False  # overlaps are to be spoken of when they have been counted
        self._seen: set[Place] = set()
        self._forget = QTimer(self)
        self._forget.setSingleShot(True)
        self._forget.setInterval(MARK_MS)
        self._forget.timeout.connect(lambda: self._mark(None))

    # -- the mode -------------------------------------------------------------------------------

    def toggle(self) -> None:
        """On or off, for this project; nothing is changed by that alone."""
        store = self._workspace.store
        if store is None:
            self._workspace.tell(self.tr("No project is open."))
            self.changed.emit()  # the action ticks itself
            return
        self._wanted = wanted = not self._wanted

        def written(_: None) -> None:
            if store is self._workspace.store:
                self._offer = wanted
                self._set(wanted)
                if not wanted:
                    self._workspace.tell(self.tr("Partition mode is off: masks may overlap."))

        self._workspace.runner.submit(
            Lane.STORE,
            self.tr("changing partition mode"),
            lambda _c, _p: store.set_setting(SETTING, wanted),
            on_done=written,
            on_error=self._failed,
        )

    def _failed(self, error: Exception) -> None:
        self._wanted = self.mode
        self._workspace.tell_error(error)
        self.changed.emit()

    def follow_project(self) -> None:
        """Read the mode of the project that is open now."""
        store = self._workspace.store
        self._wanted = False
        self._set(False)
        if store is None:
            return

        def read(mode: bool) -> None:
            if store is self._workspace.store:
                self._wanted = mode
                self._set(mode)

        self._workspace.runner.submit(
            Lane.STORE,
            self.tr("reading partition mode"),
            lambda _c, _p: store.setting(SETTING, False) is True,
            on_done=read,
            on_error=self._workspace.tell_error,
        )

    def _set(self, mode: bool) -> None:
        self.mode = mode
        self.follow_image()

    # -- counting -------------------------------------------------------------------------------

    def follow_image(self) -> None:
        """Another image, or another mode: what was counted holds no longer."""
        self.flaws = None
        self._seen.clear()
        self.count()
        self.changed.emit()

    def count(self) -> None:
        """Count anew, in the background; the old numbers stay until then."""
        session = self._workspace.session
        if not self.mode or session is None:
            self._workspace.runner.cancel_key(COUNT_KEY)
            return
        annotations = session.annotations
        size = (session.image.height, session.image.width)

        def work(cancel: CancelToken, _: ProgressSink) -> Flaws:
            return find_flaws(annotations, size, cancel)

        def counted(flaws: Flaws) -> None:
            if self.mode and session is self._workspace.session:
                self.flaws = flaws
                self._speak_of_overlaps(flaws)
                self.changed.emit()

        self._workspace.runner.submit(
            Lane.IO,
            self.tr("counting pixels"),
            work,
            on_done=counted,
            on_error=self._workspace.tell_error,
            key=COUNT_KEY,
        )

    def _speak_of_overlaps(self, flaws: Flaws) -> None:
        if not self._offer:
            return
        self._offer = False
        if flaws.doubly:
            told = self.tr("Resolve overlaps gives {} doubly labelled px to the front annotation.")
            self._workspace.tell(told.format(QLocale().toString(flaws.doubly)))
        else:
            self._workspace.tell(self.tr("Partition mode is on: neighbours share a border."))

    # -- mending --------------------------------------------------------------------------------

    def resolve(self) -> None:
        """Doubly labelled pixels go to the annotation in front, as one undo step."""
        nothing = self.tr("No pixel is doubly labelled, but for locked ones.")
        self._workspace.edit(
            self.tr("resolving overlaps"),
            lambda session: session.change(resolve_overlaps),
            otherwise=lambda: self._workspace.tell(nothing),
        )

    def next_unlabelled(self) -> None:
        """Centre the largest place without a label that was not shown yet."""
        places = self.flaws.unlabelled_places if self.flaws else ()
        self._show_next(places, self.tr("No pixel is unlabelled."))

    def next_doubly(self) -> None:
        """Centre the largest doubly labelled place that was not shown yet."""
        places = self.flaws.doubly_places if self.flaws else ()
        self._show_next(places, self.tr("No pixel is doubly labelled."))

    def _show_next(self, places: tuple[Place, ...], nothing: str) -> None:
        if not self.mode:
            self._workspace.tell(self.tr("Turn on partition mode first; it counts the pixels."))
        elif self.flaws is None:
            self._workspace.tell(self.tr("The pixels are still being counted."))
        elif not places:
            self._workspace.tell(nothing)
        else:
            self._show(self._after(places))

    def _after(self, places: tuple[Place, ...]) -> Place:
        """The first place that was not shown since one began with the largest."""
        fresh = next((place for place in places if place not in self._seen), None)
        if fresh is None:
            self._seen.difference_update(places)
            fresh = places[0]
        self._seen.add(fresh)
        return fresh

    def _show(self, place: Place) -> None:
        self._canvas.set_view(self._canvas.view.showing(place.box))
        self._mark(place.box)
        self._forget.start()

    def _mark(self, box: Box | None) -> None:
        self._canvas.overlay.sought = box
        self._canvas.update()
