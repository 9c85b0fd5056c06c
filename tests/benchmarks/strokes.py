"""What a stroke costs the GUI thread, in the real window: each move of the mouse with its painting.

    python tests/benchmarks/strokes.py [--masks 1000] [--size 3300x4950] [--moves 60] [--json]

A made photo with made annotations, one of them selected; strokes of three widths that add and
remove, with brush and superpixels, at every zoom. Milliseconds of CPU time of the GUI thread, a
clock that other programs disturb little: of a move (the event, what it does, and the painting of
what it changed), of the release, and of the largest piece of work until the edit is in sight.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PIL import Image
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication

from segstudio.config.settings import Settings
from segstudio.core.changes import Edit, Records
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.engine.project_session import open_path
from segstudio.gui.app import Studio, make_application
from segstudio.gui.benchmarks.stage import made_categories, made_masks, made_photo
from segstudio.gui.demo_hand import Hand

VIEWPORT = (1920, 1080)
ZOOMS = (None, 0.5, 1.0, 4.0, 16.0)  # None: the whole image
RADII = (12.0, 60.0, 300.0)
IMPORT = "Import"
LEFT, NO_BUTTON = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton


@dataclass(frozen=True)
class Row:
    """Milliseconds of the GUI thread for one kind of stroke."""

    name: str
    move_median_ms: float
    move_p95_ms: float
    move_largest_ms: float
    release_ms: float
    landing_largest_ms: float


def make_project(folder: Path, size: tuple[int, int], count: int) -> None:
    Image.fromarray(made_photo(size).pixels).save(folder / "photo.jpg", quality=90)
    with open_path(folder, ignore_progress, CancelToken()).store as store:
        categories = tuple(made_categories().values())
        for _ in categories:
            store.new_category_id()
        rows = made_masks(size, count)
        for _ in rows:
            store.new_annotation_id()
        store.commit(Edit(IMPORT, 1, Records(), Records(rows, categories)))


def spent(work: Callable[[], object]) -> float:
    """Milliseconds of this thread."""
    began = time.thread_time()
    work()
    return 1000 * (time.thread_time() - began)


class Painter:
    """A hand that measures itself."""

    def __init__(self, hand: Hand, moves: int) -> None:
        self._hand, self._canvas, self._moves = hand, hand.canvas, moves

    def _send(self, kind: QEvent.Type, at: QPointF, button: Qt.MouseButton) -> None:
        held = NO_BUTTON if kind is QEvent.Type.MouseButtonRelease else LEFT
        place = self._canvas.mapToGlobal(at)
        keys = Qt.KeyboardModifier.NoModifier
        QApplication.sendEvent(self._canvas, QMouseEvent(kind, at, place, button, held, keys))
        QApplication.sendPostedEvents()  # painting included

    def stroke(self, name: str) -> Row:
        """Zigzags around the middle of the screen, a few centimetres a move as a quick hand."""
        wide, high = self._canvas.width(), self._canvas.height()
        way = [
            QPointF(
                wide * (0.25 + 0.5 * step / self._moves),
                high * (0.5 + 0.2 * (step % 8 - 4) / 4),
            )
            for step in range(self._moves + 1)
        ]
        self._send(QEvent.Type.MouseButtonPress, way[0], LEFT)
        taken = [
            spent(lambda at=at: self._send(QEvent.Type.MouseMove, at, NO_BUTTON)) for at in way[1:]
        ]
        release = spent(lambda: self._send(QEvent.Type.MouseButtonRelease, way[-1], LEFT))
        landing = [0.0]
        while self._hand.studio.runner.active() or len(self._canvas.strokes):
            landing.append(spent(QApplication.processEvents))
            time.sleep(0.001)
        self._hand.settle()
        taken.sort()
        return Row(
            name,
            statistics.median(taken),
            taken[int(0.95 * len(taken))],
            taken[-1],
            release,
            max(landing),
        )


def rows(hand: Hand, moves: int) -> Iterator[Row]:
    painter, canvas, tools = Painter(hand, moves), hand.canvas, hand.studio.desks.tools
    annotations = hand.workspace.annotations
    largest = max(annotations, key=lambda row: row.mask.area)
    for zoom in ZOOMS:
        view = canvas.view.fitted()
        if zoom is not None:
            view = view.zoomed(zoom / view.scale, view.viewport[0] / 2, view.viewport[1] / 2)
        canvas.set_view(view)
        hand.settle()
        kinds = [("brush", "adds", radius) for radius in RADII]
        kinds += [("eraser", "removes", radius) for radius in RADII]
        kinds += [("superpixel", "adds", 0.0)]
        for tool, verb, radius in kinds:
            tools.use_tool(tool)
            tools.brush_radius = radius or tools.brush_radius
            if tool == "superpixel":
                hand.wait(lambda: tools.superpixels is not None, "no superpixels", 120)
                hand.settle()
            hand.workspace.select((largest.id,) if tool != "superpixel" else ())
            hand.settle()
            width = f" {2 * radius:g} px" if radius else ""
            at = f"{100 * view.scale:.0f} %"
            row = painter.stroke(f"{tool}{width} {verb}, {at}")
            yield row
            if hand.workspace.history.undo != IMPORT:  # the stroke may have changed nothing
                hand.press("Ctrl+Z")
                hand.settle()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--masks", type=int, default=1000)
    parser.add_argument("--size", default="3300x4950", help="height x width")
    parser.add_argument("--moves", type=int, default=60)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    height, width = (int(part) for part in options.size.split("x"))
    make_application(sys.argv[:1])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_project(folder, (height, width), options.masks)
        hand = Hand(Studio(Settings(model="graph_cut", prefetch_neighbours=0)))
        hand.window.resize(*VIEWPORT)
        hand.window.show()
        hand.studio.desks.project.open(folder)
        hand.wait(lambda: hand.workspace.session is not None, "nothing opens")
        hand.canvas.setFixedSize(*VIEWPORT)
        hand.settle()
        found = []
        for row in rows(hand, options.moves):
            found.append(row)
            if not options.json:
                numbers = list(asdict(row).values())[1:]
                print(f"{row.name:36}", *(f"{number:8.2f}" for number in numbers), flush=True)
        hand.close()
    if options.json:
        print(json.dumps([asdict(row) for row in found], indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
