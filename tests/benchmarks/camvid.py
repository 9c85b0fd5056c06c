"""Trains a network on CamVid and scores it on the test split, at full size.

    python tests/benchmarks/camvid.py CAMVID --work DIR [--json FILE] [--flip] [--scales S …]
        [any flag of `segstudio train`]

CAMVID has `train`, `val` and `test` with NAME.jpg or NAME.png, `trainannot` and so on with label
maps of the same names, and `classes.txt` with a line "id name R G B" for each category; the last
one, the void, is left out of training and scores. DIR keeps the training: the same command goes on
where it was stopped. The test split is used for the score alone.

FILE is a JSON list; each run adds a row: the command, all settings, minutes trained, mIoU on val
and test, IoU by category, the machine. Half an hour on two cores without a GPU (x86-64 with bf16,
torch 2.15, other light work beside it) gave, with `--minutes 30 --side 224 --batch 8
--encoder-rate 0.3 --validate-every 6 --augment-scale 0.6,1.6 --precision bf16-mixed` and

    | flags                                                       | epochs | val  | test |
    | --arch unet --encoder efficientnet_lite0 --lr 2e-3          |     39 | 70.9 | 63.2 |
    | --arch deeplabv3plus --encoder efficientnet_lite0 --lr 2e-3 |     33 | 70.0 | 62.7 |
    | --arch segformer_b0 --lr 6e-4 --warmup 100                  |     46 | 56.7 | 45.7 |

in per cent of mIoU; SegFormer begins from nothing, for its ImageNet weights were not at hand. What
suits a CUDA GPU:

    --arch deeplabv3plus --encoder resnet50 --yes --epochs 200 --side 352 --batch 16 --lr 1e-3
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from PIL import Image

from segstudio.cli.training_options import add_settings, chosen_settings
from segstudio.core.prediction import IGNORE, ModelCategory
from segstudio.core.progress import CancelToken, Progress, ignore_progress
from segstudio.engine.training_weights import ensure_start
from segstudio.imaging.read import read_image
from segstudio.metrics.confusion import ConfusionMatrix
from segstudio.models import training
from segstudio.models.device import choose_device
from segstudio.models.machine import usable_cores
from segstudio.models.semantic import library
from segstudio.models.semantic.card import SemanticCard
from segstudio.models.semantic.contract import PredictSettings
from segstudio.models.training import folder as training_folder
from segstudio.models.training.events import Ended, Stepped, Validated, decode
from segstudio.models.training.label_maps import write_labels
from segstudio.models.training.settings import TrainingImage, TrainingSet

IMAGES = (".jpg", ".png")
THINGS = frozenset({"pole", "signsymbol", "car", "pedestrian", "bicyclist"})


def main() -> int:
    arguments = _parser().parse_args()
    settings = chosen_settings(arguments)
    run = arguments.work
    ensure_start(settings, download=arguments.yes, report=_report, cancel=CancelToken())
    training_folder.write(run, settings, training_set(arguments.data, run))
    ended = train(run)
    if ended.reason in ("failed", "stopped"):
        print(ended.message or "Stopped; the same command goes on.", file=sys.stderr)
        return 1
    card = library.read(run / training_folder.BEST)
    device = choose_device(settings.device)
    asked = PredictSettings(scales=tuple(arguments.scales), flip=arguments.flip)
    scores, seconds = scored(card, arguments.data, asked, device)
    row = _row(card, ended, scores, device)
    row |= {"seconds_per_test_image": seconds, "predict": msgspec.to_builtins(asked)}
    print(json.dumps(row, indent=1))
    if arguments.json:
        _append(arguments.json, row)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Plain)
    parser.add_argument("data", type=Path, help="CamVid's folder")
    parser.add_argument("--work", type=Path, required=True, help="where the training is kept")
    parser.add_argument("--json", type=Path, help="a list of rows to add to")
    parser.add_argument("--yes", action="store_true", help="download weights that are not here")
    parser.add_argument("--flip", action="store_true", help="predict with mirror images too")
    parser.add_argument("--scales", type=float, nargs="+", default=[1.0], help="predict at these")
    add_settings(parser)
    return parser


class _Plain(argparse.RawDescriptionHelpFormatter):
    """The text at the top as it stands."""


# -- the data -------------------------------------------------------------------------------------


def categories(data: Path) -> tuple[ModelCategory, ...]:
    """Those of `classes.txt` without the last one, the void."""
    rows = []
    for line in (data / "classes.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            _, name, *rgb = line.split()
            colour = "#{:02x}{:02x}{:02x}".format(*(int(part) for part in rgb))
            rows.append(ModelCategory(name, colour, isthing=name.lower() in THINGS))
    return tuple(rows[:-1])


def pairs(data: Path, split: str) -> list[tuple[Path, Path]]:
    """Images and their label maps, by name."""
    images = sorted(path for path in (data / split).iterdir() if path.suffix in IMAGES)
    return [(path, data / f"{split}annot" / f"{path.stem}.png") for path in images]


def truth_of(path: Path, count: int) -> np.ndarray:
    """(H, W) uint8, the void as IGNORE."""
    with Image.open(path) as image:
        labels = np.array(image, dtype=np.uint8)
    labels[labels >= count] = IGNORE
    return labels


def training_set(data: Path, run: Path) -> TrainingSet:
    """Train and val, with label maps in which the void is ignored."""
    known = categories(data)
    rows: dict[str, list[TrainingImage]] = {"train": [], "val": []}
    for split, images in rows.items():
        target = run / "labels" / split
        target.mkdir(parents=True, exist_ok=True)
        for image, labels in pairs(data, split):
            if not (target / labels.name).exists():
                write_labels(target / labels.name, truth_of(labels, len(known)))
            mapped = f"labels/{split}/{labels.name}"
            images.append(TrainingImage(image.stem, str(image.resolve()), mapped))
    return TrainingSet(known, tuple(rows["train"]), tuple(rows["val"]))


# -- training and scoring -------------------------------------------------------------------------


def train(run: Path) -> Ended:
    """In the process that trains for users too; Ctrl-C lets it save and stop."""
    command = [sys.executable, "-m", training.__name__, str(run.resolve())]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=os.name == "posix",
    )
    assert process.stdin is not None
    assert process.stdout is not None
    last: Ended | None = None
    while last is None:
        try:
            for line in process.stdout:
                event = decode(line)
                _show(event)
                last = event if isinstance(event, Ended) else None
            if last is None:
                raise SystemExit("The training process ended without a word.")
        except KeyboardInterrupt:
            process.stdin.write(b"stop\n")
            process.stdin.flush()
    process.wait()
    return last


def scored(
    card: SemanticCard, data: Path, asked: PredictSettings, device: str
) -> tuple[ConfusionMatrix, float]:
    """The test split's confusion matrix, and the seconds that an image took."""
    model = card.load(None, device)
    counts = ConfusionMatrix(len(card.categories))
    images = pairs(data, "test")
    seconds = 0.0
    for image, labels in images:
        pixels = read_image(image)
        start = time.monotonic()
        told = model.predict(pixels, asked, ignore_progress, CancelToken())
        seconds += time.monotonic() - start
        counts.add(truth_of(labels, len(card.categories)), told.labels)
    return counts, seconds / len(images)


