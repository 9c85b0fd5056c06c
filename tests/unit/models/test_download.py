"""Downloads over real HTTP: what can go wrong goes wrong here, on the loopback."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

from segstudio.config.paths import cache_dir
from segstudio.core.errors import Cancelled, WeightsError
from segstudio.core.progress import CancelToken, Progress, ignore_progress
from segstudio.models import download, weights
from segstudio.models.card import ModelCard, WeightsFile
from segstudio.models.registry import prompt_model

CONTENT = os.urandom(1 << 20)
NAME = "small.pt"
BLOCK = 1 << 16  # what is written at once; a broken line loses less than that


@dataclass
class Server:
    """What the server does with the next requests, and what it was asked."""

    content: bytes = CONTENT
    etag: str = '"v1"'
    knows_ranges: bool = True
    statuses: list[int] = field(default_factory=list)  # each answers one request, then 200
    cut_after: list[int] = field(default_factory=list)  # bytes of a body before the line drops
    stall_after: int | None = None
    claim_length: bool = True
    pause: float = 0.0
    requests: list[dict[str, str]] = field(default_factory=list)
    sent: int = 0
    port: int = 0
    closing: threading.Event = field(default_factory=threading.Event)


def handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            server.requests.append({name.lower(): value for name, value in self.headers.items()})
            if server.statuses:
                self.send_error(server.statuses.pop(0))
                return
            start = self.start()
            if start is not None and start >= len(server.content):
                self.send_error(416)
                return
            body = server.content[start or 0 :]
            self.send_response(200 if start is None else 206)
            if start is not None:
                end = len(server.content)
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
            if server.claim_length:
                self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", server.etag)
            self.end_headers()
            self.write_body(body)

        def start(self) -> int | None:
            wanted = self.headers.get("Range")
            same = self.headers.get("If-Range", server.etag) == server.etag
            if not (server.knows_ranges and wanted and same):
                return None
            return int(wanted.removeprefix("bytes=").rstrip("-"))

        def write_body(self, body: bytes) -> None:
            limit = server.cut_after.pop(0) if server.cut_after else len(body)
            step = 1 << 14
            for position in range(0, limit, step):
                if server.stall_after is not None and position >= server.stall_after:
                    server.closing.wait(30)
                    return
                block = body[position : min(position + step, limit)]
                try:
                    self.wfile.write(block)
                except OSError:
                    return
                server.sent += len(block)
                time.sleep(server.pause)
            self.close_connection = True

    return Handler


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    state = Server()
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler(state))
    state.port = http.server_address[1]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    state.closing.set()
    http.shutdown()
    thread.join()
    http.server_close()


class Setting(NamedTuple):
    """What the tests download: a card, pinned to the server's file."""

    card: ModelCard
    pull: Callable[..., Path | None]
    target: Path
    part: Path


@pytest.fixture
def setting(server: Server) -> Setting:
    pin = WeightsFile(
        NAME,
        f"http://127.0.0.1:{server.port}/{NAME}",
        len(CONTENT),
        hashlib.sha256(CONTENT).hexdigest(),
        "Apache-2.0",
    )
    card = replace(prompt_model("mobile_sam"), weights=pin)

    def pull(
        report: Callable[[Progress], None] = ignore_progress, cancel: CancelToken | None = None
    ) -> Path | None:
        return weights.ensure(
            card, None, download=True, report=report, cancel=cancel or CancelToken()
        )

    folder = cache_dir() / "weights"
    return Setting(card, pull, folder / NAME, folder / f"{NAME}.part")


def left_behind(setting: Setting) -> set[str]:
    return {path.name for path in setting.target.parent.iterdir() if path.suffix != ".lock"}


def test_a_download_arrives_whole_with_progress_in_bytes(setting: Setting) -> None:
    seen: list[Progress] = []
    assert setting.pull(seen.append) == setting.target
    assert setting.target.read_bytes() == CONTENT
    assert left_behind(setting) == {NAME}
    transfer = [step for step in seen if step.text == "Downloading MobileSAM"]
    assert [step.done for step in transfer] == sorted({step.done for step in transfer})
    assert transfer[-1].done == transfer[-1].total == len(CONTENT)


def test_a_second_call_asks_the_server_nothing(setting: Setting, server: Server) -> None:
    setting.pull()
    setting.pull()
    assert len(server.requests) == 1


