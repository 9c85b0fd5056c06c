"""Label sets: what somebody, or something, says of each image of a list, to be compared.

A set has a table of categories and images by name; reading one image gives a label map, and the
objects where the set tells them apart. Images are read one at a time, so memory stays level.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from segstudio.core.mask import Mask
from segstudio.core.prediction import LabelMap
from segstudio.core.progress import CancelToken

Nothing = Literal["", "unlabelled", "void"]


@dataclass(frozen=True)
class SetCategory:
    """A category of a set; its place in the set's table is its value in the set's label maps.

    `nothing` says that it is none: pixels that nobody labelled, or "void", which must not be
    scored whatever is made of unlabelled ones.
    """

    name: str
    colour: str = ""
    isthing: bool = False
    nothing: Nothing = ""


@dataclass(frozen=True)
class SetImage:
    """An image of a set.

    `name` is a path with forward slashes, `also` are other names that it may have elsewhere. `key`
    is how the set itself finds the image again. `image_id` is the project's id, 0 where the set is
    of no project. `size` is (H, W) in pixels, None where it is known only when the image is read.
    """

    name: str
    key: str
    image_id: int = 0
    size: tuple[int, int] | None = None
    split: str = ""
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class SetObject:
    """An object or region: `category` is a place in the set's table, `score` how sure it is."""

    category: int
    mask: Mask
    iscrowd: bool = False
    score: float = 1.0


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """What a set says of one image, in image pixels.

    `labels` is (H, W) uint8: a place in the set's table, or IGNORE where nothing is said. Where
    the set tells objects apart, `objects` are these, from the back to the front, and `ids` is (H,
    W) int32: the number, from 1, of the object that is seen there, 0 for none. `confidence` is (H,
    W) uint8, how probable each label is in 255ths, where the set says it.
    """

    labels: LabelMap
    objects: tuple[SetObject, ...] = ()
    ids: npt.NDArray[np.int32] | None = None
    confidence: npt.NDArray[np.uint8] | None = None


class OpenLabelSet(Protocol):
    """A set while it is read: its table and its list of images stay as they were when it was
    opened. May be used from any thread.

    `categories` are at most 255. `open_table` says that they are nothing but the numbers 0 to 254:
    those that occur are the set's. `images` are those of which the set may say something.
    """

    @property
    def categories(self) -> Sequence[SetCategory]: ...
    @property
    def open_table(self) -> bool: ...
    @property
    def images(self) -> Sequence[SetImage]: ...

    def read(self, image: SetImage) -> LabelledImage | None:
        """What the set says of the image; None if it says nothing.

        Raises BadInputError, in a sentence, where it cannot be read.
        """
        ...


class LabelSet(Protocol):
    """A set to choose and to compare.

    `kind` and `value` say what it is: "all" annotations of a project, those of a "stage", "tool",
    "model", "run", "user" or "split" (the value), of several of these ("some"), a "folder" of label
    maps (the value), a model's "prediction". `key` is what the command line calls it, unique among
    a project's sets. `title` is for reading. `count` is the number of its annotations, None where
    that is not known without looking at all.
    """

    @property
    def key(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def value(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def count(self) -> int | None: ...

    def opened(self, cancel: CancelToken) -> AbstractContextManager[OpenLabelSet]:
        """The set as it is now, until the end of the block.

        Raises BadInputError, in a sentence, where it cannot be compared (too many categories), and
        Cancelled.
        """
        ...
