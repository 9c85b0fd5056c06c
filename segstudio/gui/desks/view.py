"""The view desk: zoom, pan, and how the masks show."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from segstudio.gui.canvas.canvas import ZOOM_STEP, Canvas
from segstudio.gui.workspace import Workspace


class ViewDesk(QObject):
    """What the view actions call."""

    masks_shown = Signal(bool)

    def __init__(self, workspace: Workspace, canvas: Canvas) -> None:
        super().__init__()
        self._workspace, self._canvas = workspace, canvas
        self._wanted = True
        canvas.masks.opacity = workspace.settings.mask_opacity

    def fit(self) -> None:
        self._canvas.set_view(self._canvas.view.fitted())

    def actual_size(self) -> None:
        self._canvas.set_view(self._canvas.view.actual_size())

    def zoom_in(self) -> None:
        self._canvas.zoom(ZOOM_STEP)

    def zoom_out(self) -> None:
        self._canvas.zoom(1 / ZOOM_STEP)

    def toggle_masks(self) -> None:
        self._wanted = not self._wanted
        self._show(self._wanted)

    def hide_masks(self, held: bool) -> None:
        """Masks are hidden while the key is held."""
        self._show(self._wanted and not held)

    def pan(self, held: bool) -> None:
        """A left drag pans while the key is held."""
        self._canvas.set_hand_mode(held)

    def show_opacity(self, opacity: float) -> None:
        """Fill of the masks, 0 to 1; outlines stay."""
        self._canvas.masks.opacity = opacity
        self._canvas.refresh()

    def keep_opacity(self) -> None:
        """Remember the opacity for next time."""
        self._workspace.change_settings(mask_opacity=self._canvas.masks.opacity)

    def _show(self, shown: bool) -> None:
        self._canvas.masks.visible = shown
        self._canvas.refresh()
        self.masks_shown.emit(self._wanted)
