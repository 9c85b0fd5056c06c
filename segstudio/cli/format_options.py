"""Flags drawn from the options that a format declares."""

from __future__ import annotations

import argparse
from typing import Any

from segstudio.formats.contract import DeclaredOption


def add_option(part: argparse.ArgumentParser, row: DeclaredOption) -> None:
    """One flag: `--name/--no-name` for bool, a number within its bounds, or text."""
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


def add_json_flag(part: argparse.ArgumentParser) -> None:
    """`--json` is understood after FORMAT too; suppressed, so as not to undo one before it."""
    part.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
    )


def chosen(arguments: argparse.Namespace, rows: tuple[DeclaredOption, ...]) -> dict[str, Any]:
    """The values of these options, by name."""
    return {row.name: getattr(arguments, row.name) for row in rows}
