"""How well prompt models click and box on real objects, asked as the app asks them.

    python tests/benchmarks/prompt_quality.py [--model KEY[=FILE] ...] [--weights FILE]
        [--data DIR] [--objects COCO,BSDS] [--seed N] [--every N] [--prior] [--clicks N]
        [--beside NAME ...] [--rows FILE] [--jobs N] [--json FILE]

Objects: see `prompt_targets.py`. `--objects 150,100` is the sample of earlier studies.

A simulated person clicks first on the deepest point of the object's largest part, and next on the
deepest point of the largest region where the mask is wrong, to add it or to remove it. That mask
is the one with the highest predicted IoU, as the app shows it; its IoU is the figure of "n clicks",
"best" is that of the best mask along the same clicks. All clicks so far are one prompt, as in the
app; with `--prior`, the mask before goes along as the prompt's prior, straight to the model (the
app hands a prior on only where an annotation is refined). "box" is the object's tight box alone.
Clicks to 0.85 are counted up to 20; an object that never gets there counts 20. `--clicks 5` does
without, in less time.

BSDS: each prompt is made from a segment of one annotator. The plain figure is the IoU with that
segment. "Any annotator's" is the highest IoU with it or with any other annotator's segment of that
photo that holds the first click's pixel; the clicks still follow the first annotator, and for the
box the same segments count, though the box says more.

Beside models, on the same prompts: simple means (`--beside` alone: none; `grab_cut` is slow). The
best union of superpixels looks at the truth: it bounds what clicking superpixels can reach.

Intervals: 95 %, by 2000 resamplings of photos with seed 0. Times are CPU time of one thread, and
of each photo once. `--rows FILE` keeps every object's answers and goes on where it stopped; they
are kept by model key, which knows weights but not code: name another file when answers change.

From Python, with this folder on the path: `targets(folder, (150, 100))` and `thinned` give objects,
`measure(model, objects)` asks a loaded model, `figures(rows)` and `report({name: rows})` tell.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
from prompt_figures import difference, figures, report, table
from prompt_rows import MOST_CLICKS, Row, RowFile, asked_how, by_photo, measure, measured
from prompt_segmenters import CHEAP, SIMPLE, Asked, ModelSegmenter, Segmenter
from prompt_targets import Target, targets, thinned

from segstudio.models.registry import EMBEDDED_MODEL
from segstudio.models.weights import file_sha256

__all__ = ["Row", "Target", "difference", "figures", "measure", "report", "targets", "thinned"]

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@dataclass(frozen=True)
class Subject:
    """What is measured: a model, or a simple means by its name. Travels between processes."""

    name: str
    asked: Asked | None
    clicks: int

    def open(self) -> Segmenter:
        if self.asked is not None:
            return ModelSegmenter(self.asked.load(), self.clicks)
        return SIMPLE[self.name]()


def subjects(options: argparse.Namespace) -> list[Subject]:
    asked = [Asked.parsed(text, options.weights) for text in options.model]
    keys = [one.model for one in asked]
    named = []
    for one in asked:
        twice = keys.count(one.model) > 1 and one.weights is not None
        name = f"{one.model} {one.weights.name}" if twice and one.weights else one.model
        named.append(Subject(name, one, options.clicks))
    return [*named, *(Subject(name, None, options.clicks) for name in options.beside)]


# -- measuring, in one process or several ----------------------------------------------------------

_opened: Segmenter | None = None


def _open(subject: Subject) -> None:
    global _opened  # noqa: PLW0603 - one for each worker process, which asks nothing else
    one_thread()
    _opened = subject.open()


def _work(group: list[Target], prior: bool) -> list[Row]:
    assert _opened is not None
    return measured(_opened, group, prior)


def one_thread() -> None:
    """Before torch is imported, which heeds the variables."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("SEGSTUDIO_THREADS", "1")
    cv2.setNumThreads(1)


