"""The table of actions: menus, toolbar, keys and the action finder are all drawn from it.

A row's `calls` is "desk.method" (see `gui.desks`); `argument`, if any, is passed on. A `hold` row
calls its method with True when the key goes down and with False when it comes up; if the same key
also belongs to another row, a tap of it (down and up with no drag between) triggers that one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from PySide6.QtCore import QT_TRANSLATE_NOOP

from segstudio.tools.registry import TOOLS

MENUS = ("&File", "&Edit", "&View", "&Image", "&Mask", "&Shape", "M&odel", "&Help")


@dataclass(frozen=True)
class ActionRow:
    """One thing a user can do. `keys` are portable key sequences ("Ctrl+Z"), first one shown."""

    id: str
    text: str
    calls: str
    keys: tuple[str, ...] = ()
    menu: str = ""
    icon: str = ""
    toolbar: bool = False
    checkable: bool = False
    hold: bool = False
    argument: int | str | None = None
    ends_group: bool = False


def _row(id_: str, text: str, calls: str, *keys: str, **more: object) -> ActionRow:
    return replace(ActionRow(id_, text, calls, keys), **more)  # type: ignore[arg-type]


def _text(text: str) -> str:
    return str(QT_TRANSLATE_NOOP("Actions", text))


_FILE, _EDIT, _VIEW, _IMAGE, _MASK, _SHAPE, _MODEL, _HELP = MENUS

ACTIONS: tuple[ActionRow, ...] = (
    _row("file.open_folder", _text("Open folder…"), "project.choose_folder", "Ctrl+O",
         menu=_FILE, icon="open-folder", toolbar=True),
    _row("file.open_project", _text("Open project…"), "project.choose_project", "Ctrl+Shift+O",
         menu=_FILE),
    _row("file.samples", _text("Try with sample photos"), "project.open_samples", menu=_FILE,
         ends_group=True),
    _row("file.saved", _text("When was it saved?"), "project.tell_saved", "Ctrl+S", menu=_FILE,
         icon="save"),
    _row("file.save_copy", _text("Save a copy…"), "project.save_copy", "Ctrl+Shift+S", menu=_FILE),
    _row("file.import", _text("Import…"), "importing.ask", "Ctrl+I", menu=_FILE, icon="import"),
    _row("file.take_back", _text("Take back import"), "importing.take_back", menu=_FILE),
    _row("file.export", _text("Export…"), "exporting.ask", "Ctrl+E", menu=_FILE, icon="export",
         toolbar=True),
    _row("file.cut_outs", _text("Save cut-outs…"), "exporting.ask_cut_outs", "Ctrl+Shift+E",
         menu=_FILE, icon="cut-out", ends_group=True),
    _row("file.settings", _text("Settings…"), "window.settings", "Ctrl+,", menu=_FILE,
         icon="settings"),
    _row("file.quit", _text("Quit"), "window.quit", "Ctrl+Q", menu=_FILE),
    _row("edit.undo", _text("Undo"), "annotations.undo", "Ctrl+Z", menu=_EDIT, icon="undo",
         toolbar=True),
    _row("edit.redo", _text("Redo"), "annotations.redo", "Ctrl+Y", "Ctrl+Shift+Z", menu=_EDIT,
         icon="redo", toolbar=True, ends_group=True),
    _row("edit.delete", _text("Delete"), "annotations.delete", "Del", menu=_EDIT, icon="delete"),
    _row("edit.select_all", _text("Select all"), "annotations.select_all", "Ctrl+A", menu=_EDIT,
         ends_group=True),
    _row("edit.new_category", _text("New category"), "annotations.new_category", "N", menu=_EDIT,
         icon="plus"),
    *(
        _row(f"edit.category_{digit}", _text("Category") + f" {digit}",
             "annotations.choose_category", str(digit), argument=digit)
        for digit in range(1, 10)
    ),
    _row("edit.swap_categories", _text("Swap the last two categories"),
         "annotations.swap_categories", "X", menu=_EDIT),
    _row("view.fit", _text("Fit"), "view.fit", "F", menu=_VIEW, icon="fit", toolbar=True),
    _row("view.actual", _text("Actual size"), "view.actual_size", "Shift+F", menu=_VIEW,
         icon="actual-size"),
    _row("view.zoom_in", _text("Zoom in"), "view.zoom_in", "Ctrl++", "Ctrl+=", menu=_VIEW),
    _row("view.zoom_out", _text("Zoom out"), "view.zoom_out", "Ctrl+-", menu=_VIEW,
         ends_group=True),
    _row("view.masks", _text("Show masks"), "view.toggle_masks", "H", menu=_VIEW, icon="eye",
         checkable=True),
    _row("view.hide_masks", _text("Hide masks while held"), "view.hide_masks", "V", hold=True),
    _row("view.hover", _text("Preview under the pointer"), "hover.toggle", "Shift+H", menu=_VIEW,
         checkable=True),
    _row("view.candidates", _text("Candidates beside the mask"), "strip.toggle", menu=_VIEW,
         checkable=True),
    _row("view.history", _text("History"), "history.show", "Ctrl+H", menu=_VIEW, icon="history"),
    _row("view.prediction", _text("Label map, confidence, entropy, none"), "semantic_view.cycle",
         "Ctrl+M", menu=_VIEW),
    _row("view.compare", _text("Compare before and after"), "semantic_view.toggle_compare",
         "Shift+V", menu=_VIEW, checkable=True),
    _row("view.training", _text("Training"), "training.show", menu=_VIEW),
    _row("view.quality", _text("Quality"), "quality.show", menu=_VIEW),
    _row("view.pan", _text("Pan while held"), "view.pan", "Space", hold=True),
    _row("view.next_panel", _text("Next panel"), "window.step_place", "F6", menu=_VIEW,
         argument=1),
    _row("view.previous_panel", _text("Previous panel"), "window.step_place", "Shift+F6",
         menu=_VIEW, argument=-1),
    _row("view.theme", _text("Light or dark"), "window.switch_theme", menu=_VIEW),
    _row("image.previous", _text("Previous image"), "project.previous_image", "A", "Left",
         menu=_IMAGE, icon="previous", toolbar=True),
    _row("image.next", _text("Next image"), "project.next_image", "D", "Right", menu=_IMAGE,
         icon="next", toolbar=True),
    _row("image.next_unlabelled", _text("Next unlabelled image"), "project.next_unlabelled",
         "Shift+D", menu=_IMAGE, ends_group=True),
    _row("image.reviewed", _text("Mark reviewed"), "annotations.mark_reviewed", "Ctrl+Return",
         menu=_IMAGE, icon="reviewed"),
    _row("image.rejected", _text("Reject image"), "annotations.mark_rejected", menu=_IMAGE,
         icon="rejected", ends_group=True),
    _row("image.splits", _text("Splits: train, val, test…"), "splits.ask", menu=_IMAGE),
    *(
        _row(f"tool.{tool.key}", tool.title, "tools.use_tool", tool.shortcut, menu=_MASK,
             icon=tool.icon, toolbar=True, checkable=True, argument=tool.key)
        for tool in TOOLS
    ),
    _row("brush.smaller", _text("Smaller brush"), "brush.smaller", "[", menu=_MASK),
    _row("brush.larger", _text("Larger brush"), "brush.larger", "]", menu=_MASK, ends_group=True),
    _row("mask.everything", _text("Everything"), "everything.find", "G", menu=_MASK,
         icon="everything", toolbar=True),
    _row("mask.accept_all", _text("Accept all of everything"), "everything.accept_all", "Shift+G",
         menu=_MASK),
    _row("mask.everything_again", _text("Find everything again"), "everything.find_again",
         menu=_MASK, ends_group=True),
    _row("mask.accept", _text("Accept the mask"), "prompt.accept", "Space", "Return", "Enter",
         menu=_MASK, icon="accept", toolbar=True),
    _row("mask.clear", _text("Clear"), "prompt.clear", "Esc", menu=_MASK, icon="cancel"),
    _row("mask.take_back", _text("Take back the last point"), "prompt.take_back", "Backspace",
         menu=_MASK),
    _row("mask.next_candidate", _text("Next candidate"), "prompt.step_candidate", "Tab", argument=1,
         menu=_MASK),
    _row("mask.previous_candidate", _text("Previous candidate"), "prompt.step_candidate",
         "Shift+Tab", argument=-1, menu=_MASK, ends_group=True),
    _row("mask.refine", _text("Refine"), "refine.refine_selected", "Ctrl+R", menu=_MASK,
         icon="refine"),
    _row("mask.lock", _text("Lock or unlock"), "locks.toggle", "Ctrl+L", menu=_MASK,
         icon="lock"),
    _row("mask.front", _text("Bring to front"), "annotations.bring_to_front", "Ctrl+]",
         menu=_MASK),
    _row("mask.back", _text("Send to back"), "annotations.send_to_back", "Ctrl+[", menu=_MASK),
    _row("mask.forward", _text("Bring forward"), "operations.bring_forward", "Ctrl+Up",
         menu=_MASK),
    _row("mask.backward", _text("Send backward"), "operations.send_backward", "Ctrl+Down",
         menu=_MASK, ends_group=True),
    _row("partition.mode", _text("Partition mode: no gap, no overlap"), "partition.toggle", "Y",
         menu=_MASK, checkable=True),
    _row("partition.next_unlabelled", _text("Next unlabelled pixels"), "partition.next_unlabelled",
         "J", menu=_MASK),
    _row("partition.next_doubly", _text("Next doubly labelled pixels"), "partition.next_doubly",
         "Shift+J", menu=_MASK),
    _row("partition.resolve", _text("Resolve overlaps"), "partition.resolve", menu=_MASK),
    _row("mask.union", _text("Unite"), "operations.unite", "U", menu=_SHAPE, icon="unite"),
    _row("mask.subtract", _text("Subtract from the first"), "operations.subtract", "Shift+U",
         menu=_SHAPE, icon="subtract"),
    _row("mask.intersect", _text("Intersect"), "operations.intersect", "I", menu=_SHAPE,
         icon="intersect"),
    _row("mask.split", _text("Split into parts"), "operations.split", "Ctrl+U", menu=_SHAPE,
         ends_group=True),
    _row("mask.fill_holes", _text("Fill holes"), "operations.fill_holes", "O", menu=_SHAPE,
         icon="fill-holes"),
    _row("mask.remove_crumbs", _text("Remove crumbs…"), "tuning.open", "Shift+O", menu=_SHAPE,
         icon="remove-crumbs", argument="crumbs", ends_group=True),
    _row("mask.grow", _text("Grow…"), "tuning.open", "W", menu=_SHAPE, argument="grow"),
    _row("mask.shrink", _text("Shrink…"), "tuning.open", "Shift+W", menu=_SHAPE,
         argument="shrink"),
    _row("mask.smooth", _text("Smooth…"), "tuning.open", "M", menu=_SHAPE, argument="smooth"),
    _row("mask.open", _text("Open: remove what is thin…"), "tuning.open", menu=_SHAPE,
         argument="open"),
    _row("mask.close", _text("Close: fill what is narrow…"), "tuning.open", menu=_SHAPE,
         argument="close"),
    _row("mask.snap", _text("Snap to superpixels"), "operations.snap_to_superpixels", "Shift+S",
         menu=_SHAPE, icon="superpixel", ends_group=True),
    _row("mask.duplicate", _text("Duplicate"), "operations.duplicate", "Ctrl+D", menu=_SHAPE),
    _row("mask.copy_to_next", _text("Copy to the next image"), "operations.copy_to_next",
         "Ctrl+Shift+D", menu=_SHAPE),
    _row("model.in_view", _text("Prompt in view"), "in_view.toggle", "Shift+C", menu=_MODEL,
         checkable=True, ends_group=True),
    _row("model.get", _text("Get MobileSAM (39 MB)"), "model.get", argument="mobile_sam",
         menu=_MODEL,
         icon="model"),
    _row("model.predict", _text("Predict this image"), "semantic.predict", "Ctrl+P", menu=_MODEL),
    _row("model.predict_selected", _text("Predict the selected images"),
         "semantic.predict_selection", menu=_MODEL),
    _row("model.predict_unlabelled", _text("Predict all unlabelled images"),
         "semantic.predict_unlabelled", menu=_MODEL),
    _row("model.predict_all", _text("Predict all images"), "semantic.predict_all", menu=_MODEL),
    _row("model.turn", _text("Turn into annotations…"), "semantic_turning.ask", "Ctrl+Shift+P",
         menu=_MODEL),
    _row("model.take_back", _text("Take back the last predictions"), "semantic_turning.take_back",
         menu=_MODEL, ends_group=True),
    _row("model.train", _text("Train…"), "training.ask", "Ctrl+T", menu=_MODEL),
    _row("model.pause_training", _text("Pause or resume the training"), "training.pause",
         menu=_MODEL),
    _row("model.stop_training", _text("Stop the training"), "training.stop", menu=_MODEL,
         ends_group=True),
    _row("help.find", _text("Find any action"), "window.find_action", "Ctrl+K", menu=_HELP,
         icon="find"),
    _row("help.cheat_sheet", _text("Cheat sheet"), "window.cheat_sheet", "?", menu=_HELP),
    _row("help.keys", _text("Keys…"), "window.keys", "Ctrl+/", menu=_HELP, icon="keys"),
    _row("help.about", _text("About SegStudio"), "window.about", menu=_HELP),
)  # fmt: skip


def with_keys(overrides: Mapping[str, str]) -> tuple[ActionRow, ...]:
    """The table with the user's own keys: action id to keys, several separated by ", "."""
    rows = []
    for row in ACTIONS:
        if row.id in overrides:
            keys = tuple(key for key in overrides[row.id].split(", ") if key)
            rows.append(replace(row, keys=keys))
        else:
            rows.append(row)
    return tuple(rows)


def clashes(rows: tuple[ActionRow, ...]) -> dict[str, list[str]]:
    """Keys that stand in more than one row, where only one of them may be a `hold` row."""
    users: dict[str, list[ActionRow]] = {}
    for row in rows:
        for key in row.keys:
            users.setdefault(key, []).append(row)
    return {
        key: [row.id for row in found]
        for key, found in users.items()
        if len([row for row in found if not row.hold]) > 1
        or len([row for row in found if row.hold]) > 1
    }
