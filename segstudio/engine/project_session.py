"""Making projects, opening them, and keeping them in step with their image folder."""

from __future__ import annotations

import hashlib
import os
import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segstudio.config.paths import data_dir
from segstudio.core.changes import Edit, Records
from segstudio.core.errors import BadInputError, StorageError
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.engine.category_file import read_categories
from segstudio.engine.folder_scan import list_images, read_files
from segstudio.engine.folder_sync import ScanReport, keep_stamps, rescan
from segstudio.imaging.read import IMAGE_SUFFIXES, read_size
from segstudio.store.project import NewImage, ProjectStore

__all__ = ["OpenedProject", "ScanReport", "new_project", "open_path", "project_path_for", "rescan"]

PROJECT_SUFFIX = ".segstudio"
_FORMATS = "JPEG, PNG, TIFF, BMP, GIF, WebP or PPM"


@dataclass(frozen=True)
class OpenedProject:
    """An open project; the caller closes its store.

    `start_image_id`: the image to show first, where the path named one.
    """

    store: ProjectStore
    start_image_id: int | None
    report: ScanReport


def project_path_for(folder: Path) -> Path:
    """Where the project of an image folder is, or would be made.

    `FOLDER/<name>.segstudio`; the only project file in the folder, if there is just one of another
    name; a file in the user's data folder where FOLDER cannot be written.
    """
    folder = folder.resolve()
    name = folder.name or "images"
    inside = folder / f"{name}{PROJECT_SUFFIX}"
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    elsewhere = data_dir() / "projects" / f"{name}-{digest}{PROJECT_SUFFIX}"
    if inside.exists():
        return inside
    if elsewhere.exists():
        return elsewhere
    others = [path for path in _glob(folder, f"*{PROJECT_SUFFIX}") if path.is_file()]
    if len(others) == 1:
        return others[0]
    return inside if _writable(folder) else elsewhere


def new_project(
    project: Path,
    images_dir: Path,
    report: ProgressSink,
    cancel: CancelToken,
    categories: Path | None = None,
) -> ScanReport:
    """Make a project of all images below a folder, whole or not at all.

    `categories` is a file for `category_file.read_categories`. Raises BadInputError if the project
    exists already, or there is no image that can be read; StorageError if it cannot be written.
    """
    return _make(project, images_dir, report, cancel, categories, deep=True)


def open_path(
    path: Path, report: ProgressSink, cancel: CancelToken, read_only: bool = False
) -> OpenedProject:
    """Open a project file, an image, or a folder, and add the images that are new in the folder.

    A folder, or an image's folder, without a project gets one. For an image only its own folder is
    looked through, not those below, and the project is the nearest one above. Raises BadInputError
    for a path that is none of these, and what `new_project` and the store raise.
    """
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except ValueError:  # a null character
        is_folder = is_file = False
    if is_folder:
        return _open_folder(path, report, cancel, read_only)
    if not is_file:
        raise BadInputError(f"There is no file or folder {path}.")
    if path.suffix.lower() == PROJECT_SUFFIX:
        return _open_project(path, report, cancel, read_only)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return _open_image(path, report, cancel, read_only)
    raise BadInputError(
        f"{path.name} is neither a project nor an image; name a {PROJECT_SUFFIX} file, a folder, "
        f"or an image as {_FORMATS}."
    )


# -- opening -------------------------------------------------------------------------------------


def _open_folder(
    folder: Path, report: ProgressSink, cancel: CancelToken, read_only: bool
) -> OpenedProject:
    project = project_path_for(folder)
    if project.exists():
        return _open_project(project, report, cancel, read_only)
    scanned = _make(project, folder, report, cancel, None, deep=True)
    return OpenedProject(ProjectStore.open(project, read_only=read_only), None, scanned)


