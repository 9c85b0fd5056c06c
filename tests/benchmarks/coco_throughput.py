"""COCO in and out: annotations a second and peak memory, ours against pycocotools with json.

    python tests/benchmarks/coco_throughput.py [--images 10000] [--annotations 100000] [--json]

A made dataset (polygons, compressed run lengths, crowds as lists of run lengths) is imported into
a project, exported from it and proved; pycocotools and json do the like with the same files: read
and draw all masks, write them out, read both files and compare. Each row is a fresh process: CPU
seconds of all its threads, a clock that other programs disturb little, and its largest memory.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from pycocotools.coco import COCO

from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.engine.export_losses import announce
from segstudio.engine.export_proof import Export, prove
from segstudio.engine.export_run import export
from segstudio.engine.import_run import carry_out, survey
from segstudio.formats.coco.format import CocoFormat, CocoOptions
from segstudio.formats.coco.reading import CocoImport
from segstudio.store.project import NewImage, ProjectStore

SIZE = (480, 640)
POOL = 400  # different outlines


def outline(random: np.random.Generator) -> np.ndarray:
    """(N, 2) xy of a lobed blob somewhere on the image, to a hundredth of a pixel as COCO's are."""
    turn = np.linspace(0, 2 * np.pi, int(random.integers(20, 60)), endpoint=False)
    radius = 8 * 12 ** random.random()
    reach = radius * (0.8 + 0.2 * np.sin(5 * turn + random.random()))
    middle = random.uniform((100, 100), (540, 380))
    return np.round(middle + reach[:, None] * np.stack((np.cos(turn), np.sin(turn)), 1), 2)


def shapes() -> list[dict[str, Any]]:
    random = np.random.default_rng(1)
    made = []
    for number in range(POOL):
        corners = outline(random)
        low, high = corners.min(axis=0), corners.max(axis=0)
        entry: dict[str, Any] = {"segmentation": [corners.ravel().tolist()], "iscrowd": 0}
        if number % 4 == 0:
            pixels = np.zeros(SIZE, dtype=np.uint8)
            cv2.fillPoly(pixels, [corners.astype(np.int32)], 1)
            mask = Mask.from_array(pixels)
            entry["segmentation"] = mask.to_coco()
            if number % 40 == 0:
                entry["segmentation"] = {"size": list(SIZE), "counts": mask.runs.tolist()}
                entry["iscrowd"] = 1
        entry["bbox"] = np.round([*low, *(high - low)], 2).tolist()
        entry["area"] = float(np.prod(high - low))
        made.append(entry)
    return made


def make(folder: Path, images: int, annotations: int) -> None:
    """The dataset, and a project of its photos."""
    pool = shapes()
    photos = folder / "photos"
    photos.mkdir()
    rows, entries, records = [], [], []
    for number in range(1, images + 1):
        name = f"{number:012}.jpg"
        file = io.BytesIO()
        colour = (number & 255, number >> 8 & 255, 90)
        Image.new("RGB", SIZE[::-1], colour).save(file, "JPEG", quality=30)
        (photos / name).write_bytes(file.getvalue())
        digest = hashlib.sha256(file.getvalue()).hexdigest()
        records.append(NewImage(name, SIZE[1], SIZE[0], digest))
        rows.append({"id": 3 * number, "file_name": name, "width": SIZE[1], "height": SIZE[0]})
    for number in range(annotations):
        ids = {"id": 7 * number + 1, "image_id": 3 * (1 + number % images)}
        entries.append({**pool[number % POOL], **ids, "category_id": 1 + 2 * (number % 40)})
    categories = [{"id": 1 + 2 * index, "name": f"thing {index}"} for index in range(40)]
    lists = {"images": rows, "annotations": entries, "categories": categories}
    (folder / "instances_train.json").write_text(json.dumps({"info": {"year": 2026}} | lists))
    with ProjectStore.create(folder / "p.segstudio", photos) as store:
        store.add_images(records)


def import_ours(folder: Path) -> int:
    with ProjectStore.open(folder / "p.segstudio") as store:
        options = CocoImport().options()
        with survey("coco", folder / "instances_train.json", store, options) as plan:
            return carry_out(plan, store).annotations


def read_ours(folder: Path) -> int:
    """The reader and the drawing alone."""
    source = folder / "instances_train.json"
    options = CocoImport().options()
    found = CocoImport().read(source, options, ignore_progress, CancelToken())
    return sum(1 for piece in found if hasattr(piece, "mask") and piece.mask(SIZE).counts)


