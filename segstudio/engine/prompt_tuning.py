"""Tuning a prompt model on a project's own images: its folder, its process, what comes of it.

`data_dir()/tuning/NAME/` holds `tuning.json` (what it is of; its being there says that all is),
`base.safetensors`, `settings.json`, `data/`, and what the process writes. NAME follows from all
that the result depends on, so that the same command goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from segstudio.config.paths import data_dir
from segstudio.core.errors import BadInputError, StorageError
from segstudio.core.progress import CancelToken, ProgressSink
from segstudio.core.whole_files import disk_error, put, put_by
from segstudio.engine.training_choices import SetChoices
from segstudio.engine.training_folder import RunFolder
from segstudio.engine.training_process import COMMAND, OnEvent, TrainingProcess
from segstudio.engine.training_space import require_space
from segstudio.engine.tuning_set import Teacher, Written, write_scenes
from segstudio.engine.tuning_source import Shared, Source, shared
from segstudio.formats.naming import safe_stem
from segstudio.models.card import ModelCard
from segstudio.models.prompt import tuned
from segstudio.models.prompt_training.scores import DATA, SCENES, Scores, read_scores
from segstudio.models.prompt_training.settings import NanoSettings, Stage
from segstudio.models.registry import PROMPT_MODELS, prompt_model
from segstudio.models.weights import file_sha256

NOTE, BASE, SETTINGS, WEIGHTS = (
    "tuning.json", "base.safetensors", "settings.json", "nano.safetensors",
)  # fmt: skip
TUNABLE = "segstudio_nano"
_COMMAND = (*COMMAND[:-1], "segstudio.models.prompt_training.tuning")
_STALE_SECONDS = 86_400.0  # then a folder that was never finished is nobody's any more
_IMAGE_BYTES, _TEACHER_BYTES = 600_000, 3_000_000  # of a scene, and with a teacher's embedding
_BASES = 20  # so many times the base's size take checkpoints, while one is written


class TuningNote(msgspec.Struct, frozen=True):
    """What a tuning is of. `left_out` are sentences by path; `small` masks were too small."""

    source: str
    source_name: str
    title: str
    base: str
    base_sha256: str
    teacher: str
    train_images: int
    held_out_images: int
    objects: int
    small: int
    warnings: tuple[str, ...]
    left_out: dict[str, str]
    started_at: float


@dataclass(frozen=True)
class Tuning:
    """A tuning's folder, and what it is of."""

    folder: RunFolder
    note: TuningNote
    settings: NanoSettings

    @property
    def scores(self) -> Scores | None:
        return read_scores(self.folder.path)

    @property
    def done(self) -> bool:
        scores = self.scores
        return scores is not None and bool(scores.after)


@dataclass(frozen=True)
class Base:
    """What is tuned: a card whose network is nano's, and the file of its weights."""

    card: ModelCard
    weights: Path
    width: int
    drawn: bool


def tuning_dir() -> Path:
    """Where tunings are kept. Not created here."""
    return data_dir() / "tuning"


def base_of(key: str, weights: Path) -> Base:
    """Raises BadInputError for a model that cannot be tuned, WeightsError for other weights."""
    from segstudio.models.prompt.nano import built_as  # noqa: PLC0415 - torch

    card = prompt_model(key)
    if card.loader != prompt_model(TUNABLE).loader:
        raise BadInputError(
            f"{card.title} cannot be tuned here; {prompt_model(TUNABLE).title} and what was tuned "
            "from it can."
        )
    return Base(card, weights, *built_as(weights))


