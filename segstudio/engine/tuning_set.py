"""Images and masks written as the scenes that a prompt model is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from segstudio.config.paths import cache_dir
from segstudio.core.errors import BadInputError
from segstudio.core.image import RgbImage
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.core.whole_files import put
from segstudio.engine.teacher_cache import TeacherCache
from segstudio.engine.tuning_source import Shared, Source, SourceImage
from segstudio.imaging.photo import open_image
from segstudio.imaging.shrink import area_shrunk
from segstudio.models.prompt.contract import PromptModel
from segstudio.models.prompt_training.labels import Label, labelled_scene
from segstudio.models.prompt_training.scene import SCENES, SceneLine
from segstudio.models.prompt_training.scores import GRIDS
from segstudio.models.prompt_training.teacher import TeacherSettings

LONGEST = 1024  # px of a scene's image
_FRAME = 512  # px, the side that the network sees of an image
_LEAST = 100  # px of a mask in that frame, that it can be learnt from and measured
_MOST_SHARE = 0.7  # of the image: from larger ones nothing is left to tell it from
_QUALITY = 95  # of the JPEGs
_MOST_TARGETS = 100  # of an image to learn from
_MOST_MEASURED = 8  # masks of a held-out image, as each takes six answers
_MOST_HELD_OUT = 40  # images


@dataclass
class Written:
    """What was written: names of the held-out scenes, how many there are, what is left out."""

    held_out: list[str] = field(default_factory=list)
    train: int = 0
    objects: int = 0
    small: int = 0
    left_out: dict[str, str] = field(default_factory=dict)
    grids: int = 0


@dataclass(frozen=True)
class Teacher:
    """A model that labels what nobody has labelled, how it is asked, and where that is kept."""

    model: PromptModel
    settings: TeacherSettings
    cache: TeacherCache


def write_scenes(  # noqa: PLR0917 - of what, where, by whom, and who listens
    source: Source,
    parts: Shared,
    folder: Path,
    teacher: Teacher | None,
    report: ProgressSink,
    cancel: CancelToken,
) -> Written:
    """Write the scenes of both parts into `folder`, scenes.jsonl last.

    Raises BadInputError where no mask is left to learn from or to measure on, OSError where the
    disk refuses (StorageError for the teacher's answers), DeviceError, Cancelled.
    """
    for name in ("images", "ids", GRIDS):
        (folder / name).mkdir(parents=True, exist_ok=True)
    made, lines = Written(), []
    images = [(one, True) for one in parts.held_out[:_MOST_HELD_OUT]]
    images += [(one, False) for one in parts.train]
    for number, (one, measured) in enumerate(images):
        cancel.check()
        doing = "Asking the teacher about" if teacher and not one.labels else "Preparing"
        report(Progress(number, len(images), f"{doing} {one.record.path}"))
        try:
            image = _shrunk(one, cancel)
        except BadInputError as error:
            made.left_out[one.record.path] = str(error)
            continue
        name = f"{number:06d}"
        labels = _labels(source, one, image, teacher, cancel)
        line = _Scene(folder, name, image).write(labels, made, measured=measured)
        if line is None:
            continue
        lines.append(line)
        if measured:
            made.held_out.append(name)
        else:
            made.train += 1
            made.objects += len(line.targets)
            if teacher is not None:
                made.grids += _write_grid(folder / GRIDS / f"{name}.npy", image, teacher, cancel)
    _require_both(made, teacher)
    put(folder / SCENES, b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    report(Progress(len(images), len(images), "The scenes are written"))
    return made


def _require_both(made: Written, teacher: Teacher | None) -> None:
    if made.train and made.held_out:
        return
    use = "measure on" if made.train else "learn from"
    why = next(iter(made.left_out.values()), "")
    if teacher is not None and not made.small:
        raise BadInputError(
            f"No mask is left to {use}: {teacher.model.card.title} is sure of none; take other "
            f"photos, or let masks count that it is less sure of (--least-iou). {why}".strip()
        )
    raise BadInputError(
        f"No mask is left to {use}: {made.small} are too small for the model to see, or cover "
        f"nearly the whole image; label larger objects, or more images. {why}".strip()
    )


def _shrunk(one: SourceImage, cancel: CancelToken) -> RgbImage:
    image = open_image(one.file, cache_dir() / "pixels", cancel=cancel)
    if image.size != one.record.size:
        raise BadInputError(f"{one.file} has other pixels than when it was labelled.")
    scale = LONGEST / max(image.size)
    if scale >= 1:
        return image
    height, width = (max(1, round(length * scale)) for length in image.size)
    return RgbImage(area_shrunk(image.pixels, (height, width), cancel))


def _labels(
    source: Source, one: SourceImage, image: RgbImage, teacher: Teacher | None, cancel: CancelToken
) -> list[Label]:
    if not one.labels and teacher is not None:
        return teacher.cache.answers(teacher.model, image, teacher.settings, cancel).labels()
    return [
        Label(
            str(row.id),
            "object" if source.things.get(row.category_id, True) else "region",
            _mask_shrunk(row.mask.to_array(), image.size),
        )
        for row in one.labels
    ]


def _mask_shrunk(mask: npt.NDArray[np.bool_], size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    if mask.shape == size:
        return mask
    grey = mask.astype(np.uint8) * np.uint8(255)
    small = cv2.resize(grey, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return np.asarray(small > 127)


def _write_grid(path: Path, image: RgbImage, teacher: Teacher, cancel: CancelToken) -> int:
    grid = teacher.cache.answers(teacher.model, image, teacher.settings, cancel).grid
    if grid is None:
        return 0
    np.save(path, grid, allow_pickle=False)
    return 1


@dataclass(frozen=True)
class _Scene:
    """One scene's files."""

    folder: Path
    name: str
    image: RgbImage

    def write(self, labels: Sequence[Label], made: Written, *, measured: bool) -> SceneLine | None:
        """Its line; None where it has no mask that can be used."""
        usable = [label for label in labels if self._usable(label)]
        made.small += len(labels) - len(usable)
        if not usable:
            return None
        most = _MOST_MEASURED if measured else _MOST_TARGETS
        if len(usable) > most:
            chosen = np.random.default_rng(int(self.name)).permutation(len(usable))[:most]
            usable = [usable[index] for index in sorted(chosen)]
        scene = labelled_scene(self.image.pixels, usable)
        bgr = np.ascontiguousarray(self.image.pixels[..., ::-1])
        quality = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
        put(
            self.folder / "images" / f"{self.name}.jpg",
            cv2.imencode(".jpg", bgr, quality)[1].tobytes(),
        )
        put(self.folder / "ids" / f"{self.name}.png", cv2.imencode(".png", scene.ids)[1].tobytes())
        return SceneLine(self.name, "project", scene.targets)

    def _usable(self, label: Label) -> bool:
        height, width = self.image.size
        area = int(label.mask.sum())
        in_frame = area * (_FRAME / max(height, width)) ** 2
        return in_frame >= _LEAST and area <= _MOST_SHARE * height * width
