"""The table of tools."""

from __future__ import annotations

import pytest

from segstudio.tools.contract import Cursor, Nothing, PointerEvent, Scene
from segstudio.tools.registry import FIRST_TOOL, TOOLS, ToolRow


@pytest.mark.parametrize("row", TOOLS, ids=lambda row: row.key)
def test_every_tool_starts_fresh_and_does_nothing_without_an_image(row: ToolRow) -> None:
    tool, event = row.make(), PointerEvent(5, 5)
    assert tool is not row.make()
    assert tool.press(event, Scene()) == Nothing()
    assert tool.move(event, Scene()) == Nothing()
    assert tool.release(event, Scene()) == Nothing()
    assert tool.cancel() == Nothing()
    assert tool.cursor(event, Scene()) is Cursor.ARROW


def test_keys_and_shortcuts_are_unique_and_free_of_the_keys_of_actions() -> None:
    shortcuts = [row.shortcut for row in TOOLS]
    assert len({row.key for row in TOOLS}) == len(set(shortcuts)) == len(TOOLS)
    assert not set(shortcuts) & set("DAXNFVHUIO")  # images, categories, view, mask operations
    assert FIRST_TOOL in {row.key for row in TOOLS}
