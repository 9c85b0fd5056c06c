"""What takes longer than a frame is drawn in the background."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from segstudio.engine.jobs import JobRunner, Lane
from segstudio.gui.canvas.canvas import Canvas

T = TypeVar("T")

SCENE_FIRST, PICTURES_FIRST = -1, -2  # ahead of the lane's other jobs: a person waits for them


def draw_in_background(
    canvas: Canvas, runner: JobRunner, on_error: Callable[[Exception], None]
) -> None:
    """Let the canvas draw on the io lane; what fails there is told to `on_error`."""

    def draw_later(priority: int, work: Callable[[], T], done: Callable[[T | None], None]) -> None:
        def failed(error: Exception) -> None:
            on_error(error)
            done(None)

        runner.submit(
            Lane.IO,
            "drawing",
            lambda _c, _p: work(),
            on_done=done,
            on_error=failed,
            on_cancelled=lambda: done(None),
            priority=priority,
        )

    canvas.scene.draw_later = lambda work, done: draw_later(SCENE_FIRST, work, done)
    canvas.pictures.draw_with(lambda work, done: draw_later(PICTURES_FIRST, work, done))