def measure_subject(
    subject: Subject, objects: Sequence[Target], rows: RowFile, prior: bool, jobs: int
) -> list[Row]:
    """Rows in the order of `objects`; what `rows` has already is not measured again."""
    segmenter = subject.open()
    by = asked_how(segmenter, prior)
    known = {target.key: rows.get(by, target.key) for target in objects}
    todo = list(by_photo([target for target in objects if known[target.key] is None]))
    start, done, last = time.monotonic(), len(objects) - sum(map(len, todo)), 0.0
    for found in _all_rows(subject, segmenter, todo, prior, jobs):
        for row in found:
            rows.put(by, row)
            known[row.target] = row
        done += len(found)
        if time.monotonic() - last > 30 or done == len(objects):
            last = time.monotonic()
            print(f"{subject.name}: {done}/{len(objects)}, {last - start:.0f} s", file=sys.stderr)
    return [row for row in known.values() if row is not None]


def _all_rows(
    subject: Subject, segmenter: Segmenter, todo: list[list[Target]], prior: bool, jobs: int
) -> Iterator[list[Row]]:
    if jobs < 2 or len(todo) < 2:
        yield from (measured(segmenter, group, prior) for group in todo)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(jobs, initializer=_open, initargs=(subject,)) as pool:
        waiting = [pool.apply_async(_work, (group, prior)) for group in todo]
        yield from (result.get() for result in waiting)


# -- telling ---------------------------------------------------------------------------------------


def files(chosen: Sequence[Subject]) -> list[dict[str, Any]]:
    """The models' files: size in bytes and SHA-256."""
    found = []
    for subject in chosen:
        if subject.asked is not None:
            path = subject.asked.weights
            size = path.stat().st_size if path else None
            sha256 = file_sha256(path) if path else None
            found.append(
                {"name": subject.name, "key": subject.asked.model, "size": size, "sha256": sha256}
            )
    return found


def told(
    measured_rows: dict[str, list[Row]], chosen: Sequence[Subject], options: argparse.Namespace
) -> str:
    models = files(chosen)
    text = report(measured_rows, [model["name"] for model in models])
    lines = [
        [model["name"], f"{model['size'] / 1e6:.2f} MB", model["sha256"]]
        if model["size"]
        else [model["name"], "no file", "-"]
        for model in models
    ]
    if lines:
        text += "\n" + table(["model", "file", "SHA-256"], lines) + "\n"
    if options.json:
        data = {
            "objects": options.objects,
            "every": options.every,
            "seed": options.seed,
            "prior": options.prior,
            "models": models,
            "figures": {
                dataset: {
                    name: figures(
                        [row for row in rows if row.dataset == dataset],
                        name in (model["name"] for model in models),
                    )
                    for name, rows in measured_rows.items()
                }
                for dataset in ("coco", "bsds")
                if all(any(row.dataset == dataset for row in r) for r in measured_rows.values())
            },
        }
        options.json.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    return text


def counts(text: str) -> tuple[int | None, int | None]:
    """ "150,100" as numbers; "all" as all."""
    if text == "all":
        return None, None
    coco, bsds = (int(part) for part in text.split(","))
    return coco, bsds


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Quality of prompt models on real objects.")
    parser.add_argument("--model", nargs="*", default=[EMBEDDED_MODEL], metavar="KEY[=FILE]")
    parser.add_argument("--weights", type=Path, help="for models that name no file of their own")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--objects", default="all", help="how many of COCO,BSDS (all)")
    parser.add_argument("--seed", type=int, default=0, help="what is drawn (0)")
    parser.add_argument("--every", type=int, default=1, help="of those, every N-th")
    parser.add_argument("--clicks", type=int, default=MOST_CLICKS, help="at most (20)")
    parser.add_argument("--prior", action="store_true", help="hand the mask before on as a prior")
    parser.add_argument("--beside", nargs="*", choices=[*SIMPLE], default=CHEAP, metavar="NAME")
    parser.add_argument("--rows", type=Path, help="keep answers here; go on where it stopped")
    parser.add_argument("--jobs", type=int, default=1, help="processes, each of one thread")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    one_thread()
    objects = thinned(targets(options.data, counts(options.objects), options.seed), options.every)
    rows = RowFile(options.rows)
    chosen = subjects(options)
    found = {
        one.name: measure_subject(one, objects, rows, options.prior, options.jobs) for one in chosen
    }
    print(told(found, chosen, options))


if __name__ == "__main__":
    main()
