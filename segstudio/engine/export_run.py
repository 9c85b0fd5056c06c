"""Exports a project: the whole folder or nothing, and proved before its name appears."""

from __future__ import annotations

import dataclasses
import errno
from pathlib import Path

from segstudio.core.errors import StorageError
from segstudio.core.progress import CancelToken, Progress, ProgressSink, ignore_progress
from segstudio.core.project_view import ProjectView
from segstudio.engine.export_losses import announce
from segstudio.engine.export_proof import Export, prove
from segstudio.engine.still_view import at_one_moment
from segstudio.formats.contract import ExportFormat, ExportOptions, ExportReport, Losses
from segstudio.formats.registry import export_format
from segstudio.formats.staging import count_files, staged_folder

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_STEPS = 1000  # of the one progress bar over all that an export does
_LOSSES, _WRITTEN, _PROVED = 150, 650, 1000  # where each part of it ends


def export(  # noqa: PLR0917 - the order of all runs: what, of what, where, how
    format_key: str,
    view: ProjectView,
    target: Path,
    options: ExportOptions | None = None,
    report: ProgressSink = ignore_progress,
    cancel: CancelToken | None = None,
) -> ExportReport:
    """Write `view` into the folder `target` in the format of that key, read it back and compare.

    `options` is a record of the format's `options` type (None: its defaults). Images whose file is
    missing, damaged or changed in size are left out and listed in the report, as are rejected ones
    and those nobody has labelled, unless the options ask for them. The report says what the format
    could not hold, and its `proof` whether all else came back; if not, the folder is there all
    the same, for a look at it.

    Raises BadInputError if the target is in the way or the format cannot hold the project,
    StorageError if the disk is full or refuses, Cancelled; nothing is left behind in any case, and
    a folder that was to be replaced is as it was.
    """
    member, chosen = _chosen(format_key, options)
    token = cancel or CancelToken()
    try:
        with (
            staged_folder(target, replace=chosen.replace) as folder,
            at_one_moment(view) as still,
        ):
            return _proved(Export(member, still, chosen, folder), report, token)
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
    member, chosen = _chosen(format_key, options)
    with at_one_moment(view) as still:
        return announce(member, still, chosen, report, cancel or CancelToken()).losses()


def _chosen(format_key: str, options: ExportOptions | None) -> tuple[ExportFormat, ExportOptions]:
    member = export_format(format_key)
    chosen = options if options is not None else member.options()
    if not isinstance(chosen, member.options):
        raise TypeError(f"{member.key} takes {member.options.__name__}")
    return member, chosen


def _proved(export: Export, report: ProgressSink, cancel: CancelToken) -> ExportReport:
    """Reckon, write, read back; the options say which images."""
    part = _Bar(report)
    announced = announce(
        export.member, export.view, export.options, part.between(0, _LOSSES), cancel
    )
    done = export.member.write(
        export.view, export.folder, export.options, part.between(_LOSSES, _WRITTEN), cancel
    )
    cancel.check()
    without = frozenset(item.path for item in done.skipped if not item.annotation_id)
    proof = prove(export, announced, without, part.between(_WRITTEN, _PROVED), cancel)
    cancel.check()
    report(Progress(_STEPS, _STEPS, "Exported"))
    return dataclasses.replace(
        done, files=count_files(export.folder), losses=announced.losses(without), proof=proof
    )


@dataclasses.dataclass(frozen=True)
class _Bar:
    """One bar over several parts, each of which counts from nothing to its own total."""

    report: ProgressSink

    def between(self, low: int, high: int) -> ProgressSink:
        def sink(progress: Progress) -> None:
            at = low + round((high - low) * (progress.fraction or 0.0))
            self.report(Progress(at, _STEPS, progress.text))

        return sink


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
