"""`segstudio models list|pull|verify|path [KEY]`: which models there are, and their weights."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import msgspec

from segstudio.cli.output import Output
from segstudio.core.errors import BadInputError, WeightsError
from segstudio.core.progress import CancelToken
from segstudio.engine.model_preparing import prepare_now
from segstudio.models import licences, pins, weights
from segstudio.models.card import ModelCard, Weighed
from segstudio.models.registry import prompt_models
from segstudio.models.semantic import library
from segstudio.models.semantic.card import Encoder, SemanticCard
from segstudio.models.semantic.registry import ENCODERS, semantic_cards

KINDS = ("prompt", "semantic", "encoder")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["list", "pull", "verify", "path"])
    parser.add_argument(
        "key", nargs="?", metavar="KEY", help="a model; needed for pull and path, else: all models"
    )
    parser.add_argument(
        "--kind",
        choices=KINDS,
        help="list and verify only these: models that are prompted, models that label each pixel, "
        "pretrained encoders for training (default: all models, no encoders)",
    )
    parser.add_argument(
        "--accept-licence",
        action="store_true",
        help="you have read the licence that limits the use of the weights, and accept it",
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    key: str | None = arguments.key
    cards = _chosen(arguments.kind) if key is None else (_card(key),)
    if arguments.action == "list":
        return _list(cards, output)
    if arguments.action == "verify":
        return _verify(cards, output, everything=key is None)
    if key is None:
        known = ", ".join(card.key for card in _chosen(None))
        raise WeightsError(f"Name the model: segstudio models {arguments.action} KEY ({known}).")
    if arguments.action == "pull":
        return _pull(cards[0], output, accept=arguments.accept_licence)
    return _path(cards[0], output)


def _chosen(kind: str | None) -> tuple[Weighed, ...]:
    kinds: dict[str, tuple[Weighed, ...]] = {
        "prompt": prompt_models(),
        "semantic": semantic_cards(),
        "encoder": ENCODERS,
    }
    return kinds[kind] if kind else (*kinds["prompt"], *kinds["semantic"])


def _card(key: str) -> Weighed:
    known = {card.key: card for card in (*ENCODERS, *_chosen(None))}
    try:
        return known[key]
    except KeyError:
        library.named(key)  # says what is wrong with a damaged one
        raise BadInputError(
            f"There is no model {key!r}; the models are {', '.join(known)}."
        ) from None


def _list(cards: tuple[Weighed, ...], output: Output) -> int:
    rows = [_row(card) for card in cards]
    key_width = max((len(row["key"]) for row in rows), default=0)
    title_width = max((len(row["title"]) for row in rows), default=0)
    lines = [
        f"{row['key']:<{key_width}}  {row['title']:<{title_width}}  {row['state']:<12}  "
        f"{_remarks(row)}"
        for row in rows
    ]
    output.result({"models": rows}, "\n".join(line.rstrip() for line in lines))
    return 0


def _remarks(row: dict[str, Any]) -> str:
    parts = [row["description"]]
    if row["scores"].get("miou") is not None:
        parts.append(f"mIoU {100 * row['scores']['miou']:.1f} %.")
    if row["noncommercial"]:
        parts.append(f"Licence: {row['licence']}.")
    return " ".join(parts)


def _row(card: Weighed) -> dict[str, Any]:
    """`state`: built in, trained here, here, not here, or damaged."""
    file = card.weights
    path, state = _kept(card), "trained here"
    if path is None:
        state = "built in"
    if file is not None:
        try:
            path = weights.find(card)
            state = "here" if path else "not here"
        except WeightsError:
            state = "damaged"
    return {
        "key": card.key,
        "kind": _kind(card),
        "title": card.title,
        "description": getattr(card, "description", ""),
        "accepts": sorted(card.accepts) if isinstance(card, ModelCard) else [],
        "state": state,
        "path": str(path) if path else None,
        "file": file.name if file else None,
        "bytes": file.size if file else 0,
        "sha256": file.sha256 or _pinned(path) if file else None,
        "hash": pins.provenance(file) if file else None,
        "url": file.url if file else None,
        "licence": file.licence if file else getattr(card, "licence", None),
        "licence_text": licences.licence_text(file.licence) if file else None,
        "noncommercial": licences.is_noncommercial(card),
        **_semantic_facts(card),
    }


def _kind(card: Weighed) -> str:
    if isinstance(card, SemanticCard):
        return "semantic"
    return "encoder" if isinstance(card, Encoder) else "prompt"


def _kept(card: Weighed) -> Path | None:
    """The folder of a model that was trained here."""
    return card.folder if isinstance(card, SemanticCard) else None


def _pinned(path: Path | None) -> str | None:
    return (pins.pinned(path) or None) if path else None


def _semantic_facts(card: Weighed) -> dict[str, Any]:
    """What is known of semantic models only; empty for the others."""
    if not isinstance(card, SemanticCard):
        return {"categories": [], "trained_on": "", "settings": {}, "scores": {}}
    return {
        "architecture": card.spec.architecture,
        "encoder": card.spec.encoder,
        "options": dict(card.spec.options),
        "categories": msgspec.to_builtins(card.categories),
        "trained_on": card.trained_on,
        "settings": dict(card.settings),
        "scores": dict(card.scores),
        "created_at": card.created_at,
    }


def _pull(card: Weighed, output: Output, *, accept: bool) -> int:
    if accept and licences.is_noncommercial(card):
        licences.accept(card)
    if card.weights is not None and card.weights.url and licences.is_accepted(card):
        output.say(licences.licence_text(card.weights.licence))
    path = weights.ensure(card, None, download=True, report=output.progress, cancel=CancelToken())
    if path is not None and isinstance(card, ModelCard):
        prepare_now(card, path, output.progress, CancelToken())
    path = path or _kept(card)
    output.result(_place(card, path), _place_text(card, path))
    return 0


def _path(card: Weighed, output: Output) -> int:
    path = weights.find(card) or _kept(card)
    if path is None and card.weights is not None:
        raise weights.missing_weights(card)
    output.result(_place(card, path), str(path) if path else _place_text(card, path))
    return 0


def _place(card: Weighed, path: Path | None) -> dict[str, Any]:
    return {"key": card.key, "path": str(path) if path else None}


def _place_text(card: Weighed, path: Path | None) -> str:
    if path is None:
        return f"{card.title} is built in and needs no weights."
    return f"{card.title}: {path}"


def _trained_state(card: SemanticCard) -> tuple[str, str]:
    try:
        library.check_weights(card)
    except WeightsError as error:
        return "damaged", str(error)
    return "good", ""


def _verify(cards: tuple[Weighed, ...], output: Output, *, everything: bool) -> int:
    """Each file that is here against its size and SHA-256, published or pinned."""
    rows = []
    for card in cards:
        state, sentence = "built in", ""
        if isinstance(card, SemanticCard) and card.folder is not None:
            state, sentence = _trained_state(card)
        if card.weights is not None:
            try:
                path = weights.find(card, report=output.progress)
                state = "good" if path else "not here"
            except WeightsError as error:
                state, sentence = "damaged", str(error)
        rows.append({"key": card.key, "state": state, "reason": sentence})
    if everything:
        damaged = [one for one in library.damaged() if one not in {row["reason"] for row in rows}]
        rows += [{"key": "", "state": "damaged", "reason": sentence} for sentence in damaged]
    width = max((len(row["key"]) for row in rows), default=0)
    lines = [f"{row['key']:<{width}} {row['state']}  {row['reason']}".rstrip() for row in rows]
    output.result({"models": rows}, "\n".join(lines))
    return 1 if any(row["state"] == "damaged" for row in rows) else 0
