"""The polygon tool: click an outline corner by corner, or edit that of the selected annotation."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot

from segstudio.imaging.outlines import (
    At,
    Outline,
    OutlineChange,
    moved,
    with_vertex,
    without_vertex,
)
from segstudio.imaging.polygon_raster import polygon_mask
from segstudio.tools.contract import (
    Button,
    Cursor,
    Modifier,
    Nothing,
    OutlineShown,
    Painted,
    Point,
    PointerEvent,
    Scene,
    ToolResult,
)
from segstudio.tools.outline_hits import LEAST_SIZE, REACH, OutlineHits, OutlinePlace, size_of

Vertices = tuple[Point, ...]
_LEAST = 3  # corners of a polygon


@dataclass
class _Line:
    """A polygon that is being clicked."""

    corners: list[Point]
    adds: bool
    size: tuple[int, int]


@dataclass
class _Drag:
    """A left button that is down on a vertex of `outline`, which is not moved in it yet."""

    place: OutlinePlace
    outline: Outline
    x: float
    y: float
    change: OutlineChange | None = None


class PolygonTool:
    """Clicks set corners; on the first one, as a double click or with `close` they are a polygon.

    It adds; begun with Ctrl held, it removes, so that it cuts a hole. `edit` gives the tool the
    outline of the annotation that is to be edited: a drag moves a vertex, a press on an edge makes
    one there, Alt+click or `remove_vertex` takes one away. Only pixels between the old and the new
    outline change.
    """

    def __init__(self) -> None:
        self._annotation_id: int | None = None
        self._outline: Outline | None = None
        self._waiting: Outline | None = None
        self._hits = OutlineHits(None)
        self._hot: OutlinePlace | None = None
        self._line: _Line | None = None
        self._drag: _Drag | None = None
        self._pointer: Point = (0.0, 0.0)
        self._slack = 0.0

    @property
    def outline(self) -> Outline | None:
        """The outline that is edited, as it is now."""
        return self._outline

    def edit(self, annotation_id: int | None, outline: Outline | None) -> OutlineShown:
        """Edit this annotation's outline from now on; None: no annotation's.

        Call it when another annotation is selected, and when its mask changed. The same one's new
        outline waits until the drag that is going on is over.
        """
        same = annotation_id == self._annotation_id
        self._annotation_id = annotation_id
        if self._drag is not None and same and outline is not None:
            self._waiting = outline
        else:
            self._drag = self._waiting = None
            self._take(outline)
        return self._shown()

    # -- pointer --------------------------------------------------------------------------------

    def press(self, event: PointerEvent, scene: Scene) -> ToolResult:
        if event.button is not Button.LEFT or scene.image_size is None:
            return Nothing()
        if self._drag is not None:  # its release was lost
            self.cancel()
        self._point(event, scene.image_size)
        if self._line is not None:
            return self._corner(self._line, event.double)
        place = None if event.held(Modifier.CONTROL) else self._hot
        if place is None or self._outline is None:
            adds = not event.held(Modifier.CONTROL)
            self._line = _Line([self._pointer], adds, scene.image_size)
            return self._shown()
        if event.held(Modifier.ALT):
            return self.remove_vertex()
        outline = self._outline
        if place.inserts:
            outline, at = with_vertex(outline, place.at, self._pointer)
            place = OutlinePlace(at, outline.ring(at).vertices[at.vertex])
        self._drag = _Drag(place, outline, *self._pointer)
        self._hot = place
        return self._shown()

    def move(self, event: PointerEvent, scene: Scene) -> ToolResult:
        if scene.image_size is None:
            return Nothing()
        before, slack = self._hot, self._slack
        self._point(event, scene.image_size)
        drag = self._drag
        if drag is not None:
            dx, dy = self._pointer[0] - drag.x, self._pointer[1] - drag.y
            if drag.change is None and max(abs(dx), abs(dy)) < event.slack / 2:
                return Nothing()
            x, y = drag.place.point
            place = _inside((x + dx, y + dy), scene.image_size)
            drag.change = moved(drag.outline, drag.place.at, place)
            self._hot = OutlinePlace(drag.place.at, place)
            return self._shown()
        same = self._line is None and (self._hot, self._slack) == (before, slack)
        idle = self._line is None and self._outline is None
        return Nothing() if same or idle else self._shown()

    def release(self, event: PointerEvent, scene: Scene) -> ToolResult:
        if self._drag is None or event.button is not Button.LEFT:
            return Nothing()
        self.move(event, scene)
        drag, self._drag = self._drag, None
        if drag.change is not None:
            return self._done(drag.change, "Move the outline")
        waiting, self._waiting = self._waiting, None
        self._take(waiting or drag.outline)
        return self._shown()

    def cancel(self) -> ToolResult:
        if self._line is None and self._drag is None:
            return Nothing()
        waiting, self._waiting = self._waiting, None
        self._line = self._drag = None
        self._take(waiting or self._outline)
        return self._shown()

    def cursor(self, event: PointerEvent, scene: Scene) -> Cursor:  # noqa: ARG002
        if scene.image_size is None:
            return Cursor.ARROW
        return Cursor.HAND if self._hot is not None and self._line is None else Cursor.CROSS

    # -- keys -----------------------------------------------------------------------------------

    def close(self) -> ToolResult:
        """Make a polygon of what was clicked so far."""
        line = self._line
        if line is None or len(line.corners) < _LEAST:
            return Nothing()
        self._line = None
        mask = polygon_mask([line.corners], line.size)
        start, shown = line.corners[0], self._shown()
        if not mask.area:
            return shown
        if line.adds:
            return Painted(add=mask, text="Polygon", start=start, outline=shown)
        return Painted(remove=mask, text="Cut out a polygon", start=start, outline=shown)

    def take_back(self) -> ToolResult:
        """Take the last corner back."""
        if self._line is None:
            return Nothing()
        self._line.corners.pop()
        if not self._line.corners:
            self._line = None
        return self._shown()

    def remove_vertex(self) -> ToolResult:
        """Take the vertex under the pointer away; with one of the last three its whole ring."""
        place = self._hot
        if place is None or place.inserts or self._outline is None or self._line or self._drag:
            return Nothing()
        return self._done(without_vertex(self._outline, place.at), "Remove a corner")

    # -- inside ---------------------------------------------------------------------------------

    def _corner(self, line: _Line, double: bool) -> ToolResult:
        if double or (len(line.corners) >= _LEAST and self._near_first(line)):
            return self.close()
        if self._pointer != line.corners[-1]:
            line.corners.append(self._pointer)
        return self._shown()

    def _near_first(self, line: _Line) -> bool:
        (x, y), (first_x, first_y) = self._pointer, line.corners[0]
        return hypot(x - first_x, y - first_y) <= REACH * self._slack

    def _point(self, event: PointerEvent, size: tuple[int, int]) -> None:
        """Follow the pointer; places beside the image count as its edge."""
        self._pointer, self._slack = _inside((event.x, event.y), size), event.slack
        if self._drag is None:
            self._hot = self._hits.at(*self._pointer, self._slack)

    def _take(self, outline: Outline | None) -> None:
        self._outline, self._hits = outline, OutlineHits(outline)
        self._hot = self._hits.at(*self._pointer, self._slack)

    def _done(self, change: OutlineChange, text: str) -> ToolResult:
        """Go on with the outline after `change`; its pixels are one step, if there are any."""
        self._waiting = None  # it was the outline before this change
        self._take(change.after)
        came, went = change.pixels()
        if not came.area and not went.area:
            return self._shown()
        return Painted(
            add=came if came.area else None,
            remove=went if went.area else None,
            text=text,
            start=self._pointer,
            target=self._annotation_id,
            outline=self._shown(),
        )

    def _offered(self, outline: Outline | None, dragged: At | None) -> tuple[Vertices, ...]:
        """The rings that a hand can take hold of at this zoom, and the one that it holds."""
        if outline is None:
            return ()
        held = dragged._replace(vertex=0) if dragged is not None else None
        least = LEAST_SIZE * self._slack
        return tuple(
            ring.vertices for at, ring in outline.rings if at == held or size_of(ring) >= least
        )

    def _shown(self) -> OutlineShown:
        drag, line, hot = self._drag, self._line, self._hot
        outline = self._outline
        if drag is not None:
            outline = drag.change.after if drag.change is not None else drag.outline
        rings = self._offered(outline, drag.place.at if drag is not None else None)
        if line is None:
            point, inserts = (hot.point, hot.inserts) if hot is not None else (None, False)
            return OutlineShown(rings, hot=point, inserts=inserts)
        closes = len(line.corners) >= _LEAST and self._near_first(line)
        return OutlineShown(rings, (*line.corners, self._pointer), line.adds, closes)


def _inside(place: Point, size: tuple[int, int]) -> Point:
    height, width = size
    return min(max(place[0], 0.0), float(width)), min(max(place[1], 0.0), float(height))
