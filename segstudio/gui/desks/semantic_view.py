"""The semantic view desk: how the open image's prediction shows on the canvas."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QObject, QTimer, Signal

from segstudio.core.prediction import ModelCategory
from segstudio.gui.canvas.canvas import Canvas
from segstudio.gui.canvas.label_map_divider import LabelMapDivider
from segstudio.gui.canvas.label_map_levels import LabelMapLevels, Share
from segstudio.gui.canvas.label_map_look import LabelMapLook, Shows, label_map_picture
from segstudio.gui.canvas.place import Place
from segstudio.gui.canvas.preview import Picture
from segstudio.gui.desks.semantic_kept import KeptBesideModels
from segstudio.gui.workspace import Workspace

REMEMBER_MS = 800  # after the last change of the slider


class SemanticViewDesk(QObject):
    """Keeps the look, the divider, and what lies under the pointer."""

    changed = Signal()  # another prediction, or none
    look_changed = Signal()
    compared = Signal(bool)
    pointed = Signal(str)  # what the prediction says under the pointer, in words; "" for nothing

    def __init__(self, workspace: Workspace, canvas: Canvas) -> None:
        super().__init__()
        self._workspace, self._canvas = workspace, canvas
        self.levels: LabelMapLevels | None = None
        self.look = LabelMapLook(opacity=workspace.settings.semantic_opacity)
        self.kept = KeptBesideModels(workspace)
        self._model = ""  # key of the card whose categories are shown
        self.comparing = False
        self.divider = LabelMapDivider(canvas)
        self._pointer: tuple[float, float] | None = None
        self._remember = QTimer(self)
        self._remember.setSingleShot(True)
        self._remember.setInterval(REMEMBER_MS)
        self._remember.timeout.connect(self.keep_look)
        self.divider.moved.connect(self._split)
        self.divider.left.connect(canvas.setFocus)
        canvas.pointed_at.connect(self._point)
        self.kept.read.connect(lambda: self.follow_model(self._model))
        workspace.image_changed.connect(lambda: self.show(None))

    # -- what is shown --------------------------------------------------------------------------

    def show(self, levels: LabelMapLevels | None) -> None:
        """Show a prediction of the open image, or none."""
        self.levels = levels
        layer = self._canvas.pictures.label_map
        if levels is None:
            layer.show(None)
        else:

            def draw(place: Place, ratio: float) -> Picture | None:
                return label_map_picture(levels, self.look, place, ratio)

            layer.show(draw)
        self._show_divider()
        self._tell_pointed()
        self.changed.emit()

    def use_look(self, look: LabelMapLook) -> None:
        """Draw it otherwise from now on, and next time."""
        if look.opacity != self.look.opacity:
            self._remember.start()
        self.kept.keep_look(self._model, look)
        self._take(look)

    def follow_model(self, key: str) -> None:
        """Draw what the model of that card predicts, as its categories were drawn last."""
        self._model = key
        self._take(self.kept.look(key, self.look))

    def _take(self, look: LabelMapLook) -> None:
        """The picture of before stays for the moment that drawing takes."""
        if look != self.look:
            self.look = look
            self._canvas.pictures.label_map.forget()
            self._show_divider()
            self._tell_pointed()
            self.look_changed.emit()

    def keep_look(self) -> None:
        """Remember now what would be remembered in a moment."""
        self.kept.write()
        self._remember.stop()
        if self.look.opacity != self._workspace.settings.semantic_opacity:
            self._workspace.change_settings(semantic_opacity=self.look.opacity)

    def cycle(self) -> None:
        """Label map, confidence, entropy, none, and round again."""
        order = list(Shows)
        after = order[(order.index(self.look.shows) + 1) % len(order)]
        self.use_look(replace(self.look, shows=after))

    def shares(self) -> tuple[Share, ...]:
        """What of the open image has which category, by the thresholds of now."""
        if self.levels is None:
            return ()
        return self.levels.shares(self.look.least(self.levels.prediction.categories))

    # -- before and after -----------------------------------------------------------------------

    def toggle_compare(self) -> None:
        """The line between without and with, on the canvas or away."""
        self.compare(not self.comparing)

    def compare(self, comparing: bool) -> None:
        if comparing and self.levels is None:
            self._workspace.tell(self.tr("There is nothing to compare with: press Predict first."))
        self.comparing = comparing and self.levels is not None
        self._show_divider()
        if self.divider.isVisible():
            self.divider.setFocus()
        self.compared.emit(self.comparing)

    def _show_divider(self) -> None:
        shown = self.comparing and self.levels is not None and self.look.shows != Shows.NOTHING
        had_keys = self.divider.hasFocus()
        if shown:
            self.divider.place()
        self.divider.setVisible(shown)
        if had_keys and not shown:
            self._canvas.setFocus()
        self._split(self.divider.share)

    def _split(self, share: float) -> None:
        shown = self.comparing and self.levels is not None
        self._canvas.pictures.label_map.from_share = share if shown else 0.0
        self._canvas.update()

    # -- under the pointer ----------------------------------------------------------------------

    def _point(self, where: tuple[float, float] | None) -> None:
        self._pointer = where
        self._tell_pointed()

    def _tell_pointed(self) -> None:
        found = None
        if self.levels is not None and self._pointer is not None:
            found = self.levels.at(*self._pointer)
        self.pointed.emit(self._in_words(*found) if found is not None else "")

    def _in_words(self, category: ModelCategory, confidence: float) -> str:
        told = f"{category.name} {100 * confidence:.0f} %"
        if confidence < self.look.thresholds.get(category.name, 0.0):
            told = self.tr("{}, below its threshold").format(told)
        return told
