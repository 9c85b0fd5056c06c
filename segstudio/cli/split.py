"""`segstudio split PROJECT`: share the images out between train, val and test."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from segstudio.cli.output import Output
from segstudio.core.progress import CancelToken
from segstudio.engine.project_session import project_path_for
from segstudio.engine.splits import SplitBy, SplitPlan, SplitRecipe, apply_split, plan_split
from segstudio.store.project import ProjectStore


def add_arguments(parser: argparse.ArgumentParser) -> None:
    plain = SplitRecipe()
    parser.add_argument("project", type=Path, help="the project file, or its folder of images")
    parser.add_argument(
        "--by",
        choices=[str(member) for member in SplitBy],
        default=str(plain.by),
        help="images at random, whole folders, or every category in the same ratio",
    )
    parser.add_argument(
        "--names", type=_names, default=plain.names, metavar="A,B,…", help="default: train,val,test"
    )
    parser.add_argument(
        "--ratio", type=_numbers, default=plain.ratio, metavar="N,N,…", help="default: 80,10,10"
    )
    parser.add_argument("--seed", type=int, default=plain.seed, help="another seed, another split")
    parser.add_argument("--anew", action="store_true", help="also images that have a split already")
    parser.add_argument("--dry-run", action="store_true", help="only count; change nothing")


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


def run(arguments: argparse.Namespace, output: Output) -> int:
    recipe = SplitRecipe(
        SplitBy(arguments.by), arguments.names, arguments.ratio, arguments.seed, arguments.anew
    )
    path: Path = arguments.project
    path = project_path_for(path) if path.is_dir() else path
    with ProjectStore.open(path, read_only=arguments.dry_run) as store:
        plan = plan_split(store, recipe)
        number = 0
        if not arguments.dry_run:
            number = apply_split(store, plan, CancelToken(), output.progress)
        names = {category.id: category.name for category in store.categories()}
    data = {
        "recipe": recipe.to_json(),
        "dry_run": arguments.dry_run,
        "run": number or None,
        "changed": len(plan.changed),
        "splits": [_row(plan, index, names) for index in range(len(plan.counts))],
    }
    output.result(data, _text(plan, names, arguments.dry_run))
    return 0


def _row(plan: SplitPlan, index: int, names: dict[int, str]) -> dict[str, Any]:
    row = plan.counts[index]
    return {
        "name": row.name,
        "images": row.images,
        "annotations": row.annotations,
        "categories": {
            names.get(number, str(number)): count for number, count in row.categories.items()
        },
    }


def _text(plan: SplitPlan, names: dict[int, str], dry_run: bool) -> str:
    heads = ["", *(row.name for row in plan.counts)]
    rows = [
        ["images", *(str(row.images) for row in plan.counts)],
        ["annotations", *(str(row.annotations) for row in plan.counts)],
    ]
    rows += [
        [name, *(str(row.categories.get(number, 0)) for row in plan.counts)]
        for number, name in names.items()
    ]
    widths = [max(len(line[column]) for line in (heads, *rows)) for column in range(len(heads))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in (heads, *rows)
    ]
    verb = "would change" if dry_run else "changed"
    return "\n".join([*lines, f"The split of {len(plan.changed)} images {verb}."])
