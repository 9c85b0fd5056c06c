"""The jump desk: from a row of a report to the image, and to the annotation on it."""

from __future__ import annotations

from PySide6.QtCore import QObject

from segstudio.gui.desks.project import ProjectDesk
from segstudio.gui.workspace import Workspace


class JumpDesk(QObject):
    """Opens images by their paths in the project and selects what is meant on them."""

    def __init__(self, workspace: Workspace, project: ProjectDesk) -> None:
        super().__init__()
        self._workspace, self._project = workspace, project
        self._waiting: tuple[int, int] | None = None  # image and annotation, until it is open
        workspace.image_changed.connect(self._arrive)
        workspace.project_changed.connect(self._forget)

    def jump_to(self, path: str, annotation_id: int = 0) -> None:
        """Show the image at `path`, with that annotation selected (0: none)."""
        images = self._workspace.images.values()
        image = next((image for image in images if image.path == path), None)
        if image is None:
            self._workspace.tell(self.tr("{} is not in the open project.").format(path))
            return
        self._waiting = (image.id, annotation_id)
        session = self._workspace.session
        if session is not None and session.image.id == self._project.wanted_image == image.id:
            self._arrive()
        else:
            self._project.open_image(image.id)

    def _arrive(self) -> None:
        session, waiting = self._workspace.session, self._waiting
        if session is None or waiting is None or session.image.id != waiting[0]:
            return
        self._waiting = None
        if not waiting[1]:
            return
        self._workspace.select((waiting[1],))
        if not self._workspace.selected:
            self._workspace.tell(self.tr("That annotation is no longer on the image."))

    def _forget(self) -> None:
        self._waiting = None
