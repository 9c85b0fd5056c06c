"""What a person reads when the device's memory runs out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from segstudio.core.errors import DeviceError


@contextmanager
def memory_errors(device: str) -> Iterator[None]:
    """Turn torch's ways of saying "out of memory" into DeviceError, with the remedy."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        if device.startswith("cuda"):
            torch.cuda.empty_cache()
        raise DeviceError(
            "The graphics card ran out of memory; close other programs that use it, take a "
            "smaller model, or compute on the CPU."
        ) from error
    except MemoryError as error:
        raise _main_memory() from error
    except RuntimeError as error:
        # The CPU's allocator has no exception of its own.
        if "DefaultCPUAllocator" not in str(error):
            raise
        raise _main_memory() from error


def _main_memory() -> DeviceError:
    return DeviceError(
        "The computer ran out of memory; close other programs or take a smaller model."
    )
