"""Both looks are readable, and the whole application wears the one that was asked for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QFont, QFontMetricsF, QImage, QPalette
from PySide6.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QGroupBox,
    QLabel,
    QLineEdit,
    QMainWindow,
    QProgressBar,
    QPushButton,
    QSlider,
    QSpinBox,
    QTableWidget,
    QTableWidgetItem,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)
from pytestqt.qtbot import QtBot

from segstudio.config.paths import resources_dir
from segstudio.gui.theme import (
    DARK,
    LIGHT,
    Tokens,
    _theme,
    apply_theme,
    contrast,
    current_tokens,
    mark,
    numeric_font,
    palette,
    theme_signal,
)
from segstudio.gui.theme_sheet import ROLES

BOTH = pytest.mark.parametrize("tokens", [DARK, LIGHT], ids=lambda tokens: tokens.name)


def wcag_contrast(one: str, other: str) -> float:
    """Written from the WCAG 2.2 definition, apart from the code under test."""

    def luminance(text: str) -> float:
        total = 0.0
        for weight, start in zip((0.2126, 0.7152, 0.0722), (1, 3, 5), strict=True):
            value = int(text[start : start + 2], 16) / 255
            total += weight * (
                value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
            )
        return total

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@BOTH
@pytest.mark.parametrize("behind", ["window", "panel", "field", "hover"])
@pytest.mark.parametrize("text", ["text", "dim", "accent", "good", "warning", "danger"])
def test_text_stands_out_from_what_is_behind_it(tokens: Tokens, text: str, behind: str) -> None:
    assert wcag_contrast(getattr(tokens, text), getattr(tokens, behind)) >= 4.5


@BOTH
def test_text_on_the_accent_and_in_a_selection_is_readable(tokens: Tokens) -> None:
    assert wcag_contrast(tokens.on_accent, tokens.accent) >= 4.5
    assert wcag_contrast(tokens.text, tokens.selected) >= 4.5


@BOTH
def test_our_contrast_agrees_with_the_definition(tokens: Tokens) -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    for role in ("window", "dim", "accent", "danger"):
        colour = getattr(tokens, role)
        assert contrast(colour, "#777777") == pytest.approx(
            wcag_contrast(colour, "#777777"), rel=1e-4
        )


@BOTH
def test_every_application_window_takes_the_palette(qapp: QApplication, tokens: Tokens) -> None:
    apply_theme(qapp, tokens.name)
    label = QLabel("text")
    assert current_tokens() is tokens
    assert label.palette().color(QPalette.ColorRole.WindowText).name() == tokens.text
    assert label.palette().color(QPalette.ColorRole.Window).name() == tokens.window


@BOTH
def test_the_style_sheet_has_no_gaps_and_names_pictures_that_exist(
    qapp: QApplication, tokens: Tokens
) -> None:
    apply_theme(qapp, tokens.name)
    sheet = qapp.styleSheet()
    assert "$" not in sheet
    start = (resources_dir() / "themes" / tokens.name).as_posix()
    pictures = [
        found for found in re.findall(r'url\("([^"]+)"\)', sheet) if found.startswith(start)
    ]
    assert len(pictures) == 4
    for picture in pictures:
        stroke = re.search(r'stroke="(#\w+)"', Path(picture).read_text())
        assert stroke is not None
        assert stroke[1] in {tokens.dim, tokens.on_accent}


@BOTH
def test_the_style_sheet_takes_every_colour_from_the_palette(
    qapp: QApplication, tokens: Tokens
) -> None:
    """By a role of its own each, so that a theme may have any colours."""
    apply_theme(qapp, tokens.name)
    assert not re.search(r":[^;{]*#[0-9a-f]{3}", qapp.styleSheet())
    assert len(set(ROLES.values())) == len(ROLES)
    for name, role in ROLES.items():
        assert f"palette({role})" in qapp.styleSheet(), name
        which = QPalette.ColorRole["".join(word.title() for word in role.split("-"))]
        assert palette(tokens).color(which) == tokens.colour(name), name


def one_of_each() -> QMainWindow:
    """A window with what the sheet has rules for; half of it is on a tab that is not in sight."""
    window, tabs = QMainWindow(), QTabWidget()
    mark(window)
    window.setCentralWidget(tabs)
    for title in ("One", "Two"):
        page = QWidget()
        layout = QVBoxLayout(page)
        tabs.addTab(page, title)
        box, table, check, off = QComboBox(), QTableWidget(3, 2), QCheckBox("Check"), QPushButton()
        box.addItems(["a", "b"])
        table.setItem(0, 0, QTableWidgetItem("cell"))
        table.selectRow(0)
        check.setChecked(True)
        off.setText("Off")
        off.setEnabled(False)
        slider, bar, dim = QSlider(Qt.Orientation.Horizontal), QProgressBar(), QLabel("dim")
        slider.setValue(40)
        bar.setValue(40)
        dim.setProperty("role", "dim")
        field = QLineEdit()
        field.setPlaceholderText("Filter")
        for widget in (box, table, check, off, slider, bar, dim, field, QSpinBox(), QGroupBox("G")):
            layout.addWidget(widget)
    for widget in window.findChildren(QWidget):
        widget.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # only one window at a time could have it
    window.resize(360, 480)
    return window


def pictures_of(window: QMainWindow) -> list[QImage]:
    """Of each tab."""
    tabs = window.centralWidget()
    assert isinstance(tabs, QTabWidget)
    found = []
    for at in range(tabs.count()):
        tabs.setCurrentIndex(at)
        QApplication.processEvents()
        found.append(window.grab().toImage())
    tabs.setCurrentIndex(0)
    return found


def test_after_a_change_everything_looks_as_if_it_had_been_so_from_the_start(
    qapp: QApplication, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in sight at once, what is not soon; and the sheet, which takes long, stays."""
    apply_theme(qapp, "dark")
    monkeypatch.setattr(QApplication, "setStyleSheet", lambda *_: pytest.fail("given anew"))
    window = one_of_each()
    qtbot.addWidget(window)
    window.show()
    pictures_of(window)
    for theme in ("light", "dark"):
        apply_theme(qapp, theme)
        at_once = window.grab().toImage()
        qtbot.waitUntil(lambda: not _theme(qapp)._unseen)
        fresh = one_of_each()
        qtbot.addWidget(fresh)
        fresh.show()
        wanted = pictures_of(fresh)
        assert wanted[0] != wanted[1]
        assert at_once == wanted[0], theme
        assert pictures_of(window) == wanted, theme
        fresh.close()


