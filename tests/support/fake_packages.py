"""Small packages as registries hold them: .deb, .tgz, wheel, with archives inside; on loopback."""

from __future__ import annotations

import io
import struct
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def tar(files: Mapping[str, bytes], compression: str) -> bytes:
    """A tar file; a value that starts with b"->" makes a symbolic link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{compression}") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            if content.startswith(b"->"):
                member.type, member.linkname = tarfile.SYMTYPE, content[2:].decode()
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def deb(files: Mapping[str, bytes], compression: str = "xz") -> bytes:
    """A Debian package: an ar archive of three members, the second of odd length."""
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.xz": b"odd",
        f"data.tar.{compression}": tar(files, compression if compression != "zst" else "xz"),
    }
    found = b"!<arch>\n"
    for name, content in members.items():
        found += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
        found += content + b"\n" * (len(content) % 2)
    return found


def zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def rcc(folder: str, files: Mapping[str, bytes]) -> bytes:
    """A Qt resource file of format 2 with one folder; its second file is compressed."""
    names, offsets = b"", []
    for name in (folder, *files):
        offsets.append(len(names))
        names += struct.pack(">HI", len(name), 0) + name.encode("utf-16-be")
    data, nodes = b"", []
    for number, content in enumerate(files.values()):
        packed = number == 1
        body = struct.pack(">I", len(content)) + zlib.compress(content) if packed else content
        nodes.append((offsets[number + 1], int(packed), 0, len(data)))
        data += struct.pack(">I", len(body)) + body
    tree = struct.pack(">IHIIQ", 0, 2, 1, 1, 0)
    tree += struct.pack(">IHIIQ", offsets[0], 2, len(files), 2, 0)
    tree += b"".join(struct.pack(">IHIIQ", *node, 0) for node in nodes)
    at = 20
    header = struct.pack(">4s4I", b"qres", 2, at, at + len(tree), at + len(tree) + len(data))
    return header + tree + data + names


@contextmanager
def served(files: Mapping[str, bytes]) -> Iterator[tuple[str, list[str]]]:
    """The files on loopback: the address with a closing slash, and the paths that were asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            asked.append(self.path)
            content = files.get(self.path.lstrip("/"))
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
