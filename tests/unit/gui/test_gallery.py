"""The gallery: which images are shown, which is next, how little it does for 100,000."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtTest import QAbstractItemModelTester
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from segstudio.config.paths import cache_dir
from segstudio.core.image import ImageRecord, ImageState, Rgb8
from segstudio.engine.jobs import JobRunner
from segstudio.gui.job_bridge import JobBridge
from segstudio.gui.panels.gallery import GalleryPanel
from segstudio.gui.panels.gallery_model import RECORD, Filter, GalleryModel, Order
from segstudio.gui.theme import apply_theme


def record(number: int, state: ImageState = ImageState.TODO, path: str = "") -> ImageRecord:
    return ImageRecord(number, path or f"{number:06}.jpg", 640, 480, f"sha{number}", state)


def colour_of(image: ImageRecord) -> Rgb8:
    """A thumbnail whose colour tells the image apart."""
    pixels = np.zeros((96, 128, 3), np.uint8)
    pixels[:] = (image.id * 37 % 256, image.id * 91 % 256, 128)
    return pixels


class Reader:
    """Makes thumbnails and counts; can be held."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.free = threading.Event()
        self.free.set()

    def __call__(self, image: ImageRecord) -> Rgb8:
        self.free.wait(10)
        self.asked.append(image.id)
        if image.path.startswith("broken"):
            raise OSError("cannot be read")
        return colour_of(image)


@pytest.fixture
def reader() -> Iterator[Reader]:
    reader = Reader()
    yield reader
    reader.free.set()


@pytest.fixture
def runner(qapp: QApplication, reader: Reader) -> Iterator[JobRunner]:
    bridge = JobBridge()
    runner = JobRunner(deliver=bridge.deliver)
    yield runner
    reader.free.set()
    runner.shutdown()
    bridge.close()


@pytest.fixture
def make_panel(qtbot: QtBot, runner: JobRunner, reader: Reader) -> Callable[..., GalleryPanel]:
    def make(records: list[ImageRecord], counts: dict[int, int] | None = None) -> GalleryPanel:
        panel = GalleryPanel(runner, reader)
        qtbot.addWidget(panel)
        panel.resize(232, 600)
        panel.set_images(records, counts or {})
        panel.show()
        qtbot.waitExposed(panel)
        return panel

    return make


def shown(panel: GalleryPanel) -> list[int]:
    return [panel.model.record_at(row).id for row in range(panel.model.rowCount())]


# -- which images --------------------------------------------------------------------------------


def test_the_model_keeps_qts_promises_through_every_kind_of_change(qapp: QApplication) -> None:
    model = GalleryModel()
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    model.set_images([record(n) for n in range(1, 30)], {3: 5})
    model.set_filter(Filter(states=(ImageState.TODO,)))
    model.keep(4)
    for number in (1, 4, 29):
        model.update_image(record(number, ImageState.LABELLED), 1)
    model.keep(5)
    model.update_image(record(1, ImageState.TODO), 0)
    model.set_order(Order.ANNOTATIONS)
    assert tester.model() is model
    assert model.rowCount() == 27


def test_text_state_and_category_filters_narrow_each_other(make_panel: Any) -> None:
    panel = make_panel(
        [
            record(1, path="street/a.jpg"),
            record(2, ImageState.LABELLED, "street/b.jpg"),
            record(3, ImageState.LABELLED, "park/c.jpg"),
            record(4, ImageState.REJECTED, "park/d.jpg"),
        ]
    )
    panel.controls.search.setText("STREET jpg")
    assert shown(panel) == [1, 2]
    panel.controls.states.setCurrentIndex(panel.controls.states.findData(ImageState.LABELLED))
    assert shown(panel) == [2]
    panel.controls.search.clear()
    panel.set_category_filter("dog", [3, 4])
    assert shown(panel) == [3]
    assert panel.controls.chip.isVisible()
    assert panel.controls.chip.text() == "dog"
    panel.controls.chip.click()
    assert shown(panel) == [2, 3]
    assert not panel.controls.chip.isVisible()


def test_the_footer_counts_images_and_labelled_ones_as_they_change(make_panel: Any) -> None:
    panel = make_panel([record(1), record(2, ImageState.LABELLED), record(3, ImageState.REVIEWED)])
    assert panel.footer.text() == "3 images, 2 labelled"
    panel.update_image(record(1, ImageState.LABELLED), 1)
    assert panel.footer.text() == "3 images, 3 labelled"
    panel.update_image(record(1), 0)
    panel.controls.search.setText("1.jpg")
    assert panel.footer.text() == "1 of 3 images, 2 labelled"
    panel.set_images([], {})
    assert panel.footer.text() == ""


