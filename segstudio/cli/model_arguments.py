"""Arguments that every command with a model has, and the model that they mean."""

from __future__ import annotations

import argparse
from pathlib import Path

from segstudio.cli.output import Output
from segstudio.config.paths import cache_dir
from segstudio.config.settings import load_settings
from segstudio.core.progress import CancelToken
from segstudio.engine.cpu_fallback import CPU, CpuFallback
from segstudio.engine.embedding_cache import EmbeddingCache
from segstudio.engine.model_loading import choose_card, load_prompt_model
from segstudio.models.prompt.contract import PromptModel
from segstudio.models.registry import PROMPT_MODELS


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    keys = ", ".join(card.key for card in PROMPT_MODELS)
    parser.add_argument(
        "--model",
        default="auto",
        metavar="KEY",
        help=f"one of {keys}; auto (default): the lightest whose weights are here, else the "
        "built-in one",
    )
    parser.add_argument("--weights", type=Path, metavar="FILE", help="the weights' file or folder")
    parser.add_argument(
        "--device",
        default="auto",
        help="cpu, cuda, mps or auto (default): a GPU where there is one",
    )
    parser.add_argument(
        "--yes", action="store_true", help="download the weights if they are not here"
    )


def load_model(arguments: argparse.Namespace, output: Output) -> PromptModel:
    """The model of the arguments. Raises BadInputError, WeightsError, DeviceError.

    When its device fails it later, it goes on on the CPU, and `output` says so.
    """
    card = choose_card(arguments.model)

    def load(device: str) -> PromptModel:
        return load_prompt_model(
            card,
            device=device,
            weights=arguments.weights,
            download=arguments.yes,
            report=output.progress,
            cancel=CancelToken(),
        )

    return CpuFallback(load(arguments.device), lambda: load(CPU), output.say)


def embedding_cache() -> EmbeddingCache:
    """The cache on disk that the window uses too, within the size that the user has set."""
    settings = load_settings()
    folder = cache_dir() / "embeddings"
    return EmbeddingCache(folder, 0, settings.embedding_disk_mb << 20)
