"""Weights whose hash nobody published, weights in packages, and licences that limit their use."""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from zoo import card_of

from segstudio.core.errors import WeightsError
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.models import licences, pins, weights
from segstudio.models.card import Weighed, WeightsFile
from segstudio.models.semantic import library
from segstudio.models.semantic.card import Encoder, NetworkSpec
from segstudio.models.semantic.registry import PUBLISHED, licence_after, semantic_card

CONTENT = b"weights " * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Site:
    """A server of one file; what it sends, and how."""

    content: bytes = CONTENT
    headers: dict[str, str] = field(default_factory=dict)
    length: bool = True
    cut_after: int | None = None
    asked: list[str] = field(default_factory=list)
    port: int = 0


@pytest.fixture
def site() -> Iterator[Site]:
    state = Site()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            state.asked.append(self.headers.get("Range", ""))
            start = int(self.headers.get("Range", "bytes=0-")[6:-1])
            body = state.content[start:]
            self.send_response(206 if start else 200)
            if start:
                end = len(state.content)
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
            if state.length:
                self.send_header("Content-Length", str(len(body)))
            for name, value in state.headers.items():
                self.send_header(name, value)
            self.end_headers()
            cut, state.cut_after = state.cut_after, None
            self.wfile.write(body[:cut])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def encoder_of(site: Site, **changes: object) -> Encoder:
    file = WeightsFile("net.pth", f"http://127.0.0.1:{site.port}/net.pth", 0, "", "MIT")
    return Encoder("net", "A net", "net", 5, "MIT", replace(file, **changes))  # type: ignore[arg-type]


def pull(card: Weighed) -> Path:
    path = weights.ensure(card, None, download=True, report=ignore_progress, cancel=CancelToken())
    assert path is not None
    return path


def test_an_unknown_hash_is_pinned_by_the_first_download(site: Site) -> None:
    card = encoder_of(site)
    path = pull(card)
    assert path.read_bytes() == CONTENT and pins.pinned(path) == SHA256
    assert weights.find(card) == path
    path.write_bytes(CONTENT[::-1])
    with pytest.raises(WeightsError, match="altered or damaged"):
        weights.find(card)


def test_what_was_pinned_must_come_again(site: Site) -> None:
    card = encoder_of(site)
    path = pull(card)
    path.unlink()
    site.content = CONTENT[::-1]
    with pytest.raises(WeightsError, match=r"is not net\.pth"):
        pull(card)
    assert not path.exists()
    site.content = CONTENT
    assert pull(card) == path


def test_the_digits_that_a_name_tells_are_checked(site: Site) -> None:
    assert pull(encoder_of(site, sha256_prefix=SHA256[:8])).is_file()
    other = encoder_of(site, name="other.pth", sha256_prefix="00000000")
    with pytest.raises(WeightsError, match=r"is not other\.pth"):
        pull(other)


def test_a_hash_that_the_hub_tells_on_the_way_is_checked(site: Site) -> None:
    site.headers["X-Linked-Etag"] = f'"{"0" * 64}"'
    with pytest.raises(WeightsError, match=r"is not net\.pth"):
        pull(encoder_of(site))
    site.headers["X-Linked-Etag"] = f'"{SHA256}"'
    assert pull(encoder_of(site)).read_bytes() == CONTENT


def test_a_download_of_unknown_size_goes_on_where_it_broke(site: Site) -> None:
    site.content, site.cut_after = CONTENT * 10, 5 << 16
    assert pull(encoder_of(site)).read_bytes() == CONTENT * 10
    first, second = site.asked
    assert first == "" and 0 < int(second[6:-1]) <= 5 << 16


def test_a_server_that_does_not_say_how_long_the_file_is_is_refused(site: Site) -> None:
    site.length = False
    with pytest.raises(WeightsError, match="does not say how long it is"):
        pull(encoder_of(site))


def test_a_file_put_there_by_hand_is_pinned_at_first_use(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGSTUDIO_WEIGHTS", str(tmp_path))
    (tmp_path / "net.pth").write_bytes(CONTENT)
    card = encoder_of(site)
    assert weights.find(card) == tmp_path / "net.pth" and site.asked == []
    assert pins.pinned(tmp_path / "net.pth") == SHA256


def test_cards_say_how_far_a_hash_is_known() -> None:
    texts = {card.key: pins.provenance(card.weights) for card in PUBLISHED if card.weights}
    assert texts["deeplabv3_resnet50_voc"] == "hash published"
    assert texts["unet_brain_mri"].startswith("first 8 digits")
    assert texts["segformer_b1_ade20k"] == "hash not published; pinned at first use"


def test_published_cards_are_whole() -> None:
    for card in PUBLISHED:
        file = card.weights
        assert file is not None and file.url.startswith("https://") and file.licence == card.licence
        assert len(card.categories) == card.spec.categories
        assert len({category.name for category in card.categories}) == len(card.categories)
        assert len(file.sha256) in (0, 64) and bool(file.sha256) <= bool(file.size)
        assert licences.licence_text(card.licence) != card.licence, "a licence without its text"
        assert card.noncommercial == (card.licence == licences.NVIDIA_SEGFORMER)
    things = [category.isthing for category in semantic_card("segformer_b0_ade20k").categories]
    assert len(things) == 150 and sum(things) == 100
    assert [one.name for one in semantic_card("fcn_resnet50_voc").categories][15] == "person"
    assert [one.name for one in semantic_card("segformer_b0_cityscapes").categories][13] == "car"


def test_weights_in_a_package_are_found_without_running_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    folder = tmp_path / "some_weights" / "files"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise RuntimeError('was run')")
    (folder / "net.pth").write_bytes(CONTENT)
    card = encoder_of(site, url="", package="some_weights/files", sha256=SHA256, size=len(CONTENT))
    assert weights.find(card) is None
    with pytest.raises(WeightsError, match="install the Python package some-weights"):
        pull(card)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert weights.find(card) == folder / "net.pth"
    assert pull(card) == folder / "net.pth"
    assert "some_weights" not in sys.modules and site.asked == []


def test_a_noncommercial_licence_is_accepted_before_the_download(site: Site) -> None:
    published = semantic_card("segformer_b1_ade20k")
    assert published.weights is not None
    url = f"http://127.0.0.1:{site.port}/weights.bin"
    card = replace(published, weights=replace(published.weights, url=url))
    with pytest.raises(WeightsError, match="research or evaluation") as refused:
        pull(card)
    assert "--accept-licence" in str(refused.value) and site.asked == []
    licences.accept(card)
    assert pull(card).read_bytes() == CONTENT
    changed = replace(card, weights=replace(card.weights, licence="Another"))
    assert not licences.is_accepted(changed), "accepted was another text"


def test_weights_that_are_there_need_no_accepting(site: Site, tmp_path: Path) -> None:
    card = semantic_card("segformer_b1_ade20k")
    file = tmp_path / "own.bin"
    file.write_bytes(CONTENT)
    assert weights.find(card, file) == file and not licences.is_accepted(card)


def test_what_is_trained_on_from_noncommercial_weights_stays_so() -> None:
    assert licence_after("") == ("yours", False)
    assert licence_after("deeplabv3_resnet50_voc") == ("yours", False)
    limited = (licences.NVIDIA_SEGFORMER, True)
    assert licence_after("segformer_b0_ade20k") == limited
    derived = card_of(NetworkSpec("segformer_b0", "", 2), "mine")
    library.save({}, replace(derived, licence=limited[0], noncommercial=True))
    assert licence_after("mine") == limited
    library.delete("mine")
    assert "deleted model mine" in licence_after("mine")[0]
