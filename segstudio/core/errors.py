"""Errors that a person reads.

Every error raised on purpose is one of these. The message is one sentence that says what is wrong
and, where there is one, what to do about it; the GUI and the CLI print it as it is.
"""

from __future__ import annotations


class SegStudioError(Exception):
    """Base of all errors whose text is meant for the user: one clear sentence, with the remedy."""


class BadInputError(SegStudioError):
    """A file or an argument from outside cannot be used (corrupt, hostile, of the wrong kind)."""


class StorageError(SegStudioError):
    """The project file or a cache cannot be read or written (full, read-only, locked, newer)."""


class ProjectLockedError(StorageError):
    """Another process has the project open for writing."""


class WeightsError(SegStudioError):
    """Model weights are missing, incomplete, altered, or not for this model."""


class DeviceError(SegStudioError):
    """The compute device cannot do what was asked (absent, out of memory)."""


class Cancelled(Exception):  # noqa: N818 - an outcome, not an error
    """Raised inside long work when its `CancelToken` was set; nothing half-done may stay behind."""
