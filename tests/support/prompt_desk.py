"""A prompt session on a desk: a scripted model, a small cache, and all that the session told.

The scripted model stands for a slow one: each encoding waits until the test lets it go on.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from segstudio.core.image import RgbImage
from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.core.prompt import Candidate, Candidates, Embedding, Prompt
from segstudio.engine.embedding_cache import EmbeddingCache
from segstudio.engine.jobs import JobRunner
from segstudio.engine.model_rest import ModelRest
from segstudio.engine.prompt_session import EmbeddingState, PromptSession
from segstudio.models.card import ModelCard
from segstudio.models.prompt.contract import EncodeCrop, EverythingSettings

WAIT = 10.0
SIZE = (6, 8)


def photo(number: int) -> RgbImage:
    return RgbImage(np.full((*SIZE, 3), number, dtype=np.uint8))


def card(key: str = "slow") -> ModelCard:
    return ModelCard(key, f"The {key} model", "", frozenset({"point"}), None, "no.module:load")


def at(x: float) -> Prompt:
    return Prompt().with_point(x, 0.5, 1)


class ScriptedModel:
    """Encodes when it is let; its mask is the pixel in row 0 under the prompt's last point."""

    def __init__(self, own_card: ModelCard, device: str = "cpu") -> None:
        self.card = own_card
        self.device = device
        self.model_key = f"{own_card.key}-1"
        self.free = threading.Event()
        self.free.set()
        self.gates: dict[int, threading.Event] = {}
        self.begun: list[int] = []
        self.encoded: list[int] = []
        self.started: dict[int, threading.Event] = defaultdict(threading.Event)
        self.heeds_token = True
        self.error: Exception | None = None
        self.predict_gate = threading.Event()
        self.predict_gate.set()
        self.predicting = threading.Event()
        self.asked: list[Prompt] = []

    def hold(self, *numbers: int) -> None:
        for number in numbers:
            self.gates[number] = threading.Event()

    def prepare(self, report: ProgressSink, cancel: CancelToken) -> None:
        """There is nothing to prepare."""

    def encode(self, image: RgbImage, cancel: CancelToken) -> Embedding:
        number = int(image.pixels[0, 0, 0])
        self.begun.append(number)
        self.started[number].set()
        gate = self.gates.get(number, self.free)
        while not gate.wait(0.005):
            if self.heeds_token:
                cancel.check()
        if self.error is not None:
            raise self.error
        self.encoded.append(number)
        arrays = {"number": np.array([number], dtype=np.int32)}
        return Embedding(self.model_key, image.key, image.size, arrays)

    def predict(self, embedding: Embedding, prompt: Prompt) -> Candidates:
        assert embedding.model_key == self.model_key
        self.asked.append(prompt)
        self.predicting.set()
        assert self.predict_gate.wait(WAIT)
        if self.error is not None:
            raise self.error
        pixels = np.zeros(embedding.image_size, dtype=bool)
        pixels[0, int(prompt.points[-1][0])] = True
        number = int(embedding.arrays["number"][0])
        return Candidates((Candidate(Mask.from_array(pixels), number / 255, 1),), self.model_key)

    def everything(
        self,
        embedding: Embedding,
        settings: EverythingSettings,
        report: ProgressSink,
        cancel: CancelToken,
        encode_crop: EncodeCrop | None = None,
    ) -> Candidates:
        assert encode_crop is not None
        report(Progress(1, 2, "Half"))
        self.started[-1].set()
        while not self.gates.get(-1, self.free).wait(0.005):
            cancel.check()
        return self.predict(embedding, at(settings.points_per_side))


@dataclass
class Desk:
    """A session with all it needs, and what it told."""

    folder: Path
    inbox: queue.SimpleQueue[Callable[[], None]] = field(default_factory=queue.SimpleQueue)
    states: list[EmbeddingState] = field(default_factory=list)
    answers: list[tuple[int, int]] = field(default_factory=list)  # (photo, x of the mask)
    prompts: list[Prompt] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    neighbours: list[tuple[int, int]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    rest: ModelRest | None = None
    loads: list[str] = field(default_factory=list)
    load_error: Exception | None = None
    load_gate: threading.Event = field(default_factory=threading.Event)
    models: dict[str, ScriptedModel] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.load_gate.set()
        self.runner = JobRunner(self.inbox.put)
        self.cache = EmbeddingCache(self.folder, 1 << 20, 1 << 20)
        self.session = PromptSession(self.runner, self.cache, self.load, self.rest)
        self.session.on_state = lambda state, text: self.states.append(state)
        self.session.on_candidates = self.candidates
        self.session.on_error = self.errors.append
        self.session.on_notice = self.notices.append
        self.session.on_neighbours = lambda ready, wanted: self.neighbours.append((ready, wanted))

    def model(self, key: str = "slow") -> ScriptedModel:
        return self.models.setdefault(key, ScriptedModel(card(key)))

    def load(
        self, one: ModelCard, device: str | None, cancel: CancelToken, report: ProgressSink
    ) -> ScriptedModel:
        assert device is None
        report(Progress(0, 0, "Loading"))
        self.loads.append(one.key)
        while not self.load_gate.wait(0.005):
            cancel.check()
        if self.load_error is not None:
            raise self.load_error
        return self.model(one.key)

    def candidates(self, prompt: Prompt, candidates: Candidates, seconds: float) -> None:
        assert seconds >= 0
        self.prompts.append(prompt)
        for item in candidates.items:
            self.answers.append((round(item.predicted_iou * 255), int(item.mask.box.x0)))

    def settle(self) -> None:
        """Let everything happen that can, and see what came of it."""
        while True:
            assert self.runner.wait_idle(WAIT)
            if self.inbox.empty():
                return
            while not self.inbox.empty():
                self.inbox.get()()

    def until(self, condition: Callable[[], bool]) -> None:
        """Handle what comes until `condition` holds."""
        end = time.monotonic() + WAIT
        while not condition():
            assert time.monotonic() < end, "it never happened"
            try:
                self.inbox.get(timeout=0.01)()
            except queue.Empty:
                continue

    def until_encoding(self, number: int, key: str = "slow") -> None:
        self.until(self.model(key).started[number].is_set)

    @property
    def state(self) -> EmbeddingState:
        return self.session.state
