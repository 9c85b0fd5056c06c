"""What a huge image takes of memory while it is opened, panned, clicked, brushed: the real window.

    python tests/benchmarks/large_image.py [--side 20000] [--kind jpg|png|tif] [--json]

Linux only: peaks of the whole process (VmHWM, mapped file pages included), for each stage and over
all. The image is made; MobileSAM has random weights, which take as much memory as real ones.
With those its masks would be noise in each of 256 x 256 cells, millions of runs as no object has
them; so the layers that refine 64 x 64 cells are made to repeat themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
import pyvips
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from segstudio.config.paths import cache_dir
from segstudio.config.settings import Settings
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.engine.prompt_session import EmbeddingState
from segstudio.gui.app import Studio, make_application
from segstudio.gui.demo_hand import Hand
from segstudio.models.card import ModelCard
from segstudio.models.prompt.contract import PromptModel
from segstudio.models.registry import prompt_model

SLOW = 600.0
ROOT = Path(__file__).parents[2]
# In a process apart, whose memory is not counted.
WEIGHTS = """
import sys
import torch
from segstudio.models.prompt.mobile_sam import build_mobile_sam
from tests.support.seeded_weights import seeded_state
state = seeded_state(build_mobile_sam(), 0)
for layer in (0, 3):
    name = f"mask_decoder.output_upscaling.{layer}.weight"
    state[name] = state[name].mean(dim=(2, 3), keepdim=True).expand_as(state[name]).clone()
torch.save(state, sys.argv[1])
"""


@dataclass(frozen=True)
class Stage:
    """Wall seconds, the peak while it ran and what was resident after it, in MiB."""

    name: str
    seconds: float
    peak_mib: float
    after_mib: float


class Memory:
    """Measures stage by stage."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []

    def stage(self, name: str, work: Callable[[], object]) -> None:
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        began = time.perf_counter()
        work()
        seconds = time.perf_counter() - began
        row = Stage(name, round(seconds, 2), _mib("VmHWM"), _mib("VmRSS"))
        self.stages.append(row)
        print(
            f"{row.name:44} {row.seconds:8.2f} s {row.peak_mib:8.0f} {row.after_mib:8.0f} MiB",
            file=sys.stderr,
            flush=True,
        )


