"""The contract of import formats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.formats.contract import option
from segstudio.formats.found import Found


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """What every import can be asked."""

    split: str = option("", "Split", "Only this split of the source; empty: all of them.")
    copy_images: bool = option(
        False,
        "Copy images that the project lacks",
        "Copy them from the source into a folder of its name among the project's images.",
    )
    leave_out_faults: bool = option(
        False,
        "Leave out what is faulty",
        "Import the rest where entries are faulty or their images missing; without, one fault "
        "stops the import.",
    )


class ImportFormat(Protocol):
    """One way of reading a source into a project. Members keep no state and trust no source."""

    @property
    def key(self) -> str:
        """The name on the command line; the same as the export format's, where there is one."""
        ...

    @property
    def title(self) -> str: ...

    @property
    def description(self) -> str:
        """One line for dialogs and help: what the source is, a file or a folder, and its layout."""
        ...

    @property
    def options(self) -> type[ImportOptions]:
        """The frozen record of this format's options; every field has a default."""
        ...

    def recognises(self, source: Path) -> bool:
        """Whether the file or folder looks like one of this format; quick, and never raises."""
        ...

    def read(
        self, source: Path, options: ImportOptions, report: ProgressSink, cancel: CancelToken
    ) -> Iterator[Found]:
        """What the source holds, in its own order and in memory that does not grow with it.

        Categories and images come before the annotations that name them; annotations of one image
        from the back to the front (but see `FoundImage.by_area`), not necessarily next to each
        other. An entry that cannot be used comes as a `Fault`, and the rest goes on.

        Raises BadInputError, with file, line or entry and reason, where the source as a whole
        cannot be used (unreadable, the wrong shape, hostile), Cancelled, OSError as the disk does.
        """
        ...
