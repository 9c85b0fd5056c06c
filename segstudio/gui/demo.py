"""`segstudio demo`: the main job on real photos, through the real window.

Every step goes the way a hand goes: mouse and key events into the window. Each result is checked
and a wrong one ends the demo with status 1; `summary.json` says what was done and measured.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from segstudio.config.settings import Settings
from segstudio.core.annotation import Annotation
from segstudio.core.changes import HistoryState
from segstudio.core.errors import SegStudioError
from segstudio.formats.contract import ExportReport
from segstudio.gui.app import Studio, make_application
from segstudio.gui.demo_hand import Hand
from segstudio.gui.theme import apply_theme
from segstudio.imaging.sample_photos import write_sample_photos

PROJECT = "photos.segstudio"


class DemoFailure(SegStudioError):  # noqa: N818 - the outcome of a demo, told as a sentence
    """A step's result is wrong."""


@dataclass(frozen=True)
class Task:
    """One object to label: the hand's moves in image pixels, and roughly where it lies."""

    photo: str
    category: str
    expected: tuple[float, float, float, float]  # half-open xyxy in image pixels
    add: tuple[tuple[float, float], ...] = ()
    remove: tuple[tuple[float, float], ...] = ()
    box: tuple[float, float, float, float] | None = None


TASKS = (
    Task("astronaut.png", "suit", (15, 140, 390, 512),
         add=((120, 300), (300, 300), (80, 420)), remove=((390, 420), (250, 60))),
    Task("coffee.png", "cup", (72, 15, 480, 392), box=(70, 14, 482, 394)),
    Task("rocket.jpg", "rocket", (306, 124, 338, 405), box=(300, 118, 344, 410)),
)  # fmt: skip
EVERYTHING_PHOTO = "chelsea.png"
LEAST_BOX_IOU = 0.5


@dataclass
class Summary:
    """What `summary.json` holds; times are seconds."""

    ok: bool = False
    model: str = ""
    platform: str = ""
    images: int = 0
    annotations: int = 0
    masks_from_everything: int = 0
    timings: dict[str, float] = field(default_factory=dict)
    steps: list[dict[str, Any]] = field(default_factory=list)
    masks_equal: dict[str, bool] = field(default_factory=dict)
    masks_compared: dict[str, int] = field(default_factory=dict)
    error: str = ""


