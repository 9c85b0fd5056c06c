"""Stories of two label sets held against one another: scores, pictures, and the way to a place."""

from __future__ import annotations

import csv
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QFileDialog
from pytestqt.qtbot import QtBot
from sklearn.metrics import confusion_matrix, jaccard_score
from training_project import training_project

from segstudio.config.settings import Settings
from segstudio.core.annotation import Stage
from segstudio.core.changes import Edit, Records
from segstudio.core.mask import Box
from segstudio.engine.label_map_folder import LabelMapFolder
from segstudio.engine.label_sets import AnnotationFilter, AnnotationSet
from segstudio.gui.app import Studio
from segstudio.gui.demo_hand import Hand
from segstudio.gui.desks import quality as quality_desk
from segstudio.gui.panels.quality import QualityPanel
from segstudio.gui.panels.quality_curves import CurvesPage
from segstudio.gui.theme import apply_theme
from segstudio.store.project import ProjectStore

IMAGES = 3
SPOT = (slice(4, 20), slice(8, 40))  # of the second image: its largest mistake


@pytest.fixture
def project(tmp_path: Path) -> Path:
    with training_project(tmp_path, IMAGES) as store:
        return store.path


@pytest.fixture
def maps(project: Path, tmp_path: Path) -> tuple[Path, list[np.ndarray], list[np.ndarray]]:
    """A folder of label maps of the project's images: right but for one spot; truth and said."""
    folder = tmp_path / "maps"
    folder.mkdir()
    truth, said = [], []
    with ProjectStore.open(project, read_only=True) as store:
        names = [category.name for category in store.categories()]
        for image in store.images():
            labels = np.full(image.size, 255, dtype=np.uint8)
            for row in sorted(store.annotations(image.id), key=lambda row: row.z_order):
                labels[row.mask.to_array()] = row.category_id - 1
            told = labels.copy()
            if image.path == "1.png":
                told[SPOT] = np.where(labels[SPOT] == 0, 1, 0)
            truth.append(labels)
            said.append(told)
            Image.fromarray(told).save(folder / f"{Path(image.path).stem}.png")
    (folder / "classes.txt").write_text("\n".join(f"{n} {name}" for n, name in enumerate(names)))
    return folder, truth, said


@pytest.fixture
def hand(qtbot: QtBot, qapp: QApplication, project: Path) -> Iterator[Hand]:
    apply_theme(qapp, "dark")
    hand = Hand(Studio(Settings(model="graph_cut", prefetch_neighbours=0)))
    qtbot.addWidget(hand.window)
    hand.show()
    hand.studio.desks.project.open(project)
    hand.wait(lambda: hand.workspace.session is not None, "nothing opens")
    hand.settle()
    yield hand
    hand.close()
    apply_theme(qapp, "system")


def panel(hand: Hand) -> QualityPanel:
    return hand.window.quality


def compare(hand: Hand, folder: Path) -> None:
    hand.studio.actions.actions["view.quality"].trigger()
    hand.settle()
    hand.studio.desks.quality.add_folder(folder, 0)
    panel(hand).compare.click()
    hand.wait(lambda: panel(hand).tabs.isVisibleTo(panel(hand)), "nothing is compared")
    hand.settle()


def test_a_folder_is_compared_with_the_project_as_another_library_says(
    hand: Hand, maps: tuple[Path, list[np.ndarray], list[np.ndarray]]
) -> None:
    folder, truth, said = maps
    before = hand.window.size()
    compare(hand, folder)
    assert hand.window.size() == before  # whatever room the tables would like to have
    assert hand.canvas.hasFocus()  # Space does not press what stands beside Compare
    true = np.concatenate([one[one != 255] for one in truth])
    told = np.concatenate([two[one != 255] for one, two in zip(truth, said, strict=True)])
    scores = {row.cells[0]: row.cells[1] for row in panel(hand).scores.model.rows}
    wanted = jaccard_score(true, told, average=None)
    assert scores["mIoU"] == pytest.approx(wanted.mean())
    assert scores["Pixel accuracy"] == pytest.approx((true == told).mean())
    assert f"{100 * wanted.mean():.1f} %" in panel(hand).said.text()
    rows = {row.cells[0]: row.cells[1] for row in panel(hand).categories.model.rows}
    assert rows == {"square": pytest.approx(wanted[0]), "disc": pytest.approx(wanted[1])}
    panel(hand).tabs.setCurrentWidget(panel(hand).curves)
    assert "neither objects with scores nor pixels" in panel(hand).curves.why.text()
    counts = panel(hand).matrix._matrix.counts
    assert (counts[:, :2] == confusion_matrix(true, told)).all()


