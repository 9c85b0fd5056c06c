"""`segstudio train PROJECT`: train a model on a project's labels; the same command goes on."""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segstudio.cli.following import CtrlC, followed
from segstudio.cli.output import Output
from segstudio.cli.training_options import (
    add_choices,
    add_settings,
    chosen_choices,
    chosen_settings,
)
from segstudio.core.errors import ProjectLockedError, SegStudioError, StorageError, WeightsError
from segstudio.core.progress import CancelToken, Progress

if TYPE_CHECKING:  # the store would make `--help` slow
    from segstudio.engine.training_run import TrainingRun, TrainingRuns
    from segstudio.engine.training_survey import SetSurvey
    from segstudio.models.training.events import Event
    from segstudio.models.training.settings import TrainingSettings
    from segstudio.store.project import ProjectStore

FITTED = frozenset({"architecture", "encoder", "side", "epochs"})  # to machine and images


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("project", type=Path, help="the project file, or its folder of images")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--list", action="store_true", help="tell the project's trainings")
    instead.add_argument("--resume", metavar="RUN", help="go on with a training of the list")
    instead.add_argument(
        "--use", metavar="RUN", help="put its best model among those to predict by"
    )
    instead.add_argument("--delete", metavar="RUN", help="delete a training's files")
    instead.add_argument(
        "--dry-run", action="store_true", help="tell the training set and its class balance"
    )
    parser.add_argument(
        "--title", default="", metavar="T", help="what the training or model is called"
    )
    parser.add_argument(
        "--anew", action="store_true", help="from the start, also where the same one was stopped"
    )
    parser.add_argument("--yes", action="store_true", help="download weights that are not here")
    add_choices(parser)
    add_settings(parser, FITTED)


def run(arguments: argparse.Namespace, output: Output) -> int:
    from segstudio.engine.training_run import TrainingRuns  # noqa: PLC0415 - starts fast

    if arguments.list:
        with _opened(arguments.project, output.say) as store:
            return _list(TrainingRuns(store).history(), output)
    if arguments.use:
        with _opened(arguments.project, output.say) as store:
            runs = TrainingRuns(store)
            return _use(runs, runs.run(arguments.use), arguments.title, output)
    if arguments.delete:
        with _opened(arguments.project, output.say) as store:
            runs = TrainingRuns(store)
            found = runs.run(arguments.delete)
            runs.delete(found)
        output.result({"deleted": found.name}, f"The training {found.title} is deleted.")
        return 0
    if arguments.dry_run:
        return _survey(arguments, output)
    return _train(arguments, output)


def _opened(path: Path, say: Callable[[str], None]) -> ProjectStore:
    """The project; read-only where another program holds it or its folder cannot be written."""
    from segstudio.engine.project_session import project_path_for  # noqa: PLC0415
    from segstudio.store.project import ProjectStore  # noqa: PLC0415

    file = project_path_for(path) if path.is_dir() else path
    try:
        return ProjectStore.open(file)
    except ProjectLockedError:
        say(
            "The project is open in another program; trainings are noted in it when it is next "
            "looked at."
        )
    except StorageError:  # a disk that cannot be written; what else is wrong shows again
        pass
    return ProjectStore.open(file, read_only=True)


def _quiet(_: str) -> None:
    return None


# -- training ------------------------------------------------------------------------------------


def _train(arguments: argparse.Namespace, output: Output) -> int:
    """The project is held only while the set is written, and once more to note the end."""
    from segstudio.engine.training_run import TrainingRuns  # noqa: PLC0415

    telling = _Telling(output)
    with ExitStack() as counting:
        with _opened(arguments.project, output.say) as store:
            runs = TrainingRuns(store)
            found = _wanted(arguments, runs, store, output)
            pressed = counting.enter_context(CtrlC())
            process = runs.resume(found, telling.take)
        status = followed(process, pressed, output)
    # The history notes the end; a project that went away meanwhile takes nothing from the training.
    with suppress(SegStudioError), _opened(arguments.project, _quiet) as store:
        TrainingRuns(store).history()
    done = found.again()
    ended = process.ended
    failed = ended is not None and ended.reason == "failed"
    if failed and ended is not None:
        output.say(ended.message)
    output.result(_facts(done), _ending(done, arguments.project, interrupted=status != 0))
    return 1 if failed else status


