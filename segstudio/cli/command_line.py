"""Reads the command line, imports the one command that it names, and runs it."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import NoReturn

from segstudio.cli.output import Output
from segstudio.cli.registry import COMMANDS, Command


def main(argv: Sequence[str]) -> int:
    """Run a command; returns its exit status.

    Wrong usage leaves by SystemExit(2), as argparse does; errors for the user are raised as they
    are (`segstudio.__main__` prints them).
    """
    _print_any_name()
    arguments = list(argv)
    if not arguments or arguments[0].startswith("-"):
        _front_page().parse_args(arguments)
        _front_page().print_help()
        return 0
    command = next((command for command in COMMANDS if command.name == arguments[0]), None)
    if command is None:
        _unknown(arguments[0])
    return _run(command, arguments[1:])


def parser_of(command: Command) -> argparse.ArgumentParser:
    """The argument parser of one command; imports its module."""
    parser = argparse.ArgumentParser(
        prog=f"segstudio {command.name}", description=command.help.capitalize() + "."
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    import_module(command.module).add_arguments(parser)
    return parser


def _run(command: Command, arguments: list[str]) -> int:
    parsed = parser_of(command).parse_args(arguments)
    return int(import_module(command.module).run(parsed, Output(as_json=parsed.json)))


def _unknown(name: str) -> NoReturn:
    names = [command.name for command in COMMANDS]
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]}?" if close else f"the commands are {', '.join(names)}."
    _front_page().error(f"there is no command, file or folder {name!r}; {hint}")


def _front_page() -> argparse.ArgumentParser:
    lines = "\n".join(f"  {command.name:<12} {command.help}" for command in COMMANDS)
    parser = argparse.ArgumentParser(
        prog="segstudio",
        usage="segstudio [PATH] | segstudio COMMAND [ARGUMENTS]",
        description=(
            "Without a command: open the window, on PATH where it is given (a project, an image\n"
            "or a folder; write ./new for a path that has the name of a command)."
        ),
        epilog=(
            f"commands:\n  {'demo':<12} the main job on real photos, through the real window\n"
            f"{lines}\n\nsegstudio COMMAND --help tells more."
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"segstudio {_own_version()}")
    return parser


def _own_version() -> str:
    try:
        return version("segstudio")
    except PackageNotFoundError:
        return "(not installed)"


def _print_any_name() -> None:
    """File names may hold characters that the terminal cannot show: show them escaped."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
