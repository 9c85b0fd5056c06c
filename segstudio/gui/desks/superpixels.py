"""The superpixel desk: has the open image's superpixels made while their brush is in the hand."""

from __future__ import annotations

from PySide6.QtCore import QObject

from segstudio.core.patch import Patch
from segstudio.engine.superpixel_maps import Scale, SuperpixelCache, SuperpixelMap, SuperpixelMaps
from segstudio.gui.canvas.canvas import Canvas
from segstudio.gui.canvas.pointer import place_under
from segstudio.gui.desks.prompt import PromptDesk
from segstudio.gui.workspace import Workspace
from segstudio.tools.contract import Painted, Painting, PaintingDropped, PointAtSuperpixel

TOOL = "superpixel"
SCALES = (Scale.FINE, Scale.MEDIUM, Scale.COARSE)


class SuperpixelDesk(QObject):
    """Three scales; the one in the hand is what the tool hits and the pointer marks."""

    def __init__(
        self, workspace: Workspace, prompts: PromptDesk, canvas: Canvas, cache: SuperpixelCache
    ) -> None:
        super().__init__()
        self._workspace, self._prompts, self._canvas = workspace, prompts, canvas
        self._tools = tools = prompts.tools
        self._maps = SuperpixelMaps(workspace.runner, cache)
        self._maps.on_ready = self._ready
        self._maps.on_error = self._failed
        self._pointed: int | None = None
        self._waiting = False  # the ring at the pointer turns for us
        self.scale = Scale(workspace.settings.superpixel_scale)
        tools.takes(PointAtSuperpixel, lambda result: self._point(result.number))
        tools.takes(Painting, lambda _: self._mark(None))
        tools.takes(Painted | PaintingDropped, lambda _: self._look())
        tools.tool_changed.connect(lambda _: self.follow())
        canvas.pointed_at.connect(self._pointer)

    @property
    def map(self) -> SuperpixelMap | None:
        """The superpixels in the hand, if they are ready."""
        return self._maps.get(self.scale)

    def turn(self, steps: int) -> None:
        """So many scales larger, fine to coarse."""
        index = SCALES.index(self.scale) + steps
        self.scale = SCALES[min(max(index, 0), len(SCALES) - 1)]
        if self.scale != self._workspace.settings.superpixel_scale:
            self._workspace.change_settings(superpixel_scale=str(self.scale))
        self._workspace.tell(
            {
                Scale.FINE: self.tr("Superpixels: fine"),
                Scale.MEDIUM: self.tr("Superpixels: medium"),
                Scale.COARSE: self.tr("Superpixels: coarse"),
            }[self.scale]
        )
        self.follow()

    # -- maps -----------------------------------------------------------------------------------

    def follow(self) -> None:
        """Another tool, image or scale."""
        wanted = self._tools.tool_key == TOOL
        self._maps.open(self._workspace.pixels)
        found = self._maps.want(self.scale) if wanted else None
        if not wanted:
            self._maps.rest()
        self._hold(found)

    def _ready(self, scale: Scale, found: SuperpixelMap) -> None:
        if scale is self.scale and self._tools.tool_key == TOOL:
            self._hold(found)

    def _failed(self, error: Exception) -> None:
        self._wait(False)
        self._workspace.tell_error(error)

    def _hold(self, found: SuperpixelMap | None) -> None:
        self._tools.superpixels = found
        opened = self._workspace.pixels is not None
        self._wait(found is None and opened and self._tools.tool_key == TOOL)
        self._look()

    def _wait(self, waiting: bool) -> None:
        if waiting != self._waiting:
            self._waiting = waiting
            self._canvas.set_waiting(waiting)

    # -- the one under the pointer --------------------------------------------------------------

    def _look(self) -> None:
        """What lies under a resting pointer now?"""
        cursor, found = self._canvas.overlay.cursor, self._tools.superpixels
        place = place_under(self._canvas.view, cursor) if cursor is not None else None
        self._mark(None)
        if place is not None and found is not None:
            self._point(found.at(*place))

    def _pointer(self, place: tuple[float, float] | None) -> None:
        if place is None:
            self._mark(None)

    def _point(self, number: int | None) -> None:
        if number != self._pointed:
            self._mark(number)

    def _mark(self, number: int | None) -> None:
        found, patch = self._tools.superpixels, None
        if number is not None and found is not None:
            patch = found.patch((number,))
        self._pointed = number if patch is not None else None
        self._canvas.mark.show(_whole(patch), self._prompts.colour)


def _whole(patch: Patch | None) -> Patch | None:
    return patch if patch is not None and patch.pixels.any() else None
