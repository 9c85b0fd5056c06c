"""`segstudio import FORMAT SOURCE PROJECT`: bring a dataset's annotations into a project.

Each format is a sub-command whose flags are drawn from the options that the format declares.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segstudio.cli.format_options import add_json_flag, add_option, chosen
from segstudio.cli.output import Output
from segstudio.core.errors import BadInputError
from segstudio.formats.contract import declared_options
from segstudio.formats.registry import IMPORT_FORMATS, import_format

if TYPE_CHECKING:  # the store would make `--help` slow
    from segstudio.engine.import_run import CategoryTarget, ImportPlan, ImportReport

MOST_SAID = 20  # faults on stderr; --json has all that were kept


def add_arguments(parser: argparse.ArgumentParser) -> None:
    formats = parser.add_subparsers(dest="format", metavar="FORMAT", required=True)
    for member in IMPORT_FORMATS:
        part = formats.add_parser(
            member.key, help=member.title, description=f"{member.title}. {member.description}"
        )
        part.add_argument("source", type=Path, help="the file or folder to read")
        part.add_argument("project", type=Path, help="the project file, or its folder of images")
        part.add_argument(
            "--dry-run", action="store_true", help="say what would come in, and change nothing"
        )
        part.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="FOUND=NAME",
            help="the source's category FOUND becomes the project's NAME, made if need be",
        )
        part.add_argument(
            "--leave-out",
            action="append",
            default=[],
            metavar="FOUND",
            help="leave out the source's category FOUND and its annotations",
        )
        add_json_flag(part)
        for row in declared_options(member.options):
            add_option(part, row)


def run(arguments: argparse.Namespace, output: Output) -> int:
    from segstudio.engine.import_run import (  # noqa: PLC0415 - starts fast
        carry_out,
        survey,
        targets_by_name,
    )
    from segstudio.engine.project_session import project_path_for  # noqa: PLC0415
    from segstudio.store.project import ProjectStore  # noqa: PLC0415

    member = import_format(arguments.format)
    options = member.options(**chosen(arguments, declared_options(member.options)))
    path: Path = arguments.project
    if path.is_dir():
        path = project_path_for(path)
    dry: bool = arguments.dry_run
    with (
        ProjectStore.open(path, read_only=dry) as store,
        survey(member.key, arguments.source, store, options, output.progress) as plan,
    ):
        renamed = renamings(arguments.map, [each.name for each in plan.categories])
        mapping = targets_by_name(plan.categories, renamed, arguments.leave_out)
        _say_faults(plan, output)
        data = _plan_data(plan, mapping, {row.id: row.name for row in store.categories()})
        if dry:
            output.result({**data, "dry_run": True}, _plan_text(data))
            return 1 if plan.counts.faults and not options.leave_out_faults else 0
        done = carry_out(plan, store, mapping, report=output.progress)
    output.result({**data, **_report_data(done), "dry_run": False}, _report_text(done))
    return 0


def renamings(texts: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """FOUND=NAME each; FOUND may hold "=" itself, where the source has such a category.

    Raises BadInputError for a text without "=".
    """
    pairs = {}
    for text in texts:
        places = [place for place, letter in enumerate(text) if letter == "="]
        if not places:
            raise BadInputError(f"--map takes FOUND=NAME, and {text!r} has no “=”.")
        known = (place for place in places if text[:place] in names)
        place = next(known, places[0])
        pairs[text[:place]] = text[place + 1 :]
    return pairs


def _say_faults(plan: ImportPlan, output: Output) -> None:
    for fault in plan.faults[:MOST_SAID]:
        output.say(f"{fault.place}: {fault.reason}")
    if (more := plan.counts.faults - MOST_SAID) > 0:
        output.say(f"... and {more} more faults.")


def _plan_data(
    plan: ImportPlan, mapping: Mapping[str, CategoryTarget], names: Mapping[int, str]
) -> dict[str, Any]:
    counts = plan.counts
    categories = []
    for each in plan.categories:
        target = mapping[each.key]
        becomes = names.get(target.category_id, target.name) or None
        new = becomes is not None and becomes not in names.values()
        row = {"name": each.name, "annotations": each.annotations, "becomes": becomes, "new": new}
        categories.append(row)
    return {
        "format": plan.format_key,
        "source": str(plan.source.resolve()),
        "found": {
            "images": counts.images,
            "matched": counts.matched,
            "to_copy": counts.to_copy,
            "unusable": counts.unusable,
            "annotations": counts.annotations,
            "empty": counts.empty,
            "on_unusable_images": counts.stranded,
            "already_there": counts.already_there,
        },
        "categories": categories,
        "renamed": [{"found": name, "image": path} for name, path in plan.renamed],
        "fault_count": counts.faults,
        "faults": [
            {"file": fault.place.file, "entry": fault.place.entry, "reason": fault.reason}
            for fault in plan.faults
        ],
    }


def _plan_text(data: Mapping[str, Any]) -> str:
    found = data["found"]
    lines = [
        f"{found['annotations']} annotations on {found['images']} images, of which the project has "
        f"{found['matched']}, {found['to_copy']} are to be copied and {found['unusable']} cannot "
        f"be used; {found['already_there']} annotations are there already, "
        f"{data['fault_count']} faults."
    ]
    for row in data["categories"]:
        becomes = "left out" if row["becomes"] is None else row["becomes"]
        lines.append(f"  {row['name']}: {row['annotations']} -> {becomes}{' (new)' * row['new']}")
    return "\n".join(lines)


def _report_data(done: ImportReport) -> dict[str, Any]:
    return {
        "run": done.run_id or None,
        "images": done.images,
        "annotations": done.annotations,
        "already_there": done.already_there,
        "left_out": done.left_out,
        "new_categories": list(done.new_categories),
        "copied": list(done.copied),
    }


def _report_text(done: ImportReport) -> str:
    lines = [
        f"{done.annotations} annotations on {done.images} images"
        + (f", {len(done.copied)} of them copied" * bool(done.copied))
        + (f" (run {done.run_id})." if done.run_id else ": nothing was new.")
    ]
    if done.new_categories:
        names, more = done.new_categories[:MOST_SAID], len(done.new_categories) - MOST_SAID
        rest = f" and {more} more" if more > 0 else ""
        lines.append(f"New categories: {', '.join(names)}{rest}.")
    if done.already_there:
        lines.append(f"Already there: {done.already_there} annotations.")
    if done.left_out:
        lines.append(f"Left out with their categories: {done.left_out} annotations.")
    if done.faulty:
        lines.append(f"Left out as faulty: {done.faulty} entries.")
    return "\n".join(lines)
