"""What an import would do, as the survey of its source found it: nothing is changed yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from segstudio.core.errors import BadInputError
from segstudio.formats.found import Fault
from segstudio.formats.import_contract import ImportOptions
from segstudio.store.spool import Spool

MOST_FAULTS = 10_000  # that are kept; all are counted
MOST_RENAMED = 1_000


@dataclass(frozen=True)
class CategoryTarget:
    """What becomes of a category of the source.

    It becomes the project's category `category_id`; or, where that is 0, the one called `name`,
    which is made if the project has none; or, where that is empty too, it is left out with all its
    annotations.
    """

    category_id: int = 0
    name: str = ""


LEFT_OUT = CategoryTarget()
Mapped = Mapping[str, CategoryTarget]  # by the key of the source's category


@dataclass(frozen=True)
class ImportCategory:
    """A category of the source, how many annotations it has there, and the target suggested."""

    key: str
    name: str
    annotations: int
    target: CategoryTarget
    supercategory: str = ""
    isthing: bool = True
    colour: str = ""
    record: bytes = b""  # JSON; see `core.origin.Origin`


@dataclass(frozen=True)
class ImportCounts:
    """How much there is: `images` of the source are `matched`, `to_copy` or (the rest) `unusable`.

    `annotations` are those that can be imported, all categories taken; `already_there` says of how
    many of them the project has the like, with the suggested targets; `empty` have no pixel.
    `faults` are entries that cannot be used, images that are missing or of another size among them;
    `stranded` annotations lie on such images, and are not counted as faults of their own.
    """

    images: int = 0
    matched: int = 0
    to_copy: int = 0
    annotations: int = 0
    already_there: int = 0
    empty: int = 0
    stranded: int = 0
    faults: int = 0

    @property
    def unusable(self) -> int:
        """Missing, of another size, or the same as another: a fault says which."""
        return self.images - self.matched - self.to_copy


@dataclass(frozen=True)
class Copy:
    """An image file that the project lacks: a file of the source, or bytes that it embeds.

    `path` is where it would lie below the folder of copies, free of clashes with the others.
    """

    path: str
    sha256: str
    file: Path | None = None
    data: Callable[[], bytes] | None = None


@dataclass(frozen=True, slots=True)
class PlannedImage:
    """An image of the source that the project has as `image_id`, or gets as `copy` (then 0).

    `size` is (H, W), `by_area` as of `FoundImage`. `record` is JSON; see `core.origin.Origin`.
    """

    key: str
    name: str
    image_id: int
    size: tuple[int, int]
    split: str
    labelled: bool
    record: bytes
    copy: Copy | None = None
    by_area: bool = False


@dataclass
class ImportPlan:
    """The survey of a source, and its annotations on disk until this is closed.

    `images[n]` has its annotations in the spool under n + 1. `faults` are the first `MOST_FAULTS`,
    `renamed` the first `MOST_RENAMED` images that the project has under another path (the
    source's name for it, the project's path). May be used from any thread, one at a time.
    """

    format_key: str
    title: str
    source: Path
    options: ImportOptions
    spool: Spool
    categories: tuple[ImportCategory, ...] = ()
    counts: ImportCounts = ImportCounts()
    faults: Sequence[Fault] = ()
    renamed: Sequence[tuple[str, str]] = ()
    images: list[PlannedImage] = field(default_factory=list, repr=False)
    dataset: bytes = field(default=b"", repr=False)

    @property
    def mapping(self) -> dict[str, CategoryTarget]:
        """The suggested target of each category, by its key; a copy to change and hand back."""
        return {category.key: category.target for category in self.categories}

    @property
    def text(self) -> str:
        """What the user reads in the history."""
        return f"Import {self.title}"

    def refuse_faults(self) -> None:
        """Raise BadInputError, with the first fault, if there is one: the import would be half."""
        if not self.counts.faults:
            return
        first = self.faults[0]
        others = self.counts.faults - 1
        plural = "is 1 more fault" if others == 1 else f"are {others} more faults"
        more = f" There {plural}." if others else ""
        reason = first.reason.rstrip(".")
        raise BadInputError(
            f"Nothing was imported: {first.place}: {reason}.{more} "
            "Mend the source, or choose to leave out what is faulty."
        )

    def close(self) -> None:
        """Delete the annotations that were kept on disk; a second call does nothing."""
        self.spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@dataclass(frozen=True)
class ImportReport:
    """What an import did. `run_id` is what can be undone or taken back; 0: nothing was new.

    `images` is how many images of the project changed, `annotations` how many were added and
    `already_there` how many it had; `left_out` how many were of categories that were left out, and
    `faulty` how many entries, all in all, could not be used. `new_categories` are names, `copied`
    paths in the project.
    """

    run_id: int
    text: str
    images: int = 0
    annotations: int = 0
    already_there: int = 0
    left_out: int = 0
    faulty: int = 0
    new_categories: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()
