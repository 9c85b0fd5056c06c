"""What an imported record was in its source, so that it can leave as it came."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from segstudio.core.mask import Mask


class OriginKind(StrEnum):
    """What an origin is of. A format's own remarks on the whole dataset are of the project."""

    PROJECT = "project"
    IMAGE = "image"
    CATEGORY = "category"
    ANNOTATION = "annotation"


@dataclass(frozen=True)
class Origin:
    """One record as its source had it.

    `format` is the import format's key, `key` the source's own name for the record (a COCO id as
    text; "" if it has none). `record` is a JSON object: what the source said that SegStudio has no
    field for, and what it said in a way that ours would not give back (a polygon's corners).
    `mask` is the `mask_key` of an annotation as it was imported: while it is that of the
    annotation, nobody has changed the mask since.
    """

    format: str
    key: str = ""
    record: Mapping[str, Any] = field(default_factory=dict)
    mask: str = ""


def mask_key(mask: Mask) -> str:
    """Hex BLAKE2b-128 of size and COCO counts: equal masks, equal key."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{mask.size[0]} {mask.size[1]} ".encode())
    digest.update(mask.counts)
    return digest.hexdigest()
