"""`python -m segstudio.models.training FOLDER`: train what a folder says, in this process.

See `process` for what goes in and out. The exit status is 0 however it ends by itself or by a word,
1 where it failed.
"""

from __future__ import annotations

import sys

from segstudio.models.training.process import Train, serve


def main(arguments: list[str]) -> int:
    return serve(arguments, "segstudio.models.training", _load)


def _load() -> Train:
    from segstudio.models.threads import settle_threads  # noqa: PLC0415 - torch takes seconds
    from segstudio.models.training.loop import run  # noqa: PLC0415

    settle_threads()
    return run


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
