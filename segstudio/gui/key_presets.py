"""Keys for hands that come from another tool: labelme, ISAT, napari.

A preset names the keys that such a hand expects. What used to have one of them keeps its other
keys, or gets the key named for it here. Facts of the keys: labelme's `default_config.yaml` (5.x),
ISAT's `MainWindow` (1.x), napari's labels layer (0.5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from PySide6.QtCore import QT_TRANSLATE_NOOP

from segstudio.gui.actions import ACTIONS, ActionRow


@dataclass(frozen=True)
class KeyPreset:
    """`keys` gives action ids their key sequences, several separated by ", "."""

    key: str
    title: str
    keys: Mapping[str, str]


def _preset(key: str, title: str, **keys: str) -> KeyPreset:
    """Action ids are written with two underscores for the dot."""
    named = {id_.replace("__", "."): sequences for id_, sequences in keys.items()}
    return KeyPreset(key, title, MappingProxyType(named))


def _text(text: str) -> str:
    return str(QT_TRANSLATE_NOOP("KeyPresets", text))


PRESETS: tuple[KeyPreset, ...] = (
    _preset("segstudio", _text("SegStudio")),
    _preset(
        "labelme", _text("Like labelme"),
        file__open_folder="Ctrl+U", file__open_project="Ctrl+O",
        image__next="D, Ctrl+Shift+D", image__previous="A, Ctrl+Shift+A",
        view__actual="Ctrl+0", view__fit="Ctrl+F", view__masks="T",
        tool__polygon="Ctrl+N", tool__select="Ctrl+J", tool__box="Ctrl+R",
        mask__refine="Ctrl+Shift+R", mask__copy_to_next="Ctrl+Alt+D", edit__delete="Del",
        mask__split="Alt+U",
    ),
    _preset(
        "isat", _text("Like ISAT"),
        tool__point="Q", tool__box="W", tool__polygon="C", mask__accept="E, Space, Return, Enter",
        mask__take_back="Z, Backspace", mask__clear="Esc", image__next="D, Right",
        image__previous="A, Left", view__fit="F", view__masks="V", mask__front="T",
        mask__back="B", mask__duplicate="Ctrl+C", mask__union="Ctrl+A", mask__subtract="Ctrl+D",
        mask__intersect="Ctrl+Q", file__saved="S", tool__select="Shift+E", tool__fill="Shift+Q",
        tool__superpixel="Shift+S", mask__grow="Alt+W", mask__snap="Alt+S",
        edit__select_all="Ctrl+Shift+A", file__quit="Ctrl+W",
    ),
    _preset(
        "napari", _text("Like napari"),
        tool__eraser="1, E", tool__brush="2, P", tool__polygon="3", tool__fill="4, F",
        tool__select="5, L", edit__new_category="M", edit__swap_categories="X",
        view__masks="V", view__fit="Ctrl+R", mask__refine="R", tool__point="Shift+P",
        edit__redo="Ctrl+Shift+Z", mask__smooth="Alt+M",
        **{f"edit__category_{digit}": f"Ctrl+{digit}" for digit in range(1, 10)},
    ),
)  # fmt: skip


def overrides_of(preset: KeyPreset, rows: tuple[ActionRow, ...] = ACTIONS) -> dict[str, str]:
    """The keys that differ from the usual ones, as the settings keep them.

    An action that the preset does not name gives up the keys that the preset needs elsewhere.
    """
    wanted = {
        row.id: tuple(preset.keys[row.id].split(", ")) for row in rows if row.id in preset.keys
    }
    held = {row.id for row in rows if row.hold}
    taken = {key for id_, keys in wanted.items() if id_ not in held for key in keys}
    overrides = {}
    for row in rows:
        keys = wanted.get(row.id)
        if keys is None:
            keys = row.keys if row.hold else tuple(key for key in row.keys if key not in taken)
        if keys != row.keys:
            overrides[row.id] = ", ".join(keys)
    return overrides


def preset_of(overrides: Mapping[str, str]) -> KeyPreset | None:
    """The preset that gives exactly these keys; None for keys of one's own."""
    return next((preset for preset in PRESETS if overrides_of(preset) == dict(overrides)), None)
