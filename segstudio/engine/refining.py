"""Refining: a model's answer to a prompt with a prior becomes a local edit of that prior."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from segstudio.core.annotation import Annotation, Stage
from segstudio.core.prompt import Candidate, Prompt


@dataclass(frozen=True)
class Refinement:
    """How a mask was made from an annotation's old one.

    `prompt` holds the old mask as its prior; `candidate` is the model's, with its scores;
    `seconds` is what a person spent on it; `attributes` are added to those there.
    """

    candidate: Candidate
    prompt: Prompt
    model_key: str
    seconds: float = 0.0
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def noted(self, annotation: Annotation) -> Annotation:
        """The annotation with this as what its mask was made with last."""
        return replace(
            annotation,
            attributes={**annotation.attributes, **self.attributes},
            stage=Stage.ASSISTED,
            model_key=self.model_key,
            prompt=self.prompt,
            predicted_iou=self.candidate.predicted_iou,
            stability=self.candidate.stability,
            seconds=annotation.seconds + self.seconds,
        )
