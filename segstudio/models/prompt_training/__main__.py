"""`python -m segstudio.models.prompt_training FOLDER --data DATA [--settings FILE]`: train nano.

DATA holds what `preparing` and `rendering` made. FOLDER is where the run lives: the same command
goes on where it was left, and with settings of more steps it goes on further.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

import msgspec

from segstudio.core.progress import CancelToken
from segstudio.models.prompt_training.scene import Scene, read_scene, scene_lines
from segstudio.models.prompt_training.settings import NanoSettings


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m segstudio.models.prompt_training")
    parser.add_argument("folder", type=Path, help="where the run lives")
    parser.add_argument("--data", type=Path, required=True, help="what the data makers made")
    parser.add_argument("--settings", type=Path, help="JSON; without it, FOLDER/settings.json")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 leaves them")
    parser.add_argument("--workers", type=int, default=1, help="processes that make images")
    parser.add_argument("--stop-at", type=int, default=0, help="a step to stop at, saved")
    chosen = parser.parse_args(arguments)
    import torch  # noqa: PLC0415 - takes seconds

    from segstudio.models.prompt_training.loop import SETTINGS, Run  # noqa: PLC0415

    path = chosen.settings or chosen.folder / SETTINGS
    settings = msgspec.json.decode(path.read_bytes(), type=NanoSettings)
    torch.set_flush_denormal(True)  # numbers too small to matter are slow; this process only
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    cancel = CancelToken()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: cancel.cancel())
    run = Run(chosen.folder, chosen.data, settings, chosen.device)
    held_out = _held_out(chosen.data, settings)
    run.go(held_out, cancel, chosen.workers, chosen.stop_at)
    return 130 if cancel.cancelled else 0


def _held_out(data: Path, settings: NanoSettings) -> list[Scene]:
    folder = data / "scenes_photos"
    if not settings.held_out or not folder.exists():
        return []
    return [
        read_scene(folder, line) for line in scene_lines(folder) if line.name in settings.held_out
    ]


if __name__ == "__main__":
    sys.exit(main())
