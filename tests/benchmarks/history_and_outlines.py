"""How long the GUI thread is held by a long history and by an outline of many corners.

CPU time of one thread, the median of several; run it with nothing else on the machine:
`QT_QPA_PLATFORM=offscreen python tests/benchmarks/history_and_outlines.py`. A frame has 16 ms.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage, QPainter
from PySide6.QtWidgets import QApplication

from segstudio.core.changes import HistoryLine, HistoryStep
from segstudio.gui.app import make_application
from segstudio.gui.canvas.outline_marks import OutlineMarks
from segstudio.gui.canvas.view import View
from segstudio.gui.panels.history import HistoryPanel
from segstudio.tools.contract import OutlineShown

STEPS, CORNERS, REPEATS = 10_000, (100, 1_000, 5_000, 20_000), 15


def milliseconds(work: Callable[[], object], before: Callable[[], object] = lambda: None) -> float:
    took = []
    for _ in range(REPEATS):
        before()
        start = time.thread_time()
        work()
        took.append(1000 * (time.thread_time() - start))
    return statistics.median(took)


def line(count: int, at: int) -> HistoryLine:
    steps = tuple(HistoryStep(n, f"Paint {n}", 1.7e9 + n, "ann") for n in range(1, count + 1))
    return HistoryLine(steps, at, count)


def history(app: QApplication) -> None:
    panel = HistoryPanel()
    panel.resize(320, 500)
    panel.show()
    app.processEvents()
    whole, empty = line(STEPS, STEPS), HistoryLine()
    more = HistoryLine((*whole.steps, HistoryStep(STEPS + 1, "Paint", 0.0)), STEPS + 1, STEPS + 1)
    back = HistoryLine(whole.steps, 10, STEPS)

    def shows(what: HistoryLine) -> Callable[[], None]:
        def show() -> None:
            panel.show_line(what)
            app.processEvents()

        return show

    def scroll() -> None:
        bar = panel.view.verticalScrollBar()
        bar.setValue((bar.value() + 997) % max(1, bar.maximum()))
        panel.view.viewport().repaint()

    print(f"history of {STEPS} steps: shown  {milliseconds(shows(whole), shows(empty)):6.2f} ms")
    print(f"  one step more                 {milliseconds(shows(more), shows(whole)):6.2f} ms")
    print(f"  nearly all undone             {milliseconds(shows(back), shows(whole)):6.2f} ms")
    print(f"  scrolled by a page and drawn  {milliseconds(scroll):6.2f} ms")


def outlines() -> None:
    screen = QImage(1920, 1080, QImage.Format.Format_RGB32)
    view = View((3300, 4950), (1920.0, 1080.0)).fitted()
    for count in CORNERS:
        angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
        radius = 1200 + 60 * np.sin(40 * angle)
        ring = tuple(zip(2475 + radius * np.cos(angle), 1650 + radius * np.sin(angle), strict=True))
        marks = OutlineMarks(OutlineShown((ring,), hot=ring[0]))

        def draw(marks: OutlineMarks = marks) -> None:
            painter = QPainter(screen)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            marks.paint(painter, view)
            painter.end()

        screen.fill(Qt.GlobalColor.black)
        print(f"an outline of {count:5d} corners drawn  {milliseconds(draw):6.2f} ms")


if __name__ == "__main__":
    application = make_application(["history_and_outlines"])
    history(application)
    outlines()
