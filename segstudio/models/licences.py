"""Licences of weights: what a person is shown, and what was accepted on this machine."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from segstudio.config.paths import data_dir
from segstudio.core.errors import StorageError, WeightsError
from segstudio.core.whole_files import put
from segstudio.models.card import Weighed


@dataclass(frozen=True)
class Licence:
    """A licence by the name that cards use; `text` says in words what matters, `url` has it all."""

    name: str
    url: str
    text: str


NVIDIA_SEGFORMER = "NVIDIA Source Code License (SegFormer)"

LICENCES: tuple[Licence, ...] = (
    Licence(
        NVIDIA_SEGFORMER,
        "https://github.com/NVlabs/SegFormer/blob/master/LICENSE",
        "These weights are NVIDIA's. They may be used non-commercially only: for research or "
        "evaluation. What is derived from them, such as a model trained on from them, falls under "
        "the same limit. They are not part of SegStudio and come from their publisher.",
    ),
    Licence(
        "GPL-3.0",
        "https://www.gnu.org/licenses/gpl-3.0.html",
        "The repository that publishes these weights is under the GNU General Public License 3; "
        "whoever passes them on does so under it. They are not part of SegStudio.",
    ),
    Licence(
        "BSD-3-Clause",
        "https://github.com/pytorch/vision/blob/main/LICENSE",
        "Published with torchvision under the BSD 3-clause licence, which names no other one for "
        "the weights. Data sets that they were trained on have terms of their own.",
    ),
    Licence(
        "Apache-2.0",
        "https://www.apache.org/licenses/LICENSE-2.0",
        "Free to use, change and pass on with the notices kept.",
    ),
    Licence(
        "MIT",
        "https://opensource.org/license/mit",
        "Free to use, change and pass on with the notice kept.",
    ),
)

_BY_NAME = {licence.name: licence for licence in LICENCES}


def licence_text(name: str) -> str:
    """What a person reads before a download: the licence's name, what it says, where it is."""
    licence = _BY_NAME.get(name)
    return f"{licence.name}: {licence.text} {licence.url}" if licence else name


def is_noncommercial(card: Weighed) -> bool:
    """Whether the card's weights may be used for research only."""
    return bool(getattr(card, "noncommercial", False))


def is_accepted(card: Weighed) -> bool:
    """Whether nothing has to be accepted, or it was, for this licence, on this machine."""
    if not is_noncommercial(card) or card.weights is None:
        return True
    try:
        record = json.loads(_record(card).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and record.get("licence") == card.weights.licence


def accept(card: Weighed) -> None:
    """Remember that the licence of these weights was read and accepted. Raises StorageError."""
    assert card.weights is not None
    target = _record(card)
    try:
        record = {"licence": card.weights.licence, "accepted_at": time.time()}
        target.parent.mkdir(parents=True, exist_ok=True)
        put(target, json.dumps(record).encode())
    except OSError as error:
        raise StorageError(
            f"That the licence was accepted cannot be kept in {target.parent}: "
            f"{error.strerror or error}."
        ) from error


def not_accepted(card: Weighed) -> WeightsError:
    """What to say where a licence must be accepted before the download."""
    assert card.weights is not None
    return WeightsError(
        f"{card.title} comes under a licence that has to be accepted first. "
        f"{licence_text(card.weights.licence)} To accept it: "
        f"`segstudio models pull {card.key} --accept-licence`."
    )


def _record(card: Weighed) -> Path:
    return data_dir() / "licences" / f"{card.key}.json"
