"""A story of cutting out: what is selected becomes files of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot
from skimage.draw import disk

from segstudio.config.settings import Settings
from segstudio.core.category import Category
from segstudio.core.changes import Edit
from segstudio.core.mask import Mask
from segstudio.core.prompt import Candidate
from segstudio.engine.image_session import ImageSession
from segstudio.gui.app import Studio
from segstudio.gui.demo_hand import Hand
from segstudio.gui.dialogs.export import ExportDialog
from segstudio.imaging.sample_photos import write_sample_photos

SIZE = (512, 512)


def disc(x: int, y: int, radius: int) -> Candidate:
    array = np.zeros(SIZE, dtype=bool)
    array[disk((y, x), radius, shape=SIZE)] = True
    return Candidate(Mask.from_array(array), 0.9, 0.9)


def accept_discs(session: ImageSession) -> Edit:
    category: Category = session.add_category("person").after.categories[0]
    return session.accept([disc(225, 130, 60), disc(120, 330, 40)], category.id, tool="brush")


@pytest.fixture
def hand(qtbot: QtBot, tmp_path: Path) -> Iterator[Hand]:
    write_sample_photos(tmp_path / "photos")
    hand = Hand(Studio(Settings(model="graph_cut", prefetch_neighbours=0)))
    qtbot.addWidget(hand.window)
    hand.show()
    hand.studio.desks.project.open(tmp_path / "photos")
    hand.wait(lambda: hand.workspace.session is not None, "nothing opens")
    hand.open_image("astronaut.png")
    hand.workspace.edit("labelling", accept_discs)
    hand.wait(lambda: len(hand.workspace.annotations) == 2, "nothing is labelled")
    hand.settle()
    yield hand
    hand.close()


def test_the_selected_object_is_saved_as_a_picture_of_its_own(hand: Hand, tmp_path: Path) -> None:
    hand.press("E")
    hand.click(225, 130)
    [chosen] = hand.workspace.selected
    hand.press("Ctrl+Shift+E")
    [dialog] = hand.window.findChildren(ExportDialog)
    assert dialog.format_key == "cut-outs"
    assert dialog.options().objects == str(chosen)  # type: ignore[attr-defined]
    dialog.fields["margin"].set_value(6)
    dialog.target.setText(str(tmp_path / "cut"))
    QTest.mouseClick(dialog.button, Qt.MouseButton.LeftButton)
    hand.wait((tmp_path / "cut").is_dir, "nothing is saved")
    hand.settle()
    [row] = json.loads((tmp_path / "cut" / "cut-outs.json").read_text("utf-8"))["cut_outs"]
    assert row["annotation"] == chosen
    with Image.open(tmp_path / "cut" / row["file"]) as opened:
        pixels = np.asarray(opened)
    x0, y0, x1, y1 = row["box"]
    mask = next(found.mask for found in hand.workspace.annotations if found.id == chosen)
    assert np.array_equal(pixels[:, :, 3] == 255, mask.crop(x0, y0, x1, y1))
    assert x1 - x0 == mask.box.x1 - mask.box.x0 + 12
    with Image.open(tmp_path / "photos" / "astronaut.png") as photo:
        assert pixels[130 - y0, 225 - x0, :3].tolist() == list(
            photo.convert("RGB").getpixel((225, 130))
        )


def test_without_a_selection_all_objects_are_offered(hand: Hand) -> None:
    hand.workspace.select(())
    hand.press("Ctrl+Shift+E")
    [dialog] = [found for found in hand.window.findChildren(ExportDialog) if found.isVisible()]
    assert dialog.options().objects == ""  # type: ignore[attr-defined]
    dialog.reject()
