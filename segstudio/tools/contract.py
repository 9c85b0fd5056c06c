"""The contract of canvas tools: pointer events in image pixels come in, results as data go out.

A tool knows nothing of Qt, of a view or of a panel. The view translates its events, calls the
tool, and draws or forwards what comes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from segstudio.core.annotation import Annotation
from segstudio.core.mask import Box, Mask
from segstudio.core.patch import Patch
from segstudio.core.prompt import Prompt


class Button(StrEnum):
    """A pointer button."""

    LEFT = "left"
    RIGHT = "right"
    MIDDLE = "middle"


class Modifier(StrEnum):
    """A key held while the pointer is used."""

    SHIFT = "shift"
    CONTROL = "control"
    ALT = "alt"


@dataclass(frozen=True)
class PointerEvent:
    """Where the pointer is, in image pixels (float, pixel centres at +0.5), and what is held.

    `button` is the one pressed or released; None for a move. `slack` is how many image pixels four
    screen pixels cover at the view's zoom: what is nearer than that is one place to a hand.
    `double` marks the second press of a double click; the tool sees both.
    """

    x: float
    y: float
    button: Button | None = Button.LEFT
    modifiers: frozenset[Modifier] = frozenset()
    slack: float = 4.0
    double: bool = False

    def held(self, *modifiers: Modifier) -> bool:
        """Whether any of `modifiers` is held."""
        return not self.modifiers.isdisjoint(modifiers)


class PicksInSight(Protocol):
    """What "everything" found and the canvas shows."""

    def at(self, x: float, y: float) -> int | None:
        """The index of the pick that a click at (x, y) means, if there is one."""
        ...


class SuperpixelsInSight(Protocol):
    """The superpixels of the open image at the scale in the hand."""

    def at(self, x: float, y: float) -> int | None:
        """The number of the superpixel that has the pixel under (x, y); None outside."""
        ...

    def along(
        self, start: tuple[float, float], end: tuple[float, float], radius: float
    ) -> tuple[int, ...]:
        """Those that a stroke from `start` to `end` (x, y) of that radius touches."""
        ...

    def patch(self, numbers: tuple[int, ...]) -> Patch | None:
        """The pixels of these superpixels; None for none."""
        ...


@dataclass(frozen=True)
class Scene:
    """What lies under the pointer: the open image's size (H, W), or None, and what a tool may hit.

    `annotations` are those that can be seen and are not locked, by depth, the front one last.
    Pass the same tuple as long as nothing changed: tools prepare their hit test for it once.
    `brush_radius` is in image pixels. `superpixels` are None until they are ready.
    """

    image_size: tuple[int, int] | None = None
    annotations: tuple[Annotation, ...] = ()
    selected: frozenset[int] = frozenset()
    picks: PicksInSight | None = None
    brush_radius: float = 12.0
    superpixels: SuperpixelsInSight | None = None


class Cursor(StrEnum):
    """The shape that the pointer should have."""

    ARROW = "arrow"
    CROSS = "cross"
    HAND = "hand"
    SIZE_HORIZONTAL = "size-horizontal"
    SIZE_VERTICAL = "size-vertical"
    SIZE_DIAGONAL = "size-diagonal"  # top left to bottom right
    SIZE_ANTIDIAGONAL = "size-antidiagonal"  # bottom left to top right


@dataclass(frozen=True)
class Nothing:
    """The event changed nothing."""


@dataclass(frozen=True)
class PromptChanged:
    """The prompt is now `prompt`; empty when all was taken back."""

    prompt: Prompt


@dataclass(frozen=True)
class RubberBand:
    """Draw this box while the button is down; None: a drag was given up, draw none.

    Any result of `release` ends the drawing as well.
    """

    box: Box | None


@dataclass(frozen=True)
class Select:
    """Select the annotations `ids` instead of the selection; with `extend`, toggle them in it."""

    ids: tuple[int, ...]
    extend: bool = False


@dataclass(frozen=True)
class PointAtPick:
    """The pointer is over this pick, or over none."""

    index: int | None


@dataclass(frozen=True)
class AcceptPick:
    """This pick becomes an annotation."""

    index: int


@dataclass(frozen=True)
class AcceptPicksInside:
    """The picks that lie mostly in `box` (image pixels) become annotations."""

    box: Box


@dataclass(frozen=True)
class DismissPick:
    """This pick leaves the list."""

    index: int


Point = tuple[float, float]
"""(x, y) in image pixels."""


@dataclass(frozen=True)
class OutlineShown:
    """Draw these lines, and none of an earlier one; without `rings` and `line`, draw none.

    `rings` are the outlines of the annotation in the hand, closed (the last vertex joins the first,
    which is not repeated), with a handle at every vertex. `line` is drawn but not closed: what was
    clicked or drawn so far, with the pointer's place last; `adds` says whether it will add to a
    mask or remove, `closes` that a click now closes it. `hot` is the handle under the pointer, or
    with `inserts` the place on an edge where a press puts a new one.
    """

    rings: tuple[tuple[Point, ...], ...] = ()
    line: tuple[Point, ...] = ()
    adds: bool = True
    closes: bool = False
    hot: Point | None = None
    inserts: bool = False


@dataclass(frozen=True)
class Painting:
    """A stroke is going on: show `pieces`, the pixels that this event added to it.

    Pieces do not overlap, neither each other nor earlier ones, and each is small (at most
    256 x 256 pixels, but for whole superpixels). `adds` says whether the stroke adds to a mask or
    removes from it; `begins` that what was shown of an earlier stroke is not part of this one.
    """

    pieces: tuple[Patch, ...]
    adds: bool
    begins: bool = False


@dataclass(frozen=True)
class Painted:
    """A stroke is done, one undo step: `add` joins the mask, then `remove` leaves it.

    At least one of them has pixels. They are whole: what `Painting` showed is part of them, and a
    lasso or a polygon shows nothing before. `text` is what undo and the history say. `start` is
    where the stroke began (x, y): what removes without a selection removes from what lies there.
    `target` is the one annotation that changes, whatever is selected, where the tool knows it.
    `outline` is what is to be drawn from now on, as `OutlineShown`; None: no outline.
    """

    add: Mask | None = None
    remove: Mask | None = None
    text: str = "Paint"
    start: Point = (0.0, 0.0)
    target: int | None = None
    outline: OutlineShown | None = None


@dataclass(frozen=True)
class PaintingDropped:
    """The stroke that `Painting` showed was given up: show none."""


@dataclass(frozen=True)
class PointAtSuperpixel:
    """The pointer is over this superpixel, or over none."""

    number: int | None


@dataclass(frozen=True)
class FillAt:
    """Fill the enclosed area around (x, y); without `adds`, take it away."""

    x: float
    y: float
    adds: bool


PaintResult = Painting | Painted | PaintingDropped | PointAtSuperpixel | FillAt
PickResult = PointAtPick | AcceptPick | AcceptPicksInside | DismissPick
ToolResult = Nothing | PromptChanged | RubberBand | Select | PickResult | PaintResult | OutlineShown


class Tool(Protocol):
    """A state machine over pointer events. Made without arguments; one instance for each window."""

    def press(self, event: PointerEvent, scene: Scene) -> ToolResult: ...

    def move(self, event: PointerEvent, scene: Scene) -> ToolResult:
        """The pointer moved, with or without a button down."""
        ...

    def release(self, event: PointerEvent, scene: Scene) -> ToolResult: ...

    def cancel(self) -> ToolResult:
        """Give up the drag that is going on (Esc, another tool, another image)."""
        ...

    def cursor(self, event: PointerEvent, scene: Scene) -> Cursor:
        """The pointer's shape at this place."""
        ...