def _open_image(
    path: Path, report: ProgressSink, cancel: CancelToken, read_only: bool
) -> OpenedProject:
    read_size(path)  # the sentence for a bad image, before anything is made
    path = path.parent.resolve() / path.name
    project = _project_above(path)
    scanned = None
    if project is None:
        project = project_path_for(path.parent)
        scanned = _make(project, path.parent, report, cancel, None, deep=False)
    store = _open_store(project, read_only)
    try:
        scanned = scanned or rescan(store, report, cancel, deep=False)
        start = _image_at(store, path)
        if start is None and not store.read_only:
            found = read_files(store.images_dir, [_relative(store, path)], report, cancel)
            start = store.add_images(found.images)[0].id if found.images else None
        return OpenedProject(store, start, scanned)
    except BaseException:
        store.close()
        raise


def _open_project(
    project: Path, report: ProgressSink, cancel: CancelToken, read_only: bool
) -> OpenedProject:
    store = _open_store(project, read_only)
    try:
        return OpenedProject(store, None, rescan(store, report, cancel))
    except BaseException:
        store.close()
        raise


def _open_store(project: Path, read_only: bool) -> ProjectStore:
    """Read-only also where the project lies in a folder that cannot be written."""
    return ProjectStore.open(project, read_only=read_only or not _writable(project.parent))


def _project_above(image: Path) -> Path | None:
    """The project of the image's folder, or the nearest one above that has its folder's name."""
    own = project_path_for(image.parent)
    if own.exists():
        return own
    above = (folder / f"{folder.name}{PROJECT_SUFFIX}" for folder in image.parent.parents)
    return next((project for project in above if project.is_file()), None)


def _relative(store: ProjectStore, path: Path) -> str:
    try:
        return path.relative_to(store.images_dir.resolve()).as_posix()
    except ValueError:
        raise BadInputError(
            f"{path.name} is not below {store.images_dir}, the image folder of {store.path.name}; "
            "open its folder instead."
        ) from None


def _image_at(store: ProjectStore, path: Path) -> int | None:
    wanted = _relative(store, path)
    return next((image.id for image in store.images() if image.path == wanted), None)


# -- making --------------------------------------------------------------------------------------


def _make(
    project: Path,
    images_dir: Path,
    report: ProgressSink,
    cancel: CancelToken,
    categories: Path | None,
    *,
    deep: bool,
) -> ScanReport:
    if project.suffix.lower() != PROJECT_SUFFIX:
        raise BadInputError(
            f"A project's name ends with {PROJECT_SUFFIX}; {project.name} does not."
        )
    if project.exists():
        raise BadInputError(f"{project} exists already; open it, or choose another name.")
    found = read_files(images_dir, list_images(images_dir, cancel, deep=deep), report, cancel)
    if not found.images:
        raise BadInputError(_no_images(images_dir, found.unreadable))
    part = project.with_name(f".{project.stem}.{uuid.uuid4().hex[:8]}{PROJECT_SUFFIX}")
    try:
        _fill(part, project.stem, images_dir, found.images, categories)
        cancel.check()
        if project.exists():
            raise BadInputError(f"{project} exists already; open it, or choose another name.")
        part.replace(project)
    except OSError as error:
        raise StorageError(
            f"The project {project} cannot be written ({error.strerror or error}); "
            "choose a folder that can."
        ) from error
    finally:
        for left in _glob(part.parent, f"*{part.name}*"):  # also locks and logs beside it
            left.unlink(missing_ok=True)
    return ScanReport(len(found.images), found.unreadable)


def _fill(
    part: Path, name: str, images_dir: Path, images: Sequence[NewImage], categories: Path | None
) -> None:
    with ProjectStore.create(part, images_dir, name) as store:
        if categories is not None:
            rows = read_categories(categories, store.new_category_id)
            store.commit(Edit("Add categories", 0, Records(), Records(categories=rows)))
        store.add_images(images)
        keep_stamps(store, (image.path for image in images))


def _no_images(folder: Path, unreadable: Sequence[tuple[str, str]]) -> str:
    if unreadable:
        return f"None of the {len(unreadable)} images in {folder} can be read: {unreadable[0][1]}"
    return f"There is no image in {folder}; put {_FORMATS} files there, or name another folder."


def _glob(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def _writable(folder: Path) -> bool:
    """Tried, not asked: permissions are not all that decides (read-only disks, network shares)."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".segstudio-"):
            return True
    except OSError:
        return False
