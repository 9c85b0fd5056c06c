"""What painting tools promise: any gesture agrees with numpy, and undo gives back the masks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from tool_hand import ALT, CONTROL, SHIFT, Hand, painted_pixels

from segstudio.core.annotation import Annotation
from segstudio.core.errors import BadInputError
from segstudio.core.mask import Mask
from segstudio.core.patch import Patch
from segstudio.engine.image_session import ImageSession
from segstudio.engine.mask_change import MaskChange, made_annotation
from segstudio.engine.painting import PaintedStroke, PaintTarget, fill, paint
from segstudio.imaging.outline_tracing import editable_outline
from segstudio.store.project import NewImage, ProjectStore
from segstudio.tools.contract import FillAt, Painted, Scene, ToolResult
from segstudio.tools.polygon_tool import PolygonTool
from segstudio.tools.registry import TOOLS

SIZE = (48, 64)
PAINTING = [row for row in TOOLS if row.key not in ("select", "point", "box", "pick")]


class Stripes:
    """Superpixels that are stripes of five columns."""

    def at(self, x: float, y: float) -> int | None:
        return int(x) // 5 if 0 <= x < SIZE[1] and 0 <= y < SIZE[0] else None

    def along(
        self, start: tuple[float, float], end: tuple[float, float], radius: float
    ) -> tuple[int, ...]:
        low, high = sorted((start[0] - radius, end[0] + radius))
        return tuple(range(max(int(low) // 5, 0), min(int(high) // 5, (SIZE[1] - 1) // 5) + 1))

    def patch(self, numbers: tuple[int, ...]) -> Patch | None:
        if not numbers:
            return None
        x0, x1 = 5 * min(numbers), min(5 * max(numbers) + 5, SIZE[1])
        pixels = np.isin(np.arange(x0, x1) // 5, numbers)
        return Patch(np.repeat(pixels[None], SIZE[0], axis=0), (x0, 0))


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImageSession]:
    folder: Path = tmp_path_factory.mktemp("painting")
    with ProjectStore.create(folder / "p.segstudio", folder) as store:
        store.add_images([NewImage("a.jpg", SIZE[1], SIZE[0], "a" * 64)])
        session = ImageSession(store, 1)
        session.add_category("leaf")
        y, x = np.indices(SIZE) + 0.5
        ring = np.abs(np.hypot(x - 24, y - 24) - 14) < 5
        blob = np.hypot(x - 44, y - 20) < 12
        made = tuple(made_annotation(Mask.from_array(array), 1, "test") for array in (ring, blob))
        session.change(lambda _: MaskChange("Start", made=made))
        yield session


def arrays(rows: tuple[Annotation, ...]) -> dict[int, np.ndarray]:
    return {row.id: row.mask.to_array() for row in rows}


places = st.tuples(st.integers(-16, 272), st.integers(-16, 208)).map(
    lambda place: (place[0] / 4, place[1] / 4)
)
keys = st.sampled_from([(), (), (), (CONTROL,), (SHIFT,), (ALT,)])
ends = st.sampled_from(["release", "release", "release", "cancel", "double", "lost"])
strokes = st.tuples(places, keys, st.lists(places, max_size=4), ends, st.booleans())


def nearest_vertex(tool: PolygonTool, place: tuple[float, float]) -> tuple[float, float]:
    rings = tool.outline.rings if tool.outline is not None else ()
    vertices = [vertex for _, ring in rings for vertex in ring.vertices]
    return min(vertices, key=lambda vertex: math.dist(vertex, place), default=place)


def act(hand: Hand, stroke: tuple) -> Iterator[ToolResult]:
    """One press with what follows it, as far as its end is not lost."""
    start, held, path, end, aims = stroke
    if aims and isinstance(hand.tool, PolygonTool):
        start = nearest_vertex(hand.tool, start)
    yield hand.press(*start, *held)
    for place in path:
        yield hand.move(*place)
    last = [start, *path][-1]
    if end == "double":
        yield hand.release(*last)
        yield hand.press(*last, double=True)
    if end == "cancel":
        yield hand.tool.cancel()
    elif end != "lost":
        yield hand.release(*last)


def carry_out(session: ImageSession, result: ToolResult, target: PaintTarget, key: str) -> bool:
    """Do what the tool gave back; check a stroke against numpy on full arrays."""
    before = arrays(session.annotations)
    if isinstance(result, FillAt):
        try:
            return fill(session, (result.x, result.y), target, 1, adds=result.adds) is not None
        except BadInputError:
            return False
    assert isinstance(result, Painted)
    chosen = [row.id for row in target.among(session.annotations)]
    start = int(result.start[0]), int(result.start[1])
    stroke = PaintedStroke(
        add=result.add,
        remove=result.remove,
        text=result.text,
        start=result.start,
        annotation_id=result.target,
    )
    edit = paint(session, stroke, target, 1, key)
    after = arrays(session.annotations)
    empty = np.zeros(SIZE, dtype=bool)
    add, remove = (m.to_array() if m is not None else empty for m in (result.add, result.remove))
    if result.target is not None:
        touched = {result.target}
    elif result.add is not None:
        touched = {chosen[-1]} if chosen else set(after) - set(before)
    elif chosen:
        touched = set(chosen)
    else:
        inside = 0 <= result.start[0] < SIZE[1] and 0 <= result.start[1] < SIZE[0]
        hit = [id_ for id_, mask in before.items() if inside and mask[start[1], start[0]]]
        touched = {hit[-1]} if hit else set()
    for id_ in before | after:
        wanted = before.get(id_, empty)
        if id_ in touched:
            wanted = (wanted | add) & ~remove
        assert np.array_equal(after.get(id_, empty), wanted)
    return edit is not None


def check_shown(hand: Hand, result: Painted) -> None:
    """What was shown of a stroke is what it is, each pixel once."""
    given_ = result.add if result.add is not None else result.remove
    assert given_ is not None
    assert np.array_equal(painted_pixels(hand.results, SIZE), given_.to_array().astype(int))


@pytest.mark.parametrize("key", [row.key for row in PAINTING])
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    gesture=st.lists(strokes, min_size=1, max_size=5),
    selected=st.sampled_from([(), (0,), (1,), (0, 1)]),
    radius=st.sampled_from([0.5, 2.25, 9.0]),
)
def test_any_gesture_agrees_with_numpy_and_undo_gives_back_the_masks(
    session: ImageSession, key: str, gesture: list, selected: tuple[int, ...], radius: float
) -> None:
    tool = next(row for row in TOOLS if row.key == key).make()
    start = session.annotations
    target = PaintTarget(start[index].id for index in selected)
    hand = Hand(tool, Scene(SIZE, start, brush_radius=radius, superpixels=Stripes()))
    done = 0
    for stroke in gesture:
        chosen = target.among(session.annotations)
        if isinstance(tool, PolygonTool) and len(chosen) == 1:
            tool.edit(chosen[0].id, editable_outline(chosen[0].mask, tool.outline))
        for result in act(hand, stroke):
            if isinstance(result, Painted) and key in ("brush", "eraser", "superpixel"):
                check_shown(hand, result)
            if isinstance(result, Painted | FillAt):
                done += carry_out(session, result, target, key)
    event(f"{key}: {done} steps")
    for _ in range(done):
        session.undo()
    assert session.annotations == start
