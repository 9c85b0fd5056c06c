"""A display counts when something answers there."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from segstudio.engine.display import has_display, has_wayland, has_x11

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="X11 and Wayland")


def test_nothing_set_is_no_display() -> None:
    assert not has_display({})
    assert not has_display({"DISPLAY": "", "WAYLAND_DISPLAY": ""})


@pytest.mark.parametrize("name", [":4711", "unix:4711", ":99999999999", "nonsense", ":x", "a b:0"])
def test_a_name_where_nobody_answers_is_no_display(name: str) -> None:
    assert not has_display({"DISPLAY": name})


def test_a_server_on_an_abstract_socket_answers() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind("\0/tmp/.X11-unix/X4712")
        server.listen()
        assert has_x11({"DISPLAY": ":4712"}) and has_x11({"DISPLAY": ":4712.0"})
        assert has_display({"DISPLAY": ":4712"})
    assert not has_x11({"DISPLAY": ":4712"})


def test_a_server_on_the_network_answers() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        number = server.getsockname()[1] - 6000
        assert has_x11({"DISPLAY": f"127.0.0.1:{number}"})


def test_a_compositor_answers_in_the_runtime_folder(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path), "WAYLAND_DISPLAY": "wayland-0"}
    assert not has_wayland(environ)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(tmp_path / "wayland-0"))
        server.listen()
        assert has_wayland(environ) and has_display(environ)
    assert not has_wayland(environ), "the socket's file outlives its server"
