"""`python -m segstudio.models.prompt_training.tuning FOLDER`: tune nano as a folder says.

FOLDER holds `settings.json` (NanoSettings) and the scenes in `data/scenes_photos`. Words and events
go as with other trainings (see `segstudio.models.training.process`).
"""

from __future__ import annotations

import sys

from segstudio.models.training.process import Train, serve


def main(arguments: list[str]) -> int:
    return serve(arguments, "segstudio.models.prompt_training.tuning", _load)


def _load() -> Train:
    from segstudio.models.prompt_training.tuning_run import run  # noqa: PLC0415 - torch
    from segstudio.models.threads import settle_threads  # noqa: PLC0415

    settle_threads()
    return run


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
