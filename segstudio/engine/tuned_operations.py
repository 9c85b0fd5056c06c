"""Operations on masks that take a number: how far, or how small.

The literal tuple is the registry: a new one is a row here, a setting, and a row in the action
table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken
from segstudio.engine.mask_operations import Reshape
from segstudio.imaging.mask_parts import without_crumbs
from segstudio.imaging.morphology import closed, grown, opened, shrunk, smoothed

FARTHEST = 200  # pixels that a disc may reach
LARGEST_CRUMB = 1_000_000  # pixels


@dataclass(frozen=True)
class TunedOperation:
    """`work` makes a mask of a mask and a whole number from `low` to `high`.

    `key` is also the name of the setting that remembers the number, after "operation_"; `done` is
    what undo and the history say, with the number in it.
    """

    key: str
    done: str
    low: int
    high: int
    work: Callable[[Mask, int, CancelToken | None], Mask]

    @property
    def setting(self) -> str:
        return f"operation_{self.key}"

    def with_number(self, number: int) -> str:
        """The text of the edit."""
        return self.done.format(number)


def _crumbs(mask: Mask, least: int, cancel: CancelToken | None) -> Mask:
    if cancel is not None:
        cancel.check()
    return without_crumbs(mask, least)


TUNED_OPERATIONS: tuple[TunedOperation, ...] = (
    TunedOperation("crumbs", "Remove crumbs below {} px", 2, LARGEST_CRUMB, _crumbs),
    TunedOperation("grow", "Grow by {} px", 1, FARTHEST, grown),
    TunedOperation("shrink", "Shrink by {} px", 1, FARTHEST, shrunk),
    TunedOperation("open", "Open by {} px", 1, FARTHEST, opened),
    TunedOperation("close", "Close by {} px", 1, FARTHEST, closed),
    TunedOperation("smooth", "Smooth by {} px", 1, FARTHEST, smoothed),
)


def tuned_operation(key: str) -> TunedOperation:
    """Raises KeyError for an unknown key."""
    for operation in TUNED_OPERATIONS:
        if operation.key == key:
            return operation
    raise KeyError(key)


class Tuning:
    """One operation at one number; every mask is worked on once, however often it is asked for.

    So what a preview has shown is what is applied, and it is not computed again. May be used from
    several threads.
    """

    def __init__(self, operation: TunedOperation, number: int) -> None:
        self.operation, self.number = operation, number
        self._known: dict[Mask, Mask] = {}

    def of(self, mask: Mask, cancel: CancelToken | None = None) -> Mask:
        """Raises `Cancelled` when `cancel` is set."""
        known = self._known.get(mask)
        if known is None:
            known = self._known[mask] = self.operation.work(mask, self.number, cancel)
        return known

    @property
    def reshape(self) -> Reshape:
        return self.of
