"""Annotations: one object or region on one image, and how it came to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from segstudio.core.mask import Mask
from segstudio.core.prompt import Prompt


class Stage(StrEnum):
    """How an annotation came to be (the three stages of SA-1B, Kirillov et al. 2023)."""

    ASSISTED = "assisted"
    SEMI_AUTOMATIC = "semi-automatic"
    AUTOMATIC = "automatic"


@dataclass(frozen=True)
class Annotation:
    """A category, a mask, and their provenance.

    `z_order` is the depth: higher lies in front. `seconds` is the time a person spent on it.
    `created_at` and `updated_at` are seconds since 1970 (UTC). `tool` names what made the mask
    ("point", "box", "everything", a format's key, ...), `model_key` the model, if one did. A
    `locked` annotation stays as it is: no edit changes or deletes it but the one that unlocks it.
    """

    id: int
    image_id: int
    category_id: int
    mask: Mask
    z_order: int = 0
    iscrowd: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)
    stage: Stage = Stage.ASSISTED
    tool: str = ""
    model_key: str = ""
    prompt: Prompt | None = None
    predicted_iou: float | None = None
    stability: float | None = None
    seconds: float = 0.0
    review: str = ""
    locked: bool = False
    created_at: float = 0.0
    updated_at: float = 0.0
