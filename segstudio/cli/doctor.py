"""`segstudio doctor`: what this machine has, what is missing, how to mend it."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from segstudio.cli.output import Output
from segstudio.engine.doctor import Finding, Level, examine, missing_packages

_MARKS = {Level.GOOD: " ", Level.NOTE: "-", Level.FAULT: "!"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--packages",
        action="store_true",
        help="print only the Debian packages that are missing, one a line",
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    packages = missing_packages()
    if arguments.packages:
        output.result({"packages": packages}, "\n".join(packages))
        return 0
    findings = examine()
    faults = [row for row in findings if row.level is Level.FAULT]
    data = {
        "ok": not faults,
        "packages": packages,
        "findings": [asdict(row) for row in findings],
    }
    output.result(data, "\n".join(map(_line, findings)))
    if faults:
        output.say(f"{faults[0].name}: {faults[0].remedy}.")
    return 1 if faults else 0


def _line(row: Finding) -> str:
    line = f"{_MARKS[row.level]} {row.name:<24} {row.found}"
    return f"{line}\n  {'':<24} -> {row.remedy}" if row.remedy else line
