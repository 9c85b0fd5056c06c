"""`segstudio tune PROJECT|DIR`: teach the model in the box what clicks mean in your images.

Measured before and after on images that it does not learn from; what comes of it is a model of its
own, beside the one that it was begun from. The same command goes on with a tuning that was stopped.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segstudio.cli.following import CtrlC, followed
from segstudio.cli.output import Output
from segstudio.core.errors import BadInputError
from segstudio.core.progress import CancelToken, Progress

if TYPE_CHECKING:  # the store and the engine would make `--help` slow
    from segstudio.engine.prompt_tuning import Base, Tuning
    from segstudio.engine.training_choices import SetChoices
    from segstudio.engine.tuning_set import Teacher
    from segstudio.engine.tuning_source import Source
    from segstudio.models.prompt.tuned import TunedFacts
    from segstudio.models.prompt_training.settings import NanoSettings
    from segstudio.models.training.events import Event

_ROWS = (("1", "1 click"), ("3", "3 clicks"), ("5", "5 clicks"), ("box", "a box"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", type=Path, metavar="PROJECT|DIR",
        help="a project or its folder; with --teacher, any folder of photos",
    )  # fmt: skip
    base = parser.add_argument_group("what is tuned")
    base.add_argument("--model", default="segstudio_nano", metavar="KEY", help="what to begin from")
    base.add_argument("--weights", type=Path, metavar="FILE", help="its weights' file or folder")
    base.add_argument("--title", default="", metavar="T", help="what the tuned model is called")
    how = parser.add_argument_group("training")
    how.add_argument("--steps", type=int, default=300, metavar="N", help="default: 300")
    how.add_argument("--rate", type=float, default=2e-4, metavar="X", help="default: 0.0002")
    how.add_argument("--side", type=int, default=256, metavar="N", help="of windows; default: 256")
    how.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    how.add_argument("--device", default="auto", help="cpu, cuda, mps or auto (default)")
    how.add_argument(
        "--composed", type=Path, metavar="DIR",
        help="mix data in that `segstudio.models.prompt_training` made, so that less is forgotten",
    )  # fmt: skip
    how.add_argument("--composed-share", type=float, default=0.25, metavar="F", help="default: .25")
    how.add_argument(
        "--anew", action="store_true", help="from the start, also where it was stopped"
    )
    _add_parts(parser)
    _add_teacher(parser)


def _add_parts(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("images")
    group.add_argument("--train-split", default="train", metavar="S", help="default: train")
    group.add_argument("--val-split", default="val", metavar="S", help="default: val")
    group.add_argument(
        "--val-share", type=float, default=0.2, metavar="F",
        help="share of images to measure on, where splits do not say (default: 0.2)",
    )  # fmt: skip
    parser.add_argument(
        "--keep", action="store_true", help="keep the model also where it did not get better"
    )


def _add_teacher(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("a teacher for images without annotations")
    group.add_argument("--teacher", metavar="KEY", help="such as mobile_sam, sam_vit_b")
    group.add_argument("--teacher-weights", type=Path, metavar="FILE", help="its weights")
    group.add_argument("--yes", action="store_true", help="download the teacher's weights")
    group.add_argument(
        "--clicks", type=int, default=36, metavar="N", help="asked on a photo (default: 36)"
    )
    group.add_argument(
        "--everything", action="store_true", help="take its “everything” instead of clicks"
    )
    group.add_argument(
        "--least-iou", type=float, default=0.85, metavar="F",
        help="predicted IoU from which its masks count (default: 0.85)",
    )  # fmt: skip
    group.add_argument(
        "--likeness", type=float, default=0.5, metavar="X",
        help="weight of being like the teacher's embedding (default: 0.5)",
    )  # fmt: skip


def run(arguments: argparse.Namespace, output: Output) -> int:
    from segstudio.engine.prompt_tuning import Tunings  # noqa: PLC0415 - starts fast

    base, settings, choices = _base(arguments), _settings(arguments), _choices(arguments)
    source = _source(arguments, output)
    tunings = Tunings()
    tuning = tunings.prepare(
        source,
        arguments.source,
        base,
        settings,
        choices,
        _teacher(arguments, output),
        output.progress,
        CancelToken(),
        title=arguments.title,
        anew=arguments.anew,
    )
    _say_set(tuning, output)
    status = 0
    if not tuning.done:
        with CtrlC() as pressed:
            process = tunings.launch(tuning, _Telling(output).take)
            status = followed(process, pressed, output)
        if process.ended is not None and process.ended.reason == "failed":
            output.say(process.ended.message)
            output.result(_facts(tuning, None), "")
            return 1
    if not tuning.done:
        output.result(_facts(tuning, None), "The same command goes on where it stopped.")
        return status
    better = tuning.scores is not None and tuning.scores.gain > 0
    kept = tunings.keep(tuning) if better or arguments.keep else None
    output.result(_facts(tuning, kept), _ending(tuning, kept))
    return status


def _base(arguments: argparse.Namespace) -> Base:
    from segstudio.engine.prompt_tuning import base_of  # noqa: PLC0415
    from segstudio.models import weights  # noqa: PLC0415
    from segstudio.models.registry import prompt_model  # noqa: PLC0415

    card = prompt_model(arguments.model)
    path = weights.find(card, arguments.weights)
    if path is None:
        if card.weights is None:
            raise BadInputError(f"{card.title} has nothing that can be tuned; name another model.")
        raise weights.missing_weights(card)
    return base_of(arguments.model, path)


def _settings(arguments: argparse.Namespace) -> NanoSettings:
    import msgspec  # noqa: PLC0415

    from segstudio.engine.prompt_tuning import settings_for  # noqa: PLC0415

    made = settings_for(arguments.steps, arguments.rate, arguments.side, arguments.seed)
    composed = ""
    if arguments.composed is not None:
        if not arguments.composed.is_dir():
            raise BadInputError(f"There is no folder {arguments.composed} of composed data.")
        composed = str(arguments.composed.resolve())
    return msgspec.structs.replace(
        made,
        device=arguments.device,
        composed=composed,
        composed_share=arguments.composed_share,
        likeness=arguments.likeness if arguments.teacher else 0.0,
    )


def _choices(arguments: argparse.Namespace) -> SetChoices:
    from segstudio.engine.training_choices import SetChoices  # noqa: PLC0415

    return SetChoices(
        train=arguments.train_split,
        val=arguments.val_split,
        val_share=arguments.val_share,
        seed=arguments.seed,
    )


def _source(arguments: argparse.Namespace, output: Output) -> Source:
    from segstudio.engine.project_session import project_path_for  # noqa: PLC0415
    from segstudio.engine.tuning_source import folder_source, project_source  # noqa: PLC0415
    from segstudio.store.project import ProjectStore  # noqa: PLC0415

    path: Path = arguments.source
    file = project_path_for(path) if path.is_dir() else path
    if path.is_dir() and not file.exists():
        if arguments.teacher is None:
            raise BadInputError(
                f"{path} is no project, so it has no annotations; name a project, or let another "
                "model label the photos (--teacher mobile_sam)."
            )
        return folder_source(path, output.progress, CancelToken())
    with ProjectStore.open(file, read_only=True) as store:
        return project_source(store, store.name, output.progress, CancelToken())


def _teacher(arguments: argparse.Namespace, output: Output) -> Teacher | None:
    if arguments.teacher is None:
        return None
    from segstudio.engine.model_loading import load_prompt_model  # noqa: PLC0415
    from segstudio.engine.teacher_cache import TeacherCache  # noqa: PLC0415
    from segstudio.engine.tuning_set import Teacher  # noqa: PLC0415
    from segstudio.models.prompt_training.teacher import TeacherSettings  # noqa: PLC0415
    from segstudio.models.registry import prompt_model  # noqa: PLC0415

    if arguments.clicks < 1:
        raise BadInputError(f"A teacher is asked at least one click, not {arguments.clicks}.")
    asked = TeacherSettings(
        clicks=arguments.clicks, everything=arguments.everything, least_iou=arguments.least_iou
    )
    model = load_prompt_model(
        prompt_model(arguments.teacher),
        device=arguments.device,
        weights=arguments.teacher_weights,
        download=arguments.yes,
        report=output.progress,
        cancel=CancelToken(),
    )
    return Teacher(model, asked, TeacherCache())


class _Telling:
    """Draws a tuning's events on stderr."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._steps = 0

    def take(self, event: Event) -> None:
        from segstudio.models.training.events import Started, Stepped  # noqa: PLC0415

        if isinstance(event, Started):
            self._steps = event.steps
            done = f", {event.step} of them done" if event.step else ""
            self._output.say(f"On {event.device}: {event.steps} steps{done}.")
        elif isinstance(event, Stepped):
            minutes = f"{event.left / 60:.0f} min" if event.left >= 90 else f"{event.left:.0f} s"
            text = f"loss {event.loss:.3f}, {minutes} left"
            self._output.progress(Progress(event.step, self._steps, text))


