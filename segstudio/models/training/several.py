"""What the processes of one training, on one machine or on several, wait for and agree on."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar, cast

import psutil
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment

from segstudio.core.errors import BadInputError
from segstudio.models.training.control import Control
from segstudio.models.training.event_log import EventLog, first_process
from segstudio.models.training.events import Ended, Waiting
from segstudio.models.training.settings import TrainingSettings

WAIT_SECONDS = 600.0  # for the other machines, to the first meeting
_NAMES = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK")

Shared = TypeVar("Shared")


def shared(fabric: Fabric, value: Shared) -> Shared:
    """What the first process says."""
    if fabric.world_size == 1:
        return value
    found: Shared = fabric.broadcast(value)
    return found


@contextmanager
def leaving(settings: TrainingSettings, control: Control, log: EventLog) -> Iterator[None]:
    """Within it, a stop ends a process that waits for others; nothing is to be saved yet."""
    if settings.nodes * settings.devices == 1:
        yield
        return
    with control.leaving(lambda: _leave(log, Ended("stopped", 0), 0)):
        yield


def launch(fabric: Fabric, settings: TrainingSettings, log: EventLog) -> None:
    """Start this machine's processes, and wait until those of other machines are there too.

    Whom it waits for is told, and after `WAIT_SECONDS` the process ends with a sentence. Raises
    BadInputError where nobody said where machines meet.
    """
    if settings.nodes == 1:
        fabric.launch()
        return
    where = _meeting_place(fabric, settings.nodes)
    told = f"Waiting for {settings.nodes} machines to meet at {where}."
    log.add(Waiting(told))
    if not first_process():  # its events are not told: whoever started it reads its complaints
        print(told, file=sys.stderr, flush=True)
    late = (
        f"The {settings.nodes} machines did not meet at {where} within {WAIT_SECONDS / 60:g} "
        "minutes; start the same training on each of them, and see that they reach that address."
    )
    with within(WAIT_SECONDS, lambda: _leave(log, Ended("failed", 0, late), 1)):
        fabric.launch()


@contextmanager
def within(seconds: float, late: Callable[[], object]) -> Iterator[None]:
    """Call `late` on a thread where what is within takes longer."""
    timer = threading.Timer(seconds, late)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _meeting_place(fabric: Fabric, nodes: int) -> str:
    """Address, port and number of this machine, as whoever launches machines gave them."""
    environment = cast("Any", fabric.strategy).cluster_environment
    missing = [name for name in _NAMES if name not in os.environ]
    if isinstance(environment, LightningEnvironment) and missing:
        raise BadInputError(
            f"A training on {nodes} machines needs {' and '.join(missing)} in the environment of "
            "each: the first machine's address in MASTER_ADDR and a free port of it in MASTER_PORT "
            f"on all, and 0 to {nodes - 1} in NODE_RANK."
        )
    address, port = environment.main_address, environment.main_port
    return f"{address}, port {port} (this is number {environment.node_rank()}, counted from 0)"


def _leave(log: EventLog, ended: Ended, status: int) -> None:
    """End the process, which may wait where nothing else reaches it, and those that it started."""
    with suppress(OSError):
        log.add(ended)
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            child.kill()
    os._exit(status)
