"""Downloading a pinned file: resumed where it stopped, checked, in place whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
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
from segstudio.models.card import WeightsFile

CONNECT_SECONDS = 10.0
STALL_SECONDS = 15.0  # a server that sends nothing for this long has failed
ATTEMPTS = 3  # connections that may break in one call; each goes on where the last one stopped
SPARE_BYTES = 32 << 20  # disk space left to others

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

    def discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.validator_file.unlink(missing_ok=True)


def fetch(
    weights: WeightsFile, target: Path, text: str, report: ProgressSink, cancel: CancelToken
) -> None:
    """Download `weights` to `target`; `report` gets bytes, under `text`.

    What came in stays in `NAME.part` beside the target when the work is cancelled or fails, and
    the next call asks the server for the rest only. Never writes more than the pinned size. The
    file appears under its name only when its SHA-256 is right; a wrong one is deleted. Raises
    WeightsError in one sentence for everything that can go wrong, Cancelled.
    """
    transfer = Transfer(weights, target, text, report, cancel)
    with _disk_errors(transfer):
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(transfer):
            if target.is_file() and _sha256(transfer, target) == weights.sha256:
                return  # another process was here first
            _receive(transfer)
            _finish(transfer)


def _receive(transfer: Transfer) -> None:
    """Connect until the part is complete."""
    broken = _Broken("the server sent nothing")
    for _ in range(ATTEMPTS):
        have = _part_size(transfer)
        if have == transfer.weights.size:
            return
        _check_space(transfer, have)
        try:
            _receive_once(transfer, have)
        except _Broken as error:
            broken = error
    if _part_size(transfer) != transfer.weights.size:
        raise WeightsError(
            f"The download of {transfer.weights.name} failed: {broken}; try again, and it "
            "goes on where it stopped."
        )


def _part_size(transfer: Transfer) -> int:
    """Bytes to go on from. A part that is too long is of something else, and is dropped."""
    if not transfer.part.exists():
        return 0
    size = transfer.part.stat().st_size
    if size > transfer.weights.size:
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
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) != transfer.weights.size:
            raise WeightsError(
                f"{transfer.weights.url} now holds {length} bytes where {transfer.weights.size} "
                "are expected; it is another file, and SegStudio needs an update."
            )
        transfer.discard()
        _write_validator(transfer, response)
        return 0
    if status >= requests.codes.internal_server_error:
        raise _Broken(f"the server answered {status} {response.reason}")
    raise WeightsError(
        f"The server answered {status} {response.reason} for {transfer.weights.url}; try again "
        "later, or download the file elsewhere and put it into "
        f"{transfer.target.parent}."
    )


def _write_body(transfer: Transfer, response: requests.Response, start: int) -> None:
    size = transfer.weights.size
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


def _finish(transfer: Transfer) -> None:
    """Check the whole part's SHA-256 and give it its name."""
    if _sha256(transfer, transfer.part) != transfer.weights.sha256:
        transfer.discard()
        raise WeightsError(
            f"What {transfer.weights.url} sent is not {transfer.weights.name} (its SHA-256 is "
            "wrong) and was deleted; try again, from another network if it happens twice."
        )
    with transfer.part.open("rb+") as file:
        os.fsync(file.fileno())
    transfer.part.replace(transfer.target)
    transfer.validator_file.unlink(missing_ok=True)


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


def _read_validator(transfer: Transfer) -> str:
    try:
        stored = json.loads(transfer.validator_file.read_text(encoding="utf-8"))
        value = stored["validator"] if stored["url"] == transfer.weights.url else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return value if isinstance(value, str) else ""


def _write_validator(transfer: Transfer, response: requests.Response) -> None:
    """Keep the ETag, if it is a strong one: only those may stand in If-Range (RFC 9110)."""
    tag = response.headers.get("ETag", "")
    if tag.startswith('"'):
        record = {"url": transfer.weights.url, "validator": tag}
        transfer.validator_file.write_text(json.dumps(record), encoding="utf-8")


def _check_space(transfer: Transfer, have: int) -> None:
    needed = transfer.weights.size - have + SPARE_BYTES
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
