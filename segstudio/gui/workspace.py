"""What the window works on: the open project, the open image, and the jobs around them.

Desks change it, panels listen to it; neither knows the other. Everything here lives on the GUI
thread; work goes through the job runner and comes back as a call on this thread.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

from PySide6.QtCore import QObject, Signal

from segstudio.config.settings import Settings, save_settings
from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.changes import Edit, HistoryState, Records
from segstudio.core.errors import SegStudioError
from segstudio.core.image import ImageRecord, RgbImage
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.engine.edited_image import Snapshot
from segstudio.engine.image_session import ImageSession
from segstudio.engine.jobs import JobRunner, Lane
from segstudio.engine.project_session import OpenedProject
from segstudio.gui.canvas.layers import measure
from segstudio.imaging.pyramid import Pyramid
from segstudio.store.project import ProjectStore


class Workspace(QObject):
    """The state that panels show, and the signals that say it changed."""

    project_changed = Signal()
    image_changed = Signal()
    edited = Signal(object)  # Edit that was applied to the open project
    renewed = Signal()  # images, categories and annotations were read anew after a run
    categories_changed = Signal()
    selection_changed = Signal()
    category_chosen = Signal()
    saved = Signal(float)  # seconds since 1970
    told = Signal(str, str)  # a sentence for the status bar, and its details
    offered = Signal(str, object)  # what can be done about what was told, and the call that does it

    def __init__(self, runner: JobRunner, settings: Settings) -> None:
        super().__init__()
        self.runner, self.settings = runner, settings
        self.store: ProjectStore | None = None
        self.images: dict[int, ImageRecord] = {}
        self.image_counts: Counter[int] = Counter()
        self.categories: dict[int, Category] = {}
        self.category_counts: Counter[int] = Counter()
        self.session: ImageSession | None = None
        self._shown: Snapshot | None = None  # what panels and canvas show of the open image
        self.pixels: RgbImage | None = None
        self.pyramid: Pyramid | None = None
        self.selected: tuple[int, ...] = ()
        self.category_id: int | None = None
        self.last_category_id: int | None = None

    # -- project and image ----------------------------------------------------------------------

    def set_project(self, opened: OpenedProject | None, contents: ProjectContents | None) -> None:
        """Show another project, or none; the old one is closed once its edits are written."""
        old, self.store = self.store, opened.store if opened else None
        if old is not None and old is not self.store:
            self.runner.submit(Lane.STORE, self.tr("closing"), lambda _c, _p: old.close())
        self._take(contents or ProjectContents((), (), {}, {}))
        first = next(iter(self.categories), None)
        self.category_id, self.last_category_id = first, None
        self.set_image(None, None, None)
        self.project_changed.emit()
        self.categories_changed.emit()

    def _take(self, contents: ProjectContents) -> None:
        self.images = {image.id: image for image in contents.images}
        self.image_counts = Counter(contents.image_counts)
        self.categories = {category.id: category for category in contents.categories}
        self.category_counts = Counter(contents.category_counts)

    def renew(self) -> None:
        """Show what a run made of the project: any of its images and categories may be others."""
        store, session = self.store, self.session
        if store is None:
            return

        def work(_: CancelToken, __: ProgressSink) -> ProjectContents:
            if session is not None:
                session.refresh()
                measure(session.annotations)
            return ProjectContents.of(store)

        def done(contents: ProjectContents) -> None:
            if store is not self.store:
                return
            before = list(self.categories.items())
            self._take(contents)
            if self.category_id not in self.categories:
                self.category_id = next(iter(self.categories), None)
            self.select(self.selected)
            if list(self.categories.items()) != before:
                self.categories_changed.emit()
                self.category_chosen.emit()
            self.renewed.emit()
            # Undoing a run has shown what it did to the open image already.
            if session is not None and session is self.session and session.snapshot != self._shown:
                self._tell_edited(Edit("", session.image.id, Records(), Records()))

        self.runner.submit(
            Lane.STORE,
            self.tr("reading the project"),
            work,
            on_done=done,
            on_error=self.tell_error,
            key="renew",
        )

    def set_image(
        self,
        session: ImageSession | None,
        pixels: RgbImage | None,
        pyramid: Pyramid | None,
    ) -> None:
        self.session, self.pixels, self.pyramid = session, pixels, pyramid
        self._shown = session.snapshot if session is not None else None
        self.selected = ()
        self.image_changed.emit()
        self.selection_changed.emit()

    @property
    def annotations(self) -> tuple[Annotation, ...]:
        """Those of the open image, by depth."""
        return self.session.annotations if self.session else ()

    @property
    def history(self) -> HistoryState:
        return self.session.history if self.session else HistoryState()

    # -- choosing -------------------------------------------------------------------------------

    def select(self, ids: tuple[int, ...]) -> None:
        known = {annotation.id for annotation in self.annotations}
        chosen = tuple(id_ for id_ in ids if id_ in known)
        if chosen != self.selected:
            self.selected = chosen
            self.selection_changed.emit()

    def choose_category(self, category_id: int | None) -> None:
        if category_id != self.category_id:
            self.last_category_id, self.category_id = self.category_id, category_id
        self.category_chosen.emit()

    def change_settings(self, **changes: object) -> None:
        """Change settings and write them (on the store lane: closing does not cancel that)."""
        self.settings = settings = replace(self.settings, **changes)  # type: ignore[arg-type]
        self.runner.submit(
            Lane.STORE,
            self.tr("saving settings"),
            lambda _c, _p: save_settings(settings),
            on_error=self.tell_error,
        )

    # -- editing --------------------------------------------------------------------------------

    def edit(
        self,
        text: str,
        make: Callable[[ImageSession], Edit | None],
        then: Callable[[Edit], None] | None = None,
        otherwise: Callable[[], None] | None = None,
        failed: Callable[[], None] | None = None,
        *,
        visible: bool = False,
    ) -> None:
        """Make an edit on the store lane; show it when it is written, not before.

        `then` gets the edit once it is shown; `otherwise` is called where there was none to make,
        `failed` where it was refused or could not be written, after that was said.
        """
        session = self.session
        if session is None:
            return

        def work(_: CancelToken, __: ProgressSink) -> Edit | None:
            edit = make(session)
            if edit is not None:
                # An undo reads its rows anew: those of the edit are not those that are shown.
                measure((*edit.after.annotations, *session.annotations))
            return edit

        def done(edit: Edit | None) -> None:
            if edit is not None:
                self._apply(session, edit)
                if then is not None:
                    then(edit)
            elif otherwise is not None:
                otherwise()

        def refused(error: Exception) -> None:
            self.tell_error(error)
            if failed is not None:
                failed()

        self.runner.submit(Lane.STORE, text, work, on_done=done, on_error=refused, visible=visible)

    def edit_image(
        self,
        image_id: int,
        text: str,
        make: Callable[[ImageSession], Edit | None],
        then: Callable[[Edit], None] | None = None,
    ) -> None:
        """Make an edit of an image that is not open, in its own history."""
        store = self.store
        if store is None:
            return

        def work(_: CancelToken, __: ProgressSink) -> tuple[ImageSession, Edit] | None:
            session = ImageSession(store, image_id)
            edit = make(session)
            return (session, edit) if edit else None

        def done(result: tuple[ImageSession, Edit] | None) -> None:
            if result is not None and store is self.store:
                self._apply(*result)
                if then is not None:
                    then(result[1])

        self.runner.submit(Lane.STORE, text, work, on_done=done, on_error=self.tell_error)

    def _apply(self, session: ImageSession, edit: Edit) -> None:
        before, after = edit.before, edit.after
        self.image_counts[edit.image_id] += len(after.annotations) - len(before.annotations)
        self.category_counts.update(annotation.category_id for annotation in after.annotations)
        self.category_counts.subtract(annotation.category_id for annotation in before.annotations)
        self.images.update({image.id: image for image in after.images})
        if session is self.session:
            self.select(self.selected)
        self._apply_categories(before, after)
        self._tell_edited(edit)
        self.saved.emit(time.time())
        if edit.run_id:  # other images changed along with this one
            self.renew()

    def _tell_edited(self, edit: Edit) -> None:
        self._shown = self.session.snapshot if self.session is not None else None
        self.edited.emit(edit)

    def _apply_categories(self, before: Records, after: Records) -> None:
        if not (before.categories or after.categories):
            return
        gone = {item.id for item in before.categories} - {item.id for item in after.categories}
        for category_id in gone:
            self.categories.pop(category_id, None)
        self.categories.update({category.id: category for category in after.categories})
        if self.category_id not in self.categories:
            self.category_id = next(iter(self.categories), None)
        self.categories_changed.emit()
        self.category_chosen.emit()

    # -- telling --------------------------------------------------------------------------------

    def tell(self, sentence: str, details: str = "") -> None:
        self.told.emit(sentence, details)

    def offer(self, label: str, call: Callable[[], None]) -> None:
        """What can be done about what was just told; it goes with the next sentence."""
        self.offered.emit(label, call)

    def tell_error(self, error: Exception) -> None:
        """Errors appear as one sentence, never as a box in the way."""
        if isinstance(error, SegStudioError):
            self.tell(str(error))
        else:
            sentence = self.tr("Something went wrong that SegStudio did not expect.")
            self.tell(sentence, f"{type(error).__name__}: {error}")


class ProjectContents:
    """What is read of a project when it opens, off the GUI thread."""

    def __init__(
        self,
        images: tuple[ImageRecord, ...],
        categories: tuple[Category, ...],
        image_counts: Mapping[int, int],
        category_counts: Mapping[int, int],
    ) -> None:
        self.images, self.categories = images, categories
        self.image_counts, self.category_counts = image_counts, category_counts

    @classmethod
    def of(cls, store: ProjectStore) -> ProjectContents:
        return cls(
            tuple(store.images()),
            tuple(store.categories()),
            store.annotation_counts(),
            store.category_counts(),
        )
