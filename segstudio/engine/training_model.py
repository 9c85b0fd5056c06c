"""Puts the best model of a training among the models that can be used."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
import unicodedata
from dataclasses import replace
from pathlib import Path

from segstudio.core.errors import BadInputError
from segstudio.core.whole_files import disk_error, put
from segstudio.models.semantic import library
from segstudio.models.semantic.card import SemanticCard
from segstudio.models.training.folder import BEST

_LONGEST = 60  # letters of a title that go into a key


def adopted(run: Path, title: str, trained_on: str) -> SemanticCard:
    """Copy `run`/best into the library under a new key, whole or not at all; returns its card.

    Raises BadInputError where the run has no model yet, StorageError where the disk refuses.
    """
    place = library.folder()
    temporary: Path | None = None
    try:
        place.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".saving-", dir=place))
        best = _best(run, temporary)
        target = place / _free_key(title or best.title)
        card = replace(
            best,
            key=target.name,
            title=title or best.title,
            trained_on=best.trained_on or trained_on,
            created_at=time.time(),
            folder=None,
        )
        put(temporary / library.CARD, library.encode(card))
        temporary.rename(target)
    except OSError as error:
        raise disk_error(error, place, "Keeping the model") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return replace(card, folder=target)


def _best(run: Path, into: Path) -> SemanticCard:
    try:
        return library.take(run / BEST, into)
    except BadInputError as error:
        raise BadInputError(
            "The training has no model yet; wait until the validation images were looked at once."
        ) from error


def _free_key(title: str) -> str:
    """A key made of a title that no model has: letters, digits and dashes."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    base = re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-").lower()[:_LONGEST] or "model"
    key, number = base, 1
    taken = {card.key for card in library.cards()}
    while key in taken or (library.folder() / key).exists():
        number += 1
        key = f"{base}-{number}"
    return key
