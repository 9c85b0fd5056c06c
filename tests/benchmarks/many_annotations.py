"""What 1,000 annotations cost the GUI thread: hit test, selection, the list, and one edit.

    python tests/benchmarks/many_annotations.py [--masks 1000] [--repeats 30] [--json]

In the real window, on a made photo. Milliseconds of CPU time of the GUI thread, a clock that other
programs disturb little; the limit is one frame of 60 a second, 16 ms. Of an edit the largest single
piece of work is told, as the window lives between the pieces.
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
from PySide6.QtCore import QItemSelectionModel, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication, QTableView

from segstudio.config.settings import Settings
from segstudio.core.changes import Edit, Records
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.engine.project_session import open_path
from segstudio.gui.app import Studio, make_application
from segstudio.gui.benchmarks.stage import made_categories, made_masks, made_photo
from segstudio.gui.demo_hand import Hand
from segstudio.tools.hit_test import HitTest

SIZE = (3300, 4950)
LIMIT_MS = 16.0


@dataclass(frozen=True)
class Row:
    """Milliseconds of the GUI thread."""

    name: str
    median_ms: float
    p95_ms: float
    largest_ms: float


def make_project(folder: Path, count: int) -> None:
    Image.fromarray(made_photo(SIZE).pixels).save(folder / "photo.jpg", quality=90)
    with open_path(folder, ignore_progress, CancelToken()).store as store:
        categories = tuple(made_categories().values())
        for _ in categories:
            store.new_category_id()
        rows = made_masks(SIZE, count)
        for _ in rows:
            store.new_annotation_id()
        store.commit(Edit("Import", 1, Records(), Records(rows, categories)))


def spent(work: Callable[[], object]) -> float:
    """Milliseconds of this thread, painting included."""
    began = time.thread_time()
    work()
    QApplication.sendPostedEvents()
    return 1000 * (time.thread_time() - began)


def told(name: str, taken: list[float]) -> Row:
    taken = sorted(taken)
    return Row(name, statistics.median(taken), taken[int(0.95 * len(taken))], taken[-1])


def largest_piece(hand: Hand, start: Callable[[], object]) -> float:
    """The longest time that the window was held up until all of it was done."""
    pieces = [spent(start)]
    while hand.studio.runner.active() or not hand.canvas.scene.fresh:
        pieces.append(spent(QApplication.processEvents))
        time.sleep(0.001)
    pieces.append(spent(QApplication.processEvents))
    return max(pieces)


def rows(hand: Hand, repeats: int) -> Iterator[Row]:
    workspace, panel = hand.workspace, hand.window.annotations
    annotations = workspace.annotations
    ids = [row.id for row in annotations]
    middles = [
        ((row.mask.box.x0 + row.mask.box.x1) / 2, (row.mask.box.y0 + row.mask.box.y1) / 2)
        for row in annotations
    ]
    some = range(0, len(ids), max(1, len(ids) // repeats))
    yield told("hit test made anew", [spent(lambda: HitTest(annotations)) for _ in some])
    hits = HitTest(annotations)
    yield told("hit test of a place", [spent(lambda n=n: hits.at(*middles[n])) for n in some])
    yield told(
        "pointer move over the masks", [spent(lambda n=n: move(hand, middles[n])) for n in some]
    )
    yield told("one selected", [spent(lambda n=n: workspace.select((ids[n],))) for n in some])
    every = [spent(lambda wanted=wanted: workspace.select(wanted)) for wanted in [ids, ()] * 5]
    yield told("all selected, none selected", every)
    yield told("list filled anew", [spent(panel.refresh) for _ in range(repeats)])
    view = panel.findChild(QTableView, "annotations")
    bar = view.verticalScrollBar()
    steps = [round(bar.maximum() * n / repeats) for n in range(repeats)]
    yield told(
        "list scrolled",
        [spent(lambda to=to: (bar.setValue(to), view.viewport().repaint())) for to in steps],
    )
    yield told("row chosen in the list", [spent(lambda n=n: choose(view, n)) for n in some])
    edits = []
    for n in list(some)[:10]:
        workspace.select((ids[n],))
        hand.settle()
        edits.append(largest_piece(hand, lambda: hand.press("Del")))
        edits.append(largest_piece(hand, lambda: hand.press("Ctrl+Z")))
    yield told("deleted and taken back, largest piece", edits)
    locks = []
    for n in list(some)[:10]:
        locks.append(largest_piece(hand, lambda n=n: panel.lock_wanted.emit((ids[n],), True)))
    yield told("locked, largest piece", locks)
    yield told(
        "eye shut and opened", [spent(lambda n=n: panel.model.toggle_shown(n)) for n in some]
    )


def move(hand: Hand, place: tuple[float, float]) -> None:
    at = QPointF(hand.screen(*place))
    held, keys = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier
    place_on_screen = hand.canvas.mapToGlobal(at)
    event = QMouseEvent(QMouseEvent.Type.MouseMove, at, place_on_screen, held, held, keys)
    QApplication.sendEvent(hand.canvas, event)


def choose(view: QTableView, row: int) -> None:
    flags = QItemSelectionModel.SelectionFlag
    view.selectionModel().select(view.model().index(row, 0), flags.ClearAndSelect | flags.Rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--masks", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    make_application(sys.argv[:1])
    with tempfile.TemporaryDirectory() as name:
        os.environ["SEGSTUDIO_HOME"] = str(Path(name) / "home")
        folder = Path(name) / "images"
        folder.mkdir()
        make_project(folder, options.masks)
        hand = Hand(Studio(Settings(model="graph_cut", prefetch_neighbours=0)))
        hand.show()
        hand.window.resize(1920, 1080)
        hand.studio.desks.project.open(folder)
        hand.wait(lambda: hand.workspace.session is not None, "nothing opens")
        hand.settle()
        found = []
        for row in rows(hand, options.repeats):
            found.append(row)
            if not options.json:
                numbers = list(asdict(row).values())[1:]
                mark = "" if row.p95_ms <= LIMIT_MS else "  above the limit"
                print(f"{row.name:40}", *(f"{number:8.2f}" for number in numbers), mark, flush=True)
        hand.close()
    if options.json:
        print(json.dumps([asdict(row) for row in found]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
