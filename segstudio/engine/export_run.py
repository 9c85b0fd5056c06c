"""Exports a project: the whole folder or nothing."""

from __future__ import annotations

import dataclasses
import errno
from pathlib import Path

from segstudio.core.errors import StorageError
from segstudio.core.progress import CancelToken, ProgressSink, ignore_progress
from segstudio.core.project_view import ProjectView
from segstudio.engine.export_losses import announce
from segstudio.formats.contract import ExportOptions, ExportReport, Losses
from segstudio.formats.registry import export_format
from segstudio.formats.staging import count_files, staged_folder

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def export(  # noqa: PLR0917 - the order of all runs: what, of what, where, how
    format_key: str,
    view: ProjectView,
    target: Path,
    options: ExportOptions | None = None,
    report: ProgressSink = ignore_progress,
    cancel: CancelToken | None = None,
) -> ExportReport:
    """Write `view` into the folder `target` in the format of that key.

    `options` is a record of the format's `options` type (None: its defaults). Images whose file is
    missing, damaged or changed in size are left out and listed in the report, as are rejected ones
    and those nobody has labelled, unless the options ask for them.

    Raises BadInputError if the target is in the way or the format cannot hold the project,
    StorageError if the disk is full or refuses, Cancelled; nothing is left behind in any case, and
    a folder that was to be replaced is as it was.
    """
    member = export_format(format_key)
    chosen = options if options is not None else member.options()
    if not isinstance(chosen, member.options):
        raise TypeError(f"{member.key} takes {member.options.__name__}")
    token = cancel or CancelToken()
    try:
        with staged_folder(target, replace=chosen.replace) as folder:
            done = member.write(view, folder, chosen, report, token)
            token.check()
            return dataclasses.replace(done, files=count_files(folder))
    except OSError as error:
        raise _storage_error(error, target) from error


def losses(
    format_key: str,
    view: ProjectView,
    options: ExportOptions | None = None,
    report: ProgressSink = ignore_progress,
    cancel: CancelToken | None = None,
) -> Losses:
    """What `export` with the same arguments will not hold of the project; nothing is written.

    Raises BadInputError if the format cannot hold the project, Cancelled.
    """
    member = export_format(format_key)
    chosen = options if options is not None else member.options()
    if not isinstance(chosen, member.options):
        raise TypeError(f"{member.key} takes {member.options.__name__}")
    return announce(member, view, chosen, report, cancel or CancelToken()).losses()


def _storage_error(error: OSError, target: Path) -> StorageError:
    if error.errno in _FULL:
        return StorageError(
            f"The disk of “{target}” is full; nothing was exported. Make room, or choose another."
        )
    reason = error.strerror or str(error)
    return StorageError(
        f"The export to “{target}” failed ({reason}) and nothing was left there; "
        "check the folder's disk and permissions."
    )
