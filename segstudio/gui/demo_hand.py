"""A hand for the demo: real mouse and key events into the real window."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication, QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from segstudio.core.errors import SegStudioError
from segstudio.engine.prompt_session import EmbeddingState
from segstudio.gui.app import Studio
from segstudio.gui.desks.prompt import Answer
from segstudio.gui.pick_state import PickState

PATIENCE = 60.0
SIZE = (1280, 800)


def pause(milliseconds: int) -> None:
    """Let the window live, then sleep, so that the other threads run.

    QTest.qWait keeps Python's lock all the while: a job that reads many files, as the import of
    torch does, would take minutes.
    """
    QApplication.processEvents()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    time.sleep(milliseconds / 1000)


class Hand:
    """Clicks, drags and presses; waits for what should follow."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.window, self.canvas = studio.window, studio.canvas
        self.workspace = studio.workspace

    @property
    def platform(self) -> str:
        return QGuiApplication.platformName()

    def show(self) -> None:
        self.window.resize(*SIZE)
        self.window.show()
        self.wait(self.window.isVisible, "the window does not show")
        self.settle()

    def close(self) -> None:
        self.window.close()
        self.studio.close()
        self.settle()

    # -- waiting --------------------------------------------------------------------------------

    def wait(self, until: Callable[[], bool], otherwise: str, seconds: float = PATIENCE) -> None:
        """Let the window live until something is true; raise after `seconds`."""
        end = time.monotonic() + seconds
        while not until():
            if time.monotonic() > end:
                raise SegStudioError(f"The demo failed: {otherwise} (waited {seconds:.0f} s).")
            pause(5)

    def settle(self) -> None:
        """Wait until no job is under way and everything is painted.

        Painting may ask for a picture from the background, so it takes a few rounds.
        """
        for _ in range(3):
            self.wait(lambda: not self.studio.runner.active(), "background work does not end")
            pause(10)
            QApplication.processEvents()

    def wait_for_answer(self) -> Answer:
        desk = self.studio.desks.prompt
        self.wait(
            lambda: desk.answer is not None and desk.answer.prompt == desk.prompt,
            "the model does not answer",
        )
        if desk.answer is None:
            raise SegStudioError("The demo failed: the answer went away.")
        return desk.answer

    # -- doing ----------------------------------------------------------------------------------

    def open_image(self, name: str) -> None:
        """Page to an image as the D key does, and wait for its embedding."""
        wanted = next(image.id for image in self.workspace.images.values() if image.path == name)
        for _ in self.workspace.images:
            session = self.workspace.session
            if session is not None and session.image.id == wanted:
                break
            before = self.studio.desks.project.wanted_image
            self.press("D")
            if self.studio.desks.project.wanted_image == before:
                self.studio.desks.project.open_image(wanted)
            here = self.studio.desks.project.wanted_image
            self.wait(
                lambda here=here: self._shown() == here,  # type: ignore[misc]
                "the image does not open",
            )
        prompts = self.studio.prompts
        self.wait(lambda: prompts.state is EmbeddingState.READY, "the embedding is not made")
        self.settle()

    def _shown(self) -> int | None:
        return self.workspace.session.image.id if self.workspace.session else None

    def name_category(self, name: str) -> None:
        """N, the name, Enter."""
        self.press("N")
        box = self.window.categories.name_box
        self.wait(box.hasFocus, "N does not ask for a name", 10)
        QTest.keyClicks(box, name)
        QTest.keyClick(box, Qt.Key.Key_Return)
        self.wait(
            lambda: self._chosen_name() == name, f"the category {name} is not made and chosen"
        )
        self.canvas.setFocus()

    def _chosen_name(self) -> str:
        category = self.workspace.categories.get(self.workspace.category_id or -1)
        return category.name if category else ""

    def screen(self, x: float, y: float) -> QPoint:
        """Where an image position lies on the canvas."""
        return QPointF(*self.canvas.view.to_screen(x, y)).toPoint()

    def click(self, x: float, y: float, *, remove: bool = False) -> None:
        button = Qt.MouseButton.RightButton if remove else Qt.MouseButton.LeftButton
        QTest.mouseClick(self.canvas, button, pos=self.screen(x, y))

    def drag(self, box: Sequence[float]) -> None:
        start, end = self.screen(box[0], box[1]), self.screen(box[2], box[3])
        QTest.mousePress(self.canvas, Qt.MouseButton.LeftButton, pos=start)
        for step in (0.3, 0.7, 1.0):
            QTest.mouseMove(self.canvas, start + (end - start) * step)
        QTest.mouseRelease(self.canvas, Qt.MouseButton.LeftButton, pos=end)

    def find_everything(self) -> PickState:
        """G, and wait until there is something to pick from."""
        desk = self.studio.desks.everything
        self.press("G")
        self.wait(
            lambda: not desk.state.running and desk.state.shown is not None,
            "everything does not end",
            120,
        )
        self.settle()
        return desk.state

    def accept(self) -> None:
        """Space, and wait until it is written."""
        count = len(self.workspace.annotations)
        self.press("Space")
        self.wait(lambda: len(self.workspace.annotations) > count, "Space accepts nothing")
        self.settle()

    def press(self, keys: str) -> None:
        """A key as the action table writes it, with the canvas in focus.

        Shortcuts belong to the active window, which another program may have become.
        """
        if not self.window.isActiveWindow():
            self.window.activateWindow()
            self.wait(
                self.window.isActiveWindow,
                "the window does not become the active one; set QT_QPA_PLATFORM=offscreen",
                10,
            )
        combination = QKeySequence(keys)[0]  # type: ignore[index]
        QTest.keyClick(self.canvas, combination.key(), combination.keyboardModifiers())
