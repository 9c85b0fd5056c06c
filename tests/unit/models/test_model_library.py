"""Trained models on disk: whole or not at all, listed unless damaged, deleted when told."""

from __future__ import annotations

import json
import pickle
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from zoo import card_of

from segstudio.config.paths import data_dir
from segstudio.core.errors import BadInputError, StorageError, WeightsError
from segstudio.models.semantic import library
from segstudio.models.semantic.card import NetworkSpec, SemanticCard
from segstudio.models.semantic.loading import read_state
from segstudio.models.semantic.registry import semantic_card, semantic_cards

SPEC = NetworkSpec("unet_plain", "", 3, {"features": 4})
STATE = {"a.weight": torch.arange(6.0).view(2, 3), "a.count": torch.tensor(7)}


def card(key: str, **changes: object) -> SemanticCard:
    return replace(card_of(SPEC, key), **changes)  # type: ignore[arg-type]


def test_a_card_comes_back_as_it_was() -> None:
    whole = card(
        "roads_1",
        trained_on="12 images",
        settings={"learning_rate": 0.001, "augmentation": {"scale": [0.5, 2.0]}},
        scores={"miou": 0.61},
        created_at=5.0,
        temperature=1.3,
    )
    place = library.save(STATE, whole)
    assert place == data_dir() / "models" / "roads_1"
    assert semantic_card("roads_1") == replace(whole, folder=place)
    kept = load_file(place / library.WEIGHTS)
    assert all(torch.equal(kept[name], value) for name, value in STATE.items())


def test_the_newest_comes_first_after_the_published() -> None:
    for key, at in (("old", 1.0), ("new", 2.0)):
        library.save(STATE, card(key, created_at=at))
    assert [row.key for row in library.cards()] == ["new", "old"]
    assert [row.key for row in semantic_cards()][-2:] == ["new", "old"]


def test_saving_again_replaces_all_of_it() -> None:
    library.save(STATE, card("one", title="First"))
    place = library.save({"b": torch.ones(1)}, card("one", title="Second"))
    assert semantic_card("one").title == "Second"
    assert set(load_file(place / library.WEIGHTS)) == {"b"}
    assert [entry.name for entry in place.parent.iterdir()] == ["one"]


@pytest.mark.parametrize("key", ["", "../up", "a/b", ".hidden", "a b", "x" * 101])
def test_a_key_is_a_plain_name(key: str) -> None:
    with pytest.raises(BadInputError, match="cannot be a model's key"):
        library.save(STATE, card(key))
    with pytest.raises(BadInputError, match="was trained here"):
        library.delete(key)
    assert not (data_dir() / "models").exists() or not list((data_dir() / "models").iterdir())


def test_a_disk_that_refuses_leaves_the_old_model(monkeypatch: pytest.MonkeyPatch) -> None:
    place = library.save(STATE, card("one"))
    before = (place / library.WEIGHTS).read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    def also_full(*_: object, **__: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    for refusing in (full, also_full):
        monkeypatch.setattr("safetensors.torch.save_file", refusing)
        with pytest.raises(StorageError, match=r"No space left on device.*; make room"):
            library.save({"b": torch.ones(1)}, card("one"))
    assert (place / library.WEIGHTS).read_bytes() == before
    assert [entry.name for entry in place.parent.iterdir()] == ["one"]


def damage(place: Path, how: str) -> None:
    text = json.loads((place / library.CARD).read_text())
    if how == "no card":
        (place / library.CARD).unlink()
    elif how == "no json":
        (place / library.CARD).write_text("{")
    elif how == "of another shape":
        (place / library.CARD).write_text('{"key": 5}')
    elif how == "no weights":
        (place / library.WEIGHTS).unlink()
    elif how == "cut weights":
        (place / library.WEIGHTS).write_bytes((place / library.WEIGHTS).read_bytes()[:-1])
    elif how == "no temperature":
        (place / library.CARD).write_text(json.dumps({**text, "temperature": 0.0}))
    elif how == "no scale":
        (place / library.CARD).write_text(json.dumps({**text, "scale": -0.5}))
    elif how == "another key":
        (place / library.CARD).write_text(json.dumps({**text, "key": "graph_cut"}))
    else:
        text["categories"].pop()
        (place / library.CARD).write_text(json.dumps(text))


@pytest.mark.parametrize(
    "how",
    [
        "no card",
        "no json",
        "of another shape",
        "no weights",
        "no temperature",
        "no scale",
        "contradicts itself",
    ],
)
def test_a_damaged_folder_is_passed_over_and_named(how: str) -> None:
    library.save(STATE, card("good"))
    place = library.save(STATE, card("bad"))
    damage(place, how)
    assert [row.key for row in library.cards()] == ["good"]
    (sentence,) = library.damaged()
    assert str(place) in sentence and sentence.endswith(".")
    with pytest.raises(BadInputError, match=re.escape(sentence)):
        semantic_card("bad")


def test_a_model_of_another_name_than_its_folder_is_not_taken_for_it() -> None:
    place = library.save(STATE, card("bad"))
    damage(place, "another key")
    assert library.cards() == ()
    assert "which is another name" in library.damaged()[0]
    with pytest.raises(BadInputError, match="no semantic model 'bad'"):
        semantic_card("bad")


def test_weights_that_were_cut_short_are_told_without_loading_them() -> None:
    place = library.save(STATE, card("bad"))
    library.check_weights(semantic_card("bad"))
    damage(place, "cut weights")
    with pytest.raises(WeightsError, match="is damaged; train the model again"):
        library.check_weights(semantic_card("bad"))
    assert library.damaged() == (f"{place / library.WEIGHTS} is damaged; train the model again, "
                                 "and delete its folder.",)  # fmt: skip


def test_weights_that_are_a_pickle_are_refused_and_the_remedy_is_to_train_again(
    tmp_path: Path,
) -> None:
    place = library.save(STATE, card("bad"))
    run = tmp_path / "it ran"
    (place / library.WEIGHTS).write_bytes(pickle.dumps(Hostile(run)))
    with pytest.raises(WeightsError, match=r"is not a checkpoint; train .* again\."):
        read_state(semantic_card("bad"), None)
    assert not run.exists()


class Hostile:
    def __init__(self, place: Path) -> None:
        self._place = place

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self._place,)


def test_a_deleted_model_is_gone() -> None:
    place = library.save(STATE, card("one"))
    known = semantic_card("one")
    library.delete("one")
    with pytest.raises(WeightsError, match="is not on this machine any more"):
        read_state(known, None)
    assert not place.exists() and library.cards() == ()
    with pytest.raises(BadInputError, match="No model 'one' was trained here"):
        library.delete("one")
