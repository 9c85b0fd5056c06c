"""Finding weights on this machine, checking that they are the published ones, fetching them.

Looked for in this order: the path given; the folder `SEGSTUDIO_WEIGHTS`; the user's cache; the
app's own `resources/models/`; the Python package that a card names, if it is installed; then, where
it is allowed, the download.
"""

from __future__ import annotations

import hashlib
import json
from importlib.util import find_spec
from pathlib import Path

from segstudio.config.paths import cache_dir, resources_dir, weights_folders
from segstudio.core.errors import WeightsError
from segstudio.core.progress import CancelToken, Progress, ProgressSink, ignore_progress
from segstudio.core.whole_files import put
from segstudio.models import licences, pins
from segstudio.models.card import Weighed, WeightsFile, remedy

_BLOCK = 1 << 20


def find(
    card: Weighed,
    given: Path | None = None,
    report: ProgressSink = ignore_progress,
    cancel: CancelToken | None = None,
) -> Path | None:
    """The verified weights of `card` on this machine; None where there are none, or none needed.

    `given` is the file, or a folder that holds it; then nowhere else is looked. Raises
    WeightsError if `given` does not exist, or if the file found is not the published one.
    """
    if card.weights is None:
        return None
    path = _locate(card.weights, given)
    if path is not None:
        verify(card, path, report, cancel)
    return path


def ensure(
    card: Weighed,
    given: Path | None,
    *,
    download: bool,
    report: ProgressSink,
    cancel: CancelToken,
) -> Path | None:
    """The verified weights of `card`, downloaded if `download` allows it; None if it needs none.

    A damaged file in the user's cache is downloaded again; elsewhere it is the user's, and is
    refused. Raises WeightsError if there are no weights or the download fails (what came in is
    kept, and the next call goes on from there) or needs a licence that nobody accepted (see
    `models.licences`), Cancelled if `cancel` was set.
    """
    if card.weights is None:
        return None
    own = download_target(card.weights)
    try:
        path = find(card, given, report, cancel)
    except WeightsError:
        if not download or given is not None or _locate(card.weights, None) != own:
            raise
        path = None
    if path is not None:
        return path
    if not download or not card.weights.url:
        raise missing_weights(card)
    if not licences.is_accepted(card):
        raise licences.not_accepted(card)
    from segstudio.models.download import fetch  # noqa: PLC0415 - brings requests; rarely needed

    sha256 = fetch(card.weights, own, f"Downloading {card.title}", report, cancel)
    pins.pin(card.weights, own, sha256)
    _stamp(own, sha256)
    return own


def download_target(weights: WeightsFile) -> Path:
    """Where a download of these weights is kept: in the user's cache."""
    return cache_dir() / "weights" / weights.name


def missing_weights(card: Weighed) -> WeightsError:
    """What to say where a model's weights are nowhere on this machine."""
    assert card.weights is not None
    if card.weights.in_the_box or card.weights.folder:
        return WeightsError(
            f"The weights of {card.title} are not on this machine; {remedy(card)}, or choose "
            "another model."
        )
    folder = download_target(card.weights).parent
    start = f"The weights of {card.title} are not on this machine; "
    if not card.weights.url:
        package = card.weights.package.split("/")[0].replace("_", "-")
        return WeightsError(
            f"{start}install the Python package {package}, which holds them, or put "
            f"{card.weights.name} into {folder}."
        )
    size = f" ({card.weights.size / 2**20:.0f} MB)" if card.weights.size else ""
    return WeightsError(
        f"{start}get them with `segstudio models pull {card.key}`{size}, or put "
        f"{card.weights.name} into {folder}."
    )


def verify(
    card: Weighed,
    path: Path,
    report: ProgressSink = ignore_progress,
    cancel: CancelToken | None = None,
) -> None:
    """Check that `path` holds the card's published weights: size first, then SHA-256.

    Where no hash is published, the first file that is used is pinned. The hash of an unchanged
    file is remembered, so only the first call reads it. Raises WeightsError, naming the remedy, if
    the file is another one.
    """
    assert card.weights is not None
    mend = f"delete it and {remedy(card)}, or name another path"
    try:
        size = path.stat().st_size
        if card.weights.size and size != card.weights.size:
            raise WeightsError(
                f"{path} has {size} bytes where the weights of {card.title} have "
                f"{card.weights.size}; {mend}."
            )
        sha256 = file_sha256(path, report, cancel)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}.") from error
    if not pins.fits(card.weights, path, sha256):
        raise WeightsError(
            f"{path} is altered or damaged: its SHA-256 is not that of the weights of "
            f"{card.title}; {mend}."
        )
    pins.pin(card.weights, path, sha256)


def file_sha256(
    path: Path, report: ProgressSink = ignore_progress, cancel: CancelToken | None = None
) -> str:
    """Hex SHA-256 of a file, from memory where the file is the one hashed before.

    Raises OSError if it cannot be read, Cancelled if `cancel` is set on the way.
    """
    known = _stamped(path)
    if known is not None:
        return known
    digest = hashlib.sha256()
    total = path.stat().st_size
    done = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            if cancel is not None:
                cancel.check()
            digest.update(block)
            done += len(block)
            report(Progress(done, total, f"Checking {path.name}"))
    _stamp(path, digest.hexdigest())
    return digest.hexdigest()


def _locate(weights: WeightsFile, given: Path | None) -> Path | None:
    if given is not None:
        path = given / weights.name if given.is_dir() else given
        if not path.is_file():
            raise WeightsError(f"There are no weights at {path}; name the file {weights.name}.")
        return path
    folders = [*weights_folders(), *_package_folder(weights)]
    if weights.folder:
        folders = [Path(weights.folder)]
    candidates = (folder / weights.name for folder in folders)
    return next((path for path in candidates if path.is_file()), None)


def _package_folder(weights: WeightsFile) -> list[Path]:
    """The folder of the installed package that may hold the file; its code is not run."""
    if not weights.package:
        return []
    top, _, below = weights.package.partition("/")
    found = find_spec(top)
    places = found.submodule_search_locations if found is not None else None
    return [Path(place) / below for place in places or ()]


# -- what was hashed before: one small file each, so that processes need not share one ------------


def _stamp_path(path: Path) -> Path:
    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:32]
    return cache_dir() / "verified" / f"{name}.json"


def _identity(path: Path) -> dict[str, object]:
    """What changes when a file's content does; ctime cannot be set back as mtime can."""
    status = path.stat()
    return {
        "path": str(path.resolve()),
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "ctime_ns": status.st_ctime_ns,
    }


def _stamped(path: Path) -> str | None:
    try:
        stamp = json.loads(_stamp_path(path).read_text(encoding="utf-8"))
        sha256 = stamp.pop("sha256")
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None
    return sha256 if isinstance(sha256, str) and stamp == _identity(path) else None


def _stamp(path: Path, sha256: str) -> None:
    """Remember a hash; where the cache cannot be written, it is computed again next time.

    What comes with the app is small, and looking at it shall leave nothing behind.
    """
    if path.parent == resources_dir() / "models":
        return
    try:
        target = _stamp_path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({**_identity(path), "sha256": sha256})
        put(target, text.encode())
    except OSError:
        return
