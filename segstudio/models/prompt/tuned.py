"""The prompt models that were tuned on this machine: a folder each, with the card and the weights.

`data_dir()/prompt_models/KEY/` holds `card.json` and `weights.safetensors`, whose metadata say the
same. Nothing here runs code from a file: which code loads them is not theirs to say.
"""

from __future__ import annotations

import logging
import re
import shutil
import tempfile
import time
import unicodedata
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec

from segstudio.config.paths import data_dir
from segstudio.core.errors import BadInputError
from segstudio.core.whole_files import disk_error, put
from segstudio.models.card import ModelCard, WeightsFile
from segstudio.models.kept import delete_folder, kept_folders

CARD, WEIGHTS = "card.json", "weights.safetensors"

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
_LONGEST = 50  # letters of a title that go into a key
_log = logging.getLogger(__name__)


class TunedFacts(msgspec.Struct, frozen=True):
    """What is known of a tuned model. `base` is the key of the card that it was begun from,
    `base_sha256` (hex) its weights'; `before` and `after` are mean IoU on held-out images by
    prompt, "1", "3" and "5" clicks and "box"; `tuned_on` says in words what it saw."""

    key: str
    title: str
    base: str
    base_sha256: str
    sha256: str
    size: int
    licence: str
    tuned_on: str
    before: dict[str, float]
    after: dict[str, float]
    settings: dict[str, Any]
    created_at: float


def folder() -> Path:
    """Where tuned models are kept. Not created here."""
    return data_dir() / "prompt_models"


def keep(weights: Path, facts: TunedFacts, taken: Collection[str]) -> TunedFacts:
    """Copy `weights` into the library under a new key made of the title; the facts with that key.

    `taken` are keys of other models. It is there whole or not at all; where the same weights are
    kept already, theirs are returned. Raises StorageError.
    """
    same = next((one for one in all_facts() if one.sha256 == facts.sha256), None)
    if same is not None:
        return same
    place = folder()
    temporary: Path | None = None
    try:
        place.mkdir(parents=True, exist_ok=True)
        key = _free_key(facts.title, place, taken)
        temporary = Path(tempfile.mkdtemp(prefix=".saving-", dir=place))
        content = weights.read_bytes()
        put(temporary / WEIGHTS, content)
        facts = msgspec.structs.replace(facts, key=key, size=len(content), created_at=time.time())
        put(temporary / CARD, msgspec.json.format(msgspec.json.encode(facts)))
        temporary.rename(place / key)
    except OSError as error:
        raise disk_error(error, place, "Keeping the model") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return facts


def read(place: Path) -> TunedFacts:
    """The facts of the model in a folder. Raises BadInputError if it holds no whole model."""
    try:
        facts = msgspec.json.decode((place / CARD).read_bytes(), type=TunedFacts)
    except (OSError, ValueError) as error:
        raise BadInputError(
            f"{place} holds no tuned model that can be read ({error}); tune it again or delete "
            "the folder."
        ) from error
    sound = _KEY.fullmatch(facts.key) and re.fullmatch("[0-9a-f]{64}", facts.sha256)
    if not sound or facts.key != place.name:
        raise BadInputError(f"{place} holds a tuned model of another name; delete the folder.")
    return facts


def all_facts() -> tuple[TunedFacts, ...]:
    """The tuned models that are there, the newest first; damaged ones are logged, not raised."""
    found = []
    for place in kept_folders(folder()):
        try:
            found.append(read(place))
        except BadInputError as error:
            _log.warning("%s", error)
    return tuple(sorted(found, key=lambda facts: (-facts.created_at, facts.key)))


def card_of(facts: TunedFacts, base: ModelCard) -> ModelCard:
    """The card of a tuned model, as that of its base but for the weights and the words."""
    place = folder() / facts.key
    file = WeightsFile(
        name=WEIGHTS, url="", size=facts.size, sha256=facts.sha256, licence=facts.licence,
        folder=str(place),
    )  # fmt: skip
    clicks = facts.before.get("3", 0.0), facts.after.get("3", 0.0)
    return ModelCard(
        key=facts.key,
        title=facts.title,
        description=f"{base.title}, tuned on {facts.tuned_on}: IoU after 3 clicks there "
        f"{clicks[0]:.0%} before, {clicks[1]:.0%} now.",
        accepts=base.accepts,
        weights=file,
        loader=base.loader,
        score_scale=base.score_scale,
        by_grid=base.by_grid,
        converted=base.converted,
    )


def cards(bases: Mapping[str, ModelCard]) -> tuple[ModelCard, ...]:
    """The cards of the tuned models whose base is one of `bases`, by key; the newest first."""
    return tuple(
        card_of(facts, bases[facts.base])
        for facts in all_facts()
        if facts.base in bases and facts.key not in bases
    )


def delete(key: str) -> None:
    """Delete a tuned model. Raises BadInputError if there is none of that key, StorageError."""
    place = folder() / key
    if not _KEY.fullmatch(key) or not place.is_dir():
        raise BadInputError(f"No prompt model {key!r} was tuned here.")
    delete_folder(place)


def _free_key(title: str, place: Path, taken: Collection[str]) -> str:
    """A key made of a title that no model has: letters, digits and dashes."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    base = re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-").lower()[:_LONGEST] or "tuned"
    key, number = base, 1
    while key in taken or (place / key).exists():
        number += 1
        key = f"{base}-{number}"
    return key
