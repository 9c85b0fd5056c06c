"""Getting a published model in the window, over real HTTP on the loopback."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image
from pytestqt.qtbot import QtBot

from segstudio.config.settings import Settings
from segstudio.core.prediction import ModelCategory
from segstudio.gui.app import Studio
from segstudio.gui.demo_hand import Hand
from segstudio.gui.dialogs.semantic_card import CardDialog
from segstudio.models.card import WeightsFile
from segstudio.models.semantic.card import NetworkSpec, SemanticCard

CONTENT = os.urandom(1 << 22)
BLOCK = 1 << 16


@pytest.fixture
def served() -> Iterator[tuple[str, threading.Event]]:
    """An address that gives CONTENT, slowly until the event is set."""
    goes_on = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            try:
                for start in range(0, len(CONTENT), BLOCK):
                    self.wfile.write(CONTENT[start : start + BLOCK])
                    goes_on.wait(0.1)
            except OSError:
                return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/small.pth", goes_on
    goes_on.set()
    server.shutdown()
    thread.join()
    server.server_close()


def card(url: str, *, noncommercial: bool) -> SemanticCard:
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    weights = WeightsFile("small.pth", url, len(CONTENT), sha256, "For research only")
    return SemanticCard(
        "small", "Small", "Of no use.", NetworkSpec("unet", "", 1),
        (ModelCategory("a", "#ff0000"),), "For research only", weights,
        noncommercial=noncommercial,
    )  # fmt: skip


@pytest.fixture
def hand(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hand]:
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (64, 48), "#806040").save(tmp_path / "photos" / "a.png")
    monkeypatch.setattr("segstudio.gui.desks.semantic_models.semantic_cards", tuple)
    hand = Hand(Studio(Settings(model="graph_cut", prefetch_neighbours=0)))
    qtbot.addWidget(hand.window)
    hand.show()
    hand.studio.desks.project.open(tmp_path / "photos")
    hand.wait(lambda: hand.workspace.session is not None, "nothing opens")
    yield hand
    hand.close()


def offer(hand: Hand, one: SemanticCard) -> None:
    desk = hand.studio.desks.semantic_models
    desk._cards = lambda: (one,)
    desk.look()
    hand.wait(lambda: desk.current is not None, "the card is not offered")
    hand.settle()


def dialog_of(hand: Hand) -> CardDialog:
    hand.wait(
        lambda: any(one.isVisible() for one in hand.window.findChildren(CardDialog)), "no dialog"
    )
    return [one for one in hand.window.findChildren(CardDialog) if one.isVisible()][-1]


def test_get_downloads_and_then_the_model_can_be_asked(
    hand: Hand, served: tuple[str, threading.Event]
) -> None:
    url, goes_on = served
    goes_on.set()
    offer(hand, card(url, noncommercial=False))
    desk, panel = hand.studio.desks.semantic_models, hand.window.semantic
    assert not panel.predict.isEnabled()
    panel.models.get_button.click()
    hand.wait(lambda: desk.current is not None and desk.current.here, "it does not come")
    hand.settle()
    assert panel.predict.isEnabled()
    assert not panel.models.get_button.isVisibleTo(panel)


def test_a_limited_licence_is_shown_and_asked_for_once_and_a_download_can_be_stopped(
    hand: Hand, served: tuple[str, threading.Event]
) -> None:
    url, goes_on = served
    offer(hand, card(url, noncommercial=True))
    desk, panel = hand.studio.desks.semantic_models, hand.window.semantic
    panel.models.get_button.click()
    dialog = dialog_of(hand)
    assert not dialog.get_button.isEnabled(), "not before it is accepted"
    dialog.accept_licence.setChecked(True)
    dialog.get_button.click()
    hand.wait(lambda: bool(hand.studio.runner.active()), "nothing is fetched")
    hand.wait(lambda: dialog.bar.maximum() > 0 and dialog.bar.value() >= 100, "no progress")
    dialog.close_button.click()
    hand.wait(lambda: not dialog.busy, "it does not stop")
    assert desk.current is not None and not desk.current.here
    dialog.reject()
    hand.settle()
    goes_on.set()
    panel.models.get_button.click()  # the licence is not asked for again
    hand.wait(lambda: desk.current is not None and desk.current.here, "it does not come")
