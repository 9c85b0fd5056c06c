"""Keeping a project in step with its image folder: new, moved, missing and changed files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from segstudio.core.changes import Edit, HistoryState, Records
from segstudio.core.errors import BadInputError
from segstudio.core.image import ImageRecord
from segstudio.core.progress import CancelToken, Progress, ProgressSink, ignore_progress
from segstudio.engine.folder_scan import file_stamp, list_images, read_files
from segstudio.imaging.read import file_sha256
from segstudio.store.project import NewImage, ProjectStore

STAMPS = "file_stamps"  # a setting of the project: path -> [size, mtime in ns] when last read


@dataclass(frozen=True)
class ScanReport:
    """What looking through the image folder found; paths are relative to it.

    `unreadable` has a sentence for each file. `missing` images are in the project but not in the
    folder, `changed` ones have other bytes than those that were worked on, `refreshed` ones had
    changed too but nobody had worked on them, so they were taken as they are. `moved` ones were
    found under another name (old path, new path) and followed.
    """

    added: int = 0
    unreadable: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    refreshed: tuple[str, ...] = ()
    moved: tuple[tuple[str, str], ...] = ()


def rescan(
    store: ProjectStore, report: ProgressSink, cancel: CancelToken, *, deep: bool = True
) -> ScanReport:
    """Bring an open project in step with its folder.

    New files are added, and an image whose file has another name now follows it. A changed file is
    taken as it is where nothing was done on that image; else the project keeps what it had, as the
    masks were made for that. A project opened read-only is left alone. Where the whole folder is
    gone, every image is reported missing. Raises Cancelled; BadInputError if the folder cannot be
    read and the project has no image yet.
    """
    known = {image.path: image for image in store.images()}
    try:
        paths = list_images(store.images_dir, cancel, deep=deep)
    except BadInputError:
        if not known:
            raise
        return ScanReport(missing=tuple(known))  # the disk is not there today
    missing, changed, same = _compare(store, known, report, cancel)
    if store.read_only:
        return ScanReport(missing=tuple(missing), changed=tuple(changed))
    new = [path for path in paths if path not in known]
    found = read_files(store.images_dir, new, report, cancel)
    moved = _moved([known[path] for path in missing], found.images)
    for image, path in moved.items():
        _replace(store, "Follow the moved file", image, replace(image, path=path))
    arrived = set(moved.values())
    added = [image for image in found.images if image.path not in arrived]
    store.add_images(added)
    followed = [path for path in changed if _take_as_it_is(store, known[path])]
    keep_stamps(store, (*same, *followed, *(image.path for image in found.images)))
    left = {image.path for image in moved}
    return ScanReport(
        added=len(added),
        unreadable=found.unreadable,
        missing=tuple(path for path in missing if path not in left),
        changed=tuple(path for path in changed if path not in followed),
        refreshed=tuple(followed),
        moved=tuple((image.path, path) for image, path in moved.items()),
    )


def keep_stamps(store: ProjectStore, paths: Iterable[str]) -> None:
    """Note size and time of files whose bytes are those of the project, to skip them next time."""
    old: Mapping[str, Any] = store.setting(STAMPS, {})
    new = {**old, **{path: file_stamp(store.images_dir / path) for path in paths}}
    if new != old:
        store.set_setting(STAMPS, new)


def _compare(
    store: ProjectStore,
    known: Mapping[str, ImageRecord],
    report: ProgressSink,
    cancel: CancelToken,
) -> tuple[list[str], list[str], list[str]]:
    """Paths that are missing, those with other bytes, and those looked at and found the same."""
    missing: list[str] = []
    changed: list[str] = []
    same: list[str] = []
    stamps: Mapping[str, Any] = store.setting(STAMPS, {})
    for index, (path, image) in enumerate(known.items()):
        cancel.check()
        report(Progress(index, len(known), "Comparing images"))
        stamp = file_stamp(store.image_path(image))
        if stamp is None:
            missing.append(path)
        elif stamps.get(path) != stamp:
            (same if _same_bytes(store, image) else changed).append(path)
    return missing, changed, same


def _same_bytes(store: ProjectStore, image: ImageRecord) -> bool:
    try:
        return file_sha256(store.image_path(image)) == image.sha256
    except BadInputError:
        return False


def _moved(missing: list[ImageRecord], found: Iterable[NewImage]) -> dict[ImageRecord, str]:
    """Missing images whose bytes are in just one new file, and no other missing image has them."""
    places: dict[str, list[str]] = {}
    for new in found:
        places.setdefault(new.sha256, []).append(new.path)
    digests = [image.sha256 for image in missing]
    return {
        image: places[image.sha256][0]
        for image in missing
        if len(places.get(image.sha256, ())) == 1 and digests.count(image.sha256) == 1
    }


def _take_as_it_is(store: ProjectStore, image: ImageRecord) -> bool:
    """Follow a changed file where no mask and no step of a history depends on the old one."""
    if store.history(image.id) != HistoryState() or store.annotations(image.id):
        return False
    found = read_files(store.images_dir, [image.path], ignore_progress, CancelToken())
    for new in found.images:
        size = replace(image, width=new.width, height=new.height, sha256=new.sha256)
        _replace(store, "Take the changed file", image, size)
    return bool(found.images)


def _replace(store: ProjectStore, text: str, old: ImageRecord, new: ImageRecord) -> None:
    """In the project's own history: it is nothing that a person did on the image."""
    store.commit(Edit(text, 0, Records(images=(old,)), Records(images=(new,))))
