"""What teachers said of images, kept on disk: asking one takes seconds, or minutes, an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from segstudio.config.paths import cache_dir
from segstudio.core.errors import BadInputError
from segstudio.core.image import RgbImage
from segstudio.core.mask import Mask
from segstudio.core.progress import CancelToken
from segstudio.core.whole_files import disk_error
from segstudio.engine.array_file import DamagedFile, pack, unpack
from segstudio.engine.cache_folder import CacheFolder
from segstudio.models.prompt.contract import PromptModel
from segstudio.models.prompt_training.teacher import TeacherAnswers, TeacherSettings, ask

_MAGIC = b"SEGTEACH"
_SUFFIX = ".answers"
_BUDGET = 16 << 30  # bytes


class TeacherCache:
    """Answers by image key (`RgbImage.key`), model key and settings, in `folder`.

    Files are whole or not there, damaged ones are made again. `asked` counts what was not there.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._disk = CacheFolder(folder or cache_dir() / "teachers", _BUDGET, _SUFFIX)
        self.asked = 0

    def answers(
        self, model: PromptModel, image: RgbImage, settings: TeacherSettings, cancel: CancelToken
    ) -> TeacherAnswers:
        """From the disk, else asked and kept. Raises StorageError where the disk refuses,
        DeviceError, Cancelled."""
        path = self._disk.path(model.model_key, image.key, f"-{settings.key}")
        data = self._disk.read(path)
        if data is not None:
            try:
                return _from_bytes(data, image.size)
            except (DamagedFile, BadInputError):
                self._disk.drop(path)
        found = ask(model, image, settings, cancel)
        self.asked += 1
        try:
            self._disk.write(path, _to_bytes(found, image.size))
        except OSError as error:
            raise disk_error(error, self._disk.folder, "Keeping the teacher's answers") from error
        return found


def _to_bytes(found: TeacherAnswers, size: tuple[int, int]) -> bytes:
    facts = {
        "size": list(size),
        "counts": [mask.counts.decode() for mask in found.masks],
        "ious": list(found.ious),
    }
    arrays = {} if found.grid is None else {"grid": (found.grid, "float16")}
    return pack(_MAGIC, facts, arrays)


def _from_bytes(data: bytes, size: tuple[int, int]) -> TeacherAnswers:
    """Raises DamagedFile, and BadInputError for masks that are none."""
    facts, arrays = unpack(_MAGIC, data)
    try:
        counts, ious = facts["counts"], tuple(float(iou) for iou in facts["ious"])
        if tuple(facts["size"]) != size or len(counts) != len(ious):
            raise DamagedFile
        masks = tuple(Mask.from_coco(size, text) for text in counts)
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedFile from error
    grid = arrays.get("grid")
    return TeacherAnswers(masks, ious, None if grid is None else grid.astype(np.float16))
