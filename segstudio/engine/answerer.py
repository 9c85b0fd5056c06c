"""What answers prompts in image pixels: a model and the embedding of what it looks at."""

from __future__ import annotations

from dataclasses import dataclass

from segstudio.core.prompt import Candidates, Embedding, Prompt
from segstudio.models.prompt.contract import PromptModel


@dataclass(frozen=True, eq=False)
class Answerer:
    """One model on one embedding; frozen, so that work in the background can hold it."""

    model: PromptModel
    embedding: Embedding

    def predict(self, prompt: Prompt) -> Candidates:
        """The masks for one prompt; called on the device lane. Raises what the model raises."""
        return self.model.predict(self.embedding, prompt)
