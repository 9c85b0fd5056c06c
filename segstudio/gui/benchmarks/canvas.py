"""`segstudio bench canvas`: frames of the canvas beside the ways of other programs, in one run.

Seconds are CPU seconds. Of a pan or a zoom `ours_s` is the 95th percentile of the window's thread
for a frame; of an edit it is the median of all threads until the change is in sight. The other
ways' are medians.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from segstudio.core.annotation import Annotation
from segstudio.core.errors import BadInputError
from segstudio.core.image import RgbImage
from segstudio.gui.benchmarks.peers import (
    FULL_SIZE_BLEND,
    RGBA_PER_MASK,
    FullSizeBlend,
    RgbaPerMask,
    crops,
)
from segstudio.gui.benchmarks.stage import (
    VIEWPORT,
    Costs,
    Stage,
    dabbed,
    drawn_at_once,
    made_masks,
    made_photo,
    pixels_of,
)
from segstudio.gui.canvas.view import View
from segstudio.imaging.pyramid import Pyramid

Row = dict[str, Any]

SIZE, MASKS, FRAMES, EDITS, PEER_FRAMES = "4950x3300", (100, 1000), 60, 7, 5
STEP = (-23.0, -11.0)  # logical pixels that the photo is panned by with every frame
NOTCHES, ZOOM = 24, 1.1


def run(arguments: Sequence[str]) -> int:
    """Measure, and print rows for a person or as one JSON object. Returns the exit status."""
    options = _parser().parse_args(arguments)
    size = _size(options.size)
    if min(options.masks) < 1 or options.frames < 2:
        raise BadInputError("--masks must be at least 1, and --frames at least 2.")
    application = QApplication.instance() or QApplication([])
    assert isinstance(application, QApplication)
    print("Making the photo", file=sys.stderr, flush=True)
    photo = made_photo(size)
    pyramid = Pyramid.of(photo)
    rows = []
    for count in options.masks:
        print(f"Measuring with {count} masks", file=sys.stderr, flush=True)
        for row in _rows(application, photo, pyramid, count, options.frames):
            rows.append(row)
            if not options.json:
                print(_line(row), flush=True)
    if options.json:
        print(json.dumps({"rows": rows, "machine": _machine()}, indent=2))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="segstudio bench canvas",
        description="Pan, zoom and edit on the canvas, beside two ways of other programs.",
    )
    parser.add_argument("--size", default=SIZE, metavar="WxH", help=f"default {SIZE}")
    parser.add_argument("--masks", type=int, nargs="+", default=list(MASKS), metavar="N")
    parser.add_argument("--frames", type=int, default=FRAMES, metavar="N", help="of each pan")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser


def _size(text: str) -> tuple[int, int]:
    """(H, W) of "WxH"."""
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise BadInputError(f"A size is written as {SIZE}, not {text!r}.")
    return int(parts[1]), int(parts[0])


@dataclass(frozen=True)
class _Measured:
    """What ours took, and whether what it shows is what drawing it at once gives."""

    seconds: float
    equal: bool
    facts: Row


def _rows(
    application: QApplication, photo: RgbImage, pyramid: Pyramid, count: int, frames: int
) -> Iterator[Row]:
    masks = made_masks(photo.size, count)
    stage = Stage(application, pyramid, masks)
    try:
        bench = _Bench(stage, photo, masks)
        fitted = stage.canvas.view.fitted()
        for name, scale in (("fit", fitted.scale), ("1:2", 0.5), ("1:1", 1.0)):
            middle = VIEWPORT[0] / 2, VIEWPORT[1] / 2
            view = fitted.zoomed(scale / fitted.scale, *middle)
            yield from bench.beside(f"pan {name}, {count} masks", bench.pan(view, frames))
        yield from bench.beside(f"zoom, {count} masks", bench.zoom(fitted))
        yield from bench.beside(f"edit at fit, {count} masks", bench.edit(fitted), edited=True)
    finally:
        stage.close()


class _Bench:
    """One stage, and the other ways to draw what is on it."""

    def __init__(self, stage: Stage, photo: RgbImage, masks: tuple[Annotation, ...]) -> None:
        self._stage, self._masks = stage, masks
        layer = stage.canvas.masks
        self._crops = crops(masks, layer)
        ground = stage.canvas.palette().window().color()
        self._per_mask = RgbaPerMask(photo, layer.opacity, ground)
        self._blend = FullSizeBlend(photo, layer.opacity, ground)
        self._blend.blend(self._crops)
        self._target = QImage(*VIEWPORT, QImage.Format.Format_RGB32)

    # -- ours -----------------------------------------------------------------------------------

    def pan(self, view: View, frames: int) -> _Measured:
        """There and back, at 60 frames a second."""
        stage, costs = self._stage, Costs.none()
        stage.look(view)
        stage.rest()
        for index in range(frames):
            sign = 1 if index < frames // 2 else -1
            moved = stage.canvas.view.panned(sign * STEP[0], sign * STEP[1])
            stage.frame(partial(stage.look, moved), costs)
        stage.rest()
        return _Measured(_p95(costs.gui), self._is_right(), costs.facts())

    def zoom(self, view: View) -> _Measured:
        """Into the middle and out again; then a rest."""
        stage, costs = self._stage, Costs.none()
        stage.look(view)
        stage.rest()
        for index in range(NOTCHES):
            factor = ZOOM if index < NOTCHES // 2 else 1 / ZOOM
            stage.frame(partial(stage.canvas.zoom, factor), costs)
        stage.canvas.zoom(1 / ZOOM)
        smooth = stage.settle()
        return _Measured(
            _p95(costs.gui), self._is_right(), {**costs.facts(), "smooth_after_s": round(smooth, 5)}
        )

    def edit(self, view: View) -> _Measured:
        """One mask gets a dab of a brush; some masks are large, some small."""
        stage, rows = self._stage, list(self._masks)
        stage.look(view)
        cpu, gui, wall = [], [], []
        for index in np.linspace(0, len(rows) - 1, EDITS).astype(int).tolist():
            stage.rest()
            box = rows[index].mask.box
            rows[index] = dabbed(rows[index], int(box.x1), int(box.y0 + box.y1) // 2)
            _ = rows[index].mask.box  # as the store lane does
            start_cpu, start_gui = time.process_time(), time.thread_time()
            stage.put(tuple(rows))
            gui.append(time.thread_time() - start_gui)
            wall.append(stage.settle())
            cpu.append(time.process_time() - start_cpu)
        right = self._is_right()
        stage.put(self._masks)
        facts = {"gui_s": round(_median(gui), 6), "shown_after_s": round(_median(wall), 5)}
        return _Measured(_median(cpu), right, facts)

    def _is_right(self) -> bool:
        return bool(np.array_equal(self._stage.picture(), drawn_at_once(self._stage.canvas)))

    # -- the other ways -------------------------------------------------------------------------

    def beside(self, name: str, ours: _Measured, *, edited: bool = False) -> Iterator[Row]:
        """A row against each other way, drawn at the view that is shown now."""
        view, target = self._stage.canvas.view, self._target
        seen = self._stage.picture().astype(np.int16)

        def blend() -> None:
            if edited:
                self._blend.blend(self._crops)
            self._blend.paint(target, view)

        ways: tuple[tuple[str, Callable[[], None]], ...] = (
            (RGBA_PER_MASK, lambda: self._per_mask.paint(target, view, self._crops)),
            (FULL_SIZE_BLEND, blend),
        )
        for baseline, paint in ways:
            taken = _median([_cpu(paint) for _ in range(PEER_FRAMES)])
            yield {
                "name": name,
                "ours_s": round(ours.seconds, 6),
                "baseline": baseline,
                "baseline_s": round(taken, 6),
                "ratio": round(taken / ours.seconds, 2),
                "equal": ours.equal,
                "mean_difference": round(float(np.abs(seen - pixels_of(target)).mean()), 2),
                **ours.facts,
            }


def _cpu(call: Callable[[], None]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def _p95(values: Sequence[float]) -> float:
    return float(np.percentile(values, 95))


def _median(values: Sequence[float]) -> float:
    return float(np.median(values))


def _machine() -> Row:
    return {
        "cores": os.cpu_count(),
        "load": [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else [],
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {
            name: version(name) for name in ("PySide6-Essentials", "opencv-python-headless")
        },
    }


def _line(row: Row) -> str:
    """One row for a person."""
    line = f"{row['name']:<26} {row['ours_s'] * 1e3:7.2f} ms  {row['baseline_s'] * 1e3:8.1f} ms  "
    line += f"{row['ratio']:7.1f}x  {row['baseline']}"
    for key, text in (
        ("all_threads_p95_s", "all threads {:.1f} ms"),
        ("smooth_after_s", "smooth after {:.0f} ms"),
        ("shown_after_s", "shown after {:.1f} ms"),
    ):
        if key in row:
            line += "  " + text.format(row[key] * 1e3)
    return line if row["equal"] else line + "  WRONG PICTURE"