def _mib(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return round(int(line.split()[1]) / 1024, 1)
    raise OSError(f"no {name} on this system")


def make_image(path: Path, side: int) -> None:
    """Clouds of three sizes with grain, so that it neither compresses away nor looks flat."""
    pid = os.fork()  # of a process apart, whose memory is not counted
    if pid == 0:
        clouds = [
            pyvips.Image.perlin(side, side, cell_size=cell, uchar=True, seed=cell)
            for cell in (side // 8, side // 40, side // 200)
        ]
        grain = pyvips.Image.gaussnoise(side, side, mean=0, sigma=6)
        colour = clouds[0].bandjoin(clouds[1:]) + grain
        how = {"tile": True, "compression": "jpeg"} if path.suffix == ".tif" else {}
        colour.cast("uchar").copy(interpretation="srgb").write_to_file(str(path), **how)
        os._exit(0)
    if os.waitpid(pid, 0)[1] != 0:
        raise OSError("the image could not be made")


class BenchStudio(Studio):
    """The real one, but for MobileSAM's weights."""

    def _load_model(
        self, card: ModelCard, device: str | None, cancel: CancelToken, report: ProgressSink
    ) -> PromptModel:
        if card.key != "mobile_sam":
            return super()._load_model(card, device, cancel, report)
        path = cache_dir() / "weights.pt"
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-c", WEIGHTS, str(path)], check=True, cwd=ROOT)
        return card.load(path, "cpu")


class Story:
    """What somebody does with the image."""

    def __init__(self, hand: Hand, folder: Path) -> None:
        self.hand, self.canvas, self.folder = hand, hand.canvas, folder

    def open(self) -> None:
        self.hand.studio.desks.project.open(self.folder)
        self.hand.wait(lambda: self.hand.workspace.pyramid is not None, "nothing opens", SLOW)

    def encode(self) -> None:
        prompts = self.hand.studio.prompts
        self.hand.wait(lambda: prompts.state is EmbeddingState.READY, "no embedding", SLOW)
        self.rest()

    def rest(self) -> None:
        while self.hand.studio.runner.active():
            QTest.qWait(10)
        self.hand.settle()

    def pan(self, scale: float) -> None:
        """All over the image in steps of half a window, and a drag in each place."""
        view = self.canvas.view.fitted()
        self.canvas.set_view(view.zoomed(scale / view.scale, 0, 0))
        size = self.hand.workspace.pyramid.size
        wide, high = self.canvas.width() / scale / 2, self.canvas.height() / scale / 2
        down = max(1, min(40, int(size[0] / high)))
        across = max(1, min(40, int(size[1] / wide)))
        for row in range(down):
            for column in range(across):
                x, y = size[1] * column / across, size[0] * row / down
                here = self.canvas.view.to_screen(x, y)
                self.canvas.set_view(self.canvas.view.panned(-here[0], -here[1]))
                self.canvas.repaint()
                QTest.qWait(1)
        self.rest()

    def click(self, x: float, y: float) -> None:
        self.hand.click(x, y)
        self.hand.wait_for_answer()
        self.hand.accept()
        self.rest()

    def use(self, model: str) -> None:
        self.hand.studio.prompts.use_model(prompt_model(model))
        self.encode()

    def stroke(self, tool: str, radius: float) -> None:
        tools = self.hand.studio.desks.tools
        before = self.hand.workspace.annotations
        tools.use_tool(tool)
        if tool == "superpixel":
            self.hand.wait(lambda: tools.superpixels is not None, "no superpixels", SLOW)
        tools.brush_radius = radius
        wide, high = self.canvas.width(), self.canvas.height()
        way = [QPoint(wide * step // 20, high * (8 + step % 4) // 20) for step in range(2, 18)]
        QTest.mousePress(self.canvas, Qt.MouseButton.LeftButton, pos=way[0])
        for at in way[1:]:
            QTest.mouseMove(self.canvas, at)
            QTest.qWait(5)
        QTest.mouseRelease(self.canvas, Qt.MouseButton.LeftButton, pos=way[-1])
        self.hand.wait(lambda: self.hand.workspace.annotations != before, "no stroke", SLOW)
        self.rest()
        tools.use_tool("point")

    def fit(self) -> None:
        self.canvas.set_view(self.canvas.view.fitted())
        self.rest()


def tell(memory: Memory, hand: Hand, folder: Path, side: int) -> None:
    story = Story(hand, folder)
    memory.stage("open", story.open)
    memory.stage("encode for graph cut, thumbnail", story.encode)
    memory.stage("click, graph cut", lambda: story.click(side * 0.3, side * 0.4))
    for scale in (0.1, 0.5, 1.0):
        memory.stage(f"pan all over at {scale:.0%}", lambda scale=scale: story.pan(scale))
    memory.stage("back to the whole image", story.fit)
    memory.stage("brush, whole image", lambda: story.stroke("brush", 200.0))
    memory.stage("superpixel brush, whole image", lambda: story.stroke("superpixel", 200.0))
    memory.stage("load MobileSAM and encode", lambda: story.use("mobile_sam"))
    memory.stage("click, MobileSAM", lambda: story.click(side * 0.7, side * 0.6))
    memory.stage("pan all over at 30%", lambda: story.pan(0.3))
    memory.stage("click, MobileSAM, part in view", lambda: story.click(side * 0.9, side * 0.9))
    memory.stage("undo", lambda: (hand.press("Ctrl+Z"), story.rest()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=20_000)
    parser.add_argument("--kind", choices=("jpg", "png", "tif"), default="jpg")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="segstudio-large-") as name:
        os.environ["SEGSTUDIO_HOME"] = name
        folder = Path(name) / "images"
        folder.mkdir()
        image = folder / f"huge.{options.kind}"
        make_image(image, options.side)
        make_application(sys.argv[:1])
        memory = Memory()
        studio = BenchStudio(Settings(model="graph_cut"))
        hand = Hand(studio)
        memory.stage("window", hand.show)
        hand.window.resize(1920, 1080)
        tell(memory, hand, folder, options.side)
        hand.close()
        file_mib = round(image.stat().st_size / 2**20)
    peak = max(stage.peak_mib for stage in memory.stages)
    result = {
        "image": f"{options.side} x {options.side} {options.kind}",
        "file_mib": file_mib,
        "peak_mib": peak,
        "limit_mib": 2048,
        "stages": [asdict(stage) for stage in memory.stages],
    }
    print(json.dumps(result) if options.json else f"peak {peak:.0f} MiB of 2048")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