def test_the_worst_image_comes_first_and_a_click_shows_the_place(
    hand: Hand, maps: tuple[Path, list[np.ndarray], list[np.ndarray]]
) -> None:
    folder, truth, said = maps
    compare(hand, folder)
    table = panel(hand).images
    panel(hand).tabs.setCurrentWidget(table)
    assert table.model.rows[0].cells[0] == "1.png"
    where = table.view.visualRect(table.model.index(0, 0)).center()
    QTest.mouseClick(table.view.viewport(), Qt.MouseButton.LeftButton, pos=where)
    hand.wait(lambda: hand.canvas.overlay.sought is not None, "no place is shown")
    session = hand.workspace.session
    assert session is not None and session.image.path == "1.png"
    wrong = (truth[1] != said[1]) & (truth[1] != 255)
    y, x = np.nonzero(wrong)
    box = hand.canvas.overlay.sought
    assert box is not None and wrong[box.y0 : box.y1, box.x0 : box.x1].any()
    assert Box(x.min(), y.min(), x.max() + 1, y.max() + 1).x0 <= box.x0
    x0, y0, x1, y1 = hand.canvas.view.visible
    assert x0 <= box.x0 and y0 <= box.y0 and x1 >= box.x1 and y1 >= box.y1
    hand.press("D")
    hand.wait(lambda: hand.workspace.session.image.path == "2.png", "the next does not open")
    assert hand.canvas.overlay.sought is None  # the frame was of another image


