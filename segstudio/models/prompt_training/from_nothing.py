"""Make segstudio_nano from nothing, in one command that goes on where it was stopped.

    python -m segstudio.models.prompt_training.from_nothing OUT [--cache FOLDER] [--recipe FOLDER]
        [--until STEP] [--views N] [--scenes N] [--settings FILE] [--device D] [--threads N]
        [--workers N]

Steps: fetch, unpack-labels, prepare, photo-scenes, cut-outs, scenes, train. Each is the command of
its own module, and is passed over where it was done with the same arguments; `OUT/done/` keeps
them. The weights are OUT/run/nano.safetensors, the validation's figures OUT/run/log.jsonl.
--recipe: the folder with the list of sums, the labels and the training's settings.
"""

from __future__ import annotations

import argparse
import hashlib
import lzma
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from segstudio.core.whole_files import put
from segstudio.models.prompt_training import __main__ as training
from segstudio.models.prompt_training import fetching, labels, preparing
from segstudio.models.prompt_training.photographs import PHOTOS
from segstudio.models.prompt_training.rendering import __main__ as rendering

LABELS, SETTINGS = "photo_labels.json.xz", "settings.json"
FURNITURE, PAPERS = "sweethome3d-furniture", "mypaint-backgrounds"
# What the training of the weights that come with the app was given; any other makes others.
_CUT_OUT_SEED, _SCENE_SEED = 7, 11


@dataclass(frozen=True)
class Step:
    """A command and its arguments; it returns an exit status, or None where all went well.

    `inputs`: files whose content decides whether it has to be done again.
    """

    name: str
    command: Callable[[list[str]], int | None]
    arguments: list[str]
    inputs: tuple[Path, ...] = ()

    def is_done(self, done: Path) -> bool:
        """Whether it was done with the same arguments and inputs; fetching sees for itself."""
        path = done / f"{self.name}.json"
        return bool(self.inputs) and path.is_file() and path.read_bytes() == self._state()

    def go(self, done: Path) -> int:
        """Run it and remember that; its exit status."""
        status = self.command(self.arguments) or 0
        if status == 0:
            done.mkdir(parents=True, exist_ok=True)
            put(done / f"{self.name}.json", self._state())
        return status

    def _state(self) -> bytes:
        sums = [hashlib.sha256(path.read_bytes()).hexdigest() for path in self.inputs]
        return msgspec.json.encode([self.arguments, sums])


def unpack_labels(arguments: list[str]) -> int | None:
    """`labels unpack` for a list that is compressed as xz: PACKED.json.xz PHOTOS LABELS."""
    packed, photos, target = map(Path, arguments)
    labels.unpack(lzma.decompress(packed.read_bytes()), photos, target)
    return None


def steps(options: argparse.Namespace) -> list[Step]:
    """All steps in their order."""
    out, recipe = options.out, options.recipe
    raw, photos, outlined, made = (out / name for name in ("raw", "photos", "labels", "made"))
    caches = [word for cache in options.cache for word in ("--cache", cache)]
    lit = ["--photos", photos]
    settings = options.settings or recipe / SETTINGS
    views = ["--seed", _CUT_OUT_SEED, "--count", options.views]
    scenes = ["--seed", _SCENE_SEED, "--count", options.scenes]
    floors = ["--textures", raw / PAPERS]
    computing = ["--device", options.device, "--threads", options.threads]
    computing += ["--workers", options.workers]
    table = (
        ("fetch", fetching.main, [out, "--sums", recipe / fetching.SUMS, *caches]),
        ("unpack-labels", unpack_labels, [recipe / LABELS, photos, outlined]),
        ("prepare", preparing.main, [raw, photos, made]),
        ("photo-scenes", labels.main, ["make", outlined, photos, made]),
        (
            "cut-outs",
            rendering.main,
            ["cut-outs", raw / FURNITURE, made / "cut_outs_3d", *lit, *views],
        ),
        (
            "scenes",
            rendering.main,
            ["scenes", raw / FURNITURE, made / "scenes_3d", *lit, *floors, *scenes],
        ),
        (
            "train",
            training.main,
            [out / "run", "--data", made, "--settings", settings, *computing],
        ),
    )
    inputs: dict[str, tuple[Path, ...]] = {
        "fetch": (),
        "unpack-labels": (photos / PHOTOS, recipe / LABELS),
        "photo-scenes": (photos / PHOTOS, recipe / LABELS),
        "train": (settings, photos / PHOTOS, recipe / LABELS),
    }
    return [
        Step(name, command, [*map(str, arguments)], inputs.get(name, (photos / PHOTOS,)))
        for name, command, arguments in table
    ]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="from_nothing", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cache", type=Path, action="append", default=[], metavar="FOLDER")
    parser.add_argument("--recipe", type=Path, default=fetching.RECIPE)
    parser.add_argument("--until", metavar="STEP", help="the last step to take")
    parser.add_argument("--views", type=int, default=5, help="of each model, as cut-outs")
    parser.add_argument("--scenes", type=int, default=500)
    parser.add_argument("--settings", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args(arguments)
    names = [step.name for step in steps(options)]
    if options.until is not None and options.until not in names:
        parser.error(f"--until is one of {', '.join(names)}")
    return options


def main(arguments: list[str] | None = None) -> int:
    """The command; the exit status of the step that failed, or 0."""
    options = parse(arguments)
    done = options.out / "done"
    for step in steps(options):
        if step.is_done(done):
            print(f"{step.name}: done before", flush=True)
        else:
            print(f"{step.name} ...", flush=True)
            status = step.go(done)
            if status:
                return status
        if step.name == options.until:
            break
    return 0


if __name__ == "__main__":
    sys.exit(main())
