"""Converting an encoder in a process of its own.

Conversion holds the interpreter for parts of a second at a time, which would stop the window, and
a runtime that does not suit the processor may crash. Neither reaches the process that asks.
`python -m segstudio.models.prompt.encoder_conversion CARD WEIGHTS` is that process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

from segstudio.core.errors import Cancelled, SegStudioError
from segstudio.core.progress import CancelToken
from segstudio.models.card import ModelCard
from segstudio.models.prompt.encoder_files import Facts, new_folder, runtime_version, write_facts

SWITCH = "SEGSTUDIO_ENCODER"  # "torch" keeps the runtime out
_LOOK_SECONDS = 0.1
_NICENESS = 10  # the person's own work goes first
_STOPPED = 15  # SIGTERM; and 9, SIGKILL, is also what a system short of memory sends
_KILLED = 9


def runtime_obstacle(device: str) -> str:
    """Why no encoder is converted for that device here; "" where nothing is in the way."""
    if device != "cpu":
        return f"{device} computes with torch"
    if os.environ.get(SWITCH) == "torch":
        return f"{SWITCH} says so"
    if runtime_version() is None:
        return "OpenVINO is not installed; it has no package for some systems"
    return ""


def convert_apart(card: ModelCard, weights: Path, folder: Path, cancel: CancelToken) -> str:
    """Convert into `folder` in another process; returns why that did not work, or "".

    Raises Cancelled, with nothing left behind, and OSError if no process can be started.
    """
    # -P: nothing is imported from the working folder, which may hold anybody's files.
    command = [sys.executable, "-P", "-m", __name__, card.key, str(weights)]
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW | subprocess.BELOW_NORMAL_PRIORITY_CLASS
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            creationflags=flags,
        )
        try:
            status = _wait(process, cancel)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if status == 0:
            return ""
        if status == 1:
            return _last_line(said)
    if -status in (_STOPPED, _KILLED):
        return "its conversion was stopped from outside"
    why = f"OpenVINO ends with status {status} on this processor"
    with new_folder(folder) as part:
        write_facts(part, Facts(refused=why))
    return why


def _wait(process: subprocess.Popen[bytes], cancel: CancelToken) -> int:
    while True:
        try:
            return process.wait(_LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            if cancel.cancelled:
                raise Cancelled from None


def _last_line(said: IO[bytes]) -> str:
    said.seek(0)
    lines = said.read().decode("utf-8", errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "its conversion failed"


def main(arguments: list[str]) -> int:
    """Convert the encoder of the model CARD with WEIGHTS; 0 done, 1 not (why: stderr's last line).

    An encoder that was converted and found useless is done, too: its facts say so.
    """
    from segstudio.models.prompt.sam_model import SamModel  # noqa: PLC0415 - imports this module
    from segstudio.models.registry import prompt_model  # noqa: PLC0415

    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    key, weights = arguments
    try:
        model = prompt_model(key).load(Path(weights), "cpu")
        if isinstance(model, SamModel):
            model.encoder.convert_here()
    except (SegStudioError, OSError, MemoryError) as error:
        print(error or type(error).__name__, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
