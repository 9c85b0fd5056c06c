"""A command's model goes on on the CPU when the graphics card fails it, and says so once."""

from __future__ import annotations

import pytest
from prompt_desk import ScriptedModel, at, card, photo

from segstudio.core.errors import DeviceError
from segstudio.core.image import RgbImage
from segstudio.core.mask import Box
from segstudio.core.progress import CancelToken, ProgressSink, ignore_progress
from segstudio.core.prompt import Candidates, Embedding, Prompt
from segstudio.engine.cpu_fallback import CpuFallback
from segstudio.models.prompt.contract import EncodeCrop, EverythingSettings


class Full(ScriptedModel):
    """A model on a card whose memory is full."""

    def encode(self, image: RgbImage, cancel: CancelToken) -> Embedding:
        raise DeviceError("The graphics card ran out of memory; take a smaller model.")

    def predict(self, embedding: Embedding, prompt: Prompt) -> Candidates:
        raise DeviceError("The graphics card failed; restart SegStudio.")

    def everything(
        self,
        embedding: Embedding,
        settings: EverythingSettings,
        report: ProgressSink,
        cancel: CancelToken,
        encode_crop: EncodeCrop | None = None,
    ) -> Candidates:
        assert encode_crop is not None
        encode_crop(Box(0, 0, 1, 1))  # which the model may have to leave the card for already
        raise DeviceError("The graphics card failed; restart SegStudio.")


@pytest.mark.parametrize("what", ["encode", "predict", "everything"])
def test_the_work_is_done_on_the_cpu_and_it_is_said_once(what: str) -> None:
    said: list[str] = []
    loads: list[ScriptedModel] = []

    def load() -> ScriptedModel:
        loads.append(ScriptedModel(card()))
        return loads[-1]

    model = CpuFallback(Full(card(), "cuda"), load, said.append)
    assert (model.device, model.model_key) == ("cuda", "slow-1")
    there = ScriptedModel(card()).encode(photo(7), CancelToken())
    for _ in range(2):
        if what == "encode":
            assert model.encode(photo(7), CancelToken()).image_key == photo(7).key
        elif what == "predict":
            assert model.predict(there, at(3)).items[0].mask.box.x0 == 3
        else:
            settings = EverythingSettings(points_per_side=5)
            found = model.everything(
                there,
                settings,
                ignore_progress,
                CancelToken(),
                lambda box: model.encode(photo(7), CancelToken()),
            )
            assert found.items[0].mask.box.x0 == 5
    assert model.device == "cpu"
    assert len(loads) == len(said) == 1
    assert said[0].startswith("The graphics card ")
    assert said[0].endswith("; The slow model computes on the CPU now.")


def test_what_fails_on_the_cpu_fails() -> None:
    model = CpuFallback(Full(card(), "cpu"), lambda: ScriptedModel(card()), lambda _: None)
    with pytest.raises(DeviceError):
        model.encode(photo(1), CancelToken())


def test_other_failures_are_no_reason_to_leave_the_card() -> None:
    there = ScriptedModel(card(), "cuda")
    there.error = RuntimeError("broken")
    model = CpuFallback(there, lambda: ScriptedModel(card()), lambda _: None)
    with pytest.raises(RuntimeError, match="broken"):
        model.encode(photo(1), CancelToken())
    assert model.device == "cuda"
