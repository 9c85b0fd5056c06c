"""Every command. Adding one is one file and one row here.

A command's module has two functions:

`add_arguments(parser: argparse.ArgumentParser) -> None` declares its arguments (`--json` is
already there), and `run(arguments: argparse.Namespace, output: Output) -> int` does the work and
returns the exit status. The module is imported when its command is the one asked for.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """A command's name, its line in the help, and the module that has it."""

    name: str
    help: str
    module: str


COMMANDS: tuple[Command, ...] = (
    Command("new", "make a project of a folder of images", "segstudio.cli.new"),
    Command("import", "bring a dataset into a project", "segstudio.cli.import_command"),
    Command("take-back", "take an import or prediction back", "segstudio.cli.take_back"),
    Command("split", "share images out between train, val and test", "segstudio.cli.split"),
    Command("export", "write a project's annotations in a format", "segstudio.cli.export"),
    Command("embed", "fill the embedding cache", "segstudio.cli.embed"),
    Command("segment", "one mask from points and a box", "segstudio.cli.segment"),
    Command("everything", "masks of everything, as SA-1B JSON", "segstudio.cli.everything"),
    Command("predict", "a category for each pixel: pre-labels, or maps", "segstudio.cli.predict"),
    Command("superpixels", "SLIC superpixels of an image", "segstudio.cli.superpixels"),
    Command("train", "train a model on a project's labels", "segstudio.cli.train"),
    Command("tune", "teach the model in the box your own images", "segstudio.cli.tune"),
    Command("evaluate", "scores of labels against labels", "segstudio.cli.evaluate"),
    Command("models", "list, pull, verify or locate models", "segstudio.cli.models"),
    Command("info", "counts, categories, states, integrity", "segstudio.cli.info"),
    Command("bench", "ours against the official package, on this machine", "segstudio.cli.bench"),
    Command("doctor", "what this machine has and what is missing", "segstudio.cli.doctor"),
)