def _wanted(
    arguments: argparse.Namespace, runs: TrainingRuns, store: ProjectStore, output: Output
) -> TrainingRun:
    """The run to go on with, or a new one, prepared."""
    from segstudio.engine.training_run import network_title  # noqa: PLC0415
    from segstudio.engine.training_survey import survey  # noqa: PLC0415
    from segstudio.engine.training_weights import ensure_start  # noqa: PLC0415

    if arguments.resume:
        return runs.run(arguments.resume)
    choices = chosen_choices(arguments, store.categories())
    made = survey(store, choices, output.progress)
    made.require_sound()  # what is wrong there is said before any download
    settings = _settings(arguments, made)
    found = None if arguments.anew else runs.unfinished(settings, made.fingerprint)
    if found is not None:
        output.say(f"Going on with the training {found.id or found.name}, {_progress_of(found)}.")
        return found
    token = CancelToken()
    try:
        ensure_start(settings, download=arguments.yes, report=output.progress, cancel=token)
    except WeightsError as error:
        raise WeightsError(
            f"{error} --yes downloads what can be; --no-pretrained begins without it."
        ) from error
    run = runs.prepare(settings, choices, output.progress, token, arguments.title, made=made)
    output.say(
        f"{network_title(settings)} on {len(made.train)} images, {len(made.val)} to check with: "
        f"squares of {settings.side} pixels, {settings.epochs} epochs."
    )
    return run


def _settings(arguments: argparse.Namespace, made: SetSurvey) -> TrainingSettings:
    """What fits this machine and these images, changed by the flags that were given."""
    from segstudio.engine.training_defaults import encoder_for, fitting  # noqa: PLC0415
    from segstudio.models.semantic.registry import semantic_card  # noqa: PLC0415

    given = vars(arguments)
    if given.keys() >= FITTED:  # torch, who knows the devices, can wait
        return chosen_settings(arguments)
    base = fitting([image.record for image in made.train], given.get("device", "auto"))
    wanted = replace(base, architecture=given.get("architecture", base.architecture))
    base = replace(base, encoder=encoder_for(wanted.architecture, base.encoder))
    if given.get("start") and "architecture" not in given:  # then it is that model's network
        spec = semantic_card(given["start"]).spec
        base = replace(
            base,
            architecture=spec.architecture,
            encoder=spec.encoder,
            options=dict(spec.options),
        )
    return chosen_settings(arguments, base)


