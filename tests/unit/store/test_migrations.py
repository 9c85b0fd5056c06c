"""Older project files are copied aside and brought up to date; newer ones are refused."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, text

from segstudio.core.changes import Edit, HistoryState, Records
from segstudio.core.errors import BadInputError, StorageError
from segstudio.core.mask import Mask
from segstudio.store import migrations
from segstudio.store.project import ProjectStore
from segstudio.store.schema import SCHEMA_VERSION

# The schema as version 1 had it, written out so that it does not change with the code.
VERSION_1 = """
PRAGMA application_id = 1399154515;
CREATE TABLE meta (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE image (id INTEGER NOT NULL PRIMARY KEY, path TEXT NOT NULL UNIQUE,
  width INTEGER NOT NULL, height INTEGER NOT NULL, sha256 TEXT NOT NULL, state TEXT NOT NULL,
  split TEXT NOT NULL, added_at DOUBLE NOT NULL);
CREATE TABLE category (id INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, colour TEXT NOT NULL,
  supercategory TEXT NOT NULL, isthing BOOLEAN NOT NULL, key TEXT NOT NULL);
CREATE TABLE annotation (id INTEGER NOT NULL PRIMARY KEY,
  image_id INTEGER NOT NULL REFERENCES image (id),
  category_id INTEGER NOT NULL REFERENCES category (id), mask_height INTEGER NOT NULL,
  mask_width INTEGER NOT NULL, counts BLOB NOT NULL, area INTEGER NOT NULL,
  bbox_x DOUBLE NOT NULL, bbox_y DOUBLE NOT NULL,
  bbox_w DOUBLE NOT NULL, bbox_h DOUBLE NOT NULL, z_order INTEGER NOT NULL,
  iscrowd BOOLEAN NOT NULL, attributes TEXT NOT NULL, stage TEXT NOT NULL, tool TEXT NOT NULL,
  model_key TEXT NOT NULL, prompt TEXT, predicted_iou DOUBLE,
  stability DOUBLE, seconds DOUBLE NOT NULL, review TEXT NOT NULL,
  created_at DOUBLE NOT NULL, updated_at DOUBLE NOT NULL);
CREATE INDEX annotation_by_image ON annotation (image_id, z_order, id);
CREATE TABLE edit (id INTEGER NOT NULL PRIMARY KEY, image_id INTEGER REFERENCES image (id),
  sequence INTEGER NOT NULL, text TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL,
  user TEXT NOT NULL, made_at DOUBLE NOT NULL, state TEXT NOT NULL);
CREATE UNIQUE INDEX edit_by_image ON edit (image_id, sequence);
CREATE TABLE run (id INTEGER NOT NULL PRIMARY KEY, kind TEXT NOT NULL, parameters TEXT NOT NULL,
  progress TEXT, result TEXT, user TEXT NOT NULL, started_at DOUBLE NOT NULL,
  finished_at DOUBLE);
INSERT INTO meta VALUES ('schema_version', '1'), ('name', '"old"'), ('images_dir', '"photos"'),
  ('next_annotation_id', '8'), ('next_category_id', '3');
INSERT INTO image VALUES (1, 'a.jpg', 4, 3, 'ff', 'labelled', 'train', 1.5);
INSERT INTO category VALUES (2, 'cat', '#123456', 'animal', 1, '1');
"""

MASK = Mask.from_array(np.eye(3, 4))


def write_version_1(path: Path) -> None:
    row: dict[str, Any] = {
        "id": 7,
        "image_id": 1,
        "category_id": 2,
        "mask_height": 3,
        "mask_width": 4,
        "counts": MASK.counts.decode(),
        "area": 3,
        **{"bbox_x": 0.0, "bbox_y": 0.0, "bbox_w": 3.0, "bbox_h": 3.0, "z_order": 0},
        **{"iscrowd": False, "attributes": "{}", "stage": "assisted", "tool": "point"},
        **{"model_key": "", "prompt": None, "predicted_iou": None, "stability": None},
        **{"seconds": 0.0, "review": "", "created_at": 1.0, "updated_at": 1.0},
    }
    nothing: dict[str, list[Any]] = {"annotations": [], "categories": [], "images": []}
    after = json.dumps({**nothing, "annotations": [row]})
    with sqlite3.connect(path) as plain:
        plain.executescript(VERSION_1)
        values = {**row, "counts": MASK.counts}
        marks = ", ".join(f":{name}" for name in values)
        plain.execute(f"INSERT INTO annotation ({', '.join(values)}) VALUES ({marks})", values)
        plain.execute(
            "INSERT INTO edit VALUES (1, 1, 1, 'Accept mask', ?, ?, 'ann', 2.5, 'done')",
            (json.dumps(nothing), after),
        )
    plain.close()


def dump(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.segstudio"
    write_version_1(path)
    return path


def test_an_older_project_is_copied_and_then_migrated(old: Path) -> None:
    before = dump(old)
    with ProjectStore.open(old) as store:
        [found] = store.annotations(1)
        assert found.mask == MASK and found.id == 7
        assert store.history(1) == HistoryState("Accept mask", None)
        assert store.new_annotation_id() == 8
        assert store.undo(1) is not None  # writes columns that version 1 had not
        assert store.integrity() == []
    assert dump(old.with_name("old.segstudio.v1-backup")) == before
    with sqlite3.connect(old) as plain:
        [(version,)] = plain.execute("SELECT value FROM meta WHERE key = 'schema_version'")
        [(user, undone_by)] = plain.execute("SELECT user, state_user FROM edit")
    plain.close()
    assert json.loads(version) == SCHEMA_VERSION
    assert user == "ann" and undone_by
    with ProjectStore.open(old) as store:
        assert store.redo(1) is not None
    backups = [
        path for path in old.parent.iterdir() if "backup" in path.name and path.suffix != ".lock"
    ]
    assert [path.name for path in backups] == ["old.segstudio.v1-backup"]


def test_a_migrated_project_has_the_tables_of_a_new_one(old: Path, tmp_path: Path) -> None:
    ProjectStore.open(old).close()
    ProjectStore.create(tmp_path / "new.segstudio", tmp_path).close()

    def shape(path: Path) -> dict[str, Any]:
        connection = sqlite3.connect(path)
        try:
            tables = [
                row[0]
                for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            ]
            return {
                table: (
                    sorted(row[1:4] for row in connection.execute(f"PRAGMA table_info({table})")),
                    sorted(
                        row[1:4]
                        for row in connection.execute(f"PRAGMA index_list({table})")
                        if not row[1].startswith("sqlite_")
                    ),
                    sorted(
                        row[2:5] for row in connection.execute(f"PRAGMA foreign_key_list({table})")
                    ),
                )
                for table in tables
            }
        finally:
            connection.close()

    assert shape(old) == shape(tmp_path / "new.segstudio")


def test_what_version_2_holds_is_unlocked_and_can_be_locked(old: Path) -> None:
    with sqlite3.connect(old) as plain:
        for step in (
            "ALTER TABLE edit ADD COLUMN state_user TEXT",
            "ALTER TABLE edit ADD COLUMN state_at DOUBLE",
            "CREATE INDEX annotation_by_category ON annotation (category_id)",
            "CREATE INDEX edit_by_state ON edit (image_id, state, sequence)",
            "UPDATE meta SET value = '2' WHERE key = 'schema_version'",
        ):
            plain.execute(step)
    plain.close()
    before = dump(old)
    with ProjectStore.open(old) as store:
        [found] = store.annotations(1)
        assert not found.locked
        locked = replace(found, locked=True)
        store.commit(Edit("Lock annotation", 1, Records((found,)), Records((locked,))))
    assert dump(old.with_name("old.segstudio.v2-backup")) == before
    with ProjectStore.open(old) as store:
        assert store.annotations(1) == [locked]
        store.undo(1)
        assert store.annotations(1) == [found]
        store.undo(1)  # an edit that version 1 wrote, whose rows do not tell of locks
        assert store.annotations(1) == [] and store.redo(1) is not None
        assert store.annotations(1) == [found] and store.integrity() == []


def test_an_earlier_backup_is_not_overwritten(old: Path) -> None:
    earlier = old.with_name("old.segstudio.v1-backup")
    earlier.write_bytes(b"precious")
    before = dump(old)
    ProjectStore.open(old).close()
    assert earlier.read_bytes() == b"precious"
    assert dump(old.with_name("old.segstudio.v1-backup-2")) == before


def test_a_migration_that_fails_leaves_the_older_project(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: tuple[tuple[int, Callable[[Connection], None]], ...] = (
        *migrations.MIGRATIONS,
        (5, lambda connection: connection.execute(text("DROP TABLE no_such_table")) and None),
    )
    before = dump(old)
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", steps)
        with pytest.raises(BadInputError, match="no_such_table"):
            ProjectStore.open(old)
    assert dump(old) == before
    with ProjectStore.open(old) as store:  # and its lock is free again
        assert len(store.annotations(1)) == 1


def test_reading_an_older_project_leaves_it_as_it_is(old: Path) -> None:
    content = old.read_bytes()
    with ProjectStore.open(old, read_only=True) as store:
        assert store.read_only and store.path == old
        assert store.images_dir == old.parent / "photos"
        assert [found.mask for found in store.all_annotations()] == [MASK]
        assert store.integrity() == []
        with pytest.raises(StorageError, match="read-only"):
            store.undo(1)
        private = store._file.copy
        assert private is not None and private.exists()
    assert not private.exists()
    assert old.read_bytes() == content
    assert [path.name for path in old.parent.iterdir()] == [old.name]


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_project_is_refused_and_left_alone(old: Path, read_only: bool) -> None:
    with sqlite3.connect(old) as plain:
        plain.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    plain.close()
    content = old.read_bytes()
    with pytest.raises(StorageError, match=r"newer SegStudio .schema 99.*update SegStudio"):
        ProjectStore.open(old, read_only=read_only)
    assert old.read_bytes() == content


@pytest.mark.parametrize("value", ["'\"two\"'", "'{'", "NULL"])
def test_a_project_without_a_version_is_called_damaged(old: Path, value: str) -> None:
    with sqlite3.connect(old) as plain:
        plain.execute("DROP TABLE meta")
        plain.execute("CREATE TABLE meta (key TEXT, value TEXT)")
        plain.execute(f"INSERT INTO meta VALUES ('schema_version', {value})")
    plain.close()
    with pytest.raises(StorageError, match="damaged"):
        ProjectStore.open(old)


def test_versions_are_numbered_without_gaps() -> None:
    assert [version for version, _ in migrations.MIGRATIONS] == list(range(2, SCHEMA_VERSION + 1))
