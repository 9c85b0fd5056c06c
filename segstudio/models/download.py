"""Downloading a pinned file: resumed where it stopped, checked, in place whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from filelock import FileLock, Timeout
from urllib3.exceptions import ReadTimeoutError

from segstudio.core.errors import WeightsError
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.models import pins
from segstudio.models.card import WeightsFile

CONNECT_SECONDS = 10.0
STALL_SECONDS = 15.0  # a server that sends nothing for this long has failed
ATTEMPTS = 3  # connections that may break in one call; each goes on where the last one stopped
SPARE_BYTES = 32 << 20  # disk space left to others
MOST_BYTES = 8 << 30  # of a file whose size is not published

_SHA256 = re.compile("[0-9a-f]{64}")
_BLOCK = 1 << 16  # small, so that a cancel is seen soon on a slow line
_HASH_BLOCK = 1 << 20


class _Broken(Exception):  # noqa: N818 - an outcome: try again from where it stopped
    """The connection broke; the reason is for the user."""


@dataclass(frozen=True)
class Transfer:
    """One file on its way: what is wanted, where it goes, and who is told."""

    weights: WeightsFile
    target: Path
    text: str
    report: ProgressSink
    cancel: CancelToken

    @property
    def part(self) -> Path:
        return self.target.with_name(self.target.name + ".part")

    @property
    def validator_file(self) -> Path:
        """Holds the server's own name for the version that the part is of."""
        return self.target.with_name(self.target.name + ".part.json")

    @property
    def size(self) -> int:
        """Bytes of the whole file, as published or as the server says; 0: not known yet."""
        if self.weights.size:
            return self.weights.size
        size = _read_record(self).get("size")
        return size if isinstance(size, int) else 0

    def discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.validator_file.unlink(missing_ok=True)


def fetch(
    weights: WeightsFile, target: Path, text: str, report: ProgressSink, cancel: CancelToken
) -> str:
    """Download `weights` to `target`; `report` gets bytes, under `text`; its SHA-256 is returned.

    What came in stays in `NAME.part` beside the target when the work is cancelled or fails, and
    the next call asks the server for the rest only. Never writes more than the pinned size, or,
    where none is published, than the server announced. The file appears under its name only when
    its SHA-256 is right (published, or pinned before); a wrong one is deleted. Raises WeightsError
    in one sentence for everything that can go wrong, Cancelled.
    """
    transfer = Transfer(weights, target, text, report, cancel)
    with _disk_errors(transfer):
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(transfer):
            if target.is_file():
                sha256 = _sha256(transfer, target)
                if sha256 == pins.expected(weights, target):
                    return sha256  # another process was here first
            _receive(transfer)
            return _finish(transfer)


def _receive(transfer: Transfer) -> None:
    """Connect until the part is complete."""
    broken = _Broken("the server sent nothing")
    for _ in range(ATTEMPTS):
        have = _part_size(transfer)
        if have and have == transfer.size:
            return
        _check_space(transfer, have)
        try:
            _receive_once(transfer, have)
        except _Broken as error:
            broken = error
    have = _part_size(transfer)
    if not have or have != transfer.size:
        raise WeightsError(
            f"The download of {transfer.weights.name} failed: {broken}; try again, and it "
            "goes on where it stopped."
        )


def _part_size(transfer: Transfer) -> int:
    """Bytes to go on from. A part that is too long is of something else, and is dropped."""
    if not transfer.part.exists():
        return 0
    size = transfer.part.stat().st_size
    if size > transfer.size:
        transfer.discard()
        return 0
    return size


def _receive_once(transfer: Transfer, have: int) -> None:
    """One request. Raises _Broken if the rest did not come."""
    transfer.cancel.check()
    # Compressed transfer would make byte ranges mean something else.
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        validator = _read_validator(transfer)
        if validator:
            headers["If-Range"] = validator
    try:
        with requests.get(
            transfer.weights.url,
            headers=headers,
            stream=True,
            timeout=(CONNECT_SECONDS, STALL_SECONDS),
        ) as response:
            start = _accepted_start(transfer, response, have)
            _write_body(transfer, response, start)
    except requests.exceptions.Timeout as error:
        raise _Broken(f"the server sent nothing for {STALL_SECONDS:.0f} seconds") from error
    except requests.exceptions.ChunkedEncodingError as error:
        raise _Broken("the connection was closed early") from error
    except requests.exceptions.ConnectionError as error:
        if error.args and isinstance(error.args[0], ReadTimeoutError):
            raise _Broken(f"the server sent nothing for {STALL_SECONDS:.0f} seconds") from error
        raise _Broken("the server cannot be reached (is this computer online?)") from error
    except requests.exceptions.RequestException as error:
        raise WeightsError(
            f"{transfer.weights.url} cannot be downloaded: {type(error).__name__}."
        ) from error


def _accepted_start(transfer: Transfer, response: requests.Response, have: int) -> int:
    """Where the body of this response belongs: after the part, or at the start."""
    status = response.status_code
    if status == requests.codes.partial_content:
        if response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            return have
        transfer.discard()
        raise _Broken("the server sent another part of the file than was asked for")
    if status == requests.codes.requested_range_not_satisfiable:
        transfer.discard()
        raise _Broken("the server has no such part of the file")
    if status == requests.codes.ok:
        size = _announced_size(transfer, response)
        transfer.discard()
        _write_record(transfer, response, size)
        return 0
    if status >= requests.codes.internal_server_error:
        raise _Broken(f"the server answered {status} {response.reason}")
    raise WeightsError(
        f"The server answered {status} {response.reason} for {transfer.weights.url}; try again "
        "later, or download the file elsewhere and put it into "
        f"{transfer.target.parent}."
    )


