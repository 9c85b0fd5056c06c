"""`segstudio new PROJECT --images DIR`: make a project of a folder of images."""

from __future__ import annotations

import argparse
from pathlib import Path

from segstudio.cli.output import Output
from segstudio.core.progress import CancelToken
from segstudio.engine.project_session import new_project
from segstudio.store.project import ProjectStore


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("project", type=Path, help="the file to make, NAME.segstudio")
    parser.add_argument(
        "--images", type=Path, required=True, metavar="DIR", help="the folder of images"
    )
    parser.add_argument(
        "--categories", type=Path, metavar="FILE", help="text, one name a line, or JSON"
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    project: Path = arguments.project
    done = new_project(
        project, arguments.images, output.progress, CancelToken(), arguments.categories
    )
    with ProjectStore.open(project, read_only=True) as store:
        categories = [category.name for category in store.categories()]
    for path, sentence in done.unreadable:
        output.say(f"Left out {path}: {sentence}")
    data = {
        "project": str(project.resolve()),
        "images": done.added,
        "categories": categories,
        "unreadable": [{"path": path, "reason": text} for path, text in done.unreadable],
    }
    output.result(data, f"{project}: {done.added} images, {len(categories)} categories.")
    return 0
