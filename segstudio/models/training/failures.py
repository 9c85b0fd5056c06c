"""What to tell a person when a training ends by an error: one sentence, with the remedy."""

from __future__ import annotations

import torch

from segstudio.core.errors import SegStudioError
from segstudio.models.training.settings import Precision, TrainingSettings


def sentence(error: Exception, settings: TrainingSettings | None) -> str:
    """The sentence for an error; for one that nobody foresaw, its own text with its kind."""
    if isinstance(error, SegStudioError):
        return str(error)
    if settings is not None and out_of_memory(error):
        return (
            f"The memory is not enough for {settings.batch} squares of {settings.side} pixels at "
            "once; take a smaller batch or a smaller side, or a smaller network."
        )
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        name = f" “{error.filename}”" if error.filename else " its files"
        return f"The training cannot write or read{name} ({reason}); mend that and resume."
    if isinstance(error, RuntimeError) and "DataLoader worker" in str(error):
        return (
            "A process that reads images was ended from outside, mostly as memory ran out; take "
            "fewer of them (workers) and resume."
        )
    if _lost_another(error):
        return (
            "Another process of this training was ended, mostly as memory ran out or its machine "
            "went; resume it: what was saved last is whole."
        )
    return (
        f"The training met an error that it does not know ({type(error).__name__}: "
        f"{' '.join(str(error).split())}); resume it, or report this."
    )


def _lost_another(error: Exception) -> bool:
    """Whether the processes of a training cannot speak with each other any more."""
    if isinstance(error, torch.distributed.DistNetworkError | torch.distributed.DistBackendError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        words in text for words in ("gloo", "nccl", "connection closed by peer")
    )


def slower(step: int, whence: str, rate: float) -> str:
    """That the loss was no number at that step, and what was done about it."""
    return (
        f"The loss was no number any more at step {step}; it goes on from {whence} with half the "
        f"learning rate ({rate:g})."
    )


def diverged(settings: TrainingSettings, step: int, kept: str, rate: float) -> str:
    """That the loss is no number any more, also at the halved `rate`; `kept` is what is left."""
    left = f"it is back at {kept}" if kept else "there is no better state to go back to"
    changes = [f"a learning rate of {rate / 10:g} (--lr {rate / 10:g})"]
    if settings.precision is Precision.HALF:
        changes.append("32-bit or bf16 precision")
    if not settings.clip:
        changes.append("gradient clipping")
    return (
        f"The loss was no number any more at step {step}, with a learning rate of {rate:g} too; "
        f"{left}: start another training with {' or '.join(changes)}."
    )


def out_of_memory(error: Exception) -> bool:
    """Whether a device or the machine ran out of memory; torch says so in several ways."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        words in text for words in ("out of memory", "can't allocate memory", "not enough memory")
    )
