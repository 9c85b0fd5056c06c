"""What models compute with on this machine, and why: for the doctor."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping

from segstudio.core.errors import WeightsError
from segstudio.engine.finding import Finding, Level
from segstudio.models import weights
from segstudio.models.card import ModelCard
from segstudio.models.device import DeviceInfo, absent_devices, available_devices
from segstudio.models.machine import measured, usable_cores
from segstudio.models.prompt.encoder_files import Facts, known_encoders, runtime_version
from segstudio.models.registry import PROMPT_MODELS
from segstudio.models.threads import chosen_threads

_TUNING = ("GLIBC_TUNABLES", "MALLOC_ARENA_MAX", "THP_MEM_ALLOC_ENABLE")


def computing() -> list[Finding]:
    """The devices, which of them is used, the threads, and what encodes images for each model.

    Of the models, those whose weights are here. Never raises.
    """
    try:
        devices, absent = available_devices(), absent_devices()
    except Exception as error:  # a broken torch raises OSError, ImportError, RuntimeError, ...
        text = " ".join(str(error).split())
        return [Finding("Devices", f"torch fails: {text}", Level.FAULT, "install torch again")]
    used = devices[0].key
    return [
        *map(_device, devices),
        _used(used, absent),
        _threads(),
        allocator(),
        *(_encoder(card, used) for card in PROMPT_MODELS if card.weights and _here(card)),
    ]


def allocator(environ: Mapping[str, str] = os.environ) -> Finding:
    """Which memory allocator serves torch, and whether somebody has tuned it.

    SegStudio tunes nothing. glibc's thresholds and huge pages were measured on the device lane's
    thread: encoding with OpenVINO and everything gain nothing (0.99 to 1.04 times), torch's encoder
    1.2 to 1.3 times, until the encoder is converted; that is not worth starting the program twice.
    """
    library, version = platform.libc_ver()
    found = f"{library} {version}" if library else "the system's"
    changed = [name for name in ("LD_PRELOAD", *_TUNING) if environ.get(name)]
    told = ", ".join(f"{name}={environ[name]}" for name in changed)
    return Finding("Memory allocator", f"{found}, {told or 'as it is'}")


def _device(device: DeviceInfo) -> Finding:
    memory = f", {device.memory_bytes / 1e9:.0f} GB" if device.memory_bytes else ""
    return Finding(f"Device {device.key}", f"{device.name}, {device.detail}{memory}")


def _used(device: str, absent: dict[str, str]) -> Finding:
    reasons = "; ".join(f"not {key}: {why}" for key, why in absent.items())
    return Finding("Computes on", f"{device}; {reasons or 'the fastest that is there'}")


def _threads() -> Finding:
    chosen = chosen_threads()
    if chosen is None:
        return Finding("Threads", "not measured yet; the first model that is loaded does it")
    if not chosen.count:
        return Finding("Threads", chosen.why)
    return Finding("Threads", f"{chosen.count} of {usable_cores()} cores, {chosen.why}")


def _here(card: ModelCard) -> bool:
    try:
        return weights.find(card) is not None
    except WeightsError:
        return False


def _encoder(card: ModelCard, device: str) -> Finding:
    name = f"Encoder of {card.key}"
    if not card.converted:
        return Finding(name, f"torch on {device}, float32")
    if device != "cpu":
        tried = measured(f"precision-{card.key}")
        if tried is None or tried.get("device") != device:
            return Finding(name, f"torch on {device}; its precision is chosen at the first use")
        return Finding(name, f"torch on {device}, {tried.get('precision')}: {tried.get('why')}")
    version = runtime_version()
    if version is None:
        return Finding(name, "torch, float32")
    known = known_encoders(card.key)
    if known:
        return Finding(name, _told(known[-1][1], version))
    remedy = f"the first use converts it once, and so does segstudio models pull {card.key}"
    return Finding(name, "torch, float32; not converted for OpenVINO yet", Level.NOTE, remedy)


def _told(facts: Facts, version: str) -> str:
    if facts.refused:
        return f"torch, float32, as for OpenVINO {version} {facts.refused}"
    ratio = facts.torch_s / facts.runtime_s if facts.runtime_s else 0.0
    return (
        f"OpenVINO {version}, float32: {ratio:.1f} times as fast as torch when it was converted, "
        f"largest difference {facts.difference:.0e}"
    )