def test_the_open_image_stays_in_sight_when_it_stops_meeting_the_filter(make_panel: Any) -> None:
    panel = make_panel([record(1), record(2), record(3)])
    panel.controls.states.setCurrentIndex(panel.controls.states.findData(ImageState.TODO))
    panel.set_current(2)
    panel.update_image(record(2, ImageState.LABELLED), 1)
    assert shown(panel) == [1, 2, 3]
    assert panel.neighbours(2) == (1, 3)
    panel.set_current(3)
    assert shown(panel) == [1, 3]
    assert panel.neighbours(2) == (1, 3), "a hidden image still has its place"


def test_neighbours_follow_the_filtered_and_sorted_list(make_panel: Any) -> None:
    panel = make_panel([record(n, path=f"{n}.jpg") for n in (1, 2, 10)], {10: 7, 2: 1})
    assert panel.neighbours(2) == (1, 10)
    assert panel.neighbours(10) == (2, None)
    assert panel.neighbours(99) == (None, None)
    panel.model.set_order(Order.ANNOTATIONS)
    assert shown(panel) == [10, 2, 1]
    assert panel.neighbours(10) == (None, 2)


def test_names_are_sorted_as_people_count(make_panel: Any) -> None:
    panel = make_panel([record(n, path=f"image{name}.jpg") for n, name in ((1, 10), (2, 9))])
    panel.model.set_order(Order.NAME)
    assert shown(panel) == [2, 1]


def test_the_next_unlabelled_image_goes_round_and_ends_with_none(make_panel: Any) -> None:
    done = ImageState.LABELLED
    panel = make_panel([record(1), record(2, done), record(3), record(4, done)])
    assert panel.next_unlabelled(1) == 3
    assert panel.next_unlabelled(3) == 1
    assert panel.next_unlabelled(4) == 1
    panel.update_image(record(3, done), 1)
    assert panel.next_unlabelled(1) is None


def test_a_click_chooses_an_image_and_set_current_does_not(make_panel: Any, qtbot: QtBot) -> None:
    panel = make_panel([record(n) for n in range(1, 6)])
    chosen: list[int] = []
    panel.image_chosen.connect(chosen.append)
    panel.set_current(2)
    assert chosen == []
    assert panel.view.currentIndex().row() == 1
    where = panel.view.visualRect(panel.model.index(3)).center()
    qtbot.mouseClick(panel.view.viewport(), Qt.MouseButton.LeftButton, pos=where)
    assert chosen == [4]
    panel.set_current(4)
    qtbot.keyClick(panel.view, Qt.Key.Key_Down)
    assert chosen == [4, 5]


# -- thumbnails ----------------------------------------------------------------------------------


def test_only_rows_in_sight_get_a_thumbnail(
    make_panel: Any, qtbot: QtBot, reader: Reader, runner: JobRunner
) -> None:
    panel = make_panel([record(n) for n in range(1, 1001)])
    qtbot.waitUntil(lambda: panel.thumbnails.get(record(5)) is not None)
    qtbot.waitUntil(lambda: panel.thumbnails.waiting() == 0)
    assert set(reader.asked) == set(range(1, 1 + len(panel.visible_rows())))
    assert len(reader.asked) < 20


def test_thumbnails_that_scrolled_away_are_not_made(
    make_panel: Any, qtbot: QtBot, reader: Reader
) -> None:
    reader.free.clear()
    panel = make_panel([record(n) for n in range(1, 1001)])
    qtbot.waitUntil(lambda: panel.thumbnails.waiting() > 2)
    panel.view.scrollToBottom()
    qtbot.waitUntil(lambda: panel.visible_rows().stop == 1000)
    qtbot.wait(60)
    reader.free.set()
    qtbot.waitUntil(lambda: panel.thumbnails.get(record(1000)) is not None)
    qtbot.waitUntil(lambda: panel.thumbnails.waiting() == 0)
    early = [number for number in reader.asked if number < 900]
    assert len(early) <= 2, "only the two that the io threads had already begun"


