"""Small files that would take gigabytes or minutes: refused before they do."""

from __future__ import annotations

import os
import resource
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from segstudio.core.errors import BadInputError
from segstudio.core.progress import CancelToken, ignore_progress
from segstudio.formats import index_maps
from segstudio.formats.category_table import read_table
from segstudio.formats.coco.reading import CocoImport
from segstudio.formats.found import Found, Place
from segstudio.formats.import_contract import ImportFormat
from segstudio.formats.index_maps import index_masks, map_header
from segstudio.formats.json_files import load_json
from segstudio.formats.label_maps.reading import LabelMapsImport
from segstudio.formats.labelme.reading import LabelmeImport
from segstudio.formats.panoptic.reading import CocoPanopticImport
from segstudio.formats.source_files import SourceFolder

CATEGORY, IMAGE = '[{"id":1,"name":"cat"}]', '[{"id":1,"file_name":"a.png"}]'


def found_in(member: ImportFormat, source: Path) -> list[Found]:
    return list(member.read(source, member.options(), ignore_progress, CancelToken()))


def coco_file(folder: Path, *, before: str = "", images: str = IMAGE) -> Path:
    path = folder / "instances.json"
    path.write_text(f'{{{before}"images":{images},"categories":{CATEGORY},"annotations":[]}}')
    return path


@pytest.mark.parametrize("member", [CocoImport(), CocoPanopticImport()])
def test_a_pipe_as_the_source_is_refused_and_not_waited_for(
    member: ImportFormat, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(BadInputError, match="not a file"):
        found_in(member, tmp_path / "pipe.json")


def test_a_text_full_of_escapes_is_passed_over_in_little_memory(tmp_path: Path) -> None:
    """In a process of its own, whose memory is limited: it took 60 times the file once."""
    path = coco_file(tmp_path, before='"info":"' + r"\n" * 8_000_000 + '",')
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from segstudio.core.progress import CancelToken\n"
        "from segstudio.formats.json_stream import JsonStream\n"
        "taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "with open(sys.argv[1], 'rb') as file:\n"
        "    for key in JsonStream(file, 'x', int, CancelToken()).members(): pass\n"
        "print(key, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - taken)\n"
    )
    command = [sys.executable, "-c", script, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    key, taken = done.stdout.split()
    unit = 1 if sys.platform == "darwin" else 1024
    assert key == "annotations"
    assert int(taken) * unit < 8 * path.stat().st_size


def test_more_values_than_memory_holds_are_not_made(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"shapes":[' + "{}," * 1_400_000 + "1]}")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BadInputError, match="more values"):
        load_json(SourceFolder(tmp_path), path)
    unit = 1 if sys.platform == "darwin" else 1024
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit < 64 << 20
    folder = tmp_path / "coco"
    folder.mkdir()
    source = coco_file(folder, before='"info":[' + "{}," * 1_400_000 + "1],")
    with pytest.raises(BadInputError, match="info: it holds more values"):
        found_in(CocoImport(), source)


def test_a_key_as_long_as_a_book_does_not_become_the_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="100000 letters") as raised:
        found_in(CocoImport(), coco_file(tmp_path, before='"' + "x" * 100_000 + '":1,'))
    assert len(str(raised.value)) < 200


def test_a_path_of_a_hundred_thousand_folders_is_not_walked(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="longer than any can be") as raised:
        SourceFolder(tmp_path).inside("a/" * 100_000 + "x.png", Place("a.json"))
    assert len(str(raised.value)) < 400


def test_folders_in_folders_without_end_are_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "/".join("d" * 300)).mkdir(parents=True)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(250)  # as 1000 is too little for folders that a path just holds
    try:
        assert not LabelmeImport().recognises(tmp_path)
        with pytest.raises(BadInputError, match="nested too deep"):
            found_in(LabelmeImport(), tmp_path)
    finally:
        sys.setrecursionlimit(limit)


def test_json_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"shapes": []}')
    assert load_json(SourceFolder(tmp_path), tmp_path / "a.json") == {"shapes": []}


def png(width: int, height: int, depth: int, data: bytes) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_a_map_one_pixel_wide_claims_no_more_rows_than_its_bytes_can_hold(tmp_path: Path) -> None:
    """Each row takes a byte for its filter and one for its pixel, of whatever depth."""
    path = tmp_path / "a.png"
    path.write_bytes(png(1, 500_000_000, 1, zlib.compress(bytes(1000))))
    with pytest.raises(BadInputError, match="more than its"):
        map_header(SourceFolder(tmp_path), path)
    path.write_bytes(png(1, 100_000, 1, zlib.compress(bytes(200_000), 9)))
    assert map_header(SourceFolder(tmp_path), path).size == (100_000, 1)


def test_a_map_of_a_million_ids_does_not_become_a_million_masks() -> None:
    ids = np.arange(1 << 18, dtype=np.uint32).reshape(512, 512)
    with pytest.raises(BadInputError, match="262,144 different ids"):
        index_masks(ids)
    assert len(index_masks(ids // 64)) == 1 << 12


def test_a_map_that_is_not_of_its_photos_size_is_not_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, size in (("images", (4, 4)), ("labels", (20, 20))):
        (tmp_path / folder).mkdir()
        raw = zlib.compress(bytes(size[1] * (size[0] + 1)))
        (tmp_path / folder / "a.png").write_bytes(png(*size, 8, raw))
    monkeypatch.setattr(index_maps, "_pixels", None)
    [fault] = [each for each in found_in(LabelMapsImport(), tmp_path) if hasattr(each, "reason")]
    assert "20 x 20 pixels" in fault.reason


def test_a_table_longer_than_there_are_ids_is_read_no_further(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("a\n" * 70_000)
    with pytest.raises(BadInputError, match="line 65537: the id 65536"):
        read_table(SourceFolder(tmp_path), tmp_path / "classes.txt")