class Demo:
    """One run: a window, a hand, and the folder that takes what they make."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.summary = Summary()
        self._began = time.monotonic()
        self._hand: Hand | None = None
        self._shots = 0

    # -- the story ------------------------------------------------------------------------------

    def run(self) -> None:
        photos = self.out / "photos"
        write_sample_photos(photos)
        hand = self._open_window()
        self._shoot("welcome")
        self._open_project(hand, photos)
        for task in TASKS:
            self._label(hand, task)
        self._undo_and_redo(hand)
        self._everything(hand)
        before = self._contents(hand)
        self._reopen(hand, photos / PROJECT, before)
        self._export(self._hand or hand)
        self._summarise(before)
        self.close()

    def _open_window(self) -> Hand:
        studio = Studio(Settings(model="segstudio_nano"))
        self._hand = hand = Hand(studio)
        hand.show()
        self.summary.timings["window"] = self._elapsed()
        self.summary.platform = hand.platform
        return hand

    def _open_project(self, hand: Hand, folder: Path) -> None:
        began = time.monotonic()
        hand.studio.desks.project.open(folder)
        hand.wait(lambda: hand.workspace.session is not None, "the folder does not open")
        self.summary.timings["open_folder"] = round(time.monotonic() - began, 3)
        self.summary.images = len(hand.workspace.images)
        self._check(self.summary.images == 4, f"4 photos, but {self.summary.images} in the project")
        self._check((folder / PROJECT).is_file(), "no project file beside the photos")
        self._step("project", images=self.summary.images)
        self._shoot("project")

    def _label(self, hand: Hand, task: Task) -> None:
        hand.open_image(task.photo)
        hand.name_category(task.category)
        began = time.monotonic()
        if task.box is not None:
            hand.drag(task.box)
        for x, y in task.add:
            hand.click(x, y)
        for x, y in task.remove:
            hand.click(x, y, remove=True)
        answer = hand.wait_for_answer()
        seconds = time.monotonic() - began
        self._shoot(f"{task.category}-prompt")
        known = {annotation.id for annotation in hand.workspace.annotations}
        hand.accept()
        fresh = [row for row in hand.workspace.annotations if row.id not in known]
        self._check(len(fresh) == 1, f"accepting the {task.category} made {len(fresh)} annotations")
        self._check_mask(hand, task, fresh[0])
        self._step(
            "label", photo=task.photo, category=task.category, seconds=round(seconds, 3),
            candidates=len(answer.candidates.items), area=fresh[0].mask.area,
            predicted_iou=round(fresh[0].predicted_iou or 0.0, 3),
            box_iou=round(_box_iou(fresh[0].mask.box, task.expected), 3),
        )  # fmt: skip
        self._shoot(f"{task.category}-accepted")

    def _check_mask(self, hand: Hand, task: Task, row: Annotation) -> None:
        mask, name = row.mask, task.category
        self._check(all(mask.contains(x, y) for x, y in task.add), f"the {name} lacks a click")
        self._check(
            not any(mask.contains(x, y) for x, y in task.remove), f"the {name} holds a negative"
        )
        overlap = _box_iou(mask.box, task.expected)
        self._check(overlap >= LEAST_BOX_IOU, f"the {name} lies elsewhere (box IoU {overlap:.2f})")
        category = hand.workspace.categories[row.category_id]
        self._check(category.name == name, f"the {name} went into {category.name}")

    def _undo_and_redo(self, hand: Hand) -> None:
        rows = hand.workspace.annotations
        hand.press("Ctrl+Z")
        hand.wait(lambda: not hand.workspace.annotations, "undo leaves the mask in place")
        state: HistoryState = hand.workspace.history
        self._check(state.redo is not None, "after undo there is nothing to redo")
        self._shoot("undone")
        hand.press("Ctrl+Shift+Z")
        hand.wait(lambda: bool(hand.workspace.annotations), "redo does not bring the mask back")
        self._check(_masks(hand.workspace.annotations) == _masks(rows), "redo brought another mask")
        self._step("undo and redo")

    def _everything(self, hand: Hand) -> None:
        hand.open_image(EVERYTHING_PHOTO)
        hand.name_category("region")
        began = time.monotonic()
        state = hand.find_everything()
        self.summary.timings["everything"] = round(time.monotonic() - began, 3)
        shown = state.shown or 0
        self._check(shown >= 5, f"everything shows only {shown} masks")
        self._shoot("everything")
        hand.press("Shift+G")
        hand.wait(lambda: bool(hand.workspace.annotations), "Shift+G accepts nothing")
        hand.settle()
        found = len(hand.workspace.annotations)
        self.summary.masks_from_everything = found
        self._check(found == shown, f"{shown} masks were shown, and {found} accepted")
        left = hand.studio.desks.everything.state.shown
        self._check(left == 0, f"{left} masks that are accepted are still to pick from")
        self._step("everything", photo=EVERYTHING_PHOTO, found=state.found, masks=found)
        hand.press("Esc")
        self._shoot("everything-accepted")

    # -- closing and reading again --------------------------------------------------------------

    def _contents(self, hand: Hand) -> dict[str, list[Annotation]]:
        store = hand.workspace.store
        if store is None:
            raise DemoFailure("The project closed by itself.")
        return {image.path: list(store.annotations(image.id)) for image in store.images()}

    def _reopen(self, hand: Hand, project: Path, before: dict[str, list[Annotation]]) -> None:
        hand.close()
        self._hand = again = Hand(Studio(Settings(model="segstudio_nano")))
        again.show()
        again.studio.desks.project.open(project)
        again.wait(lambda: again.workspace.session is not None, "the project does not open again")
        after = self._contents(again)
        self._check(after == before, "the project reads otherwise after closing and opening")
        self.summary.masks_equal["project"] = True
        self.summary.masks_compared["project"] = sum(len(rows) for rows in after.values())
        again.open_image(TASKS[0].photo)
        self._step("close and reopen", annotations=self.summary.masks_compared["project"])
        self._shoot("reopened")

    def _export(self, hand: Hand) -> None:
        desk = hand.studio.desks.exporting
        reports: list[ExportReport] = []
        desk.exported.connect(lambda _folder, report: reports.append(report))
        for key in ("voc", "coco"):
            began, known = time.monotonic(), len(reports)
            desk.export_to(key, self.out / key)
            hand.wait(lambda known=known: len(reports) > known, f"no {key} export")  # type: ignore[misc]
            hand.settle()
            self.summary.timings[f"export_{key}"] = round(time.monotonic() - began, 3)
            self._take_proof(key, reports[-1])
        self._shoot("exported")

    def _take_proof(self, key: str, report: ExportReport) -> None:
        """Every mask was read back and compared, and is as it should be in that format."""
        proof = report.proof
        if proof is None:
            raise DemoFailure(f"The demo failed: the {key} export was not read back.")
        found = "; ".join(row.text for row in proof.differences[:3])
        self._check(proof.equal, f"the {key} export reads back otherwise: {found}")
        compared, all_masks = proof.annotations, report.annotations
        self._check(compared == all_masks, f"{compared} of {all_masks} masks of {key} compared")
        self.summary.masks_equal[key] = proof.equal
        self.summary.masks_compared[key] = compared
        self._step(f"export {key}", masks=compared, equal=proof.equal)

    def _summarise(self, before: dict[str, list[Annotation]]) -> None:
        self.summary.annotations = sum(len(rows) for rows in before.values())
        self.summary.model = next(row.model_key for rows in before.values() for row in rows)
        self.summary.timings["total"] = self._elapsed()
        self.summary.ok = True

    def close(self) -> None:
        """Close the window that is open, if one is."""
        if self._hand is not None:
            self._hand.close()
            self._hand = None

    # -- notes ----------------------------------------------------------------------------------

    def _check(self, right: bool, sentence: str) -> None:
        if not right:
            raise DemoFailure(f"The demo failed: {sentence}.")

    def _step(self, name: str, **facts: object) -> None:
        self.summary.steps.append({"step": name, **facts})
        told = ", ".join(f"{key} {value}" for key, value in facts.items())
        print(f"  {name}: {told}" if told else f"  {name}", file=sys.stderr, flush=True)

    def _shoot(self, name: str) -> None:
        if self._hand is not None:
            self._shots += 1
            self._hand.settle()
            self._hand.window.grab().save(str(self.out / f"{self._shots:02d}-{name}.png"))

    def _elapsed(self) -> float:
        return round(time.monotonic() - self._began, 3)

    def write_summary(self) -> Path:
        path = self.out / "summary.json"
        path.write_text(json.dumps(asdict(self.summary), indent=2) + "\n", encoding="utf-8")
        return path


def _masks(rows: Sequence[Annotation]) -> list[object]:
    return [row.mask for row in rows]


def _box_iou(a: Sequence[float], b: Sequence[float]) -> float:
    wide = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    high = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return wide * high / (areas - wide * high)


def _empty_folder(out: Path) -> None:
    """Make the output folder; an earlier demo's is replaced, anything else is refused."""
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not _is_demo(out))):
        raise SegStudioError(f"{out} holds something else; name an empty folder with --out.")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)


def _is_demo(out: Path) -> bool:
    return (out / "summary.json").is_file()


def run(arguments: Sequence[str]) -> int:
    """`segstudio demo --out DIR [--json]`; returns the exit status."""
    parser = argparse.ArgumentParser(prog="segstudio demo", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for what the demo makes")
    parser.add_argument("--json", action="store_true", help="print summary.json on stdout")
    options = parser.parse_args(arguments)
    out: Path = options.out.absolute()
    _empty_folder(out)
    os.environ["SEGSTUDIO_HOME"] = str(out / "home")  # the user's own settings stay untouched
    app = make_application(["segstudio"])
    apply_theme(app, "dark")
    demo = Demo(out)
    try:
        demo.run()
    except SegStudioError as error:
        demo.summary.error = str(error)
        raise
    finally:
        demo.close()
        path = demo.write_summary()
    if options.json:
        print(path.read_text(encoding="utf-8"), end="")
    summary = demo.summary
    print(
        f"Labelled {summary.images} photos with {summary.annotations} masks, exported VOC and "
        f"COCO, and read all of them back equal in {summary.timings['total']:.1f} s. "
        f"Look at the screenshots in {out}.",
        file=sys.stderr,
    )
    return 0
