"""The action table is whole: every row can be called, every key means one thing."""

from __future__ import annotations

from segstudio.gui.actions import ACTIONS, MENUS, clashes, with_keys
from segstudio.gui.desk_set import DeskSet
from segstudio.tools.registry import TOOLS


def test_every_row_calls_something_that_a_desk_has() -> None:
    desks = DeskSet.__annotations__
    import segstudio.gui.desk_set as module

    for row in ACTIONS:
        desk, method = row.calls.split(".")
        assert desk in desks, row.id
        assert callable(getattr(getattr(module, desks[desk]), method)), row.id


def test_ids_are_unique_and_menus_are_known() -> None:
    assert len({row.id for row in ACTIONS}) == len(ACTIONS)
    assert {row.menu for row in ACTIONS} - {""} == set(MENUS)


def test_no_key_stands_in_two_rows_but_for_tap_and_hold() -> None:
    assert clashes(ACTIONS) == {}


def test_a_clash_is_found() -> None:
    rows = with_keys({"view.fit": "Ctrl+Z"})
    assert clashes(rows) == {"Ctrl+Z": ["edit.undo", "view.fit"]}


def test_every_tool_has_a_row() -> None:
    chosen = {row.argument for row in ACTIONS if row.id.startswith("tool.")}
    assert {tool.key for tool in TOOLS} == chosen


def test_the_promised_keys_are_there() -> None:
    promised = {
        "Space": "mask.accept", "Return": "mask.accept", "Esc": "mask.clear",
        "Backspace": "mask.take_back", "F": "view.fit", "D": "image.next", "A": "image.previous",
        "Right": "image.next", "Left": "image.previous", "Tab": "mask.next_candidate",
        "Shift+Tab": "mask.previous_candidate", "Del": "edit.delete", "Ctrl+Z": "edit.undo",
        "Ctrl+Y": "edit.redo", "Ctrl+Shift+Z": "edit.redo", "V": "view.hide_masks",
        "?": "help.cheat_sheet", "Ctrl+K": "help.find",
        "U": "mask.union", "Shift+U": "mask.subtract", "I": "mask.intersect",
        "O": "mask.fill_holes", "Shift+O": "mask.remove_crumbs", "Ctrl+D": "mask.duplicate",
        "Ctrl+Shift+D": "mask.copy_to_next",
        "1": "edit.category_1", "9": "edit.category_9", "N": "edit.new_category",
    }  # fmt: skip
    found = {key: row.id for row in ACTIONS for key in row.keys if not row.hold or key == "V"}
    assert {key: found.get(key) for key in promised} == promised