class _Telling:
    """Draws a training's events on stderr: a line for each validation, a bar in between."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._epochs, self._steps, self._miou = 0, 0, ""

    def take(self, event: Event) -> None:
        from segstudio.models.training.events import (  # noqa: PLC0415
            Started,
            Stepped,
            Validated,
            Waiting,
        )

        if isinstance(event, Waiting):
            self._output.say(event.text)
        elif isinstance(event, Started):
            self._epochs, self._steps = event.epochs, event.steps
            self._output.say(
                f"{event.parameters:,} parameters on {event.device} ({event.precision}), "
                f"{event.steps} steps" + (f", {event.step} of them done" if event.step else "")
            )
            for note in event.notes:
                self._output.say(note)
        elif isinstance(event, Stepped):
            text = (
                f"epoch {event.epoch} of {self._epochs}, loss {event.loss:.3f}{self._miou}, "
                f"{_span(event.left)} left"
            )
            self._output.progress(Progress(event.step, self._steps, text))
        elif isinstance(event, Validated):
            self._miou = f", mIoU {event.miou:.1%}"
            best = ", the best so far" if event.best else ""
            scores = f"validation loss {event.loss:.3f}, mIoU {event.miou:.1%}"
            self._output.say(f"epoch {event.epoch}: {scores}{best}")


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{max(0, round(seconds))} s"
    return f"{minutes} min" if minutes < 90 else f"{seconds / 3600:.1f} h"


# -- telling -------------------------------------------------------------------------------------


def _facts(run: TrainingRun) -> dict[str, Any]:
    facts = run.facts
    settings = run.settings
    return {
        "run": run.id or None,
        "name": run.name,
        "title": run.title,
        "state": str(run.state),
        "folder": str(run.folder.path),
        "architecture": settings.architecture if settings else None,
        "encoder": settings.encoder if settings else None,
        "train_images": run.train_images,
        "val_images": run.val_images,
        "step": facts.step,
        "steps": facts.steps,
        "epoch": facts.epoch,
        "epochs": facts.epochs,
        "seconds": round(facts.seconds, 1),
        "device": facts.device or None,
        "miou": facts.miou,
        "iou": facts.iou or {},
        "has_model": run.has_model,
        "message": facts.message,
        "started_at": run.started_at,
    }


def _ending(run: TrainingRun, project: Path, *, interrupted: bool) -> str:
    number = run.id or run.name
    lines = [f"{run.title}: {run.state}, {_progress_of(run)}."]
    lines += [
        f"  {name:<24} {'–' if value is None else f'{value:6.1%}'}"
        for name, value in (run.facts.iou or {}).items()
    ]
    if interrupted or run.resumable:
        lines.append("The same command goes on where it stopped.")
    if run.has_model:
        lines.append(f"Use its model: segstudio train {shlex.quote(str(project))} --use {number}")
    return "\n".join(lines)


def _progress_of(run: TrainingRun) -> str:
    facts = run.facts
    score = "no score yet" if facts.miou is None else f"best mIoU {facts.miou:.1%}"
    return f"{facts.step} of {facts.steps} steps in {_span(facts.seconds)}, {score}"


def _list(runs: tuple[TrainingRun, ...], output: Output) -> int:
    lines = [
        f"{run.id or '–':>4}  {time.strftime('%Y-%m-%d %H:%M', time.localtime(run.started_at))}  "
        f"{run.state:<11}  {run.title}: {run.train_images} + {run.val_images} images, "
        f"{_progress_of(run)}" + (f"\n      {run.facts.message}" if run.facts.message else "")
        for run in runs
    ]
    data = {"runs": [_facts(run) for run in runs]}
    output.result(data, "\n".join(lines) or "The project has no training yet.")
    return 0


def _use(runs: TrainingRuns, run: TrainingRun, title: str, output: Output) -> int:
    card = runs.adopt(run, title)
    data = {"model": card.key, "title": card.title, "folder": str(card.folder), "run": run.id}
    output.result(data, f"{card.title} can be used now: segstudio predict … --model {card.key}")
    return 0


def _survey(arguments: argparse.Namespace, output: Output) -> int:
    from segstudio.engine.training_survey import survey  # noqa: PLC0415

    with _opened(arguments.project, output.say) as store:
        made = survey(store, chosen_choices(arguments, store.categories()), output.progress)
    output.result(_set_facts(made), _set_text(made))
    if made.faults:
        raise SegStudioError(made.faults[0])
    return 0


def _set_facts(made: SetSurvey) -> dict[str, Any]:
    return {
        "train_images": [image.record.path for image in made.train],
        "val_images": [image.record.path for image in made.val],
        "left_out": [{"path": row.path, "reason": row.reason} for row in made.left_out],
        "categories": [
            {
                "name": share.category.name,
                "background": share.category.background,
                "train_pixels": share.train_pixels,
                "val_pixels": share.val_pixels,
                "train_images": share.train_images,
                "val_images": share.val_images,
            }
            for share in made.shares()
        ],
        "ignored_pixels": made.ignored_pixels(),
        "faults": list(made.faults),
        "warnings": list(made.warnings),
        "fingerprint": made.fingerprint,
    }


def _set_text(made: SetSurvey) -> str:
    shares = made.shares()
    total = max(1, sum(share.train_pixels for share in shares))
    held = sum(row.held for row in made.left_out)
    lines = [f"{len(made.train)} training and {len(made.val)} validation images"]
    lines[0] += f"; {held} of other splits stay out." if held else "."
    lines += [
        f"  {share.category.name:<24} {share.train_pixels / total:7.2%} of the pixels, "
        f"on {share.train_images} + {share.val_images} images"
        for share in shares
    ]
    return "\n".join([*lines, *made.warnings])
