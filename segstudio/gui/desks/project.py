"""The project desk: open folders and projects, turn pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from segstudio.config.paths import cache_dir, data_dir
from segstudio.core.errors import ProjectLockedError
from segstudio.core.image import ImageRecord, RgbImage
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.engine.image_session import ImageSession
from segstudio.engine.jobs import Lane
from segstudio.engine.project_session import OpenedProject, ScanReport, open_path
from segstudio.gui.canvas.layers import measure
from segstudio.gui.panels.status import clock
from segstudio.gui.workspace import ProjectContents, Workspace
from segstudio.imaging.photo import Photo, open_photo
from segstudio.imaging.read import LARGE, read_image
from segstudio.imaging.sample_photos import write_sample_photos

OPEN_KEY = "open-image"
Paging = Callable[[int], tuple[int | None, int | None]]


class ProjectDesk(QObject):
    """What the file and image actions call."""

    opening = Signal(int)  # id of the image that is being opened

    def __init__(self, workspace: Workspace, parent: QWidget) -> None:
        super().__init__(parent)
        self._workspace, self._window = workspace, parent
        self.wanted_image: int | None = None
        self._why_read_only = ""
        # The gallery knows the order and the filter: the window wires these two to it.
        self.neighbours: Paging = lambda _: (None, None)
        self.unlabelled_after: Callable[[int], int | None] = lambda _: None

    # -- opening a project ----------------------------------------------------------------------

    def choose_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self._window, self.tr("Open a folder of images"))
        if folder:
            self.open(Path(folder))

    def choose_project(self) -> None:
        kinds = self.tr("SegStudio projects") + " (*.segstudio)"
        file, _ = QFileDialog.getOpenFileName(self._window, self.tr("Open a project"), "", kinds)
        if file:
            self.open(Path(file))

    def open(self, path: Path, read_only: bool = False) -> None:
        """Open a project file, an image, or a folder; the present project stays until then.

        A project that somebody else is writing opens read-only, and it is said who has it.
        """
        if not read_only and self._is_open(path):
            return

        def work(
            cancel: CancelToken, report: ProgressSink
        ) -> tuple[OpenedProject, ProjectContents]:
            opened = open_path(path, report, cancel, read_only=read_only)
            return opened, ProjectContents.of(opened.store)

        def refused(error: Exception) -> None:
            if isinstance(error, ProjectLockedError) and not read_only:
                self._why_read_only = str(error)
                self.open(path, read_only=True)
            else:
                self._workspace.tell_error(error)

        self._workspace.runner.submit(
            Lane.IO,
            self.tr("opening {}").format(path.name),
            work,
            on_done=lambda result: self._opened(*result),
            on_error=refused,
            key="open-project",
            visible=True,
        )

    def _is_open(self, path: Path) -> bool:
        """Whether `path` belongs to the open project; one of its images is then turned to."""
        store = self._workspace.store
        if store is None or store.read_only:
            return False
        wanted = path.absolute()
        for image in self._workspace.images.values():
            if wanted == store.image_path(image).absolute():
                self.open_image(image.id)
                return True
        if wanted in (store.path.absolute(), Path(store.images_dir).absolute()):
            self._workspace.tell(self.tr("This project is open already."))
            return True
        return False

    def open_samples(self) -> None:
        folder = data_dir() / "sample-photos"

        def work(_: CancelToken, __: ProgressSink) -> Path:
            write_sample_photos(folder)
            return folder

        self._workspace.runner.submit(
            Lane.IO,
            self.tr("copying sample photos"),
            work,
            on_done=self.open,
            on_error=self._workspace.tell_error,
            visible=True,
        )

    def _opened(self, opened: OpenedProject, contents: ProjectContents) -> None:
        workspace = self._workspace
        workspace.set_project(opened, contents)
        recent = workspace.settings.with_recent(opened.store.path).recent_projects
        workspace.change_settings(recent_projects=recent)
        sentence, details = _told(opened.report, len(contents.images))
        if opened.store.read_only:
            why = self._why_read_only
            sentence = self.tr("Opened read-only: nothing can be accepted here.") + f" {why}"
        self._why_read_only = ""
        workspace.tell(sentence.strip(), details)
        first = opened.start_image_id
        if first is None and contents.images:
            first = contents.images[0].id
        if first is not None:
            self.open_image(first)

    def close(self) -> None:
        """Close the project; what was accepted is written first (the store lane is in order)."""
        self.wanted_image = None
        self._workspace.runner.cancel_key(OPEN_KEY)
        self._workspace.set_project(None, None)

    # -- turning pages --------------------------------------------------------------------------

    def open_image(self, image_id: int) -> None:
        """Show another image: its pixels and its annotations are read side by side."""
        workspace = self._workspace
        store, record = workspace.store, workspace.images.get(image_id)
        if store is None or record is None:
            return
        self.wanted_image = image_id
        self.opening.emit(image_id)
        parts: list[object] = []

        def arrived(part: object) -> None:
            parts.append(part)
            if len(parts) == 2 and self.wanted_image == image_id:
                self._show(parts)

        # On the store lane, so that it stands behind edits of this image that are being written.
        workspace.runner.submit(
            Lane.STORE,
            self.tr("reading annotations"),
            lambda _c, _p: _read_session(ImageSession(store, image_id)),
            on_done=arrived,
            on_error=workspace.tell_error,
        )
        workspace.runner.submit(
            Lane.IO,
            self.tr("reading {}").format(record.path),
            lambda cancel, report: open_photo(
                store.image_path(record), cache_dir() / "pixels", cancel=cancel, report=report
            ),
            on_done=arrived,
            on_error=self._not_shown,
            key=OPEN_KEY,
            visible=_is_large(record),
        )

    def _show(self, parts: list[object]) -> None:
        for part in parts:
            if isinstance(part, _SessionPart):
                session = part
            elif isinstance(part, Photo):
                pixels = part
        self._workspace.set_image(session.session, pixels.image, pixels.pyramid)

    def _not_shown(self, error: Exception) -> None:
        """The image cannot be read: say so and show none, so that no edit goes astray."""
        self._workspace.set_image(None, None, None)
        self._workspace.tell_error(error)

    def next_image(self) -> None:
        self._turn(1)

    def previous_image(self) -> None:
        self._turn(0)

    def _turn(self, side: int) -> None:
        if self.wanted_image is not None:
            target = self.neighbours(self.wanted_image)[side]
            if target is not None:
                self.open_image(target)

    def next_unlabelled(self) -> None:
        if self.wanted_image is None:
            return
        target = self.unlabelled_after(self.wanted_image)
        if target is None:
            self._workspace.tell(self.tr("Every image is labelled."))
        else:
            self.open_image(target)

    def neighbour_reads(self, count: int) -> list[Callable[[], RgbImage]]:
        """How to read the next images in the gallery's order, then the previous one.

        Huge ones are left out: reading them ahead would take the disk and half a minute.
        """
        workspace = self._workspace
        store, here = workspace.store, self.wanted_image
        if store is None or here is None:
            return []
        previous, following = self.neighbours(here)
        wanted: list[ImageRecord] = []
        while following is not None and len(wanted) < max(0, count - 1):
            wanted.append(workspace.images[following])
            following = self.neighbours(following)[1]
        if previous is not None and len(wanted) < count:
            wanted.append(workspace.images[previous])
        return [_reader(store.image_path(one)) for one in wanted if not _is_large(one)]

    # -- saving ---------------------------------------------------------------------------------

    def tell_saved(self) -> None:
        """Saving is always on; Ctrl+S says when it last was."""
        store = self._workspace.store
        if store is None:
            self._workspace.tell(self.tr("No project is open."))
        elif not store.last_commit_at:
            self._workspace.tell(self.tr("Nothing has been changed yet; saving is always on."))
        else:
            self._workspace.tell(
                self.tr("Saved at {}; saving is always on.").format(clock(store.last_commit_at))
            )

    def save_copy(self) -> None:
        store = self._workspace.store
        if store is None:
            self._workspace.tell(self.tr("No project is open."))
            return
        kinds = self.tr("SegStudio projects") + " (*.segstudio)"
        file, _ = QFileDialog.getSaveFileName(self._window, self.tr("Save a copy"), "", kinds)
        if file:
            target = Path(file).with_suffix(".segstudio")
            self._workspace.runner.submit(
                Lane.STORE,
                self.tr("saving a copy"),
                lambda _c, _p: store.save_copy(target),
                on_done=lambda _: self._workspace.tell(self.tr("Saved a copy: {}").format(target)),
                on_error=self._workspace.tell_error,
            )


class _SessionPart:
    def __init__(self, session: ImageSession) -> None:
        self.session = session


def _read_session(session: ImageSession) -> _SessionPart:
    measure(session.annotations)
    return _SessionPart(session)


def _is_large(record: ImageRecord) -> bool:
    return record.width * record.height > LARGE


def _reader(path: Path) -> Callable[[], RgbImage]:
    return lambda: read_image(path)


def _told(report: ScanReport, images: int) -> tuple[str, str]:
    """One sentence on what opening a project found, and the details behind its link."""
    parts = [f"{images} images" if images != 1 else "1 image"]
    details: list[str] = []
    if report.unreadable:
        parts.append(f"{len(report.unreadable)} cannot be read")
        details += [sentence for _, sentence in report.unreadable]
    if report.missing:
        parts.append(f"{len(report.missing)} missing")
        details += [f"Missing: {path}" for path in report.missing]
    if report.changed:
        parts.append(f"{len(report.changed)} changed since they were labelled")
        details += [f"Changed: {path}" for path in report.changed]
    return ", ".join(parts) + ".", "\n".join(details)
