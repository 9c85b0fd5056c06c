"""The models trained on this machine: a folder each, with the card and the weights.

`data_dir()/models/KEY/` holds `card.json` and `weights.safetensors`. Nothing here runs code from
a file: cards are JSON of a known shape, weights are safetensors. The card that a network was saved
with also lies within its weights, so that who reads both while they are replaced can tell.
"""

from __future__ import annotations

import logging
import math
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from safetensors import SafetensorError, safe_open

from segstudio.config.paths import data_dir
from segstudio.core.errors import BadInputError, StorageError, WeightsError
from segstudio.core.whole_files import put, put_by
from segstudio.models.kept import delete_folder, kept_folders
from segstudio.models.semantic.card import SemanticCard

if TYPE_CHECKING:
    from torch import Tensor

CARD = "card.json"
WEIGHTS = "weights.safetensors"

_WITHIN = "card"  # the name of the card in the metadata of the weights
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_log = logging.getLogger(__name__)


def folder() -> Path:
    """Where trained models are kept. Not created here."""
    return data_dir() / "models"


def save(net_state: Mapping[str, Tensor], card: SemanticCard) -> Path:
    """Keep a trained model under `card.key`, in place of one of that key; its folder is returned.

    `net_state` is the network's state dict. It is there whole or not at all. Raises BadInputError
    for a key that is no plain name, StorageError if it cannot be written.
    """
    if not _KEY.fullmatch(card.key):
        raise BadInputError(
            f"{card.key!r} cannot be a model's key; letters, digits, dots, dashes and underscores "
            "can, a letter or a digit first."
        )
    target = folder() / card.key
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".saving-", dir=target.parent))
        write(net_state, card, temporary)
        _exchange(temporary, target)
    except (OSError, SafetensorError) as error:  # the writer of tensors has its own for a full disk
        raise StorageError(
            f"The model {card.title} cannot be saved in {target.parent}: "
            f"{getattr(error, 'strerror', None) or error}; make room and try again."
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return target


def write(net_state: Mapping[str, Tensor], card: SemanticCard, place: Path) -> None:
    """Write card and weights into the folder `place`, each whole or not at all.

    Raises OSError, and SafetensorError where the disk refuses the weights.
    """
    from safetensors.torch import save_file  # noqa: PLC0415 - brings torch

    weights = {name: value.detach().cpu().contiguous() for name, value in net_state.items()}
    text = msgspec.json.format(encode(card))
    within = {_WITHIN: text.decode()}
    put_by(place / WEIGHTS, lambda path: save_file(weights, path, metadata=within))
    put(place / CARD, text)


def encode(card: SemanticCard) -> bytes:
    """A card as JSON, without the folder that it is in."""
    return msgspec.json.encode(replace(card, folder=None), enc_hook=str)


def read(place: Path) -> SemanticCard:
    """The card in a folder, with that folder. Raises BadInputError if it holds no whole model."""
    try:
        text = (place / CARD).read_bytes()
    except OSError as error:
        raise _unreadable(place, error) from error
    if not (place / WEIGHTS).is_file():
        raise BadInputError(f"{place} holds a model without its {WEIGHTS}; train it again.")
    return _decoded(text, place)


def take(place: Path, into: Path) -> SemanticCard:
    """Copy the weights in the folder `place` into the folder `into`; the card that is theirs.

    A training may put better ones into `place` meanwhile: card and weights are of one moment all
    the same. Raises BadInputError if there is no whole model, OSError if `into` takes no file.
    """
    try:
        weights = (place / WEIGHTS).read_bytes()
    except OSError as error:
        raise _unreadable(place, error) from error
    put(into / WEIGHTS, weights)
    try:
        with safe_open(into / WEIGHTS, framework="numpy") as file:
            text = (file.metadata() or {}).get(_WITHIN)
    except SafetensorError as error:
        raise _unreadable(place, error) from error
    # Models of former versions have it beside them alone.
    return read(place) if text is None else _decoded(text.encode(), place)


def _unreadable(place: Path, error: Exception) -> BadInputError:
    return BadInputError(
        f"{place} holds no model that can be read ({error}); train it again or delete the folder."
    )


def _decoded(text: bytes, place: Path) -> SemanticCard:
    try:
        card = msgspec.json.decode(text, type=SemanticCard)
    except ValueError as error:
        raise _unreadable(place, error) from error
    if card.spec.categories != len(card.categories) or not _makes_sense(card):
        raise BadInputError(f"{place} holds a model whose card contradicts itself; train it again.")
    if not _KEY.fullmatch(card.key):
        raise BadInputError(f"{place} holds a model whose key is no plain name; train it again.")
    # A file must not choose which function is called.
    return replace(card, folder=place, loader=SemanticCard.loader)


def _makes_sense(card: SemanticCard) -> bool:
    """Whether its numbers are some that images can be brought through the network by."""
    mean, std = card.normalisation.mean, card.normalisation.std
    positive = (card.temperature, card.scale, *std)
    return (
        all(math.isfinite(one) for one in (*mean, *positive))
        and min(positive) > 0
        and card.side > 0
        and card.spec.categories > 0
    )


def check_weights(card: SemanticCard) -> None:
    """Raise WeightsError where the weights of a trained model are not whole; reads no tensor."""
    assert card.folder is not None, "only models that were trained here are in the library"
    path = card.folder / WEIGHTS
    try:
        with safe_open(path, framework="numpy"):
            pass
    except (OSError, SafetensorError) as error:
        raise damaged_weights(path) from error


def damaged_weights(path: Path) -> WeightsError:
    """That a trained model's file cannot be read; there is nowhere to get it again from."""
    return WeightsError(f"{path} is damaged; train the model again, and delete its folder.")


def cards() -> tuple[SemanticCard, ...]:
    """The models that are there, the newest first; a damaged one is passed over, and logged."""
    found = []
    for place in kept_folders(folder()):
        try:
            card = read(place)
        except BadInputError as error:
            _log.warning("%s", error)
            continue
        if card.key == place.name:
            found.append(card)
    return tuple(sorted(found, key=lambda card: (-card.created_at, card.key)))


def named(key: str) -> SemanticCard | None:
    """The model of that key, None if there is none. Raises BadInputError if it is damaged."""
    place = folder() / key
    if not _KEY.fullmatch(key) or not place.is_dir():
        return None
    card = read(place)
    return card if card.key == key else None


def damaged() -> tuple[str, ...]:
    """A sentence for each folder in the library that holds no model that can be used."""
    sentences = []
    for place in kept_folders(folder()):
        try:
            card = read(place)
        except BadInputError as error:
            sentences.append(str(error))
            continue
        try:
            check_weights(card)
        except WeightsError as error:
            sentences.append(str(error))
        if card.key != place.name:
            sentences.append(f"{place} holds the model {card.key!r}, which is another name.")
    return tuple(sentences)


def delete(key: str) -> None:
    """Delete a trained model. Raises BadInputError if there is none of that key."""
    place = folder() / key
    if not _KEY.fullmatch(key) or not place.is_dir():
        raise BadInputError(f"No model {key!r} was trained here.")
    delete_folder(place)


def _exchange(made: Path, target: Path) -> None:
    """Give the folder `made` the name `target`; what had it before is deleted."""
    old: Path | None = None
    if target.exists():
        old = Path(tempfile.mkdtemp(prefix=".old-", dir=target.parent))
        target.rename(old / target.name)
    made.rename(target)
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)