def test_a_thumbnail_shows_the_images_own_pixels(make_panel: Any, qtbot: QtBot) -> None:
    panel = make_panel([record(1), record(2)])
    qtbot.waitUntil(
        lambda: panel.thumbnails.waiting() == 0 and bool(panel.thumbnails.get(record(2)))
    )
    colour = panel.thumbnails.get(record(2)).toImage().pixelColor(10, 10)
    assert (colour.red(), colour.green(), colour.blue()) == (74, 182, 128)


def test_the_second_time_a_thumbnail_comes_from_disk(
    make_panel: Any, qtbot: QtBot, reader: Reader
) -> None:
    first = make_panel([record(1)])
    qtbot.waitUntil(lambda: first.thumbnails.get(record(1)) is not None)
    files = [path for path in (cache_dir() / "thumbnails").rglob("*") if path.is_file()]
    assert len(files) == 1
    assert reader.asked == [1]
    second = make_panel([record(1)])
    qtbot.waitUntil(lambda: second.thumbnails.get(record(1)) is not None)
    assert reader.asked == [1]


def test_a_damaged_thumbnail_on_disk_is_made_again(
    make_panel: Any, qtbot: QtBot, reader: Reader
) -> None:
    first = make_panel([record(1)])
    qtbot.waitUntil(lambda: first.thumbnails.get(record(1)) is not None)
    (file,) = (path for path in (cache_dir() / "thumbnails").rglob("*.jpg"))
    file.write_bytes(b"\xff\xd8 not a picture")
    second = make_panel([record(1)])
    qtbot.waitUntil(lambda: second.thumbnails.get(record(1)) is not None)
    assert reader.asked == [1, 1]


def test_an_unreadable_image_is_tried_once_and_marked(
    make_panel: Any, qtbot: QtBot, reader: Reader
) -> None:
    broken = record(1, path="broken.jpg")
    panel = make_panel([broken])
    qtbot.waitUntil(lambda: panel.thumbnails.failed(broken))
    panel.view.verticalScrollBar().valueChanged.emit(0)
    qtbot.wait(60)
    assert reader.asked == [1]


def test_a_hostile_checksum_cannot_write_outside_the_cache(
    make_panel: Any, qtbot: QtBot, own_home: Path
) -> None:
    image = ImageRecord(1, "a.jpg", 8, 8, "../../../escaped")
    panel = make_panel([image])
    qtbot.waitUntil(lambda: panel.thumbnails.get(image) is not None)
    written = [path for path in own_home.parent.rglob("*") if "escaped" in path.name]
    assert written == []


# -- size ----------------------------------------------------------------------------------------


def test_painting_100_000_images_asks_for_the_rows_in_sight_only(
    make_panel: Any, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = make_panel([record(n) for n in range(1, 100_001)])
    asked: set[int] = set()
    calls = 0
    original = GalleryModel.data

    def counting(self: GalleryModel, index: QModelIndex, role: int = 0) -> Any:
        nonlocal calls
        calls += 1
        asked.add(index.row())
        return original(self, index, role)

    monkeypatch.setattr(GalleryModel, "data", counting)
    panel.view.scrollTo(panel.model.index(60_000))
    panel.grab()
    assert 60_000 in asked
    assert len(asked) < 40
    assert calls < 1000


def test_filtering_100_000_images_asks_each_one_once_and_draws_only_what_is_in_sight(
    make_panel: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = make_panel([record(n) for n in range(1, 100_001)])
    from segstudio.gui.panels import gallery_model

    checked = 0
    original = gallery_model._matches

    def counting(row: Any, wanted: Filter) -> bool:
        nonlocal checked
        checked += 1
        return original(row, wanted)

    monkeypatch.setattr(gallery_model, "_matches", counting)
    panel.controls.search.setText("0777")
    assert checked == 100_000
    assert shown(panel) == [n for n in range(1, 100_001) if "0777" in f"{n:06}"]


def test_rows_are_drawn_in_both_themes(make_panel: Any, qtbot: QtBot, qapp: QApplication) -> None:
    panel = make_panel(
        [record(1, ImageState.REVIEWED), record(2, ImageState.REJECTED), record(3)], {1: 1200}
    )
    panel.set_embedding_ready(1, True)
    panel.set_current(1)
    pictures = []
    for theme in ("light", "dark"):
        apply_theme(qapp, theme)
        pictures.append(panel.view.viewport().grab().toImage())
    assert pictures[0] != pictures[1]
    assert panel.model.index(0).data(RECORD).id == 1
    description = panel.model.index(0).data(Qt.ItemDataRole.AccessibleTextRole)
    assert "reviewed" in description
    assert "1200" in description
