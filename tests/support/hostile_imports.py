"""Imports of sources that nobody should trust: each ends in a sentence or in a whole project."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from segstudio.core.errors import SegStudioError
from segstudio.core.progress import CancelToken
from segstudio.engine.import_run import carry_out, survey
from segstudio.formats.registry import import_format
from segstudio.store.project import ProjectStore

HANG_S = 30


@contextmanager
def watched() -> Iterator[None]:
    """Fail where something takes so long that it may never end."""

    def late(_signal: int, _frame: FrameType | None) -> None:
        raise AssertionError(f"still not done after {HANG_S} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(HANG_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def dump(store: ProjectStore) -> tuple[object, ...]:
    """All that a person could miss."""
    images = store.images()
    rows = tuple(row for image in images for row in store.annotations(image.id))
    return tuple(images), tuple(store.categories()), rows


def taken_or_refused(key: str, source: Path, store: ProjectStore, *, leave_out: bool) -> bool:
    """Import; whether it was taken. Either way the project is whole, and one undo takes it back."""
    before = dump(store)
    options = import_format(key).options(leave_out_faults=leave_out)
    with watched():
        try:
            with survey(key, source, store, options) as plan:
                assert dump(store) == before, "a survey changes nothing"
                report = carry_out(plan, store)
        except SegStudioError as error:
            assert str(error).strip()
            assert len(str(error)) < 2000
            assert dump(store) == before, "refused, and yet something came in"
            return False
    assert store.integrity() == []
    if report.annotations:
        store.take_back(report.run_id, CancelToken())
        assert [row for image in store.images() for row in store.annotations(image.id)] == []
    return True
