"""Stories of data that comes and goes: looked at, imported, undone, split, exported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from segstudio.config.settings import Settings
from segstudio.core.image import ImageState
from segstudio.engine.import_plan import LEFT_OUT, CategoryTarget
from segstudio.gui.app import Studio
from segstudio.gui.demo_hand import Hand
from segstudio.gui.dialogs.export import ExportDialog
from segstudio.gui.dialogs.export_report import ExportReportDialog
from segstudio.gui.dialogs.importing import ImportDialog
from segstudio.gui.dialogs.splits import SplitDialog
from segstudio.gui.theme import apply_theme

W = TypeVar("W", bound=QWidget)
IMAGES = 4
SIZE = (48, 64)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(5)
    for number in range(IMAGES):
        pixels = rng.integers(0, 255, (*SIZE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two cats over one another and a dog on each photo."""
    path = tmp_path / "instances_train.json"
    path.write_text(json.dumps(coco()), encoding="utf-8")
    return path


def coco() -> dict[str, list[dict[str, object]]]:
    boxes = ((1, 4, 4), (1, 12, 8), (7, 30, 20))
    categories: list[dict[str, object]] = [{"id": 1, "name": "cat"}, {"id": 7, "name": "dog"}]
    images: list[dict[str, object]] = [
        {"id": n + 1, "file_name": f"{n}.png", "width": SIZE[1], "height": SIZE[0]}
        for n in range(IMAGES)
    ]
    annotations: list[dict[str, object]] = [
        {
            "id": 10 * (n + 1) + at, "image_id": n + 1, "category_id": category, "iscrowd": 0,
            "segmentation": [[x, y, x + 20, y, x + 20, y + 20, x, y + 20]],
            "bbox": [x, y, 20, 20], "area": 400,
        }
        for n in range(IMAGES)
        for at, (category, x, y) in enumerate(boxes)
    ]  # fmt: skip
    return {"images": images, "annotations": annotations, "categories": categories}


@pytest.fixture
def hand(qtbot: QtBot, qapp: QApplication, photos: Path) -> Iterator[Hand]:
    apply_theme(qapp, "dark")
    hand = Hand(Studio(Settings(model="graph_cut", prefetch_neighbours=0)))
    qtbot.addWidget(hand.window)
    hand.show()
    hand.studio.desks.project.open(photos)
    hand.wait(lambda: hand.workspace.session is not None, "nothing opens")
    hand.settle()
    yield hand
    hand.close()
    apply_theme(qapp, "system")


def shown(hand: Hand, kind: type[W]) -> W:
    """The dialog of that kind, once it is there."""

    def found() -> list[W]:
        return [dialog for dialog in hand.window.findChildren(kind) if dialog.isVisible()]

    hand.wait(lambda: bool(found()), f"no {kind.__name__} opens", 10)
    hand.settle()
    return found()[0]


def press(hand: Hand, keys: str) -> None:
    hand.window.activateWindow()
    hand.press(keys)
    hand.settle()


def look(hand: Hand, source: Path) -> ImportDialog:
    """Ctrl+I, the source, Look."""
    press(hand, "Ctrl+I")
    dialog = shown(hand, ImportDialog)
    dialog.use_source(source)
    hand.wait(lambda: bool(dialog.source.told.text()), "nothing is recognised")
    dialog.go.click()
    hand.wait(lambda: not dialog.busy, "the look does not end")
    return dialog


def import_all(hand: Hand, source: Path) -> None:
    look(hand, source).go.click()
    hand.settle()


def counts(hand: Hand) -> list[int]:
    return [hand.workspace.image_counts[id_] for id_ in sorted(hand.workspace.images)]


def on_image(hand: Hand) -> int:
    return len(hand.workspace.annotations)


def names(hand: Hand) -> list[str]:
    return [category.name for category in hand.workspace.categories.values()]


def said(hand: Hand) -> str:
    return hand.window.status.message.whole_text


def states(hand: Hand) -> set[ImageState]:
    return {image.state for image in hand.workspace.images.values()}


def test_an_import_is_one_step_for_undo_and_redo_on_any_image(hand: Hand, source: Path) -> None:
    import_all(hand, source)
    assert "12 annotations on 4 images" in said(hand)
    assert counts(hand) == [3] * IMAGES and names(hand) == ["cat", "dog"]
    assert len(hand.canvas.masks.annotations) == on_image(hand) == 3
    assert states(hand) == {ImageState.LABELLED}
    assert hand.window.gallery.model.totals().labelled == IMAGES
    press(hand, "D")
    press(hand, "Ctrl+Z")
    assert "Undone" in said(hand)
    assert counts(hand) == [0] * IMAGES and names(hand) == []
    assert on_image(hand) == 0 and states(hand) == {ImageState.TODO}
    press(hand, "Ctrl+Y")
    assert counts(hand) == [3] * IMAGES and names(hand) == ["cat", "dog"]
    assert on_image(hand) == 3


def test_undo_is_offered_and_take_back_keeps_what_was_changed_since(
    hand: Hand, source: Path
) -> None:
    import_all(hand, source)
    offered = hand.window.status.offer_button
    assert offered.isVisible() and offered.text() == "Undo"
    offered.click()
    hand.settle()
    assert counts(hand) == [0] * IMAGES and not offered.isVisible()
    import_all(hand, source)
    kept = hand.workspace.annotations[-1].id
    hand.workspace.select((kept,))
    press(hand, "1")  # the dog is a cat
    hand.studio.actions.actions["file.take_back"].trigger()
    hand.settle()
    assert counts(hand) == [1, 0, 0, 0]
    assert [row.id for row in hand.workspace.annotations] == [kept]
    assert "1 that were changed since stay" in said(hand)


