"""`segstudio export FORMAT PROJECT DIR`: write a project's annotations into a folder.

Each format is a sub-command whose flags are drawn from the options that the format declares.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from segstudio.cli.output import Output
from segstudio.engine.export_run import export
from segstudio.formats.contract import DeclaredOption, ExportReport, declared_options
from segstudio.formats.registry import EXPORT_FORMATS, export_format


def add_arguments(parser: argparse.ArgumentParser) -> None:
    formats = parser.add_subparsers(dest="format", metavar="FORMAT", required=True)
    for member in EXPORT_FORMATS:
        part = formats.add_parser(
            member.key, help=member.title, description=f"{member.title}. {member.description}"
        )
        part.add_argument("project", type=Path, help="the project file, or its folder of images")
        part.add_argument("target", type=Path, metavar="DIR", help="the folder to make")
        # Also understood after FORMAT; suppressed, so that it does not undo one before it.
        part.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )
        for row in declared_options(member.options):
            _add_option(part, row)


def run(arguments: argparse.Namespace, output: Output) -> int:
    from segstudio.engine.project_session import project_path_for  # noqa: PLC0415 - starts fast
    from segstudio.store.project import ProjectStore  # noqa: PLC0415

    member = export_format(arguments.format)
    rows = declared_options(member.options)
    options = member.options(**{row.name: getattr(arguments, row.name) for row in rows})
    path: Path = arguments.project
    if path.is_dir():
        path = project_path_for(path)
    with ProjectStore.open(path, read_only=True) as store:
        done = export(member.key, store, arguments.target, options, output.progress)
    output.result(_data(member.key, arguments.target, done), _text(arguments.target, done))
    for note in done.notes:
        output.say(note)
    return 0


def _add_option(part: argparse.ArgumentParser, row: DeclaredOption) -> None:
    flag = "--" + row.name.replace("_", "-")
    explanation = row.help.replace("%", "%%")
    if row.kind is bool:
        part.add_argument(
            flag, action=argparse.BooleanOptionalAction, default=row.default, help=explanation
        )
    elif row.kind is int:
        allowed = range(row.minimum, row.maximum + 1)
        part.add_argument(
            flag, type=int, choices=allowed, default=row.default, metavar="N", help=explanation
        )
    else:
        part.add_argument(flag, choices=row.choices or None, default=row.default, help=explanation)


def _data(key: str, target: Path, done: ExportReport) -> dict[str, Any]:
    return {
        "format": key,
        "folder": str(target.resolve()),
        "images": done.images,
        "annotations": done.annotations,
        "files": done.files,
        "skipped": [{"path": item.path, "reason": item.reason} for item in done.skipped],
        "notes": list(done.notes),
    }


def _text(target: Path, done: ExportReport) -> str:
    lines = [
        f"{done.annotations} annotations on {done.images} images in {target} ({done.files} files)."
    ]
    reasons = Counter(item.reason for item in done.skipped)
    lines += [f"Left out: {count} x {reason}" for reason, count in sorted(reasons.items())]
    return "\n".join(lines)
