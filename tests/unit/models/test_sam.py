"""SAM with its own encoders: the sizes that the pins say, and the official predictor's answers.

A whole ViT takes half a minute to encode on a CPU, so the networks here are the official ones with
one block of window attention, one of global attention, and an eighth of the channels.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from seeded_weights import shallow_encoders, write_checkpoint
from segment_anything import SamPredictor, sam_model_registry

from segstudio.core.errors import Cancelled, WeightsError
from segstudio.core.image import RgbImage
from segstudio.core.mask import Box, Mask
from segstudio.core.progress import CancelToken
from segstudio.core.prompt import Embedding, Prompt
from segstudio.models.prompt.frame import ModelFrame
from segstudio.models.prompt.sam_model import SamModel
from segstudio.models.registry import prompt_model

VITS = {"sam_vit_b": "vit_b", "sam_vit_l": "vit_l", "sam_vit_h": "vit_h"}
IMAGE = RgbImage(np.random.default_rng(1).integers(0, 256, (120, 90, 3), dtype=np.uint8))


@pytest.mark.parametrize(("key", "name"), VITS.items())
def test_the_network_is_as_large_as_the_pinned_file(key: str, name: str) -> None:
    card = prompt_model(key)
    assert card.weights is not None
    with torch.device("meta"):
        network = sam_model_registry[name]()
    numbers = sum(value.numel() for value in network.state_dict().values())
    assert 0 < card.weights.size - 4 * numbers < 250_000, "the file's own tables, and no more"


@pytest.fixture(scope="session")
def vit_b_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with shallow_encoders(narrower=8), torch.device("meta"):
        network = sam_model_registry["vit_b"]()
    path = tmp_path_factory.mktemp("sam") / "vit_b.pth"
    return write_checkpoint(network, path, seed=2)


@pytest.fixture(scope="session")
def model(vit_b_file: Path, session_home: Path) -> SamModel:
    with pytest.MonkeyPatch.context() as patch, shallow_encoders(narrower=8):
        patch.setenv("SEGSTUDIO_HOME", str(session_home))
        loaded = prompt_model("sam_vit_b").load(vit_b_file, "cpu")
    assert isinstance(loaded, SamModel)
    return loaded


@pytest.fixture(scope="session")
def embedding(model: SamModel) -> Embedding:
    return model.encode(IMAGE, CancelToken())


@pytest.fixture(scope="session")
def predictor(vit_b_file: Path) -> SamPredictor:
    with shallow_encoders(narrower=8):
        network = sam_model_registry["vit_b"](checkpoint=vit_b_file)
    predictor = SamPredictor(network)
    predictor.set_image(IMAGE.pixels)
    return predictor


def test_the_embedding_equals_the_official_one(
    embedding: Embedding, predictor: SamPredictor
) -> None:
    official = predictor.get_image_embedding().numpy()
    np.testing.assert_allclose(embedding.arrays["image_embedding"], official, rtol=0, atol=1e-5)
    assert official.std() > 0.1


PRIOR = Mask.from_crop(np.ones((50, 40), dtype=bool), (20, 30), (120, 90))
OTHER_PRIOR = Mask.from_crop(np.ones((90, 20), dtype=bool), (60, 10), (120, 90))


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt(points=((40.5, 60.25),), labels=(1,)),
        Prompt(points=((40.5, 60.25), (80.0, 5.0)), labels=(1, 0)),
        Prompt(box=Box(10, 20, 70.5, 100)),
        Prompt(box=Box(10, 20, 70.5, 100), points=((40.5, 60.25),), labels=(0,)),
        Prompt(prior=PRIOR, box=Box(10, 20, 70.5, 100)),
        Prompt(prior=PRIOR, points=((40.5, 60.25),), labels=(1,)),
    ],
    ids=[
        "a point",
        "two points",
        "a box",
        "a box and a point",
        "a prior and a box",
        "a prior and a point",
    ],
)
def test_masks_equal_the_official_predictors(
    model: SamModel, embedding: Embedding, predictor: SamPredictor, prompt: Prompt
) -> None:
    ambiguous = len(prompt.points) == 1 and prompt.box is None and prompt.prior is None
    masks, ious, _ = predictor.predict(
        np.array(prompt.points) if prompt.points else None,
        np.array(prompt.labels) if prompt.points else None,
        np.array(prompt.box) if prompt.box else None,
        ModelFrame(IMAGE.size).prior_logits(prompt.prior)[None] if prompt.prior else None,
        multimask_output=ambiguous,
    )
    answer = model.predict(embedding, prompt)
    assert len(answer.items) == len(masks) == (3 if ambiguous else 1)
    for item, mask, iou in zip(answer.items, masks, ious, strict=True):
        assert np.mean(item.mask.to_array() != mask) < 1e-4
        assert item.predicted_iou == pytest.approx(float(np.clip(iou, 0, 1)), abs=1e-4)


def test_a_prior_changes_the_answer(model: SamModel, embedding: Embedding) -> None:
    points = Prompt(points=((40.5, 60.25), (80.0, 5.0)), labels=(1, 0))
    with_prior = Prompt(points=points.points, labels=points.labels, prior=PRIOR)
    first, second = (model.predict(embedding, prompt) for prompt in (points, with_prior))
    assert first.items[0].mask != second.items[0].mask


def test_a_prior_alone_comes_back_with_the_decoders_scores(
    model: SamModel, embedding: Embedding, predictor: SamPredictor
) -> None:
    logits = ModelFrame(IMAGE.size).prior_logits(PRIOR)[None]
    _, ious, _ = predictor.predict(mask_input=logits, multimask_output=False)
    answer = model.predict(embedding, Prompt(prior=PRIOR))
    assert [item.mask for item in answer.items] == [PRIOR]
    (found,) = answer.items
    assert found.predicted_iou == pytest.approx(float(np.clip(ious[0], 0, 1)), abs=1e-4)
    assert found.logits is not None
    rows, columns = found.logits.values.shape
    centres = (np.arange(rows) + 0.5) * found.logits.step[1]
    across = (np.arange(columns) + 0.5) * found.logits.step[0]
    drawn = found.logits.values > 0
    array = PRIOR.to_array()[centres.astype(int).clip(max=119)][:, across.astype(int).clip(max=89)]
    assert np.mean(drawn != array) < 0.005, "the preview shows the prior as well"


def test_what_images_share_is_kept_for_a_few_and_changes_no_answer(
    model: SamModel, embedding: Embedding
) -> None:
    prompt = Prompt(points=((40.5, 60.25),), labels=(1,))
    first = model.predict(embedding, prompt)
    kept = model._recent[0]
    assert model.predict(embedding, prompt).items == first.items
    assert model._recent[0] is kept, "nothing was computed anew"
    others = [
        replace(embedding, arrays={"image_embedding": embedding.arrays["image_embedding"] * part})
        for part in (0.9, 0.8, 0.7, 0.6)
    ]
    answers = [model.predict(other, prompt).items for other in others]
    assert len(model._recent) == 3, "memory is bounded"
    assert answers[0] != first.items
    assert model.predict(embedding, prompt).items == first.items
    assert model.predict(others[0], prompt).items == answers[0]
    priors = [Prompt(prompt.points, prompt.labels, prior=prior) for prior in (PRIOR, OTHER_PRIOR)]
    with_prior = [model.predict(embedding, asked).items for asked in priors]
    assert with_prior[0] != with_prior[1]
    assert [model.predict(embedding, asked).items for asked in priors] == with_prior
    assert model.predict(embedding, prompt).items == first.items


def test_a_prior_of_another_image_is_refused(model: SamModel, embedding: Embedding) -> None:
    with pytest.raises(ValueError, match="another size"):
        model.predict(embedding, Prompt(prior=Mask.empty((10, 10))))


@pytest.mark.parametrize("key", ["sam_vit_l", "sam_vit_h", "mobile_sam"])
def test_weights_of_another_size_are_refused(vit_b_file: Path, key: str) -> None:
    with (
        shallow_encoders(narrower=8),
        pytest.raises(WeightsError, match="does not hold the weights of"),
    ):
        prompt_model(key).load(vit_b_file, "cpu")


def test_cancelling_stops_the_encoder_between_blocks(model: SamModel) -> None:
    token = CancelToken()
    blocks = model._network.image_encoder.blocks
    reached: list[int] = []
    hooks = [
        blocks[0].register_forward_hook(lambda *_: token.cancel()),
        blocks[1].register_forward_hook(lambda *_: reached.append(1)),
    ]
    try:
        with pytest.raises(Cancelled):
            model.encode(IMAGE, token)
    finally:
        for hook in hooks:
            hook.remove()
    assert reached == []
    assert not blocks[0]._forward_pre_hooks, "nothing of the cancelled call stays behind"


def test_loading_takes_the_weights_memory_once(vit_b_file: Path) -> None:
    """The network takes over the tensors that were read; it copies none of them."""
    read = threading.local()
    real = torch.load

    def remember(*arguments: Any, **options: Any) -> Any:
        read.state = real(*arguments, **options)
        return read.state

    with pytest.MonkeyPatch.context() as patch, shallow_encoders(narrower=8):
        patch.setattr(torch, "load", remember)
        loaded: Any = prompt_model("sam_vit_b").load(vit_b_file, "cpu")
    for name, parameter in loaded._network.named_parameters():
        assert parameter.data_ptr() == read.state[name].data_ptr(), name
