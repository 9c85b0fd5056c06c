"""What a person reads when the device's memory runs out, or the device breaks down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from segstudio.core.errors import DeviceError

# How the messages of a graphics card begin that no exception of its own tells apart. After most of
# these the card is lost to this process, so every later call fails too.
_CARD_FAILED = ("CUDA error", "cuDNN error", "MPS backend")


@contextmanager
def memory_errors(device: str) -> Iterator[None]:
    """Turn torch's ways of saying "out of memory" and "broken" into DeviceError, with remedy."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        if device.startswith("cuda"):
            torch.cuda.empty_cache()
        raise _card_memory() from error
    except MemoryError as error:
        raise _main_memory() from error
    except RuntimeError as error:
        text = str(error)
        if "DefaultCPUAllocator" in text:  # it has no exception of its own
            raise _main_memory() from error
        if device == "cpu" or not text.startswith(_CARD_FAILED):
            raise
        if "out of memory" in text or "ALLOC_FAILED" in text:
            raise _card_memory() from error
        raise DeviceError(
            "The graphics card failed; compute on the CPU, or restart SegStudio to try it again."
        ) from error


def _card_memory() -> DeviceError:
    return DeviceError(
        "The graphics card ran out of memory; close other programs that use it, take a "
        "smaller model, or compute on the CPU."
    )


def _main_memory() -> DeviceError:
    return DeviceError(
        "The computer ran out of memory; close other programs or take a smaller model."
    )
