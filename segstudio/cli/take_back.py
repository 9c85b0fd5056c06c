"""`segstudio take-back PROJECT`: take an import or prediction back, also after work went on."""

from __future__ import annotations

import argparse
from pathlib import Path

from segstudio.cli.output import Output
from segstudio.core.errors import BadInputError
from segstudio.core.progress import CancelToken
from segstudio.engine import import_run, semantic_run
from segstudio.engine.project_session import project_path_for
from segstudio.store.project import ProjectStore, TakenBack

_KINDS = (import_run.RUN_KIND, semantic_run.RUN_KIND)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("project", type=Path, help="the project file, or its folder of images")
    parser.add_argument(
        "--run",
        type=int,
        metavar="N",
        help="the run to take back; without, the latest import or prediction",
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    path: Path = arguments.project
    with ProjectStore.open(project_path_for(path) if path.is_dir() else path) as store:
        number = arguments.run or _latest(store)
        done = store.take_back(number, CancelToken(), output.progress)
        data = {
            "run": number,
            "taken_back_by": done.run_id or None,
            "images": done.images,
            "removed": done.removed,
            "kept": list(done.kept),
            "kept_categories": list(done.kept_categories),
        }
    output.result(data, _text(number, done))
    return 0


def _latest(store: ProjectStore) -> int:
    found = [last.id for kind in _KINDS if (last := store.last_run(kind)) is not None]
    if not found:
        raise BadInputError("No import or prediction of this project is left to take back.")
    return max(found)


def _text(number: int, done: TakenBack) -> str:
    lines = [f"Run {number} is taken back: {done.removed} annotations on {done.images} images."]
    if done.kept:
        lines.append(f"Kept, as they were changed since: {len(done.kept)} annotations.")
    if done.kept_categories:
        lines.append(f"Kept, as they are used: {', '.join(done.kept_categories)}.")
    return "\n".join(lines)
