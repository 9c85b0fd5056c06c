"""What lies in a training's folder, and where: written before it starts, read when it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec

from segstudio.core.errors import BadInputError
from segstudio.core.whole_files import put
from segstudio.models.training.settings import TrainingSet, TrainingSettings

SETTINGS = "settings.json"
SET = "set.json"
EVENTS = "events.jsonl"
CHECKPOINT = "checkpoint"
BEST = "best"
WORST = "worst"

T = TypeVar("T")


def write(folder: Path, settings: TrainingSettings, data: TrainingSet) -> None:
    """Make a folder that `python -m segstudio.models.training FOLDER` can train. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, record in ((SET, data), (SETTINGS, settings)):
        put(folder / name, msgspec.json.format(msgspec.json.encode(record)))


def read(folder: Path) -> tuple[TrainingSettings, TrainingSet]:
    """What `write` wrote. Raises BadInputError where a file is missing or damaged."""
    return _read(folder / SETTINGS, TrainingSettings), _read(folder / SET, TrainingSet)


def located(folder: Path, path: str) -> Path:
    """The file of a `TrainingImage`: paths are absolute, or relative to the folder."""
    return folder / path


def _read(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.convert(_json(path), kind)
    except msgspec.ValidationError as error:
        raise BadInputError(
            f"“{path.name}” of this training is not as it should be ({error}); start it anew."
        ) from error


def _json(path: Path) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes())
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadInputError(
            f"“{path}” cannot be read ({reason}); start the training anew."
        ) from error
    except msgspec.DecodeError as error:
        raise BadInputError(
            f"“{path.name}” of this training is damaged ({error}); start it anew."
        ) from error
