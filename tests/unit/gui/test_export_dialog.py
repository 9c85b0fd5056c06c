"""The export dialog asks what the formats declare, and never for an export that cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox
from pytestqt.qtbot import QtBot

from segstudio.formats.contract import declared_options
from segstudio.formats.registry import EXPORT_FORMATS, export_format
from segstudio.gui.dialogs.export import ExportDialog, export_base


class Shown:
    """The dialog and what it said."""

    def __init__(
        self, qtbot: QtBot, base: Path, *splits: str, selected: tuple[int, ...] = ()
    ) -> None:
        self.said: list[tuple[str, Path, Any]] = []
        self.dialog = ExportDialog("cats", base, splits, selected)
        self.dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
        qtbot.addWidget(self.dialog)
        self.dialog.wanted.connect(lambda *said: self.said.append(said))
        self.dialog.show()

    def use(self, key: str) -> None:
        self.dialog.format.setCurrentIndex(self.dialog.format.findData(key))


@pytest.fixture
def shown(qtbot: QtBot, tmp_path: Path) -> Shown:
    return Shown(qtbot, tmp_path)


def test_the_offered_folder_follows_the_format_until_another_is_named(
    shown: Shown, tmp_path: Path
) -> None:
    assert shown.dialog.folder() == tmp_path / "cats-coco"
    shown.use("voc")
    assert shown.dialog.folder() == tmp_path / "cats-voc"
    shown.dialog.target.setText(str(tmp_path / "mine"))
    shown.use("coco")
    assert shown.dialog.folder() == tmp_path / "mine"


def test_export_needs_a_folder(shown: Shown) -> None:
    shown.dialog.target.clear()
    assert not shown.dialog.button.isEnabled()
    shown.dialog.accept()
    assert shown.said == []
    shown.dialog.target.setText("relative")
    assert shown.dialog.button.isEnabled()


def test_what_is_in_the_way_is_told_and_replace_lifts_it(shown: Shown, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").write_text("a", encoding="utf-8")
    shown.dialog.target.setText(str(tmp_path / "full"))
    assert not shown.dialog.button.isEnabled()
    assert "not empty" in shown.dialog._warning.text()
    shown.dialog.fields["replace"].set_value(True)
    assert shown.dialog.button.isEnabled()
    assert not shown.dialog._warning.isVisible()
    shown.dialog.target.setText(str(tmp_path / "full" / "a.txt"))
    assert "file" in shown.dialog._warning.text()


@pytest.mark.parametrize("key", [member.key for member in EXPORT_FORMATS])
def test_every_declared_option_can_be_answered_and_untouched_ones_are_the_defaults(
    qtbot: QtBot, tmp_path: Path, key: str
) -> None:
    shown = Shown(qtbot, tmp_path, "train", "val", selected=(3, 7))
    shown.use(key)
    record = export_format(key).options
    assert list(shown.dialog.fields) == [row.name for row in declared_options(record)]
    shown.dialog.accept()
    assert shown.said == [(key, tmp_path / f"cats-{key}", record())]


def test_answers_reach_the_options_and_outlive_a_change_of_format(
    shown: Shown, tmp_path: Path
) -> None:
    shown.use("voc")
    shown.dialog.fields["rejected"].set_value(True)
    shown.dialog.fields["border"].set_value(3)
    shown.use("coco")
    assert shown.dialog.options().rejected
    shown.dialog.fields["segmentation"].set_value("polygons")
    shown.use("voc")
    shown.dialog.accept()
    [(_, _, record)] = shown.said
    assert record == export_format("voc").options(rejected=True, border=3)


def test_cut_outs_are_of_all_objects_or_of_the_selected_ones(qtbot: QtBot, tmp_path: Path) -> None:
    shown = Shown(qtbot, tmp_path, selected=(3, 7))
    shown.dialog.use_format("cut-outs")
    assert shown.dialog.options() == export_format("cut-outs").options()
    shown.dialog.use_format("cut-outs", selected=True)
    assert shown.dialog.options() == export_format("cut-outs").options(objects="3,7")
    combo = shown.dialog.fields["objects"].widget
    assert isinstance(combo, QComboBox)
    assert [combo.itemText(row) for row in range(combo.count())] == ["All", "The 2 selected ones"]
    shown.dialog.accept()
    assert [said[0] for said in shown.said] == ["cut-outs"]


def test_without_a_selection_nobody_is_asked_which_objects(qtbot: QtBot, tmp_path: Path) -> None:
    shown = Shown(qtbot, tmp_path)
    shown.dialog.use_format("cut-outs", selected=True)
    assert "objects" not in shown.dialog.fields
    assert shown.dialog.options() == export_format("cut-outs").options()


def test_splits_are_those_of_the_project(qtbot: QtBot, tmp_path: Path) -> None:
    shown = Shown(qtbot, tmp_path, "train", "val")
    combo = shown.dialog.fields["split"].widget
    assert isinstance(combo, QComboBox)
    assert [combo.itemData(row) for row in range(combo.count())] == ["", "train", "val"]
    shown.dialog.fields["split"].set_value("val")
    assert shown.dialog.options().split == "val"
    assert "split" not in Shown(qtbot, tmp_path).dialog.fields


def test_a_browsed_folder_with_things_in_it_gets_a_folder_of_its_own(
    shown: Shown, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    shown.dialog.take_folder(str(empty))
    assert shown.dialog.folder() == empty
    shown.dialog.take_folder(str(tmp_path))
    assert shown.dialog.folder() == tmp_path / "cats-coco"


def test_the_base_is_beside_the_images(tmp_path: Path) -> None:
    assert export_base(tmp_path / "photos") == tmp_path


def test_no_text_is_squeezed_after_a_change_of_format(shown: Shown, qtbot: QtBot) -> None:
    def fits() -> None:
        for field in shown.dialog.fields.values():
            assert field.widget.height() >= field.widget.minimumSizeHint().height()

    for key in ("voc", "coco", "voc"):
        shown.use(key)
        qtbot.waitUntil(lambda: shown.dialog.height() == shown.dialog.minimumHeight())
        fits()


@pytest.mark.parametrize("key", ["coco", "voc"])
def test_no_row_is_higher_than_its_text_needs(shown: Shown, qtbot: QtBot, key: str) -> None:
    shown.use(key)
    qtbot.wait(50)
    form = shown.dialog._form
    cells = [form.itemAt(row, form.ItemRole.FieldRole) for row in range(form.rowCount())]
    wrapped = [cell for cell in cells if cell is not None and cell.heightForWidth(400) > 0]
    assert len(wrapped) > 5
    for cell in wrapped:
        assert cell.geometry().height() == cell.heightForWidth(cell.geometry().width())