# -- telling -------------------------------------------------------------------------------------


def _say_set(tuning: Tuning, output: Output) -> None:
    note = tuning.note
    for warning in note.warnings:
        output.say(warning)
    for path, reason in list(note.left_out.items())[:3]:
        output.say(f"Left out {path}: {reason}")
    if note.small:
        output.say(f"{note.small} masks are too small or too large to learn from; left out.")
    output.say(
        f"{note.objects} masks on {note.train_images} images to learn from, "
        f"{note.held_out_images} other images to measure on."
    )


def _facts(tuning: Tuning, kept: TunedFacts | None) -> dict[str, Any]:
    scores, note = tuning.scores, tuning.note
    return {
        "folder": str(tuning.folder.path),
        "done": tuning.done,
        "base": note.base,
        "base_sha256": note.base_sha256,
        "teacher": note.teacher or None,
        "train_images": note.train_images,
        "held_out_images": note.held_out_images,
        "masks": note.objects,
        "before": scores.before if scores else {},
        "after": scores.after if scores else {},
        "better": bool(scores and scores.gain > 0),
        "model": kept.key if kept else None,
        "left_out": note.left_out,
    }


def _ending(tuning: Tuning, kept: TunedFacts | None) -> str:
    scores = tuning.scores
    assert scores is not None, "it is done"
    lines = ["Mean IoU on the held-out images", f"{'':10}  before   after"]
    lines += [
        f"{title:<10}  {scores.before[key]:6.1%}  {scores.after[key]:6.1%}" for key, title in _ROWS
    ]
    if scores.gain <= 0:
        lines.append("It did not get better on images that it has not seen.")
    if kept is None:
        lines.append("The tuned model is not kept; --keep keeps it all the same.")
    else:
        lines.append(
            f"{kept.title} can be chosen now, beside the model that it was begun from: "
            f"segstudio segment … --model {shlex.quote(kept.key)}"
        )
    return "\n".join(lines)