def test_a_broken_line_is_taken_up_where_it_broke(setting: Setting, server: Server) -> None:
    server.cut_after = [BLOCK * 4, BLOCK * 3]
    setting.pull()
    assert setting.target.read_bytes() == CONTENT
    assert [request.get("range") for request in server.requests] == [
        None,
        f"bytes={BLOCK * 4}-",
        f"bytes={BLOCK * 7}-",
    ]
    assert server.requests[1]["if-range"] == '"v1"'
    assert server.sent == len(CONTENT), "every byte was sent once"


def test_a_download_that_keeps_breaking_ends_in_a_sentence_and_resumes_later(
    setting: Setting, server: Server
) -> None:
    server.cut_after = [2 * BLOCK] * download.ATTEMPTS
    with pytest.raises(WeightsError, match=r"failed.*goes on where it stopped"):
        setting.pull()
    assert setting.part.stat().st_size == 2 * BLOCK * download.ATTEMPTS
    assert not setting.target.exists()
    before = server.sent
    setting.pull()
    assert setting.target.read_bytes() == CONTENT
    assert server.sent - before == len(CONTENT) - 2 * BLOCK * download.ATTEMPTS


def test_cancelling_keeps_the_part_for_the_next_time(setting: Setting, server: Server) -> None:
    server.pause = 0.002
    token = CancelToken()

    def cancel_half_way(progress: Progress) -> None:
        if progress.done > len(CONTENT) // 2:
            token.cancel()

    with pytest.raises(Cancelled):
        setting.pull(cancel_half_way, token)
    kept = setting.part.stat().st_size
    assert len(CONTENT) // 2 < kept < len(CONTENT)
    assert not setting.target.exists()
    server.pause = 0.0
    setting.pull()
    assert server.requests[-1]["range"] == f"bytes={kept}-"
    assert setting.target.read_bytes() == CONTENT


def test_a_server_without_ranges_sends_it_all_again(setting: Setting, server: Server) -> None:
    server.knows_ranges = False
    server.cut_after = [4 * BLOCK]
    setting.pull()
    assert setting.target.read_bytes() == CONTENT
    assert server.sent == 4 * BLOCK + len(CONTENT)


def test_a_part_of_an_older_version_is_not_mixed_with_a_newer_one(
    setting: Setting, server: Server
) -> None:
    server.content = os.urandom(len(CONTENT))
    server.cut_after = [4 * BLOCK] + [0] * download.ATTEMPTS
    with pytest.raises(WeightsError):
        setting.pull()
    server.content, server.etag, server.cut_after = CONTENT, '"v2"', []
    setting.pull()
    assert setting.target.read_bytes() == CONTENT


def test_a_complete_part_is_only_checked(setting: Setting, server: Server) -> None:
    setting.part.parent.mkdir(parents=True)
    setting.part.write_bytes(CONTENT)
    setting.pull()
    assert server.requests == []
    assert left_behind(setting) == {NAME}


def test_a_part_that_is_too_long_is_dropped(setting: Setting, server: Server) -> None:
    setting.part.parent.mkdir(parents=True)
    setting.part.write_bytes(CONTENT + b"more")
    setting.pull()
    assert server.requests[0].get("range") is None
    assert setting.target.read_bytes() == CONTENT


def test_a_range_that_the_server_refuses_starts_again(setting: Setting, server: Server) -> None:
    setting.part.parent.mkdir(parents=True)
    setting.part.write_bytes(CONTENT[:1000])
    server.statuses = [416]
    setting.pull()
    assert [request.get("range") for request in server.requests] == ["bytes=1000-", None]
    assert setting.target.read_bytes() == CONTENT


def test_wrong_content_is_deleted_and_never_gets_the_name(setting: Setting, server: Server) -> None:
    server.content = os.urandom(len(CONTENT))
    with pytest.raises(WeightsError, match="SHA-256 is wrong"):
        setting.pull()
    assert left_behind(setting) == set()


def test_a_damaged_part_is_found_out_at_the_end(setting: Setting, server: Server) -> None:
    setting.part.parent.mkdir(parents=True)
    setting.part.write_bytes(b"\0" * 1000)
    with pytest.raises(WeightsError, match="SHA-256 is wrong"):
        setting.pull()
    setting.pull()
    assert setting.target.read_bytes() == CONTENT


