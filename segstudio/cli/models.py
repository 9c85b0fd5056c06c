"""`segstudio models list|pull|verify|path [KEY]`: which models there are, and their weights."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from segstudio.cli.output import Output
from segstudio.core.errors import WeightsError
from segstudio.core.progress import CancelToken
from segstudio.engine.model_preparing import prepare_now
from segstudio.models import weights
from segstudio.models.card import ModelCard
from segstudio.models.registry import PROMPT_MODELS, prompt_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["list", "pull", "verify", "path"])
    parser.add_argument(
        "key", nargs="?", metavar="KEY", help="a model; needed for pull and path, else: all models"
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    key: str | None = arguments.key
    cards = PROMPT_MODELS if key is None else (prompt_model(key),)
    if arguments.action == "list":
        return _list(cards, output)
    if arguments.action == "verify":
        return _verify(cards, output)
    if key is None:
        known = ", ".join(card.key for card in PROMPT_MODELS)
        raise WeightsError(f"Name the model: segstudio models {arguments.action} KEY ({known}).")
    if arguments.action == "pull":
        return _pull(cards[0], output)
    return _path(cards[0], output)


def _list(cards: tuple[ModelCard, ...], output: Output) -> int:
    rows = [_row(card) for card in cards]
    lines = [
        f"{row['key']:<12} {row['title']:<22} {row['state']:<12} {row['description']}"
        for row in rows
    ]
    output.result({"models": rows}, "\n".join(lines))
    return 0


def _row(card: ModelCard) -> dict[str, Any]:
    """`state`: built in, here, not here, or damaged."""
    file = card.weights
    path, state = None, "built in"
    if file is not None:
        try:
            path = weights.find(card)
            state = "here" if path else "not here"
        except WeightsError:
            state = "damaged"
    return {
        "key": card.key,
        "title": card.title,
        "description": card.description,
        "accepts": sorted(card.accepts),
        "state": state,
        "path": str(path) if path else None,
        "file": file.name if file else None,
        "bytes": file.size if file else 0,
        "sha256": file.sha256 if file else None,
        "url": file.url if file else None,
        "licence": file.licence if file else None,
    }


def _pull(card: ModelCard, output: Output) -> int:
    path = weights.ensure(card, None, download=True, report=output.progress, cancel=CancelToken())
    if path is not None:
        prepare_now(card, path, output.progress, CancelToken())
    output.result(_place(card, path), _place_text(card, path))
    return 0


def _path(card: ModelCard, output: Output) -> int:
    path = weights.find(card)
    if path is None and card.weights is not None:
        raise weights.missing_weights(card)
    output.result(_place(card, path), str(path) if path else _place_text(card, path))
    return 0


def _place(card: ModelCard, path: Path | None) -> dict[str, Any]:
    return {"key": card.key, "path": str(path) if path else None}


def _place_text(card: ModelCard, path: Path | None) -> str:
    if path is None:
        return f"{card.title} is built in and needs no weights."
    return f"{card.title}: {path}"


def _verify(cards: tuple[ModelCard, ...], output: Output) -> int:
    """Each file that is here against its published size and SHA-256."""
    rows, faults = [], 0
    for card in cards:
        state, sentence = "built in", ""
        if card.weights is not None:
            try:
                path = weights.find(card, report=output.progress)
                state = "good" if path else "not here"
            except WeightsError as error:
                state, sentence, faults = "damaged", str(error), faults + 1
        rows.append({"key": card.key, "state": state, "reason": sentence})
    lines = [f"{row['key']:<12} {row['state']}  {row['reason']}".rstrip() for row in rows]
    output.result({"models": rows}, "\n".join(lines))
    return 1 if faults else 0
