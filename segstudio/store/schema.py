"""The tables of a project file, at the newest schema version.

Plain SQL types only, so that the same tables serve PostgreSQL. Times are seconds since 1970 (UTC).
JSON is compact text, as written by `store.codec`.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    false,
)

SCHEMA_VERSION = 4

metadata = MetaData()

# Values are JSON. Keys: schema_version, name, images_dir, next_annotation_id, next_category_id,
# and "setting:NAME" for the settings of the project.
meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

image = Table(
    "image",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("path", Text, nullable=False, unique=True),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("split", Text, nullable=False),
    Column("added_at", Double, nullable=False),
)

category = Table(
    "category",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("colour", Text, nullable=False),
    Column("supercategory", Text, nullable=False),
    Column("isthing", Boolean, nullable=False),
    Column("key", Text, nullable=False),
)

# `counts` is COCO's compressed text, column by column; area and bbox (x, y, w, h) repeat what it
# says, so that lists and statistics need not decode it.
annotation = Table(
    "annotation",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("image_id", ForeignKey("image.id"), nullable=False),
    Column("category_id", ForeignKey("category.id"), nullable=False),
    Column("mask_height", Integer, nullable=False),
    Column("mask_width", Integer, nullable=False),
    Column("counts", LargeBinary, nullable=False),
    Column("area", Integer, nullable=False),
    Column("bbox_x", Double, nullable=False),
    Column("bbox_y", Double, nullable=False),
    Column("bbox_w", Double, nullable=False),
    Column("bbox_h", Double, nullable=False),
    Column("z_order", Integer, nullable=False),
    Column("iscrowd", Boolean, nullable=False),
    Column("attributes", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("tool", Text, nullable=False),
    Column("model_key", Text, nullable=False),
    Column("prompt", Text),
    Column("predicted_iou", Double),
    Column("stability", Double),
    Column("seconds", Double, nullable=False),
    Column("review", Text, nullable=False),
    Column("locked", Boolean, nullable=False, server_default=false()),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Index("annotation_by_image", "image_id", "z_order", "id"),
    Index("annotation_by_category", "category_id"),
)

# The ledger: rows are added and their state changes, but none is ever deleted. `state` is done,
# undone, or dropped (undone, then overtaken by another edit). An edit of the project itself, in
# no image's history, has no image. Edits of one run (an import) have its number; those of a run
# that takes another back tell which edit each of them takes back.
edit = Table(
    "edit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("image_id", ForeignKey("image.id")),
    Column("sequence", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("user", Text, nullable=False),
    Column("made_at", Double, nullable=False),
    Column("state", Text, nullable=False),
    Column("state_user", Text),
    Column("state_at", Double),
    Column("run_id", ForeignKey("run.id")),
    Column("takes_back", ForeignKey("edit.id")),
    Index("edit_by_image", "image_id", "sequence", unique=True),
    Index("edit_by_state", "image_id", "state", "sequence"),
    Index("edit_by_run", "run_id", "state", "state_at", "image_id", "sequence"),
    Index("edit_by_taken_back", "takes_back", "state"),
)

run = Table(
    "run",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("parameters", Text, nullable=False),
    Column("progress", Text),
    Column("result", Text),
    Column("user", Text, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("finished_at", Double),
)

# What an imported record was in its source. `kind` and `row_id` name the record (the project's own
# id is 0). The row counts while the edit that brought it is done and not taken back, so it stays
# when that is undone.
origin = Table(
    "origin",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("edit_id", ForeignKey("edit.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("row_id", Integer, nullable=False),
    Column("format", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("record", Text, nullable=False),
    Column("mask", Text, nullable=False),
    Index("origin_by_row", "kind", "row_id"),
    Index("origin_by_edit", "edit_id"),
)
