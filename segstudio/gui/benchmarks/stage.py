"""A canvas with a made photo and made masks, and a clock around its frames."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.errors import SegStudioError
from segstudio.core.image import RgbImage
from segstudio.core.mask import Mask
from segstudio.engine.jobs import JobRunner
from segstudio.gui.canvas.canvas import Canvas
from segstudio.gui.canvas.view import View
from segstudio.gui.drawing_wiring import draw_in_background
from segstudio.gui.job_bridge import JobBridge
from segstudio.imaging.pyramid import Pyramid

VIEWPORT = (1920, 1080)
FRAME_S = 1 / 60
PATIENCE_S = 30.0
COLOURS = ("#e6194b", "#3cb44b", "#ffe119", "#4363d8", "#f58231", "#911eb4", "#46f0f0", "#f032e6")


def made_photo(size: tuple[int, int], seed: int = 0) -> RgbImage:
    """A photo-like image of `size` (H, W): soft shapes with grain, the same for the same seed."""
    random = np.random.default_rng(seed)
    height, width = size
    coarse = random.integers(0, 255, (max(2, height // 60), max(2, width // 60), 3), dtype=np.uint8)
    pixels = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    grain = random.integers(0, 24, (256, 256, 3), dtype=np.uint8)
    tiles = (math.ceil(height / 256), math.ceil(width / 256), 1)
    grain = np.tile(grain, tiles)[:height, :width]
    return RgbImage(np.ascontiguousarray(cv2.add(pixels, grain), dtype=np.uint8))


def made_masks(size: tuple[int, int], count: int, seed: int = 1) -> tuple[Annotation, ...]:
    """`count` lobed blobs; the more of them, the smaller, as on real photos."""
    random = np.random.default_rng(seed)
    height, width = size
    large = min(height, width) / 6.6 * min(1.0, (100 / count) ** 0.4)
    rows = []
    for index in range(count):
        radius = int(max(4.0, large * 0.12 ** random.uniform(0.0, 1.0)))
        x = int(random.integers(0, max(1, width - 2 * radius - 1)))
        y = int(random.integers(0, max(1, height - 2 * radius - 1)))
        mask = Mask.from_crop(_blob(radius, index)[: height - y, : width - x], (x, y), size)
        category = 1 + index % len(COLOURS)
        rows.append(Annotation(index + 1, 1, category, mask, z_order=index))
    return tuple(rows)


def _blob(radius: int, seed: int) -> npt.NDArray[np.uint8]:
    turn = np.linspace(0, 2 * math.pi, 200, endpoint=False)
    reach = radius * (0.8 + 0.2 * np.sin(5 * turn + seed))
    outline = np.stack((radius + reach * np.cos(turn), radius + reach * np.sin(turn)), axis=1)
    crop = np.zeros((2 * radius + 1, 2 * radius + 1), dtype=np.uint8)
    cv2.fillPoly(crop, [np.rint(outline).astype(np.int32)], 1)
    return crop


def made_categories() -> dict[int, Category]:
    return {n: Category(n, f"thing {n}", colour) for n, colour in enumerate(COLOURS, start=1)}


def dabbed(row: Annotation, x: int, y: int, radius: int = 20) -> Annotation:
    """The annotation after one dab of a brush at image pixel (x, y)."""
    side = 2 * radius + 1
    dab = np.zeros((side, side), dtype=np.uint8)
    cv2.circle(dab, (radius, radius), radius, 1, -1)
    height, width = row.mask.size
    left, top = min(max(0, x - radius), width - side), min(max(0, y - radius), height - side)
    return replace(row, mask=row.mask.union(Mask.from_crop(dab, (left, top), row.mask.size)))


@dataclass
class Costs:
    """Seconds of each frame: CPU of the window's thread, CPU of all threads, and by the clock."""

    gui: list[float]
    cpu: list[float]
    wall: list[float]

    @classmethod
    def none(cls) -> Costs:
        return cls([], [], [])

    def facts(self) -> dict[str, float]:
        """What a row tells beside the window's thread."""
        wall, cpu = np.percentile(self.wall, 95), np.percentile(self.cpu, 95)
        return {
            "median_s": round(float(np.median(self.gui)), 6),
            "wall_p95_s": round(float(wall), 6),
            "all_threads_p95_s": round(float(cpu), 6),
        }


class Stage:
    """One canvas of `VIEWPORT` that draws in the background, as in the window."""

    def __init__(
        self, application: QApplication, pyramid: Pyramid, rows: tuple[Annotation, ...]
    ) -> None:
        self._application = application
        self._bridge = JobBridge()
        self._runner = JobRunner(deliver=self._bridge.deliver)
        self.canvas = Canvas()
        self.canvas.resize(*VIEWPORT)
        draw_in_background(self.canvas, self._runner, _raise)
        self.canvas.show()
        self._application.processEvents()
        self.canvas.masks.categories = made_categories()
        self.canvas.show_image(pyramid)
        self.put(rows)
        self.settle()

    def close(self) -> None:
        self._runner.shutdown()
        self._bridge.close()
        self.canvas.close()

    def put(self, rows: tuple[Annotation, ...]) -> None:
        """Show other masks, as after an edit."""
        self.canvas.masks.annotations = rows
        self.canvas.refresh()

    def settle(self) -> float:
        """Wait until all in sight is drawn smoothly; seconds by the clock until it was."""
        start = time.perf_counter()
        self.canvas.repaint()
        while not self.canvas.scene.fresh:
            if time.perf_counter() - start > PATIENCE_S:
                raise SegStudioError("The canvas did not finish drawing; this is an error of ours.")
            self._application.processEvents()
            time.sleep(0.0002)
        return time.perf_counter() - start

    def rest(self) -> None:
        """Wait until nothing is drawn any more, out of sight neither."""
        self.settle()
        while not self.canvas.scene.rests:
            self._application.processEvents()
            time.sleep(0.0005)

    def frame(self, change: Callable[[], None], costs: Costs) -> None:
        """One frame at 60 a second: `change`, paint, and what else the loop has to do."""
        cpu, gui, wall = time.process_time(), time.thread_time(), time.perf_counter()
        change()
        self.canvas.repaint()
        costs.wall.append(time.perf_counter() - wall)
        costs.gui.append(time.thread_time() - gui)
        while (left := FRAME_S - (time.perf_counter() - wall)) > 0:
            self._application.processEvents()
            time.sleep(min(left, 0.002))
        costs.cpu.append(time.process_time() - cpu)

    def look(self, view: View) -> None:
        self.canvas.set_view(view)

    def picture(self) -> npt.NDArray[np.uint8]:
        """(H, W, 3) uint8 BGR of what is seen."""
        return pixels_of(self.canvas.grab().toImage())


def drawn_at_once(like: Canvas) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8 BGR of what a canvas shows that has drawn nothing before."""
    canvas = Canvas()
    canvas.resize(like.size())
    canvas.masks.categories = like.masks.categories
    canvas.show_image(like.scene.pyramid)
    canvas.masks.annotations = like.masks.annotations
    canvas.set_view(like.view)
    canvas.refresh()
    return pixels_of(canvas.grab().toImage())


def pixels_of(image: QImage) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8 BGR copy of a 32-bit QImage."""
    flat = np.frombuffer(image.convertToFormat(QImage.Format.Format_RGB32).constBits(), np.uint8)
    return flat.reshape(image.height(), image.width(), 4)[..., :3].copy()


def _raise(error: Exception) -> None:
    raise error
