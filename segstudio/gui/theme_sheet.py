"""The one style sheet of both themes: its colours are the palette's, by their roles."""

from __future__ import annotations

from string import Template

from segstudio.config.paths import resources_dir

# The role of the palette that has each colour of a theme; see `theme.palette`.
ROLES = {
    "window": "window",
    "panel": "button",
    "field": "base",
    "line": "mid",
    "text": "text",
    "dim": "placeholder-text",
    "disabled": "shadow",
    "accent": "highlight",
    "on_accent": "highlighted-text",
    "hover": "light",
    "selected": "midlight",
    "warning": "link-visited",
    "danger": "bright-text",
}

_SHEET = Template("""
QMainWindow, QDialog, QDockWidget { background: $window; color: $text; }
QMainWindow::separator { background: $window; width: ${step}px; height: ${step}px; }
QMainWindow::separator:hover { background: $accent; }
QToolTip { background: $panel; color: $text; border: 1px solid $line; padding: ${step}px; }

QMenuBar { background: $window; color: $text; }
QMenuBar::item { padding: ${step}px ${step2}px; border-radius: ${radius}px;
    background: transparent; }
QMenuBar::item:selected { background: $hover; }
QMenu { background: $panel; color: $text; border: 1px solid $line; padding: ${step}px; }
QMenu::item { padding: ${step}px ${step6}px ${step}px ${step2}px; border-radius: ${radius}px; }
QMenu::item:selected { background: $selected; }
QMenu::item:disabled { color: $disabled; }
QMenu::icon { padding-left: ${step}px; }
QMenu::separator { height: 1px; background: $line; margin: ${step}px; }

QToolBar { background: $window; border: none; border-bottom: 1px solid $line;
    padding: ${step}px; spacing: ${step}px; }
QToolBar::separator { background: $line; width: 1px; margin: ${step}px; }
QToolButton { background: transparent; color: $text; border: 1px solid transparent;
    border-radius: ${radius}px; padding: ${step}px; }
QToolButton:hover { background: $hover; }
QToolButton:pressed, QToolButton:checked { background: $selected; }
QToolButton[role="disclosure"] { padding: ${half}px ${step}px ${half}px 0; color: $dim; }
QToolButton[role="disclosure"]:checked { background: transparent; color: $text; }
QToolButton[role="disclosure"]:hover { color: $text; }
QToolButton:focus { border-color: $accent; }
QToolButton:disabled { color: $disabled; }
QToolButton::menu-indicator { image: none; }

QPushButton { background: $panel; color: $text; border: 1px solid $line;
    border-radius: ${radius}px; padding: ${step}px ${step3}px; min-height: ${step4}px; }
QPushButton:hover { background: $hover; }
QPushButton:pressed { background: $selected; }
QPushButton:checked { background: $selected; border-color: $accent; }
QPushButton:focus { border-color: $accent; }
QPushButton:disabled { color: $disabled; }
QPushButton:default { background: $accent; color: $on_accent; border-color: $accent; }
QPushButton:default:focus { border-color: $text; }
QPushButton:default:disabled { background: $hover; color: $disabled; border-color: $line; }

QLineEdit, QPlainTextEdit, QTextEdit, QComboBox, QAbstractSpinBox { background: $field;
    color: $text; border: 1px solid $line; border-radius: ${radius}px;
    padding: ${half}px ${step}px; min-height: ${step5}px;
    placeholder-text-color: $dim; selection-background-color: $accent;
    selection-color: $on_accent; }
QLineEdit:focus, QPlainTextEdit:focus, QTextEdit:focus, QComboBox:focus,
QAbstractSpinBox:focus { border-color: $accent; }
QLineEdit:disabled, QComboBox:disabled, QAbstractSpinBox:disabled { color: $disabled; }
QComboBox::drop-down { border: none; width: ${step5}px; }
QComboBox::down-arrow { image: url("$light-down.svg"); width: 12px; height: 12px; }
QMainWindow[theme="dark"] QComboBox::down-arrow { image: url("$dark-down.svg"); }
QComboBox QAbstractItemView { background: $panel; border: 1px solid $line; outline: none; }
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button { border: none; width: ${step4}px;
    subcontrol-origin: border; }
QAbstractSpinBox::up-button { subcontrol-position: top right; }
QAbstractSpinBox::down-button { subcontrol-position: bottom right; }
QAbstractSpinBox::up-arrow { image: url("$light-up.svg"); width: 10px; height: 10px; }
QAbstractSpinBox::down-arrow { image: url("$light-down.svg"); width: 10px; height: 10px; }
QMainWindow[theme="dark"] QAbstractSpinBox::up-arrow { image: url("$dark-up.svg"); }
QMainWindow[theme="dark"] QAbstractSpinBox::down-arrow { image: url("$dark-down.svg"); }

QCheckBox, QRadioButton { color: $text; spacing: ${step2}px; }
QCheckBox:disabled { color: $disabled; }
QCheckBox::indicator { width: 14px; height: 14px; border: 1px solid $dim; border-radius: 3px;
    background: $field; }
QCheckBox::indicator:hover, QCheckBox::indicator:focus { border-color: $accent; }
QCheckBox::indicator:checked { background: $accent; border-color: $accent;
    image: url("$light-check.svg"); }
QMainWindow[theme="dark"] QCheckBox::indicator:checked { image: url("$dark-check.svg"); }

QAbstractItemView { background: $panel; color: $text; border: none; outline: none;
    alternate-background-color: $window; selection-background-color: $selected;
    selection-color: $text; }
QAbstractItemView::item { padding: ${half}px; }
QAbstractItemView::item:hover { background: $hover; }
QAbstractItemView::item:selected { background: $selected; color: $text; }
QHeaderView { background: $panel; border: none; }
QHeaderView::section { background: $panel; color: $dim; border: none;
    border-bottom: 1px solid $line; padding: ${step}px ${step2}px; }
QDialog QHeaderView::section { padding: ${step}px 5px; }

QDockWidget { titlebar-close-icon: none; titlebar-normal-icon: none; color: $dim; }
QDockWidget::title { background: $window; padding: ${step}px ${step2}px; }
QDockWidget > QWidget { background: $panel; }
QTabWidget::pane { border: none; border-top: 1px solid $line; background: $panel; }
QTabBar { background: $window; qproperty-drawBase: 0; }
QTabBar::tab { background: transparent; color: $dim; padding: ${step}px ${step3}px;
    border-bottom: 2px solid transparent; }
FoldingTabs QTabBar::tab { padding: ${step}px ${step2}px; }
QTabBar::tab:hover { color: $text; }
QTabBar::tab:selected { color: $text; border-bottom-color: $accent; }
QGroupBox { color: $dim; border: none; margin-top: ${step5}px; }
QGroupBox::title { subcontrol-origin: margin; subcontrol-position: top left; }

QScrollBar { background: transparent; border: none; }
QScrollBar:vertical { width: 12px; }
QScrollBar:horizontal { height: 12px; }
QScrollBar::handle { background: $line; border-radius: ${radius}px; margin: 2px; }
QScrollBar::handle:vertical { min-height: 28px; }
QScrollBar::handle:horizontal { min-width: 28px; }
QScrollBar::handle:hover { background: $dim; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }

QProgressBar { background: $line; border: none; border-radius: 2px; max-height: 4px;
    min-height: 4px; text-align: center; color: transparent; }
QProgressBar::chunk { background: $accent; border-radius: 2px; }
QSlider::groove:horizontal { background: $line; height: 4px; border-radius: 2px; }
QSlider::sub-page:horizontal { background: $accent; border-radius: 2px; }
QSlider::handle:horizontal { background: $text; width: 12px; height: 12px; margin: -4px 0;
    border-radius: 6px; }
QSlider::handle:horizontal:disabled { background: $disabled; }
QStatusBar { background: $window; border-top: 1px solid $line; color: $dim; }
QStatusBar::item { border: none; }
QSplitter::handle { background: $line; }
QFrame[role="line"] { background: $line; border: none; }
QLabel[role="dim"] { color: $dim; }
QLabel[role="danger"] { color: $danger; }
QLabel[role="warning"] { color: $warning; }
""")


def style_sheet(step: int, radius: int) -> str:
    """Qt style sheet for the whole application; sizes in px come from one `step`.

    Pictures do not follow a palette: those of the dark theme are for what belongs to a main window
    whose property `theme` says "dark" (`theme.mark`).
    """
    pictures = resources_dir() / "themes"
    return _SHEET.substitute(
        {name: f"palette({role})" for name, role in ROLES.items()},
        **{f"step{n}": n * step for n in (2, 3, 4, 5, 6)},
        step=step,
        half=step // 2,
        radius=radius,
        light=(pictures / "light").as_posix(),
        dark=(pictures / "dark").as_posix(),
    )