def test_the_same_source_again_finds_nothing_new(hand: Hand, source: Path) -> None:
    import_all(hand, source)
    dialog = look(hand, source)
    assert dialog.plan is not None and dialog.plan.counts.already_there == 3 * IMAGES
    dialog.go.click()
    hand.settle()
    assert "Nothing new" in said(hand) and counts(hand) == [3] * IMAGES


def test_categories_are_mapped_before_anything_is_imported(hand: Hand, source: Path) -> None:
    hand.name_category("animal")
    hand.settle()
    dialog = look(hand, source)
    model = dialog.preview.categories.model
    assert model.targets == {"1": CategoryTarget(0, "cat"), "7": CategoryTarget(0, "dog")}
    model.put([0], model.meant("animal"))
    model.put([1], LEFT_OUT)
    dialog.go.click()
    hand.settle()
    assert names(hand) == ["animal"] and counts(hand) == [2] * IMAGES
    assert "left out: 4" in hand.window.status._details_text


def test_hostile_or_stopped_changes_nothing_and_says_where(hand: Hand, source: Path) -> None:
    data = coco()
    data["annotations"][5]["image_id"] = 99
    source.write_text(json.dumps(data), encoding="utf-8")
    dialog = look(hand, source)
    assert not dialog.go.isEnabled()
    where, why = dialog.preview.problems.model.rows[0].cells
    assert "annotations[5]" in str(where) and "99" in str(why)
    source.write_text("{", encoding="utf-8")
    dialog.back.click()
    dialog.go.click()
    hand.wait(lambda: not dialog.busy, "the look does not end")
    assert "instances_train.json" in dialog.trouble.text()
    dialog.go.click()
    dialog.cancel.click()
    hand.wait(lambda: not dialog.busy, "Stop does not stop")
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    hand.settle()
    assert counts(hand) == [0] * IMAGES and names(hand) == []


def drop(hand: Hand, path: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    none = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier
    event = QDropEvent(QPointF(400, 300), Qt.DropAction.CopyAction, data, *none)
    hand.window.dropEvent(event)
    hand.settle()


def test_a_dropped_dataset_is_offered_and_a_dropped_image_is_opened(
    hand: Hand, source: Path, photos: Path
) -> None:
    drop(hand, photos / "2.png")
    assert hand.workspace.session is not None
    assert hand.workspace.session.image.path == "2.png"
    drop(hand, source)
    dialog = shown(hand, ImportDialog)
    hand.wait(lambda: bool(dialog.source.told.text()), "nothing is recognised")
    assert dialog.source.path() == source and dialog.source.format_key == "coco"
    assert counts(hand) == [0] * IMAGES


def test_what_voc_loses_is_said_before_and_after_and_leads_to_the_annotation(
    hand: Hand, source: Path, photos: Path
) -> None:
    import_all(hand, source)
    press(hand, "Ctrl+E")
    dialog = shown(hand, ExportDialog)
    headline = dialog.losses.headline
    dialog.use_format("coco")
    hand.wait(lambda: "12 masks come back" in headline.text(), "COCO's losses are not found")
    dialog.use_format("voc")
    hand.wait(lambda: "overlap" in headline.text(), "VOC's losses are not found")
    rows = dialog.losses.table.model.rows
    assert [row.cells[2] for row in rows if row.path == "0.png"] == [12 * 16, 2 * 8]
    dialog.button.click()
    report = shown(hand, ExportReportDialog)
    assert "as announced" in report.verdict.text()
    place = next(n for n, row in enumerate(report.table.model.rows) if row.path == "3.png")
    wanted = report.table.model.rows[place].annotation_id
    report.table.view.setCurrentIndex(report.table.model.index(place, 0))
    QTest.keyClick(report.table.view, Qt.Key.Key_Return)
    hand.settle()
    assert hand.workspace.session is not None
    assert hand.workspace.session.image.path == "3.png"
    assert hand.workspace.selected == (wanted,)
    assert (photos.parent / "photos-voc").is_dir()


def test_splits_are_shown_before_they_are_set_and_go_again_in_one_step(
    hand: Hand, source: Path
) -> None:
    import_all(hand, source)
    hand.studio.actions.actions["image.splits"].trigger()
    dialog = shown(hand, SplitDialog)
    dialog.ratio.set_value("80, ten")
    hand.wait(lambda: "numbers" in dialog.said.text(), "nonsense is not told")
    assert not dialog.button.isEnabled()
    dialog.anew.set_value(True)
    dialog.names.set_value("train, val")
    dialog.ratio.set_value("50, 50")
    hand.wait(dialog.button.isEnabled, "nothing is planned")
    cells = [row.cells for row in dialog.table.model.rows]
    assert cells[:2] == [("Images", 2, 2, ""), ("Annotations", 6, 6, "")]
    assert cells[2:] == [("cat", 4, 4, ""), ("dog", 2, 2, "")]
    assert {image.split for image in hand.workspace.images.values()} == {"train"}
    dialog.button.click()
    hand.settle()
    splits = [image.split for image in hand.workspace.images.values()]
    assert sorted(splits) == ["train", "train", "val", "val"]
    hand.window.status.offer_button.click()
    hand.settle()
    assert {image.split for image in hand.workspace.images.values()} == {"train"}