def test_a_file_of_another_length_is_refused_before_it_is_written(
    setting: Setting, server: Server
) -> None:
    server.content = CONTENT + b"more"
    with pytest.raises(WeightsError, match="another file"):
        setting.pull()
    assert left_behind(setting) == set()


def test_no_more_than_the_pinned_size_is_ever_written(setting: Setting, server: Server) -> None:
    server.content = CONTENT * 3
    server.claim_length = False
    with pytest.raises(WeightsError, match="more than the 1048576 bytes"):
        setting.pull()
    assert left_behind(setting) == set()


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_missing_file_is_one_sentence_with_another_way(
    setting: Setting, server: Server, status: int
) -> None:
    server.statuses = [status]
    with pytest.raises(WeightsError, match=rf"answered {status}.*put it into"):
        setting.pull()
    assert len(server.requests) == 1


def test_a_server_in_trouble_is_asked_again(setting: Setting, server: Server) -> None:
    server.statuses = [500, 503]
    setting.pull()
    assert setting.target.read_bytes() == CONTENT
    setting.target.unlink()
    server.statuses = [500] * download.ATTEMPTS
    with pytest.raises(WeightsError, match="answered 500"):
        setting.pull()


def test_a_server_that_stalls_is_given_up(
    setting: Setting, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "STALL_SECONDS", 0.2)
    server.stall_after = 100_000
    started = time.monotonic()
    with pytest.raises(WeightsError, match="sent nothing for"):
        setting.pull()
    assert time.monotonic() - started < 5
    assert setting.part.stat().st_size >= 65536, "what came in is kept"


def test_a_slow_server_is_waited_for(
    setting: Setting, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "STALL_SECONDS", 0.5)
    server.pause = 0.01
    setting.pull()
    assert setting.target.read_bytes() == CONTENT


@pytest.mark.parametrize("host", ["127.0.0.1:9", "no-such-host.invalid"])
def test_a_server_that_is_not_there_is_one_sentence(setting: Setting, host: str) -> None:
    assert setting.card.weights is not None
    pin = replace(setting.card.weights, url=f"http://{host}/{NAME}")
    with pytest.raises(WeightsError, match="cannot be reached"):
        weights.ensure(
            replace(setting.card, weights=pin),
            None,
            download=True,
            report=ignore_progress,
            cancel=CancelToken(),
        )


def test_a_full_disk_is_said_before_anything_is_asked(
    setting: Setting, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage(NamedTuple):
        total: int = 1 << 30
        used: int = 1 << 30
        free: int = 1000

    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: Usage())
    with pytest.raises(WeightsError, match=r"needs 35 MB.*SEGSTUDIO_HOME"):
        setting.pull()
    assert server.requests == []


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes there")
def test_a_disk_that_fills_up_on_the_way_is_one_sentence(setting: Setting, tmp_path: Path) -> None:
    pin = setting.card.weights
    code = f"""
import resource, signal
from pathlib import Path
from segstudio.core.errors import WeightsError
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.models.card import WeightsFile
from segstudio.models.download import fetch
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
try:
    fetch({pin!r}, Path({str(tmp_path / NAME)!r}), "", ignore_progress, CancelToken())
except WeightsError as error:
    print(error)
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "There is no room" in result.stdout
    assert not (tmp_path / NAME).exists()


def test_a_damaged_file_in_the_cache_is_replaced_by_a_download(
    setting: Setting, server: Server
) -> None:
    setting.target.parent.mkdir(parents=True)
    setting.target.write_bytes(CONTENT[:-1])
    with pytest.raises(WeightsError):
        weights.find(setting.card)
    setting.pull()
    assert setting.target.read_bytes() == CONTENT


def test_a_damaged_file_of_the_user_is_left_alone(
    setting: Setting, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / NAME
    own.write_bytes(b"mine")
    monkeypatch.setenv("SEGSTUDIO_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError, match="bytes where"):
        setting.pull()
    assert own.read_bytes() == b"mine"
    assert server.requests == []


def test_two_downloads_at_once_fetch_the_file_once(setting: Setting, server: Server) -> None:
    server.pause = 0.003
    results: list[Path | None] = []
    threads = [threading.Thread(target=lambda: results.append(setting.pull())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [setting.target] * 2
    assert server.sent == len(CONTENT)
    assert setting.target.read_bytes() == CONTENT
