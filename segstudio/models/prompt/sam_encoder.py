"""The image encoder of a SAM: what it is fed, and what computes it.

Eager torch on every device; on the CPU, once `prepare` has converted the encoder for this machine,
OpenVINO; on CUDA in the precision that keeps the masks.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import torch
from torch import Tensor, nn
from torch.nn import functional

from segstudio.core.errors import SegStudioError
from segstudio.core.progress import CancelToken, Progress, ProgressSink
from segstudio.imaging.sample_photos import read_sample_photo
from segstudio.models.card import ModelCard
from segstudio.models.machine import keep_measured
from segstudio.models.precision import FULL, choose_precision
from segstudio.models.precision import candidates as half_precisions
from segstudio.models.prompt import encoder_files
from segstudio.models.prompt.encoder_conversion import convert_apart, runtime_obstacle
from segstudio.models.prompt.encoder_runtime import ConvertedEncoder, convert, refuse
from segstudio.models.prompt.frame import SIDE, ModelFrame

PIXEL_MEAN = (123.675, 116.28, 103.53)  # ImageNet's, as in SAM's training
PIXEL_STD = (58.395, 57.12, 57.375)

# What a conversion may need at its peak: so many times the encoder's own size, and this on top.
_MEMORY_TIMES = 6
_MEMORY_BYTES = 2 << 30


class SamEncoder:
    """Pixels in, embedding out. Called from one thread at a time, but for `prepare`.

    `weights` is the checkpoint that `network` was filled from: with it, the conversion is another
    process's work, which holds up nothing here. `precision` is what CUDA computes in.
    """

    def __init__(
        self, network: nn.Module, card: ModelCard, device: str, model_key: str, weights: Path | None
    ) -> None:
        self.precision = FULL
        self._network = network
        self._card = card
        self._device = device
        self._model_key = model_key
        self._weights = weights
        self._preparing = threading.Lock()
        self._converted: ConvertedEncoder | None = None
        self._obstacle = runtime_obstacle(device)

    @property
    def runtime(self) -> str:
        """What computes the next embedding: "openvino" or "torch"."""
        return "torch" if self._converted is None else "openvino"

    @property
    def obstacle(self) -> str:
        """Why it is not OpenVINO and will not be, in a few words; "" where nothing is in its way.

        Before `prepare` was called there may be nothing in its way and torch computes all the same.
        """
        return self._obstacle

    def prepare(self, report: ProgressSink, cancel: CancelToken) -> None:
        """Convert the encoder if that is of use and was not done on this machine; see PromptModel.

        Tells `report` only if there is something to do. Raises Cancelled. Everything else that goes
        wrong leaves torch in place, and `obstacle` says what it was.
        """
        if self._obstacle or self._converted is not None:
            return
        with self._preparing:
            folder = encoder_files.folder_of(self._model_key)
            try:
                if encoder_files.verified(folder) is None:
                    text = f"Preparing {self._card.title} for this computer (once)"
                    report(Progress(0, 0, text))
                    self._obstacle = self._convert_once(folder, cancel)
            except OSError as error:
                self._obstacle = f"the cache folder cannot be written ({_reason(error)})"
            except (SegStudioError, MemoryError) as error:
                self._obstacle = _reason(error)
            if not self._obstacle:
                self._load(folder)

    def convert_here(self) -> str:
        """Convert in this process, wherever the time goes; returns why not, or ""."""
        folder = encoder_files.folder_of(self._model_key)
        try:
            return convert(
                self._network, self._photo().clone(), folder, torch.get_num_threads()
            ).refused
        except (OSError, MemoryError):
            raise
        except Exception as error:  # OpenVINO's, torch's tracer's, their frontends'
            encoder_files.check_room(folder)  # as a full disk looks like a bad network
            return refuse(folder, f"OpenVINO cannot convert it ({_reason(error)})").refused

    def __call__(self, pixels: npt.NDArray[np.uint8], cancel: CancelToken) -> npt.NDArray[Any]:
        """The embedding (1, 256, 64, 64) float32, C-contiguous, of (H, W, 3) model-frame pixels.

        Looks at `cancel` before every block of torch's, and every 50 ms of OpenVINO's.
        """
        x = self.normalised(pixels)
        if self._converted is None and not self._obstacle:
            self._load_what_is_there()
        if self._converted is not None:
            try:
                return self._converted(x.numpy(), cancel)
            except RuntimeError as error:
                self._give_up(f"OpenVINO failed ({_reason(error)})")
        with checked_between_blocks(self._network, cancel):
            features = self._by_torch(x, self.precision.dtype)
        return np.ascontiguousarray(features.cpu().numpy())

    def normalised(self, pixels: npt.NDArray[np.uint8]) -> Tensor:
        """(1, 3, SIDE, SIDE) float32 on the device; zeros to the right of the image and below."""
        with torch.inference_mode():
            x = torch.from_numpy(pixels.copy()).to(self._device).permute(2, 0, 1)[None]
            mean, std = (
                torch.tensor(values, device=self._device).view(3, 1, 1)
                for values in (PIXEL_MEAN, PIXEL_STD)
            )
            x = (x - mean) / std
            return functional.pad(x, (0, SIDE - x.shape[3], 0, SIDE - x.shape[2]))

    def settle_precision(self, network: Any) -> None:
        """Take half precision where the device is fast at it and it keeps the masks of `network`.

        `network` is the whole of SAM, whose decoder makes the masks. Nothing is tried where float32
        is as fast; else it takes a second or two. Raises what torch raises for lack of memory.
        """
        dtypes = half_precisions(self._device)
        if not dtypes:
            return
        try:
            pixels = self._photo()
        except SegStudioError:
            return  # no photo, no trial
        chosen = choose_precision(network, lambda to: self._by_torch(pixels, to), dtypes)
        self.precision = chosen
        told = {"device": self._device, "precision": chosen.name, "why": chosen.why}
        keep_measured(f"precision-{self._card.key}", told)

    def _photo(self) -> Tensor:
        photo = read_sample_photo()
        return self.normalised(ModelFrame(photo.size).resize(photo.pixels))

    def _by_torch(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """The embedding in float32, computed in `dtype`."""
        kind = self._device.partition(":")[0]
        with torch.inference_mode(), torch.autocast(kind, dtype, enabled=dtype != torch.float32):
            features: Tensor = self._network(x)
            return features.float()

    # -- the converted encoder ------------------------------------------------------------------

    def _convert_once(self, folder: Path, cancel: CancelToken) -> str:
        with encoder_files.one_at_a_time(folder, cancel):
            if encoder_files.verified(folder) is not None:
                return ""  # another process was at it
            encoder_files.discard(folder)  # a damaged one, for which `__call__` would wait
            return self._convert(folder, cancel)

    def _convert(self, folder: Path, cancel: CancelToken) -> str:
        size = sum(tensor.nbytes for tensor in self._network.parameters())
        encoder_files.check_room(folder, 2 * size)
        if psutil.virtual_memory().available < _MEMORY_TIMES * size + _MEMORY_BYTES:
            return "there is too little free memory to convert it"
        if self._weights is None or getattr(sys, "frozen", False):  # frozen: no interpreter apart
            cancel.check()
            return self.convert_here()
        return convert_apart(self._card, self._weights, folder, cancel)

    def _load_what_is_there(self) -> None:
        """Load what an earlier run converted; it takes less than it saves on one image."""
        folder = encoder_files.folder_of(self._model_key)
        if encoder_files.read_facts(folder) is None:
            return
        with self._preparing:
            if self._converted is None:
                self._load(folder)

    def _load(self, folder: Path) -> None:
        facts = encoder_files.verified(folder)
        if facts is None:
            return  # damaged; the next `prepare` makes it again
        if facts.refused:
            self._obstacle = facts.refused
            return
        try:
            self._converted = ConvertedEncoder(folder, torch.get_num_threads())
        except Exception as error:  # OpenVINO's own, ImportError of a half-installed one, memory
            self._give_up(f"OpenVINO fails ({_reason(error)})")

    def _give_up(self, why: str) -> None:
        self._converted, self._obstacle = None, why


@contextmanager
def checked_between_blocks(encoder: nn.Module, cancel: CancelToken) -> Iterator[None]:
    """Look at `cancel` before every block, as a large encoder takes minutes on a CPU."""

    def look(*_: object) -> None:
        cancel.check()

    hooks = [
        block.register_forward_pre_hook(look)
        for blocks in encoder.modules()
        if isinstance(blocks, nn.ModuleList)
        for block in blocks
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _reason(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:120] if lines else type(error).__name__
