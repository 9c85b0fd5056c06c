"""`segstudio predict PROJECT|DIR|IMAGE --model M`: annotations or, with --out, label maps."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from segstudio.cli.files import Source, image_sources, write_whole
from segstudio.cli.model_arguments import embedding_cache
from segstudio.cli.output import Output
from segstudio.cli.predict_arguments import (
    add_predict_arguments,
    label_map_options,
    predict_settings,
)
from segstudio.config.paths import cache_dir
from segstudio.config.settings import load_settings
from segstudio.core.errors import BadInputError, DeviceError, ProjectLockedError
from segstudio.core.image import ImageState
from segstudio.core.prediction import ModelCategory
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.engine.cpu_fallback import CPU, CpuFallback
from segstudio.engine.jobs import JobRunner
from segstudio.engine.label_map_parts import LabelMapOptions
from segstudio.engine.label_map_prompts import Prompting
from segstudio.engine.model_loading import choose_card, load_prompt_model
from segstudio.engine.prediction_cache import PredictionCache
from segstudio.engine.prediction_maps import FOLDER, TABLE, map_png, table_bytes
from segstudio.engine.project_session import PROJECT_SUFFIX, project_path_for
from segstudio.engine.semantic_loading import choose_semantic_card, load_semantic_model
from segstudio.engine.semantic_run import (
    Predicting,
    PredictReport,
    carry_out,
    predict_image,
    predict_images,
)
from segstudio.engine.semantic_slot import SemanticSlot
from segstudio.formats.naming import safe_stem, unique_stems
from segstudio.imaging.photo import open_image
from segstudio.models.prompt.contract import PromptModel
from segstudio.models.semantic.card import SemanticCard
from segstudio.models.semantic.contract import SemanticModel
from segstudio.store.project import ProjectStore

_LOOK_AGAIN_S = 1.0  # whether the project is free


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, metavar="PROJECT|DIR|IMAGE")
    add_predict_arguments(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    settings = predict_settings(arguments)
    card = choose_semantic_card(arguments.model)
    options = label_map_options(arguments, card.categories)
    project = None if arguments.out is not None else _project(arguments.source)
    if project is not None:
        _require_free(project)
    slot = _slot(card, arguments, output)
    predicting = Predicting(slot, settings, prediction_cache())
    start = time.perf_counter()
    if project is None:
        done = _write_maps(arguments, predicting, options, output)
    else:
        done = _annotate(project, arguments, predicting, options, output)
    if predicting.cache.warning:
        output.say(predicting.cache.warning)
    data = {
        "model": card.key,
        "model_key": slot.model_key or None,
        "device": slot.model.device if slot.model is not None else arguments.device,
        **done.data,
        "seconds": round(time.perf_counter() - start, 3),
    }
    output.result(data, done.text)
    return 1 if done.nothing_worked else 0


def prediction_cache() -> PredictionCache:
    """The cache on disk that the window uses too, within the size that the user has set."""
    return PredictionCache(cache_dir() / "predictions", load_settings().predictions_disk_mb << 20)


@dataclass(frozen=True)
class _Done:
    """What to print, and whether every image failed."""

    data: dict[str, Any]
    text: str
    nothing_worked: bool


# -- the model -----------------------------------------------------------------------------------


def _slot(card: SemanticCard, arguments: argparse.Namespace, output: Output) -> SemanticSlot:
    """A slot whose model goes on on the CPU where its device fails it, and says so."""

    def load(
        wanted: SemanticCard, device: str | None, cancel: CancelToken, report: ProgressSink
    ) -> SemanticModel:
        return load_semantic_model(
            wanted,
            device=device or arguments.device,
            weights=arguments.weights,
            download=arguments.yes,
            report=report,
            cancel=cancel,
        )

    return SemanticSlot(card, load, JobRunner(), on_loaded=_nothing, on_moved=output.say)


def _nothing() -> None:
    return None


def _prompting(arguments: argparse.Namespace, output: Output) -> Prompting | None:
    if arguments.via is None:
        return None
    card = choose_card(arguments.via)

    def load(device: str) -> PromptModel:
        return load_prompt_model(
            card,
            device=device,
            download=arguments.yes,
            report=output.progress,
            cancel=CancelToken(),
        )

    model = CpuFallback(load(arguments.device), lambda: load(CPU), output.say)
    return Prompting(model, embedding_cache(), arguments.agreement)


# -- annotations ---------------------------------------------------------------------------------


def _project(source: Path) -> Path:
    """The project of a source. Raises BadInputError where there is none."""
    if source.suffix.lower() == PROJECT_SUFFIX and source.is_file():
        return source
    if source.is_dir() and (project := project_path_for(source)).is_file():
        return project
    if not source.exists():
        raise BadInputError(f"There is no file or folder {source}.")
    raise BadInputError(
        f"{source} is no project, so there is nothing to add annotations to; name a folder for "
        "label maps with --out, or make a project with `segstudio new`."
    )


def _annotate(
    project: Path,
    arguments: argparse.Namespace,
    predicting: Predicting,
    options: LabelMapOptions,
    output: Output,
) -> _Done:
    """Predict as a reader of the project, for hours if need be; be its writer only to add."""
    prompting = _prompting(arguments, output)
    with ProjectStore.open(project, read_only=True) as store:
        numbers = _wanted(store, arguments)
        found = predict_images(
            store, numbers, predicting, options, output.progress, prompting=prompting
        )
    with found, _opened_when_free(project, output) as store:
        made = carry_out(found, store, output.progress)
        for failure in made.failures:
            output.say(f"Passed over {failure.path}: {failure.reason}")
        data = {
            "images": len(numbers),
            "predicted": found.predicted,
            "already_there": found.known,
            "failed": [failure._asdict() for failure in made.failures],
            "changed": made.images,
            "annotations": made.added,
            "replaced": made.replaced,
            "new_categories": list(made.new_categories),
            "run": made.run_id or None,
        }
    return _Done(data, _text(made, len(numbers)), len(made.failures) == len(numbers))


def _require_free(project: Path) -> None:
    """Tell before any work where annotations could not be added, as another program has it open."""
    try:
        ProjectStore.open(project).close()
    except ProjectLockedError as error:
        raise ProjectLockedError(
            f"{_who_has_it(error)}, so no annotations can be added; close it there, or write "
            "label maps into a folder with --out."
        ) from error


def _opened_when_free(project: Path, output: Output) -> ProjectStore:
    """Open for writing; where somebody opened it meanwhile, wait rather than lose what was made."""
    told = False
    while True:
        try:
            return ProjectStore.open(project)
        except ProjectLockedError as error:
            if not told:
                output.say(
                    f"{_who_has_it(error)}; the annotations are added as soon as it is closed "
                    "there. Ctrl-C gives up, and what was predicted is kept."
                )
            told = True
        time.sleep(_LOOK_AGAIN_S)


def _who_has_it(error: ProjectLockedError) -> str:
    """The sentence without its end, which is a remedy of opening."""
    return str(error).rpartition(";")[0]


def _wanted(store: ProjectStore, arguments: argparse.Namespace) -> list[int]:
    """The images to predict; rejected ones never. Raises BadInputError where there is none."""
    found = [
        image.id
        for image in store.images()
        if image.state is not ImageState.REJECTED
        and (image.state is ImageState.TODO or not arguments.todo)
        and (arguments.split is None or image.split == arguments.split)
    ]
    if not found:
        raise BadInputError("The project has no such image; leave out --todo or --split.")
    return found


def _text(made: PredictReport, images: int) -> str:
    if not made.run_id:
        return f"Nothing was new on {images} images."
    lines = [f"{made.added} annotations on {made.images} of {images} images (run {made.run_id})."]
    if made.replaced:
        lines.append(f"Former predictions replaced: {made.replaced}.")
    if made.new_categories:
        lines.append(f"New categories: {', '.join(made.new_categories)}.")
    return "\n".join(lines)


# -- label maps ----------------------------------------------------------------------------------


def _write_maps(
    arguments: argparse.Namespace,
    predicting: Predicting,
    options: LabelMapOptions,
    output: Output,
) -> _Done:
    out: Path = arguments.out
    everything = image_sources(arguments.source)
    targets, sources = _targets(everything, out), _chosen(arguments, everything)
    if isinstance(predicting.model, SemanticSlot):
        # What is wrong with the model is told before any image, and nothing is written then.
        predicting.model.load(CancelToken(), output.progress)
    _write_table(out, predicting.model.card.categories)
    written: list[str] = []
    failed: list[dict[str, str]] = []
    known = 0
    for index, source in enumerate(sources):
        output.progress(Progress(index, len(sources), f"Predicting {source.name}"))
        try:
            image = open_image(source.path, cache_dir() / "pixels")
            known += _is_known(predicting, image.key)
            prediction = predict_image(
                predicting.model,
                image,
                predicting.settings,
                predicting.cache,
                output.progress if len(sources) == 1 else _quiet,
                CancelToken(),
            )
        except (BadInputError, DeviceError) as error:
            failed.append({"path": source.name, "reason": str(error)})
            output.say(f"Passed over {source.name}: {error}")
            continue
        write_whole(targets[source.id], map_png(prediction, options.thresholds))
        written.append(str(targets[source.id].resolve()))
    data = {
        "images": len(sources),
        "predicted": len(written) - known,
        "already_there": known,
        "failed": failed,
        "files": written,
        "table": str((out / TABLE).resolve()),
    }
    text = f"{len(written)} label maps in {out / FOLDER}, what they mean in {out / TABLE}."
    return _Done(data, text, not written)


def _quiet(_: Progress) -> None:
    return None


def _is_known(predicting: Predicting, image_key: str) -> bool:
    model_key = predicting.model.model_key
    return bool(model_key) and predicting.cache.has(image_key, model_key, predicting.settings.key)


def _chosen(arguments: argparse.Namespace, sources: Sequence[Source]) -> list[Source]:
    if not (arguments.todo or arguments.split is not None):
        return list(sources)
    with ProjectStore.open(_project(arguments.source), read_only=True) as store:
        wanted = set(_wanted(store, arguments))
    return [source for source in sources if source.id in wanted]


def _write_table(out: Path, categories: Sequence[ModelCategory]) -> None:
    """Raises BadInputError where another model's maps are there, StorageError."""
    content, path = table_bytes(categories), out / TABLE
    if path.is_file() and path.read_bytes() != content:
        raise BadInputError(
            f"{out} holds label maps of other categories already; name another folder."
        )
    write_whole(path, content)


def _targets(sources: Sequence[Source], out: Path) -> dict[int, Path]:
    """Where the map of each source (by id) goes: named as exports name it, so imports find it."""
    stems = unique_stems(
        (source.id, safe_stem(source.name.removesuffix(PurePosixPath(source.name).suffix)))
        for source in sources
    )
    return {number: out / FOLDER / f"{stem}.png" for number, stem in stems.items()}