def settings_for(steps: int, rate: float, side: int, seed: int) -> NanoSettings:
    """The settings of a tuning: one stage, and a rate that falls to nothing. Raises BadInputError
    for numbers that nothing can be trained with."""
    if steps < 1:
        raise BadInputError(f"A tuning has at least one step, not {steps}.")
    if not 0 < rate <= 1:
        raise BadInputError(f"The learning rate lies between 0 and 1 and is not {rate:g}.")
    if side % 32 or not 64 <= side <= 512:
        raise BadInputError(f"The side of windows is a multiple of 32 up to 512, not {side}.")
    return NanoSettings(
        steps=steps,
        seed=seed,
        stages=(Stage(steps, side),),
        rate=rate,
        warmup=min(30, max(1, steps // 10)),
        average=0.99,
        validate_every=steps + 1,
        save_every=50,
        labelled=True,
    )


class Tunings:
    """Makes, starts and keeps tunings in `root`."""

    def __init__(self, root: Path | None = None, command: Sequence[str] | None = None) -> None:
        self.root = root or tuning_dir()
        self._command = command or _COMMAND

    def prepare(  # noqa: PLR0917 - what, of what, how, and who listens
        self,
        source: Source,
        place: Path,
        base: Base,
        settings: NanoSettings,
        choices: SetChoices,
        teacher: Teacher | None,
        report: ProgressSink,
        cancel: CancelToken,
        *,
        title: str = "",
        anew: bool = False,
    ) -> Tuning:
        """The folder of this tuning, with its scenes; the one that is there where it is the same.

        `place` is the project's file or the folder. Raises BadInputError where there is too little
        to learn from, StorageError where the disk is full or refuses, DeviceError, Cancelled;
        nothing is left behind then but the teacher's answers so far.
        """
        parts = shared(source, choices, teacher=teacher is not None)
        settings = msgspec.structs.replace(settings, width=base.width, drawn=base.drawn)
        digest = _digest(parts, base, settings, choices, teacher)
        folder = RunFolder(self.root / f"{safe_stem(source.name)[:60]}-{digest}")
        if anew and folder.path.exists():
            _delete(folder)
        found = _read(folder)
        if found is not None:
            return found
        images = len(parts.train) + len(parts.held_out)
        each = _IMAGE_BYTES if teacher is None else _TEACHER_BYTES
        require_space(self.root, images * each + _BASES * base.weights.stat().st_size)
        making: Path | None = None
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self._clear()
            making = Path(tempfile.mkdtemp(prefix=".making-", dir=self.root))
            made = write_scenes(source, parts, making / DATA / SCENES, teacher, report, cancel)
            settings = _completed(settings, folder.path / BASE, made)
            note = _note(source, place, base, teacher, parts, made, title)
            _write(making, base, settings, note)
            if folder.path.exists():  # without a note it is no tuning
                shutil.rmtree(folder.path)
            making.rename(folder.path)
        except OSError as error:
            raise disk_error(error, self.root, "Preparing the tuning") from error
        finally:
            if making is not None:
                shutil.rmtree(making, ignore_errors=True)
        return Tuning(folder, note, settings)

    def launch(self, tuning: Tuning, on_event: OnEvent | None = None) -> TrainingProcess:
        """Start its process, or go on. Raises StorageError where another one tunes there."""
        return TrainingProcess(tuning.folder, on_event, None, self._command)

    def keep(self, tuning: Tuning) -> tuned.TunedFacts:
        """Put what came of it among the prompt models, beside its base.

        Raises BadInputError where it is not done, StorageError where it cannot be copied.
        """
        scores, note = tuning.scores, tuning.note
        if scores is None or not scores.after:
            raise BadInputError("The tuning is not done yet; go on with it first.")
        weights = tuning.folder.path / WEIGHTS
        plain = msgspec.to_builtins(tuning.settings)
        by = f", labelled by {note.teacher}" if note.teacher else ""
        facts = tuned.TunedFacts(
            key="",
            title=note.title,
            base=TUNABLE,
            base_sha256=note.base_sha256,
            sha256=file_sha256(weights),
            size=0,
            licence="yours",
            tuned_on=f"{note.train_images} images of “{note.source_name}”{by}",
            before=scores.before,
            after=scores.after,
            settings=plain,
            created_at=0.0,
        )
        return tuned.keep(weights, facts, [card.key for card in PROMPT_MODELS])

    def _clear(self) -> None:
        """Remove what programs left that died while they prepared one."""
        for path in self.root.glob(".making-*"):
            if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _write(folder: Path, base: Base, settings: NanoSettings, note: TuningNote) -> None:
    put_by(folder / BASE, lambda part: shutil.copyfile(base.weights, part))
    put(folder / SETTINGS, msgspec.json.format(msgspec.json.encode(settings)))
    put(folder / NOTE, msgspec.json.format(msgspec.json.encode(note)))


def _completed(settings: NanoSettings, base: Path, made: Written) -> NanoSettings:
    return msgspec.structs.replace(
        settings,
        start=str(base.resolve()),
        held_out=tuple(made.held_out),
        likeness=settings.likeness if made.grids else 0.0,
    )


def _digest(
    parts: Shared, base: Base, settings: NanoSettings, choices: SetChoices, teacher: Teacher | None
) -> str:
    """12 hex digits of all that the result depends on."""
    digest = hashlib.blake2b(digest_size=6)
    digest.update(msgspec.json.encode(settings))
    digest.update(repr((file_sha256(base.weights), choices)).encode())
    if teacher is not None:
        digest.update(f"{teacher.model.model_key} {teacher.settings.key}".encode())
    for images in (parts.train, parts.held_out):
        digest.update(b"part")
        for one in images:
            record = one.record
            digest.update(repr((record.path, record.sha256, record.size)).encode())
            for row in one.labels:
                digest.update(f"{row.category_id} ".encode() + row.mask.counts)
    return digest.hexdigest()


def _note(  # noqa: PLR0917 - all that it says
    source: Source,
    place: Path,
    base: Base,
    teacher: Teacher | None,
    parts: Shared,
    made: Written,
    title: str,
) -> TuningNote:
    return TuningNote(
        source=str(place.resolve()),
        source_name=source.name,
        title=title.strip() or f"Nano for {source.name}",
        base=base.card.key,
        base_sha256=file_sha256(base.weights),
        teacher=teacher.model.card.title if teacher is not None else "",
        train_images=made.train,
        held_out_images=len(made.held_out),
        objects=made.objects,
        small=made.small,
        warnings=parts.warnings,
        left_out={**source.left_out, **made.left_out},
        started_at=time.time(),
    )


def _read(folder: RunFolder) -> Tuning | None:
    try:
        note = msgspec.json.decode((folder.path / NOTE).read_bytes(), type=TuningNote)
        settings = msgspec.json.decode((folder.path / SETTINGS).read_bytes(), type=NanoSettings)
    except (OSError, ValueError):
        return None
    return Tuning(folder, note, settings)


def _delete(folder: RunFolder) -> None:
    """Raises StorageError where another process tunes there, or the disk refuses."""
    lock = folder.hold()
    try:
        (folder.path / NOTE).unlink(missing_ok=True)
        lock.release()
        shutil.rmtree(folder.path)
    except OSError as error:
        raise StorageError(
            f"{folder.path} cannot be deleted ({error.strerror or error}); delete it yourself."
        ) from error
