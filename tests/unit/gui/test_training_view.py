"""What is seen of a training: buttons that fit its state, curves, bars, and pictures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel
from pytestqt.qtbot import QtBot

from segstudio.core.prediction import IGNORE, ModelCategory
from segstudio.core.progress import CancelToken
from segstudio.gui.panels.training_curves import COLOURS, MOST_POINTS, TrainingCurves, peaks
from segstudio.gui.panels.training_run import FRAME_MS, RunShown, TrainingRunView
from segstudio.gui.theme import DARK, LIGHT, apply_theme, contrast
from segstudio.gui.training_pictures import example_pictures
from segstudio.gui.training_story import TrainingStory
from segstudio.models.training.events import Example, Started, Stepped, Validated
from segstudio.models.training.settings import TrainingSettings

SHARES = {"cat": 0.5, "dog": 0.75, "bird": None}


def told(epochs: int = 3) -> TrainingStory:
    story = TrainingStory([Started(0, 30, 3, "cpu", "32", 10, 0.0, ("“bird” has no pixel.",))])
    for epoch in range(1, epochs + 1):
        story.take(Stepped(10 * epoch, epoch, 1 / epoch, 1e-3, 9.0, 9.0))
        story.take(Validated(10 * epoch, epoch, 0.5, 0.2 * epoch, 0.9, SHARES, True))
    return story


@pytest.fixture
def view(qtbot: QtBot) -> TrainingRunView:
    view = TrainingRunView()
    view.charts_wanted.connect(view.show_charts)
    qtbot.addWidget(view)
    view.resize(320, 700)
    view.show()
    return view


def shown(view: TrainingRunView) -> set[str]:
    names = ("pause", "resume", "stop", "use", "delete")
    return {name for name in names if getattr(view, name).isVisibleTo(view)}


@pytest.mark.parametrize(
    ("state", "buttons"),
    [
        ("starting", {"pause", "stop", "use"}),
        ("running", {"pause", "stop", "use"}),
        ("paused", {"resume", "stop", "use"}),
        ("stopping", {"stop", "use"}),
        ("done", {"use", "delete"}),
        ("stopped", {"resume", "use", "delete"}),
        ("interrupted", {"resume", "use", "delete"}),
        ("elsewhere", {"use"}),
    ],
)
def test_only_what_can_be_done_now_is_offered(
    view: TrainingRunView, state: str, buttons: set[str]
) -> None:
    view.show_run(RunShown("a", "U-Net", state, 0.0), told())
    assert shown(view) == buttons


def test_a_run_without_a_validation_has_no_model_to_use(view: TrainingRunView) -> None:
    view.show_run(RunShown("a", "U-Net", "running", 0.0), told(0))
    assert "use" not in shown(view) and view.curves is None
    assert view.notes.text() == "“bird” has no pixel."


def test_the_last_scores_stand_as_bars_and_can_be_sorted_and_copied(view: TrainingRunView) -> None:
    view.show_run(RunShown("a", "U-Net", "running", 0.0), told())
    table = view.categories
    assert {row.cells for row in table.model.rows} == set(SHARES.items())
    table.view.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    assert [row.cells[0] for row in table.model.rows] == ["dog", "cat", "bird"]
    table.view.clearSelection()
    table.copy()
    assert QGuiApplication.clipboard().text() == "Category\tIoU\ndog\t0.75\ncat\t0.5\nbird\t"


def test_news_that_follow_one_another_are_drawn_once(
    view: TrainingRunView, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = told(1)
    view.show_run(RunShown("a", "U-Net", "running", 0.0), story)
    drawn: list[int] = []
    monkeypatch.setattr(view.curves, "show_story", lambda one: drawn.append(len(one.losses)))
    for epoch in (2, 3):
        story.take(Stepped(10 * epoch, epoch, 1 / epoch, 1e-3, 9.0, 9.0))
        view.follow()
    assert drawn == []
    qtbot.waitUntil(lambda: bool(drawn), timeout=20 * FRAME_MS)
    QTest.qWait(2 * FRAME_MS)
    assert drawn == [3]


def test_the_curves_grow_with_the_story_and_numbers_are_copied(view: TrainingRunView) -> None:
    story = told(1)
    view.show_run(RunShown("a", "U-Net", "running", 0.0, settings=TrainingSettings()), story)
    assert isinstance(view.curves, TrainingCurves)
    story.take(Validated(20, 2, 0.4, 0.3, 0.9, SHARES, True))
    view.curves.show_story(story)
    assert view.curves._scores.getData()[1].tolist() == pytest.approx([20, 30])
    assert view.curves._best.getData()[0].tolist() == [2]
    assert "Best mIoU 30.0 %" in view.curves.accessibleDescription()
    view._copy_numbers()
    assert "mIoU\t2.0\t0.3" in QGuiApplication.clipboard().text()
    view._copy_settings()
    assert "Epochs\t100" in QGuiApplication.clipboard().text()


def test_many_steps_are_drawn_with_few_points_and_all_their_extremes() -> None:
    x = np.arange(100_000, dtype=np.float64)
    y = np.random.default_rng(3).normal(size=x.size)
    few_x, few_y = peaks(x, y)
    assert len(few_x) == len(few_y) <= 1.1 * MOST_POINTS + 1_000
    assert few_y.max() == y.max() and few_y.min() == y.min()
    assert (np.diff(few_x) >= 0).all() and few_x[-1] == x[-1]
    assert peaks(x[:50], y[:50])[1].tolist() == y[:50].tolist()


def test_lines_can_be_seen_on_both_themes(qapp: QApplication, view: TrainingRunView) -> None:
    for tokens in (DARK, LIGHT):
        assert all(contrast(colour, tokens.panel) >= 3 for colour in COLOURS[tokens.name])
    apply_theme(qapp, "dark")
    view.show_run(RunShown("a", "U-Net", "running", 0.0), told())
    for theme in ("light", "dark"):
        apply_theme(qapp, theme)
        blue = view.curves._mean.opts["pen"].color().name()
        assert blue == COLOURS[theme][0]
        assert (
            view.curves.backgroundBrush().color().name()
            == {"dark": DARK, "light": LIGHT}[theme].panel
        )
    apply_theme(qapp, "system")


def test_a_wide_view_has_two_columns_and_a_narrow_one_all_below_one_another(
    view: TrainingRunView,
) -> None:
    view.show_run(RunShown("a", "U-Net", "running", 0.0), told())
    QTest.qWait(50)
    assert view.categories.y() > view.curves.y()
    view.resize(1000, 700)
    QTest.qWait(50)
    assert view.categories.x() > view.curves.x() + view.curves.width() // 2
    assert view.curves.y() + view.curves.height() <= view.viewport().height()


def test_pictures_show_photo_truth_and_prediction_in_the_categories_colours(
    tmp_path: Path,
) -> None:
    Image.new("RGB", (40, 20), (100, 100, 100)).save(tmp_path / "photo.png")
    labels = np.zeros((20, 40), dtype=np.uint8)
    labels[:, 20:] = 1
    for name, array in (("truth", labels), ("said", np.where(labels == 1, IGNORE, labels))):
        Image.fromarray(array.astype(np.uint8)).save(tmp_path / f"{name}.png")
    example = Example("a", "photo.png", "truth.png", "said.png", 0.5)
    categories = (ModelCategory("red", "#ff0000"), ModelCategory("blue", "#0000ff"))
    found = example_pictures(example, tmp_path, categories, CancelToken())
    assert (found.truth.width(), found.truth.height()) == (40, 20)
    left, right = found.truth.pixelColor(5, 5), found.truth.pixelColor(35, 5)
    assert left.red() > 150 > left.blue() and right.blue() > 150 > right.red()
    ignored = found.predicted.pixelColor(35, 5)
    assert ignored.red() == ignored.green() == ignored.blue() == 50
    assert found.photo.pixelColor(5, 5).red() == 100


def test_charts_cost_nothing_before_the_first_one_is_shown() -> None:
    code = (
        "import sys, segstudio.gui.app\n"
        "print([name for name in ('pyqtgraph', 'torch') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stdout + result.stderr


def test_before_the_first_validation_no_empty_table_stands_there(view: TrainingRunView) -> None:
    view.show_run(RunShown("a", "U-Net", "running", 0.0), told(epochs=0))
    assert not view.categories.isVisibleTo(view)
    view.show_run(RunShown("a", "U-Net", "running", 0.0), told(epochs=1))
    assert view.categories.isVisibleTo(view)


def test_it_is_said_where_the_worst_images_are_gone(view: TrainingRunView) -> None:
    view.show_run(RunShown("a", "U-Net", "done", 0.0), TrainingStory())
    told = view.worst.findChildren(QLabel)[-1]
    assert told.text().startswith("After the first validation")
    view.show_worst("a", [])
    assert told.text() == "The files of the worst images are not there any more."
