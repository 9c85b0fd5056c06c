"""Stories of partition mode and locks in the window: borders move for both, gaps are found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QLocale, QPoint, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from segstudio.config.settings import Settings
from segstudio.core.annotation import Annotation
from segstudio.core.category import Category
from segstudio.core.changes import Edit, Records
from segstudio.core.mask import Box, Mask
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.engine.project_session import open_path
from segstudio.engine.prompt_session import EmbeddingState
from segstudio.gui.app import Studio
from segstudio.gui.demo_hand import Hand
from segstudio.gui.panels.partition_counts import PartitionCounts

SIZE = (512, 512)
SKY, GROUND, TREE = 1, 2, 3


def rectangle(x0: int, y0: int, x1: int, y1: int) -> Mask:
    array = np.zeros(SIZE, dtype=bool)
    array[y0:y1, x0:x1] = True
    return Mask.from_array(array)


MASKS = {
    SKY: rectangle(0, 0, 512, 250),
    GROUND: rectangle(0, 250, 480, 512),
    TREE: rectangle(100, 200, 160, 300),  # over both; a strip on the right and a speck are free
}
SPECK = rectangle(300, 100, 304, 104)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    ramp = np.linspace(40, 200, SIZE[1]).astype(np.uint8)
    Image.fromarray(np.broadcast_to(ramp[:, None], (*SIZE, 3)).copy()).save(folder / "view.png")
    masks = MASKS | {SKY: MASKS[SKY].subtract(SPECK)}
    with open_path(folder, ignore_progress, CancelToken()).store as store:
        thing = Category(store.new_category_id(), "thing", "#56b4e9", key="1")
        rows = tuple(
            Annotation(store.new_annotation_id(), 1, thing.id, mask, z_order=depth, tool="voc")
            for depth, mask in enumerate(masks.values())
        )
        store.commit(Edit("Import", 1, Records(), Records(annotations=rows, categories=(thing,))))
        return store.path


@pytest.fixture
def hand(qtbot: QtBot, project: Path) -> Iterator[Hand]:
    hand = Hand(Studio(Settings(model="graph_cut", prefetch_neighbours=0)))
    qtbot.addWidget(hand.window)
    hand.show()
    open_project(hand, project)
    yield hand
    hand.close()


def open_project(hand: Hand, project: Path) -> None:
    hand.studio.desks.project.open(project)
    hand.wait(lambda: hand.workspace.session is not None, "nothing opens")
    hand.settle()


def masks(hand: Hand) -> dict[int, Mask]:
    return {row.id: row.mask for row in hand.workspace.annotations}


def counts(hand: Hand) -> PartitionCounts:
    found = hand.window.status.findChild(PartitionCounts)
    assert isinstance(found, PartitionCounts)
    return found


def pixels(number: int) -> str:
    return f"{QLocale().toString(number)} px"


def told(hand: Hand) -> str:
    return hand.window.status.message.whole_text


def click(button: object) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)  # type: ignore[call-overload]


def shown_in_the_middle(hand: Hand, box: Box) -> bool:
    x, y = hand.canvas.view.to_screen((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)
    middle = hand.canvas.rect().center()
    return abs(x - middle.x()) < 2 and abs(y - middle.y()) < 2


def drag(hand: Hand, start: tuple[float, float], end: tuple[float, float]) -> None:
    view, canvas = hand.canvas.view, hand.canvas
    at = [QPoint(round(x), round(y)) for x, y in (view.to_screen(*start), view.to_screen(*end))]
    QTest.mouseMove(canvas, at[0])
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, pos=at[0])
    for step in range(1, 9):
        QTest.mouseMove(canvas, at[0] + (at[1] - at[0]) * step / 8)
    QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=at[1])
    hand.settle()


def test_the_counters_show_in_the_mode_only_and_lead_from_place_to_place(hand: Hand) -> None:
    panel, strip = counts(hand), Box(480, 250, 512, 512)
    assert not panel.isVisible()
    hand.press("Y")
    hand.settle()
    assert panel.isVisible()
    assert panel.unlabelled.text() == f"unlabelled {pixels(8400)}"
    assert panel.doubly.text() == f"doubly labelled {pixels(6000)}"
    assert f"Resolve overlaps gives {QLocale().toString(6000)} doubly labelled px" in told(hand)

    click(panel.unlabelled)
    assert shown_in_the_middle(hand, strip)
    assert hand.canvas.overlay.sought == strip
    hand.press("J")
    assert hand.canvas.overlay.sought == SPECK.box
    assert shown_in_the_middle(hand, SPECK.box)
    hand.press("J")
    assert hand.canvas.overlay.sought == strip, "after the smallest it begins anew"
    hand.press("Shift+J")
    assert hand.canvas.overlay.sought == MASKS[TREE].box
    hand.wait(lambda: hand.canvas.overlay.sought is None, "the mark stays")

    hand.press("Y")
    hand.settle()
    assert not panel.isVisible()


def test_overlaps_are_resolved_in_one_undoable_step(hand: Hand) -> None:
    before = masks(hand)
    hand.press("Y")
    hand.settle()
    click(counts(hand).resolve)
    hand.settle()
    after = masks(hand)
    assert after[TREE] == before[TREE]
    assert after[SKY] == before[SKY].subtract(before[TREE])
    assert counts(hand).doubly.text() == "doubly labelled 0 px"
    assert not counts(hand).resolve.isVisible()
    assert not counts(hand).doubly.isEnabled()
    hand.press("Ctrl+Z")
    hand.settle()
    assert masks(hand) == before
    assert counts(hand).doubly.text() == f"doubly labelled {pixels(6000)}"


def test_a_stroke_moves_the_border_for_both_sides(hand: Hand) -> None:
    hand.press("Y")
    hand.settle()
    click(counts(hand).resolve)
    hand.settle()
    before = masks(hand)
    hand.workspace.select((SKY,))
    hand.press("R")
    drag(hand, (250, 250), (400, 250))
    after = masks(hand)
    gained = after[SKY].subtract(before[SKY])
    assert gained.area > 150 * 5
    assert after[GROUND] == before[GROUND].subtract(gained)

    hand.press("Shift+R")
    drag(hand, (250, 264), (400, 264))
    erased = after[SKY].subtract(masks(hand)[SKY])
    assert erased.area > 150 * 3
    assert masks(hand)[GROUND] == after[GROUND].union(erased)
    assert counts(hand).doubly.text() == "doubly labelled 0 px"
    assert counts(hand).unlabelled.text() == f"unlabelled {pixels(8400)}"
    for expected in (after, before):
        hand.press("Ctrl+Z")
        hand.settle()
        assert masks(hand) == expected


def test_a_locked_neighbour_neither_gives_nor_takes(hand: Hand) -> None:
    hand.press("Y")
    hand.settle()
    hand.workspace.select((GROUND,))
    hand.press("Ctrl+L")
    hand.settle()
    before = masks(hand)
    hand.workspace.select((SKY,))
    hand.press("R")
    drag(hand, (300, 252), (400, 252))
    drag(hand, (300, 400), (400, 400))
    assert "belong to locked annotations; unlock them first." in told(hand)
    assert masks(hand)[GROUND] == before[GROUND]
    assert not masks(hand)[SKY].subtract(before[SKY]).intersect(before[GROUND]).area


def test_a_mask_wholly_under_locked_annotations_is_refused_and_the_prompt_stays(
    hand: Hand,
) -> None:
    hand.press("Ctrl+A")
    hand.press("Ctrl+L")
    hand.settle()
    before = hand.workspace.annotations
    hand.press("B")
    hand.wait(lambda: hand.studio.prompts.state is EmbeddingState.READY, "no embedding")
    drag(hand, (40, 300), (90, 400))
    answer = hand.wait_for_answer()
    assert not answer.candidates.items[0].mask.subtract(before[1].mask).area
    hand.press("Return")
    hand.settle()
    assert told(hand) == "The mask lies wholly under locked annotations; unlock them first."
    assert hand.workspace.annotations == before
    assert hand.studio.desks.prompt.prompt


def test_the_mode_is_kept_with_the_project(hand: Hand, project: Path) -> None:
    action = hand.studio.actions.actions["partition.mode"]
    assert not action.isChecked()
    hand.press("Y")
    hand.settle()
    assert action.isChecked()
    open_project(hand, project)
    assert action.isChecked()
    assert counts(hand).unlabelled.text() == f"unlabelled {pixels(8400)}"
    hand.studio.desks.project.close()
    hand.settle()
    assert not action.isChecked()
    assert not counts(hand).isVisible()
    hand.press("Y")
    assert told(hand) == "No project is open."
    assert not action.isChecked()
