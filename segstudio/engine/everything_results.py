"""What "everything" found, before any filter, and its store on disk."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segstudio.core.mask import Box, Mask, Runs
from segstudio.core.prompt import Candidate, Candidates
from segstudio.engine.array_file import DamagedFile, pack, unpack
from segstudio.engine.cache_folder import CacheFolder
from segstudio.models.prompt.contract import EverythingSettings

_MAGIC = b"SEGALL1\n"
_SUFFIX = ".all"

# What is kept for the sliders: well below the official thresholds of 0.88 and 0.95. A trained SAM
# gives few masks that anybody wants below these, and their number would double.
LEAST_PREDICTED_IOU = 0.7
LEAST_STABILITY = 0.8

Floats = npt.NDArray[np.float64]


def raw_settings(crop_layers: int = 0, *, fast: bool = False) -> EverythingSettings:
    """How to ask a model for all that the pick-list's filters choose from: nothing suppressed.

    The fast mode keeps the official thresholds: what passes decides there which points are asked.
    """
    usual = EverythingSettings()
    return EverythingSettings(
        predicted_iou=usual.predicted_iou if fast else LEAST_PREDICTED_IOU,
        stability=usual.stability if fast else LEAST_STABILITY,
        box_nms=1.0,
        crop_layers=crop_layers,
        crop_nms=1.0,
        fast=fast,
    )


@dataclass(frozen=True)
class RawResults:
    """All that a model found in one image under `settings`, best predicted IoU first.

    The candidates have no logits: thousands of them would fill the memory.
    """

    image_key: str
    settings: EverythingSettings
    candidates: Candidates

    @classmethod
    def of(cls, image_key: str, settings: EverythingSettings, candidates: Candidates) -> RawResults:
        """Take a model's answer; empty masks are left out, and so are logits."""
        items = tuple(
            replace(item, logits=None) if item.logits is not None else item
            for item in candidates.items
            if item.mask.area
        )
        return cls(image_key, settings, Candidates(items, candidates.model_key))


class ResultsStore:
    """Raw results on disk, by model, image and settings, up to about `disk_bytes`.

    Without a folder, or when it cannot be written, nothing is kept, and `warning` is a sentence
    that says so. Damaged, cut off and foreign files are deleted and count as missing. Several
    processes may share the folder. Every method may be called from any thread.
    """

    def __init__(self, folder: Path | None, disk_bytes: int) -> None:
        wanted = folder if disk_bytes > 0 else None
        self._disk = CacheFolder(wanted, disk_bytes, _SUFFIX) if wanted is not None else None
        self.warning: str | None = None

    def get(
        self, model_key: str, image_key: str, settings: EverythingSettings
    ) -> RawResults | None:
        """The results, or None. Raises ValueError for keys that cannot be file names."""
        if self._disk is None:
            return None
        path = self._disk.path(model_key, image_key, _name(settings))
        data = self._disk.read(path)
        if data is None:
            return None
        try:
            found = from_bytes(data)
            if (found.candidates.model_key, found.image_key) != (model_key, image_key):
                raise DamagedFile
            if found.settings != settings:
                raise DamagedFile
        except DamagedFile:
            self._disk.drop(path)
            return None
        return found

    def put(self, results: RawResults) -> None:
        """Keep results. Raises ValueError for keys that cannot be file names."""
        if self._disk is None:
            return
        model_key = results.candidates.model_key
        path = self._disk.path(model_key, results.image_key, _name(results.settings))
        try:
            self._disk.write(path, to_bytes(results))
            self.warning = None
        except OSError as error:
            why = error.strerror or str(error)
            self.warning = (
                f"What Everything found is not kept, as {self._disk.folder} cannot be written "
                f"({why}); free some space or choose another cache folder."
            )


