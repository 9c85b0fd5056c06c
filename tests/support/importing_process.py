"""Imports in a process of its own that is killed in the middle: `python importing_process.py
PROJECT PHOTO TEXT NUMBER` kills itself at the NUMBER-th progress whose text is TEXT."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from made_up_source import a_category, an_annotation, an_image, surveyed

from segstudio.core.progress import Progress
from segstudio.engine.import_run import carry_out
from segstudio.formats.found import Found
from segstudio.store.project import ProjectStore


def pieces(photo: Path) -> list[Found]:
    """Two images that the project has, two to copy, an annotation on each."""
    names = ("a.png", "b.png", "c.png", "d.png")
    images = [an_image(name, file=photo if name in "c.png d.png" else None) for name in names]
    return [a_category("cat"), *images, *(an_annotation(name, "cat") for name in names)]


def main(project: Path, photo: Path, text: str, number: int) -> None:
    left = number

    def report(progress: Progress) -> None:
        nonlocal left
        left -= progress.text == text
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    with (
        ProjectStore.open(project) as store,
        surveyed(store, pieces(photo), copy_images=True) as plan,
    ):
        carry_out(plan, store, report=report)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
