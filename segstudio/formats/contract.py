"""The contract of export formats, and options that declare themselves to dialogs and the CLI."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol

from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.core.project_view import ProjectView
from segstudio.formats.found import Found
from segstudio.formats.holding import Holding, Loss, LossKind

MOST_LISTED = 10_000  # losses, and differences, that a report holds one by one


@dataclass(frozen=True)
class DeclaredOption:
    """One row of an options dialog: `kind` is bool, int or str; `choices` (str only) may be empty.

    `minimum` and `maximum` bound an int, both inclusive.
    """

    name: str
    kind: type
    default: Any
    label: str
    help: str
    choices: tuple[str, ...] = ()
    minimum: int = 0
    maximum: int = 0


def option(
    default: bool | int | str,
    label: str,
    explanation: str,
    *,
    choices: Sequence[str] = (),
    bounds: tuple[int, int] = (0, 0),
) -> Any:
    """A field of an options record that says what it is, for dialogs and command lines."""
    row = {"label": label, "help": explanation, "choices": tuple(choices), "bounds": bounds}
    return field(default=default, metadata={"option": types.MappingProxyType(row)})


def declared_options(options: type) -> tuple[DeclaredOption, ...]:
    """The declared fields of an options record, in order."""
    kinds = typing.get_type_hints(options)
    rows = []
    for item in fields(options):
        row = item.metadata.get("option")
        if row is not None and item.default is not MISSING:
            low, high = row["bounds"]
            text = (row["label"], row["help"], row["choices"])
            rows.append(DeclaredOption(item.name, kinds[item.name], item.default, *text, low, high))
    return tuple(rows)


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What every export can be asked."""

    split: str = option("", "Split", "Only images of this split; empty: all images.")
    unlabelled: bool = option(
        False,
        "Images nobody has labelled",
        "Also write images that are still to do and have no annotation; a model trained on the "
        "export takes them for pure background.",
    )
    rejected: bool = option(False, "Rejected images", "Also write images that were rejected.")
    replace: bool = option(
        False,
        "Replace an earlier export",
        "Replace the folder if it holds an earlier export and nothing else.",
    )


@dataclass(frozen=True)
class Skipped:
    """Something left out: the image's path in the project, and why, in one sentence.

    `annotation_id` is that of the annotation that is left out and `kind` why, 0 and None where the
    whole image is.
    """

    path: str
    reason: str
    annotation_id: int = 0
    kind: LossKind | None = None


@dataclass(frozen=True)
class LossCount:
    """How many annotations, on how many images, lose something of one kind, and how many pixels."""

    kind: LossKind
    annotations: int
    images: int
    pixels: int


@dataclass(frozen=True)
class Losses:
    """What a format cannot hold of what an export writes, by kind and one by one.

    `images` and `annotations` count what the export writes. `always` is what the format holds of
    no annotation, a sentence each. `counts` are complete; `listed` are the first `MOST_LISTED`
    losses, in the project's order.
    """

    images: int = 0
    annotations: int = 0
    always: tuple[str, ...] = ()
    counts: tuple[LossCount, ...] = ()
    listed: tuple[Loss, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    @property
    def total(self) -> int:
        """How many losses there are; more than are listed, perhaps."""
        return sum(row.annotations for row in self.counts)


@dataclass(frozen=True)
class Difference:
    """Where what was written does not say what it should: one sentence.

    `path` is the image's path in the project, "" where the difference is of no one image;
    `annotation_id` that of the project's annotation, 0 where it is of none.
    """

    path: str
    text: str
    annotation_id: int = 0


@dataclass(frozen=True)
class Proof:
    """What came out when an export was read back and compared with the project.

    `images` and `annotations` count what was compared. `total` differences were found, of which
    `differences` are the first `MOST_LISTED`.
    """

    images: int
    annotations: int
    differences: tuple[Difference, ...] = ()
    total: int = 0

    @property
    def equal(self) -> bool:
        """Whether the export holds the project, but for the losses that were announced."""
        return self.total == 0


@dataclass(frozen=True)
class ExportReport:
    """What an export wrote, what it left out and why, and what a reader should know of it.

    `losses` are those of the images that were written. `losses` and `proof` are added by
    `engine.export_run`; a format leaves them None.
    """

    images: int
    annotations: int
    files: int = 0
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    losses: Losses | None = None
    proof: Proof | None = None


class ExportFormat(Protocol):
    """One way of writing a project into a folder. Members keep no state."""

    @property
    def key(self) -> str:
        """The name on the command line: lower-case letters, digits and '-'."""
        ...

    @property
    def title(self) -> str: ...

    @property
    def description(self) -> str:
        """One line for dialogs and help."""
        ...

    @property
    def options(self) -> type[ExportOptions]:
        """The frozen record of this format's options; every field has a default."""
        ...

    def write(
        self,
        view: ProjectView,
        folder: Path,
        options: ExportOptions,
        report: ProgressSink,
        cancel: CancelToken,
    ) -> ExportReport:
        """Write into `folder`, which is empty; the caller sees to whole-or-not-at-all.

        The same project gives the same bytes. Raises BadInputError where the format cannot hold
        the project, OSError as the disk does, Cancelled.
        """
        ...

    def holding(self, view: ProjectView, options: ExportOptions) -> Holding:
        """What `write` with these options will hold. Raises BadInputError as `write` does."""
        ...

    def reread(
        self, folder: Path, options: ExportOptions, report: ProgressSink, cancel: CancelToken
    ) -> Iterator[Found]:
        """Read back what `write` with these options wrote; by the import format if there is one.

        See `ImportFormat.read`.
        """
        ...
