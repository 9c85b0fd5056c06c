"""Presets: no key does two things, and nothing that a hand needs is left without one."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QKeySequence

from segstudio.gui.actions import ACTIONS, clashes, with_keys
from segstudio.gui.key_presets import PRESETS, KeyPreset, overrides_of, preset_of

OTHERS = PRESETS[1:]
named = pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.key)


@named
def test_no_key_does_two_things(preset: KeyPreset) -> None:
    assert clashes(with_keys(overrides_of(preset))) == {}


@named
def test_it_names_actions_and_keys_that_exist(preset: KeyPreset) -> None:
    assert set(preset.keys) <= {row.id for row in ACTIONS}
    for sequences in preset.keys.values():
        for key in sequences.split(", "):
            assert QKeySequence(key).toString(QKeySequence.SequenceFormat.PortableText) == key


@named
def test_what_has_a_key_keeps_one(preset: KeyPreset) -> None:
    rows = with_keys(overrides_of(preset))
    had = {row.id for row in ACTIONS if row.keys}
    assert [row.id for row in rows if row.id in had and not row.keys] == []


@named
def test_a_preset_is_known_by_its_keys(preset: KeyPreset) -> None:
    assert preset_of(overrides_of(preset)) is preset


def test_the_usual_keys_are_a_preset_without_overrides() -> None:
    assert overrides_of(PRESETS[0]) == {}
    assert preset_of({"view.theme": "F9"}) is None


@pytest.mark.parametrize(
    ("key", "action", "pressed"),
    [
        ("labelme", "tool.polygon", "Ctrl+N"),
        ("labelme", "tool.select", "Ctrl+J"),
        ("isat", "tool.point", "Q"),
        ("isat", "mask.accept", "E"),
        ("isat", "mask.front", "T"),
        ("napari", "tool.eraser", "1"),
        ("napari", "tool.fill", "F"),
        ("napari", "edit.new_category", "M"),
    ],
)
def test_hands_find_what_they_know(key: str, action: str, pressed: str) -> None:
    preset = next(preset for preset in OTHERS if preset.key == key)
    row = next(row for row in with_keys(overrides_of(preset)) if row.id == action)
    assert pressed in row.keys