def test_the_matrix_is_read_enlarged_and_saved_as_picture_and_table(
    hand: Hand,
    maps: tuple[Path, list[np.ndarray], list[np.ndarray]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compare(hand, maps[0])
    shown = panel(hand)
    shown.tabs.setCurrentIndex(3)
    hand.settle()
    place = next(
        QPoint(x, y)
        for x in range(shown.matrix.width())
        for y in range(0, shown.matrix.height(), 3)
        if shown.matrix.cell_at(QPoint(x, y).toPointF()) == (0, 1)
    )
    QTest.mouseClick(shown.matrix, Qt.MouseButton.LeftButton, pos=place)
    count = int(shown.matrix._matrix.counts[0, 1])
    assert shown.cell.text().endswith(f"of square was said to be disc: {count:,} px")
    shown.larger.click()
    larger = [one for one in hand.window.findChildren(QDialog) if one.isVisible()]
    assert len(larger) == 1
    larger[0].close()
    for name, button in (("table.csv", shown.save_csv), ("picture.png", shown.save_picture)):
        target = str(tmp_path / name)
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, to=target: (to, ""))
        button.click()
        hand.settle()
        assert name in hand.window.status.message.whole_text
    with (tmp_path / "table.csv").open() as file:
        table = list(csv.reader(file))
    assert table[0][1:] == ["square", "disc", "nothing"]
    assert [int(cell) for cell in table[1][1:]] == shown.matrix._matrix.counts[0].tolist()
    with Image.open(tmp_path / "picture.png") as image:
        assert image.width > 150 and len(image.convert("RGB").getcolors(1 << 20)) > 3


def test_after_an_edit_the_numbers_are_said_to_be_old_and_trouble_is_one_sentence(
    hand: Hand, maps: tuple[Path, list[np.ndarray], list[np.ndarray]], tmp_path: Path
) -> None:
    compare(hand, maps[0])
    assert not panel(hand).stale.isVisibleTo(panel(hand))
    hand.press("Ctrl+A")
    hand.press("Del")
    hand.settle()
    assert panel(hand).stale.isVisibleTo(panel(hand))
    empty = tmp_path / "empty"
    empty.mkdir()
    hand.studio.desks.quality.add_folder(empty, 0)
    panel(hand).compare.click()
    hand.settle()
    assert "empty" in hand.window.status.message.whole_text
    assert panel(hand).compare.isEnabled() and "mIoU" in panel(hand).said.text()


def test_a_comparison_of_one_project_is_not_shown_in_the_next(
    hand: Hand,
    maps: tuple[Path, list[np.ndarray], list[np.ndarray]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released, real = threading.Event(), quality_desk.evaluate

    def held(*arguments: Any) -> Any:
        released.wait(20)
        return real(*arguments)

    monkeypatch.setattr(quality_desk, "evaluate", held)
    with training_project(tmp_path / "other", 2) as store:
        other = store.path
    hand.studio.actions.actions["view.quality"].trigger()
    hand.settle()
    hand.studio.desks.quality.add_folder(maps[0], 0)
    panel(hand).compare.click()
    hand.wait(lambda: hand.studio.desks.quality._job is not None, "nothing is compared")
    hand.studio.desks.project.open(other)
    hand.wait(lambda: len(hand.workspace.images) == 2, "the other does not open")
    released.set()
    hand.settle()
    assert not panel(hand).tabs.isVisibleTo(panel(hand))
    assert panel(hand).compare.isEnabled()


def test_the_curves_of_a_models_objects_are_drawn_and_saved(
    hand: Hand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = hand.workspace.store
    assert store is not None
    for image in store.images():
        for row in store.annotations(image.id):
            made = {"stage": Stage.AUTOMATIC, "model_key": "graph_cut-9"}
            score = 0.3 + 0.1 * (row.id % 5)
            number = store.new_annotation_id()
            copy = replace(row, id=number, predicted_iou=score, **made)
            store.commit(Edit("Copy", image.id, Records(), Records(annotations=(copy,))))
    hand.studio.actions.actions["view.quality"].trigger()
    hand.settle()
    shown = panel(hand)
    names = [shown.first.itemText(at).rstrip(" 0123456789") for at in range(shown.first.count())]
    assert "Made with Graph cut (built in)" in names
    chosen = [combo.currentText() for combo in (shown.first, shown.truth)]
    assert [text.split("  ")[0] for text in chosen] == [
        "Models' work",
        "People's work",
    ]
    shown.compare.click()
    hand.wait(lambda: shown.tabs.isVisibleTo(shown), "nothing is compared")
    shown.tabs.setCurrentWidget(shown.curves)
    hand.wait(lambda: shown.curves.chart is not None, "no chart is drawn")
    hand.settle()
    rows = {row.cells[0]: row.cells[1] for row in shown.curves.list.model.rows}
    assert rows == {"square": pytest.approx(1), "disc": pytest.approx(1)}
    shown.curves.larger.trigger()
    larger = [one for one in hand.window.findChildren(QDialog) if one.isVisible()]
    other = larger[0].findChild(CurvesPage)
    hand.wait(lambda: other.chart is not None, "no larger chart is drawn")
    larger[0].close()
    for name, action in (("c.csv", shown.curves.save_csv), ("c.png", shown.curves.save_picture)):
        target = str(tmp_path / name)
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, to=target: (to, ""))
        action.trigger()
        hand.settle()
        assert name in hand.window.status.message.whole_text
    assert (tmp_path / "c.csv").read_text().startswith("category,kind,threshold,recall,precision\n")
    with Image.open(tmp_path / "c.png") as image:
        assert image.width > 600


def test_labels_are_not_held_against_themselves(hand: Hand, maps: tuple[Path, Any, Any]) -> None:
    hand.studio.actions.actions["view.quality"].trigger()
    hand.settle()
    shown = panel(hand)
    shown.show_sets([LabelMapFolder(maps[0])])
    assert not shown.compare.isEnabled() and shown.compare.toolTip()
    shown.show_sets([LabelMapFolder(maps[0]), LabelMapFolder(maps[0].parent)])
    assert shown.first.currentIndex() != shown.truth.currentIndex()
    assert shown.compare.isEnabled() and not shown.compare.toolTip()


def test_a_model_is_not_judged_by_its_own_annotations(hand: Hand) -> None:
    store = hand.workspace.store
    assert store is not None
    everything = AnnotationSet(store, AnnotationFilter())
    people = AnnotationSet(store, AnnotationFilter(stage="assisted"))
    machine = AnnotationSet(store, AnnotationFilter(stage="automatic"))
    shown = panel(hand)
    shown.show_sets([everything, machine, people])
    assert (shown.first.currentIndex(), shown.truth.currentIndex()) == (1, 2)