def _name(settings: EverythingSettings) -> str:
    """The part of a file's name that tells settings apart."""
    text = json.dumps(asdict(settings), sort_keys=True)
    return "-" + hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def to_bytes(results: RawResults) -> bytes:
    """The file's content (see `array_file`).

    All masks' runs lie in one array, each less the one two before it (a column's runs are like the
    last column's), byte by byte of the same weight together, deflated.
    """
    items = results.candidates.items
    size = items[0].mask.size if items else (0, 0)
    runs = [item.mask.runs for item in items]
    lengths = np.array([len(one) for one in runs], dtype=np.int64)
    steps = np.concatenate([*runs, np.zeros(0, dtype=np.int64)])
    steps[2:] -= steps[:-2].copy()
    wide = not len(steps) or np.abs(steps).max() > np.iinfo(np.int32).max
    kept = steps.astype("<i8" if wide else "<i4")
    planes = kept.view(np.uint8).reshape(-1, kept.itemsize).T.tobytes()
    facts = {
        "model_key": results.candidates.model_key,
        "image_key": results.image_key,
        "settings": asdict(results.settings),
        "image_size": list(size),
        "bytes_a_run": kept.itemsize,
    }
    arrays: dict[str, npt.NDArray[Any]] = {
        "predicted_iou": np.array([item.predicted_iou for item in items], dtype=np.float64),
        "stability": np.array([item.stability for item in items], dtype=np.float64),
        "point": _rows([item.point for item in items], 2),
        "crop": _rows([item.crop for item in items], 4),
        "lengths": lengths,
        "runs": np.frombuffer(zlib.compress(planes, 1), dtype=np.uint8),
    }
    return pack(_MAGIC, facts, {name: (array, array.dtype.str) for name, array in arrays.items()})


def from_bytes(data: bytes) -> RawResults:
    """Read what `to_bytes` wrote. Raises DamagedFile for anything else."""
    facts, arrays = unpack(_MAGIC, data)
    try:
        height, width = (int(value) for value in facts["image_size"])
        lengths = arrays["lengths"]
        runs = _runs(arrays["runs"].tobytes(), int(lengths.sum()), int(facts["bytes_a_run"]))
        masks = _masks(runs, lengths, (height, width))
        columns = (
            masks,
            arrays["predicted_iou"].tolist(),
            arrays["stability"].tolist(),
            _tuples(arrays["point"], 2),
            _tuples(arrays["crop"], 4),
        )
        items = tuple(
            Candidate(mask, iou, stability, point=at, crop=Box(*crop) if crop else None)  # type: ignore[arg-type]
            for mask, iou, stability, at, crop in zip(*columns, strict=True)
        )
        settings = EverythingSettings(**facts["settings"])
        return RawResults(facts["image_key"], settings, Candidates(items, facts["model_key"]))
    except (KeyError, TypeError, ValueError, IndexError, zlib.error) as error:
        raise DamagedFile from error


def _rows(values: Sequence[tuple[float, ...] | None], width: int) -> Floats:
    """(N, width) float64, NaN where there is no value."""
    none = (np.nan,) * width
    return np.array([value or none for value in values], dtype=np.float64).reshape(-1, width)


def _tuples(rows: Floats, width: int) -> list[tuple[float, ...] | None]:
    if rows.shape[1:] != (width,):
        raise DamagedFile
    return [None if np.isnan(row).any() else tuple(row.tolist()) for row in rows]


def _runs(deflated: bytes, count: int, itemsize: int) -> Runs:
    """(count,) int64: all masks' runs one after the other."""
    if itemsize not in (4, 8) or count < 0:
        raise DamagedFile
    inflate = zlib.decompressobj()
    planes = inflate.decompress(deflated, max(1, count * itemsize))
    if len(planes) != count * itemsize or inflate.unconsumed_tail:
        raise DamagedFile
    columns = np.frombuffer(planes, dtype=np.uint8).reshape(itemsize, count)
    steps = np.ascontiguousarray(columns.T).view(f"<i{itemsize}").ravel().astype(np.int64)
    for first in (0, 1):
        steps[first::2] = np.cumsum(steps[first::2])
    return steps


def _masks(runs: Runs, lengths: Runs, size: tuple[int, int]) -> list[Mask]:
    """Masks over slices of `runs`. Raises DamagedFile unless each is canonical."""
    if not len(lengths):
        return []
    ends = np.cumsum(lengths)
    starts = ends - lengths
    first = np.zeros(len(runs), dtype=np.bool_)
    if lengths.min() < 1:
        raise DamagedFile
    first[starts] = True
    sums = np.add.reduceat(runs, starts)
    if (runs < first.choose((1, 0))).any() or (sums != size[0] * size[1]).any():
        raise DamagedFile
    return [Mask(size, runs[a:b]) for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