def loaded(path: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def read_theirs(folder: Path) -> int:
    coco = loaded(folder / "instances_train.json")
    return sum(1 for entry in coco.dataset["annotations"] if coco.annToRLE(entry)["counts"])


def write_ours(folder: Path) -> int:
    """The writer alone, without the photos."""
    (folder / "alone").mkdir()
    with ProjectStore.open(folder / "p.segstudio") as store:
        options = CocoOptions(images=False, as_imported=False)
        done = CocoFormat().write(store, folder / "alone", options, ignore_progress, CancelToken())
        return done.annotations


def export_ours(folder: Path) -> int:
    """All that a person waits for: losses, photos, what was imported as it came, the proof."""
    with ProjectStore.open(folder / "p.segstudio") as store:
        report = export("coco", store, folder / "out")
    assert report.proof is not None
    assert report.proof.equal
    return report.proof.annotations


def write_theirs(folder: Path) -> int:
    coco = loaded(folder / "instances_train.json")
    for entry in coco.dataset["annotations"]:
        runs = coco.annToRLE(entry)
        counts = runs["counts"]  # text where the file had it so
        counts = counts.decode() if isinstance(counts, bytes) else counts
        entry["segmentation"] = {"size": runs["size"], "counts": counts}
    (folder / "theirs.json").write_text(json.dumps(coco.dataset))
    return len(coco.dataset["annotations"])


def prove_ours(folder: Path) -> int:
    """What was exported, read back and compared with the project."""
    member, token = CocoFormat(), CancelToken()
    with ProjectStore.open(folder / "p.segstudio") as store:
        announced = announce(member, store, member.options(), ignore_progress, token)
        written = Export(member, store, member.options(), folder / "out")
        proof = prove(written, announced, frozenset(), ignore_progress, token)
    assert proof.equal
    return proof.annotations


def prove_theirs(folder: Path) -> int:
    theirs, ours = (
        loaded(folder / "instances_train.json"),
        loaded(next((folder / "out" / "annotations").glob("*.json"))),
    )
    for number, entry in theirs.anns.items():
        was, now = (
            coco.annToMask(row) for coco, row in ((theirs, entry), (ours, ours.anns[number]))
        )
        assert np.array_equal(was, now)
    return len(theirs.anns)


STEPS: tuple[tuple[str, Callable[[Path], int], Callable[[Path], int]], ...] = (
    ("read and draw", read_ours, read_theirs),
    ("import into a project", import_ours, read_theirs),
    ("write as run lengths", write_ours, write_theirs),
    ("export, all of it", export_ours, write_theirs),
    ("prove", prove_ours, prove_theirs),
)
WORK = {work.__name__: work for _, *both in STEPS for work in both}


def in_a_process(work: Callable[[Path], int], folder: Path) -> tuple[float, float]:
    """Annotations a second of CPU time, and the largest memory in MB, that of imports included."""
    command = [sys.executable, __file__, "--step", work.__name__, "--folder", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    told = json.loads(done.stdout)
    return told["annotations"] / told["seconds"], told["megabytes"]


def step(name: str, folder: Path) -> dict[str, float]:
    cv2.setNumThreads(1)
    began = time.process_time()
    count = WORK[name](folder)
    seconds = time.process_time() - began
    return {"annotations": count, "seconds": seconds, "megabytes": largest_memory()}


def largest_memory() -> float:
    """Of this process in MB. What `getrusage` tells begins with that of the process before exec."""
    status = Path("/proc/self/status")
    if status.is_file():
        rows = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(rows["VmHWM"].split()[0]) / 1000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--annotations", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--step", choices=sorted(WORK), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps(step(options.step, options.folder)))
        return 0
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, options.images, options.annotations)
        for what, ours, theirs in STEPS:
            row: dict[str, Any] = {"name": what}
            row["ours_per_s"], row["ours_mb"] = in_a_process(ours, folder)
            row["theirs_per_s"], row["theirs_mb"] = in_a_process(theirs, folder)
            row["ratio"] = row["ours_per_s"] / row["theirs_per_s"]
            rows.append(row)
            if not options.json:
                numbers = (f"{key} {value:.2f}" for key, value in row.items() if key != "name")
                print(f"{what:24}", *numbers, flush=True)
    if options.json:
        print(json.dumps(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
