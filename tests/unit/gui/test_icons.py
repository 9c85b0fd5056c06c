"""Icons: each one draws something, in the theme's colours, crisp on any screen."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QSize
from PySide6.QtGui import QIcon, QImage, QPixmap
from PySide6.QtWidgets import QApplication

from segstudio.gui.icons import icon, icon_image, icon_names
from segstudio.gui.theme import DARK, LIGHT, apply_theme

EXPECTED = [
    "open-folder",
    "select",
    "point",
    "box",
    "everything",
    "undo",
    "redo",
    "accept",
    "delete",
    "previous",
    "next",
    "fit",
    "actual-size",
    "eye",
    "eye-off",
    "opacity",
    "export",
    "settings",
    "find",
    "keys",
    "plus",
    "minus",
    "cancel",
    "brush",
    "polygon",
    "superpixel",
    "filter",
    "image",
    "reviewed",
    "rejected",
    "warning",
    "model",
    "cpu",
    "save",
    "lock",
    "unlock",
]


def rgba(image: QImage) -> np.ndarray:
    image = image.convertToFormat(QImage.Format.Format_RGBA8888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : 4 * image.width()].reshape(image.height(), image.width(), 4).astype(int)


def pixels(pixmap: QPixmap) -> np.ndarray:
    return rgba(pixmap.toImage())


def main_colour(array: np.ndarray) -> str:
    """Colour of the most opaque pixel."""
    row, column = np.unravel_index(array[..., 3].argmax(), array.shape[:2])
    return "#{:02x}{:02x}{:02x}".format(*array[row, column, :3])


def close(one: str, other: str) -> bool:
    pairs = zip((1, 3, 5), (1, 3, 5), strict=True)
    return all(abs(int(one[i : i + 2], 16) - int(other[j : j + 2], 16)) <= 3 for i, j in pairs)


def test_the_family_is_complete() -> None:
    assert set(EXPECTED) <= set(icon_names())


@pytest.mark.parametrize("name", icon_names())
def test_every_icon_draws_something_and_stays_inside(qapp: QApplication, name: str) -> None:
    alpha = rgba(icon_image(name, 24, "#ff0000", 2.0))[..., 3]
    assert 0.01 < (alpha > 128).mean() < 0.6
    edge = np.concatenate((alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]))
    assert not edge.any(), "a line is cut off at the edge"


def test_every_icon_changes_colour_with_the_theme(qapp: QApplication) -> None:
    shown = {name: icon(name) for name in icon_names()}  # the same ones in both themes
    seen = {}
    for theme in ("light", "dark"):
        apply_theme(qapp, theme)
        for name, one in shown.items():
            seen[theme, name] = pixels(one.pixmap(QSize(24, 24), 1.0))
    for name in shown:
        light, dark = seen["light", name], seen["dark", name]
        assert np.array_equal(light[..., 3], dark[..., 3]), name
        assert close(main_colour(light), LIGHT.text), name
        assert close(main_colour(dark), DARK.text), name


def test_modes_and_states_have_colours_of_their_own(qapp: QApplication) -> None:
    apply_theme(qapp, "dark")
    shown = icon("plus")
    disabled = shown.pixmap(QSize(24, 24), 2.0, QIcon.Mode.Disabled)
    selected = shown.pixmap(QSize(24, 24), 2.0, QIcon.Mode.Selected)
    checked = shown.pixmap(QSize(24, 24), 2.0, QIcon.Mode.Normal, QIcon.State.On)
    assert close(main_colour(pixels(disabled)), DARK.disabled)
    assert close(main_colour(pixels(selected)), DARK.accent)
    assert close(main_colour(pixels(checked)), DARK.accent)


def test_at_200_percent_an_icon_has_twice_the_pixels_and_finer_lines(qapp: QApplication) -> None:
    once, twice = (icon("cancel").pixmap(QSize(16, 16), ratio) for ratio in (1.0, 2.0))
    assert (once.width(), twice.width()) == (16, 32)
    assert twice.deviceIndependentSize().toSize() == QSize(16, 16)
    blown_up = np.kron(pixels(once)[..., 3], np.ones((2, 2), int))
    assert np.abs(blown_up - pixels(twice)[..., 3]).mean() > 4, "drawn anew, not enlarged"


def test_copies_of_an_icon_outlive_the_first_one(qapp: QApplication) -> None:
    first = icon("brush")
    copies = [QIcon(first) for _ in range(50)]
    copies[0].addPixmap(QPixmap(8, 8))  # detaches: Qt clones the engine
    del first
    assert all(not copy.pixmap(16, 16).isNull() for copy in copies)


def test_an_unknown_icon_is_refused(qapp: QApplication) -> None:
    with pytest.raises(KeyError, match="unicorn"):
        icon("unicorn")