def test_the_system_choice_follows_the_desktop_as_it_changes(qapp: QApplication) -> None:
    apply_theme(qapp, "system")
    hints = qapp.styleHints()
    hints.setColorScheme(Qt.ColorScheme.Dark)
    if hints.colorScheme() is not Qt.ColorScheme.Dark:  # the platform has no schemes
        hints.colorSchemeChanged.emit(Qt.ColorScheme.Dark)
        assert current_tokens() is LIGHT
        return
    try:
        assert current_tokens() is DARK
        hints.setColorScheme(Qt.ColorScheme.Light)
        assert current_tokens() is LIGHT
        apply_theme(qapp, "dark")
        hints.setColorScheme(Qt.ColorScheme.Dark)
        hints.setColorScheme(Qt.ColorScheme.Light)
        assert current_tokens() is DARK, "a choice of one's own does not follow the desktop"
    finally:
        hints.unsetColorScheme()


def test_an_unknown_theme_is_refused(qapp: QApplication) -> None:
    with pytest.raises(ValueError, match="sepia"):
        apply_theme(qapp, "sepia")


def test_figures_are_all_equally_wide(qapp: QApplication) -> None:
    metrics = QFontMetricsF(numeric_font(QFont()))
    assert len({round(metrics.horizontalAdvance(digit), 3) for digit in "0123456789"}) == 1
    assert numeric_font(QFont()).featureValue(QFont.Tag("tnum")) == 1


@BOTH
def test_a_hint_in_an_empty_field_is_as_readable_as_other_dim_text(
    qapp: QApplication, tokens: Tokens
) -> None:
    apply_theme(qapp, tokens.name)
    field = QLineEdit()
    field.setPlaceholderText("Filter")
    field.ensurePolished()
    assert field.palette().color(QPalette.ColorRole.PlaceholderText).name() == tokens.dim


def test_what_keeps_a_drawn_picture_hears_of_a_new_theme(qapp: QApplication) -> None:
    heard: list[str] = []
    apply_theme(qapp, "light")
    connection = theme_signal(qapp).connect(lambda: heard.append(current_tokens().name))
    apply_theme(qapp, "dark")
    theme_signal(qapp).disconnect(connection)
    apply_theme(qapp, "light")
    assert heard == ["dark"]
