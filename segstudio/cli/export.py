"""`segstudio export FORMAT PROJECT DIR`: write a project's annotations into a folder.

Each format is a sub-command whose flags are drawn from the options that the format declares. What
was written is read back and compared; the exit status is 1 if it is not what it should be.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from segstudio.cli.format_options import add_json_flag, add_option, chosen
from segstudio.cli.output import Output
from segstudio.formats.contract import ExportReport, Losses, Proof, declared_options
from segstudio.formats.registry import EXPORT_FORMATS, export_format

MOST_SAID = 20  # losses or differences told to a person; --json has all that were kept


def add_arguments(parser: argparse.ArgumentParser) -> None:
    formats = parser.add_subparsers(dest="format", metavar="FORMAT", required=True)
    for member in EXPORT_FORMATS:
        part = formats.add_parser(
            member.key, help=member.title, description=f"{member.title}. {member.description}"
        )
        part.set_defaults(refuse=part.error)
        part.add_argument("project", type=Path, help="the project file, or its folder of images")
        part.add_argument("target", type=Path, metavar="DIR", nargs="?", help="the folder to make")
        part.add_argument(
            "--dry-run",
            action="store_true",
            help="only say what the format cannot hold of the project; DIR is not needed",
        )
        add_json_flag(part)
        for row in declared_options(member.options):
            add_option(part, row)


def run(arguments: argparse.Namespace, output: Output) -> int:
    from segstudio.engine.export_run import export, losses  # noqa: PLC0415 - starts fast
    from segstudio.engine.project_session import project_path_for  # noqa: PLC0415
    from segstudio.store.project import ProjectStore  # noqa: PLC0415

    target: Path | None = arguments.target
    if target is None and not arguments.dry_run:
        arguments.refuse("the following arguments are required: DIR (or --dry-run)")
    member = export_format(arguments.format)
    options = member.options(**chosen(arguments, declared_options(member.options)))
    path: Path = arguments.project
    if path.is_dir():
        path = project_path_for(path)
    with ProjectStore.open(path, read_only=True) as store:
        if arguments.dry_run or target is None:
            lost = losses(member.key, store, options, output.progress)
            data = {"format": member.key, "dry_run": True, "losses": _losses_data(lost)}
            output.result(data | _skipped_data(lost), "\n".join(_losses_text(lost, "Would be")))
            return 0
        done = export(member.key, store, target, options, output.progress)
    output.result(_data(member.key, target, done), _text(target, done))
    for note in done.notes:
        output.say(note)
    _say_differences(done.proof, output)
    return 0 if done.proof is None or done.proof.equal else 1


def _data(key: str, target: Path, done: ExportReport) -> dict[str, Any]:
    return {
        "format": key,
        "folder": str(target.resolve()),
        "images": done.images,
        "annotations": done.annotations,
        "files": done.files,
        **_skipped_data(done),
        "notes": list(done.notes),
        "losses": None if done.losses is None else _losses_data(done.losses),
        "proof": None if done.proof is None else _proof_data(done.proof),
    }


def _skipped_data(done: ExportReport | Losses) -> dict[str, Any]:
    rows = [
        {"path": item.path, "annotation": item.annotation_id or None, "reason": item.reason}
        for item in done.skipped
    ]
    return {"skipped": rows}


def _losses_data(losses: Losses) -> dict[str, Any]:
    return {
        "images": losses.images,
        "annotations": losses.annotations,
        "always": list(losses.always),
        "total": losses.total,
        "counts": [
            {
                "kind": row.kind.value,
                "annotations": row.annotations,
                "images": row.images,
                "pixels": row.pixels,
            }
            for row in losses.counts
        ],
        "listed": [
            {
                "kind": loss.kind.value,
                "path": loss.path,
                "annotation": loss.annotation_id,
                "pixels": loss.pixels,
                "text": loss.text,
            }
            for loss in losses.listed
        ],
    }


def _proof_data(proof: Proof) -> dict[str, Any]:
    return {
        "equal": proof.equal,
        "images": proof.images,
        "annotations": proof.annotations,
        "total": proof.total,
        "differences": [
            {"path": row.path, "annotation": row.annotation_id or None, "text": row.text}
            for row in proof.differences
        ],
    }


def _text(target: Path, done: ExportReport) -> str:
    lines = [
        f"{done.annotations} annotations on {done.images} images in {target} ({done.files} files)."
    ]
    proof = done.proof
    if proof is not None:
        read = f"Read back: {proof.annotations} annotations on {proof.images} images"
        lines.append(f"{read}, " + ("all as they should be." if proof.equal else _differs(proof)))
    if done.losses is not None:
        lines += _losses_text(done.losses, "Was")
    else:
        lines += _skipped_text(done)
    return "\n".join(lines)


def _differs(proof: Proof) -> str:
    return f"{proof.total} {'differences' if proof.total > 1 else 'difference'} from the project."


def _losses_text(losses: Losses, verb: str) -> list[str]:
    lines = []
    for row in losses.counts:
        pixels = f", {row.pixels} pixels" if row.pixels else ""
        lines.append(
            f"{verb} lost ({row.kind.value}): {row.annotations} annotations on {row.images} "
            f"images{pixels}"
        )
    for loss in losses.listed[:MOST_SAID]:
        lines.append(f"  {loss.path}, annotation {loss.annotation_id}: {loss.text}")
    if (more := losses.total - MOST_SAID) > 0:
        lines.append(f"  ... and {more} more; --json lists them.")
    lines += [f"Never held: {sentence}" for sentence in losses.always]
    return lines + _skipped_text(losses)


def _skipped_text(done: ExportReport | Losses) -> list[str]:
    reasons = Counter(item.reason for item in done.skipped)
    return [f"Left out: {count} x {reason}" for reason, count in sorted(reasons.items())]


def _say_differences(proof: Proof | None, output: Output) -> None:
    if proof is None or proof.equal:
        return
    for row in proof.differences[:MOST_SAID]:
        output.say(f"{row.path}: {row.text}" if row.path else row.text)
    if (more := proof.total - MOST_SAID) > 0:
        output.say(f"... and {more} more differences.")
