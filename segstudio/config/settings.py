"""What a user may set: one frozen record, TOML on disk.

Each field says what it is (`Option`), so a dialog is drawn from the record and a value from the
file is checked against the same bounds.
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, cast

import tomli_w

from segstudio.config.paths import config_dir
from segstudio.core.errors import StorageError
from segstudio.core.whole_files import put

RECENT_PROJECTS = 10
_FORMER_NAMES = {"prediction_disk_mb": "predictions_disk_mb"}  # settings that were renamed

T = TypeVar("T")
Value = bool | int | float | str | tuple[str, ...] | Mapping[str, str]


@dataclass(frozen=True)
class Option:
    """What a dialog needs to know about a setting.

    `low` and `high` bound a number, both included. `choices` are the only texts allowed, none:
    any text. `shown` is False for what the window remembers by itself.
    """

    label: str
    help: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    unit: str = ""
    shown: bool = True


def _setting(default: T, option: Option) -> T:
    return field(default=default, metadata={"option": option})


def _remembered(default: T, label: str, low: float | None = None, high: float | None = None) -> T:
    return _setting(default, Option(label, low=low, high=high, shown=False))


@dataclass(frozen=True)
class Settings:
    """All settings of one user. Frozen: change one with `dataclasses.replace`."""

    model: str = _setting(
        "auto",
        Option(
            "Model", "Key of the prompt model; auto takes the best one that is on this machine."
        ),
    )
    device: str = _setting(
        "auto", Option("Device", "Where models run; auto takes a GPU where there is one.")
    )
    theme: str = _setting(
        "system",
        Option("Theme", "Colours of the window.", choices=("system", "light", "dark")),
    )
    mask_opacity: float = _setting(
        0.4, Option("Mask opacity", "How much of the photo a mask covers.", low=0.0, high=1.0)
    )
    hover_preview: bool = _setting(
        True,
        Option("Preview under the pointer", "Shows what a click would give, before the click."),
    )
    candidate_strip: bool = _setting(
        True,
        Option("Candidates beside the mask", "Shows the masks to choose from on the canvas."),
    )
    prompt_in_view: bool = _setting(
        False,
        Option(
            "Prompt in view",
            "The model looks at what you have zoomed to, so that small things can be clicked.",
        ),
    )
    embedding_memory_mb: int = _setting(
        1024,
        Option("Embeddings in memory", "Opened images answer at once.", 0, 262_144, unit="MB"),
    )
    embedding_disk_mb: int = _setting(
        8192,
        Option(
            "Embeddings on disk", "Images seen before need no encoding.", 0, 4_194_304, unit="MB"
        ),
    )
    everything_disk_mb: int = _setting(
        1024,
        Option(
            "Everything on disk",
            "Images searched before need no searching.",
            0,
            1_048_576,
            unit="MB",
        ),
    )
    predictions_disk_mb: int = _setting(
        2048,
        Option(
            "Predictions on disk", "Images predicted before need no model.", 0, 1_048_576, unit="MB"
        ),
    )
    prefetch_neighbours: int = _setting(
        2,
        Option("Images prepared ahead", "How many next images are encoded while you work.", 0, 16),
    )
    unload_minutes: int = _setting(
        30,
        Option(
            "Unload an unused model after",
            "Frees its memory; the next prompt loads it again. 0 keeps it while memory lasts.",
            0,
            1440,
            unit="min",
        ),
    )
    shortcuts: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({}),
        metadata={
            "option": Option("Shortcuts", "Keys that differ from the usual ones, by action.")
        },
    )
    # The pick-list's filters; the predicted IoU is on SAM's scale, other models' scores differ.
    picks_predicted_iou: float = _remembered(0.88, "Predicted IoU of what is shown", 0.0, 10.0)
    picks_stability: float = _remembered(0.95, "Stability of what is shown", 0.0, 1.0)
    picks_overlap: float = _remembered(0.7, "Overlap of what is shown", 0.0, 1.0)
    picks_min_area: float = _remembered(0.0, "Least share of the image", 0.0, 1.0)
    picks_max_area: float = _remembered(1.0, "Largest share of the image", 0.0, 1.0)
    picks_unlabelled_only: bool = _remembered(True, "Only what is not labelled yet")
    picks_fast: bool = _remembered(False, "Everything in the fast mode")
    picks_crop_layers: int = _remembered(0, "Layers of crops in everything", 0, 2)
    semantic_model: str = _remembered("", "Key of the semantic model")
    semantic_opacity: float = _remembered(0.55, "Opacity of what a semantic model says", 0.0, 1.0)
    brush_radius: float = _remembered(12.0, "Radius of the brush", 0.5, 1000.0)
    superpixel_scale: str = _setting(
        "medium",
        Option("Scale of the superpixels", choices=("fine", "medium", "coarse"), shown=False),
    )
    # The last numbers of operations on masks (engine.tuned_operations), in pixels.
    operation_crumbs: int = _remembered(100, "Crumbs are smaller than", 2, 1_000_000)
    operation_grow: int = _remembered(3, "Grow by", 1, 200)
    operation_shrink: int = _remembered(3, "Shrink by", 1, 200)
    operation_open: int = _remembered(3, "Open by", 1, 200)
    operation_close: int = _remembered(3, "Close by", 1, 200)
    operation_smooth: int = _remembered(3, "Smooth by", 1, 200)
    preset: str = _remembered("", "Preset chosen last")
    recent_projects: tuple[str, ...] = _remembered((), "Projects opened last")
    window_geometry: str = _remembered("", "Place and size of the window, base64")
    window_state: str = _remembered("", "Docks and toolbars of the window, base64")

    def with_recent(self, project: Path) -> Settings:
        """These settings with `project` first among the recent ones (ten at most)."""
        first = str(project.absolute())
        others = tuple(path for path in self.recent_projects if path != first)
        return replace(self, recent_projects=(first, *others)[:RECENT_PROJECTS])


def options() -> dict[str, Option]:
    """The name and the description of every setting, in the order of a dialog."""
    return {entry.name: entry.metadata["option"] for entry in fields(Settings)}


def settings_path() -> Path:
    """The file that `load_settings` and `save_settings` use unless told another."""
    return config_dir() / "settings.toml"


def _silent(_: str) -> None:
    pass


def load_settings(path: Path | None = None, complain: Callable[[str], None] = _silent) -> Settings:
    """Read settings; never raises.

    A file that cannot be read is set aside as `settings.toml.broken-<n>`, a value of the wrong kind
    is left at its default, a number out of bounds is moved to the nearest bound; `complain` gets a
    sentence for each of these.
    """
    path = path or settings_path()
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        complain(f"The settings in {path} cannot be read ({error.strerror}); defaults are used.")
        return Settings()
    except ValueError:  # not TOML (TOMLDecodeError) or not UTF-8
        complain(_set_aside(path))
        return Settings()
    values: dict[str, Any] = {}
    for former, name in _FORMER_NAMES.items():
        if former in table:
            table.setdefault(name, table[former])
    for name, option in options().items():
        if name not in table:
            continue
        value = _checked(getattr(Settings(), name), table[name], option)
        if value is None:
            complain(
                f"{name} = {table[name]!r} in {path} is not a valid value; the default is used."
            )
        else:
            values[name] = value
    return Settings(**values)


def save_settings(settings: Settings, path: Path | None = None) -> None:
    """Write settings whole or not at all; keys of another version in the file are kept.

    Raises StorageError if the file cannot be written.
    """
    path = path or settings_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        table = {**_foreign_keys(path), **_plain(settings)}
        put(path, tomli_w.dumps(table).encode())
    except OSError as error:
        raise StorageError(
            f"The settings cannot be saved in {path} ({error.strerror or error}); "
            "make that folder writable, or name another in SEGSTUDIO_HOME."
        ) from error


def _plain(settings: Settings) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for entry in dataclasses.fields(settings):
        value = getattr(settings, entry.name)
        if isinstance(value, tuple):
            value = list(value)
        elif isinstance(value, Mapping):
            value = dict(value)
        table[entry.name] = value
    return table


def _foreign_keys(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    ours = {*options(), *_FORMER_NAMES}
    return {name: value for name, value in table.items() if name not in ours}


def _checked(default: Value, value: object, option: Option) -> Value | None:
    """`value` as the kind that `default` is, within bounds; None if it is of another kind."""
    if isinstance(default, bool):
        return value if isinstance(value, bool) else None
    if isinstance(default, int | float):
        return _checked_number(default, value, option)
    if isinstance(default, str):
        known = isinstance(value, str) and (not option.choices or value in option.choices)
        return cast("str", value) if known else None
    if isinstance(default, tuple):
        texts = isinstance(value, list) and all(isinstance(item, str) for item in value)
        return tuple(cast("list[str]", value))[:RECENT_PROJECTS] if texts else None
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        return None
    return MappingProxyType(value)


def _checked_number(default: int | float, value: object, option: Option) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return None
    bounded = min(value, option.high) if option.high is not None else value
    bounded = max(bounded, option.low) if option.low is not None else bounded
    return type(default)(bounded)


def _set_aside(path: Path) -> str:
    """Rename a broken file, overwriting nothing; the sentence that says so."""
    number = 1
    while (aside := path.with_name(f"{path.name}.broken-{number}")).exists():
        number += 1
    try:
        path.rename(aside)
    except OSError:
        return f"The settings in {path} cannot be understood; defaults are used."
    return f"The settings could not be understood and were set aside as {aside}; defaults are used."
