"""The page of precision-recall curves, and its chart."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from labelled_project import LabelledProject
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from sklearn.metrics import average_precision_score, precision_recall_curve

from segstudio.core.annotation import Stage
from segstudio.engine.evaluation import evaluate
from segstudio.engine.evaluation_curves import KINDS, pixel_curves
from segstudio.engine.evaluation_scores import Evaluation
from segstudio.engine.label_sets import AnnotationFilter, annotation_set
from segstudio.gui.panels.quality_chart import PrecisionRecallChart
from segstudio.gui.panels.quality_curves import VISIBLE, CurvesPage, visible
from segstudio.gui.theme import DARK, LIGHT, apply_theme, contrast
from segstudio.metrics.curve_picture import Line, curve_picture, stairs
from segstudio.metrics.precision_recall import BinnedCurves


@pytest.fixture
def results(tmp_path: Path) -> Iterator[tuple[Evaluation, Evaluation]]:
    """A model against people, with curves; and people against it, who have no scores."""
    made = LabelledProject.make(tmp_path / "p.segstudio", "car person")
    for at, (name, found) in enumerate([("car", 0.9), ("person", 0.6), ("car", 0.5)]):
        place = (20 * at, 0, 20 * at + 10, 10)
        made.draw(0, name, place, stage=Stage.ASSISTED)
        made.draw(0, name, place, stage=Stage.AUTOMATIC, predicted_iou=found)
    made.draw(0, "car", (0, 20, 9, 29), stage=Stage.AUTOMATIC, predicted_iou=0.7)
    model, people = (
        annotation_set(made.store, AnnotationFilter(stage=stage))
        for stage in (Stage.AUTOMATIC, Stage.ASSISTED)
    )
    counted = BinnedCurves(2)
    counted.add(0, np.array([True, False, True]), np.array([255, 200, 100], np.uint8))
    found = evaluate(model, people)
    pixels = tuple(pixel_curves(counted, [0, 1]))
    yield replace(found, curves=(*found.curves, *pixels)), evaluate(people, model)
    made.store.close()


@pytest.fixture
def page(qtbot: QtBot, qapp: QApplication) -> Iterator[CurvesPage]:
    apply_theme(qapp, "dark")
    page = CurvesPage()
    page.chart_wanted.connect(page.show_chart)
    qtbot.addWidget(page)
    page.resize(360, 500)
    page.show()
    yield page
    apply_theme(qapp, "system")


def test_each_category_has_its_curve_and_its_ap(
    page: CurvesPage, results: tuple[Evaluation, Evaluation]
) -> None:
    result = results[0]
    assert page.chart is None  # nothing is imported before there is something to draw
    page.show_result(result)
    assert [page.kind.itemData(at) for at in range(page.kind.count())] == list(KINDS)
    rows = {row.cells[0]: row.cells[1] for row in page.list.model.rows}
    assert rows == {row.name: pytest.approx(row.ap50) for row in result.categories[:2]}
    assert [line.name for line in page.chart._lines] == ["car", "person"]
    assert page.told.text() == f"Mean AP {50 * (rows['car'] + rows['person']):.1f} %"
    page.choose_kind("pixels")
    assert [row.cells[0] for row in page.list.model.rows] == ["car"]
    assert "all others count as 0" in page.kind.toolTip()
    page.show_result(result)
    assert page.kind.currentData() == "pixels"


def test_a_chosen_category_stands_out_and_what_is_shown_is_saved(
    page: CurvesPage, results: tuple[Evaluation, Evaluation], qtbot: QtBot
) -> None:
    page.show_result(results[0])
    page.list.view.selectRow(1)
    pens = [item.opts["pen"] for item in page.chart._items]
    assert pens[0].color().alpha() < 255 == pens[1].color().alpha()
    assert pens[0].widthF() < pens[1].widthF()
    with qtbot.waitSignal(page.csv_wanted) as saved:
        page.save_csv.trigger()
    table = list(csv.DictReader(saved.args[0].splitlines()))
    assert {row["kind"] for row in table} == set(KINDS)
    with qtbot.waitSignal(page.picture_wanted) as saved:
        page.save_picture.trigger()
    picture = saved.args[0]()
    assert picture.shape[2] == 3 and (picture[0, 0] == 255).all()
    colours = {tuple(pixel) for pixel in picture[30:580, 70:620].reshape(-1, 3).tolist()}
    assert (0x00, 0x72, 0xB2) in colours  # the categories'


def test_where_there_is_no_curve_it_says_why(
    page: CurvesPage, results: tuple[Evaluation, Evaluation]
) -> None:
    page.show_result(results[1])
    assert page.chart is None
    assert "have the same score" in page.why.text()
    assert page.why.isVisible() and not page.list.isVisible() and not page.more.isVisible()
    page.show_result(replace(results[1], no_curves="unscored"))
    assert "neither objects with scores nor pixels" in page.why.text()
    page.show_result(results[0])
    assert not page.why.isVisible() and page.chart.isVisible()


def test_the_area_of_what_is_drawn_is_the_average_precision() -> None:
    rng = np.random.default_rng(0)
    positive = rng.random(60) < 0.4
    scores = rng.integers(0, 6, 60)
    precision, recall, _ = precision_recall_curve(positive, scores)
    x, y = stairs(recall[-2::-1], precision[-2::-1])
    area = float((np.diff(x) * y[1:]).sum())
    assert area == pytest.approx(average_precision_score(positive, scores))
    recalls = np.linspace(0, 1, 101)
    x, y = stairs(recalls, np.where(recalls <= 0.4, 0.5, 0.0))
    assert (x[-1], y[-1], y[-2]) == (pytest.approx(0.4), 0, 0.5)
    assert stairs(recalls, np.zeros(101))[0].tolist() == [0]


def test_a_picture_names_as_many_curves_as_it_has_room_for() -> None:
    one = np.ones(1)
    lines = [Line(f"{at} " + 30 * "wide ", "#ffffff", one, one, at / 40) for at in range(40)]
    few, many = (curve_picture(some, "") for some in (lines[:1], lines))
    assert few.shape == many.shape
    written = (many[:, 640:] != 255).any(axis=(1, 2))
    assert written.sum() > 5 * (few[:, 640:] != 255).any(axis=(1, 2)).sum()
    assert not (many[:, -8:] != 255).any()  # long names end before the margin
    assert (curve_picture([], "nothing")[0, 0] == 255).all()


def test_lines_of_any_colour_are_seen_in_both_themes(qtbot: QtBot) -> None:
    for tokens in (DARK, LIGHT):
        for colour in ("#000000", "#ffffff", "#f0e442", "#26282c"):
            assert contrast(visible(colour, tokens), tokens.panel) >= VISIBLE
        assert visible(tokens.accent, tokens) == tokens.accent
    chart = PrecisionRecallChart()
    qtbot.addWidget(chart)
    assert chart.minimumWidth() <= 200