def _announced_size(transfer: Transfer, response: requests.Response) -> int:
    """Bytes of the whole file. Raises WeightsError if they are not those that were published."""
    length = response.headers.get("Content-Length", "")
    published = transfer.weights.size
    if not published:
        if not length.isdecimal() or not 0 < int(length) <= MOST_BYTES:
            raise WeightsError(
                f"{transfer.weights.url} does not say how long it is, or is too long; download "
                f"the file elsewhere and put it into {transfer.target.parent}."
            )
        return int(length)
    if length.isdecimal() and int(length) != published:
        raise WeightsError(
            f"{transfer.weights.url} now holds {length} bytes where {published} "
            "are expected; it is another file, and SegStudio needs an update."
        )
    return published


def _write_body(transfer: Transfer, response: requests.Response, start: int) -> None:
    size = transfer.size
    done = start
    with transfer.part.open("ab") as file:
        for block in response.iter_content(_BLOCK):
            if done + len(block) > size:
                break
            file.write(block)
            done += len(block)
            transfer.report(Progress(done, size, transfer.text))
            transfer.cancel.check()
        else:
            if done == size:
                return
            raise _Broken("the connection was closed early")
    transfer.discard()
    raise WeightsError(
        f"{transfer.weights.url} sends more than the {size} bytes that are expected; it is "
        "another file, and SegStudio needs an update."
    )


def _finish(transfer: Transfer) -> str:
    """Check the whole part's SHA-256, which is returned, and give it its name."""
    sha256 = _sha256(transfer, transfer.part)
    told = _read_record(transfer).get("sha256")
    if not pins.fits(transfer.weights, transfer.target, sha256) or (told and told != sha256):
        transfer.discard()
        raise WeightsError(
            f"What {transfer.weights.url} sent is not {transfer.weights.name} (its SHA-256 is "
            "wrong) and was deleted; try again, from another network if it happens twice."
        )
    with transfer.part.open("rb+") as file:
        os.fsync(file.fileno())
    transfer.part.replace(transfer.target)
    transfer.validator_file.unlink(missing_ok=True)
    return sha256


def _sha256(transfer: Transfer, path: Path) -> str:
    digest = hashlib.sha256()
    done, size = 0, path.stat().st_size
    with path.open("rb") as file:
        while block := file.read(_HASH_BLOCK):
            transfer.cancel.check()
            digest.update(block)
            done += len(block)
            transfer.report(Progress(done, size, f"Checking {transfer.weights.name}"))
    return digest.hexdigest()


def _read_record(transfer: Transfer) -> dict[str, object]:
    """What was kept of the server's answer to which the part belongs; empty if nothing was."""
    try:
        record = json.loads(transfer.validator_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    same = isinstance(record, dict) and record.get("url") == transfer.weights.url
    return record if same else {}


def _read_validator(transfer: Transfer) -> str:
    value = _read_record(transfer).get("validator")
    return value if isinstance(value, str) else ""


def _told_sha256(response: requests.Response) -> str:
    """The SHA-256 that a hub of models tells of a large file on the way to it; "" where none."""
    for answer in (*response.history, response):
        tag = answer.headers.get("X-Linked-Etag", "").strip('"')
        if _SHA256.fullmatch(tag):
            return tag
    return ""


def _write_record(transfer: Transfer, response: requests.Response, size: int) -> None:
    """Keep the size, and the ETag if it is a strong one: only those may stand in If-Range.

    RFC 9110, section 13.1.5.
    """
    tag = response.headers.get("ETag", "")
    record = {
        "url": transfer.weights.url,
        "validator": tag if tag.startswith('"') else "",
        "size": size,
        "sha256": _told_sha256(response),
    }
    transfer.validator_file.write_text(json.dumps(record), encoding="utf-8")


def _check_space(transfer: Transfer, have: int) -> None:
    needed = transfer.size - have + SPARE_BYTES
    free = shutil.disk_usage(transfer.target.parent).free
    if free < needed:
        raise WeightsError(
            f"{transfer.weights.name} needs {needed / 1e6:.0f} MB in {transfer.target.parent}, "
            f"where {free / 1e6:.0f} MB are free; make room, or name another folder in "
            "SEGSTUDIO_HOME."
        )


@contextmanager
def _alone(transfer: Transfer) -> Iterator[None]:
    """Wait while another process downloads the same file."""
    lock = FileLock(transfer.target.with_name(transfer.target.name + ".lock"))
    while True:
        transfer.cancel.check()
        try:
            lock.acquire(timeout=0.2)
            break
        except Timeout:
            transfer.report(Progress(0, 0, "Waiting for another download of the same file"))
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _disk_errors(transfer: Transfer) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        folder = transfer.target.parent
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise WeightsError(
                f"There is no room for {transfer.weights.name} in {folder}; make room and try "
                "again, and it goes on where it stopped."
            ) from error
        raise WeightsError(
            f"{transfer.weights.name} cannot be written into {folder}: {error.strerror or error}."
        ) from error