# -- telling --------------------------------------------------------------------------------------


def _show(event: object) -> None:
    if isinstance(event, Stepped) and event.step % 20 == 0:
        left = f"{event.left / 60:.1f} min left"
        text = f"step {event.step}, epoch {event.epoch}: loss {event.loss:.3f}, {left}"
        print(text, file=sys.stderr, flush=True)
    elif isinstance(event, Validated):
        text = f"epoch {event.epoch}: val mIoU {100 * event.miou:.1f}"
        print(text + (" (best)" if event.best else ""), file=sys.stderr, flush=True)


def _report(progress: Progress) -> None:
    print(progress, file=sys.stderr)


def _row(card: SemanticCard, ended: Ended, scores: ConfusionMatrix, device: str) -> dict[str, Any]:
    names = [one.name for one in card.categories]
    per_category = {
        name: round(100 * float(iou), 2) for name, iou in zip(names, scores.iou(), strict=True)
    }
    return {
        "command": " ".join(["python", "tests/benchmarks/camvid.py", *sys.argv[1:]]),
        "network": f"{card.spec.architecture} {card.spec.encoder}".strip(),
        "settings": dict(card.settings),
        "minutes": round(float(ended.details["seconds"]) / 60, 2),
        "steps": ended.step,
        "epochs": ended.details["epoch"],
        "end": ended.reason,
        "val_miou": round(100 * card.scores["miou"], 2),
        "test_miou": round(100 * scores.mean_iou(), 2),
        "test_pixel_accuracy": round(100 * scores.pixel_accuracy(), 2),
        "test_iou": per_category,
        "temperature": card.temperature,
        "machine": _machine(device),
        "at": time.strftime("%Y-%m-%d %H:%M"),
    }


def _machine(device: str) -> str:
    cuda = device.startswith("cuda")
    name = torch.cuda.get_device_name() if cuda else platform.processor()
    cores = f"{usable_cores()} cores, {torch.get_num_threads()} threads"
    return f"{name or platform.machine()}, {cores}, torch {torch.__version__}"


def _append(path: Path, row: dict[str, Any]) -> None:
    rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    part = path.with_suffix(".part")
    part.write_text(json.dumps([*rows, row], indent=1) + "\n", encoding="utf-8")
    part.replace(path)


if __name__ == "__main__":
    sys.exit(main())
