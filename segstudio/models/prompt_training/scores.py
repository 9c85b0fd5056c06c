"""What tuning a prompt model gained on held-out images; kept in the folder of its run."""

from __future__ import annotations

from pathlib import Path

import msgspec

from segstudio.core.whole_files import put

SCORES = "scores.json"
# Where in the folder the scenes lie, and within those NAME.npy of a teacher's embeddings.
DATA, SCENES, GRIDS = "data", "scenes_photos", "grids"


class Scores(msgspec.Struct, frozen=True):
    """Mean IoU by prompts, "1", "3" and "5" clicks and "box"; `after` is {} until it is done."""

    before: dict[str, float]
    after: dict[str, float] = {}

    @property
    def gain(self) -> float:
        """How much better the mean of all four is; 0.0 where there is no `after` yet."""
        if not self.before or not self.after:
            return 0.0
        return sum(self.after[name] - self.before[name] for name in self.before) / len(self.before)


def put_scores(folder: Path, scores: Scores) -> None:
    """Raises OSError."""
    put(folder / SCORES, msgspec.json.format(msgspec.json.encode(scores)))


def read_scores(folder: Path) -> Scores | None:
    """The scores in a folder; None where there are none yet, or they cannot be read."""
    try:
        return msgspec.json.decode((folder / SCORES).read_bytes(), type=Scores)
    except (OSError, ValueError):
        return None
