"""Fixtures that every test may use. Nothing here touches the user's own folders."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from segstudio.core.progress import CancelToken
from segstudio.imaging import slic_apart

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
# Tests run in as many processes as there are cores; on small networks several threads of each wait
# for one another, and take up to ten times the processor's time. Programs that tests start heed it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A shell has what it starts in the background ignore Ctrl-C; some tests press it, also for programs
# that they start, which take this over.
signal.signal(signal.SIGINT, signal.default_int_handler)
# What numba compiles is kept from run to run, also by the programs that tests start.
_COMPILED = Path(__file__).resolve().parents[1] / ".pytest_cache" / "compiled"
_COMPILING_SECONDS = 300.0  # then something is amiss, which a test will tell
os.environ.setdefault("NUMBA_CACHE_DIR", str(_COMPILED))

# The same examples in every run, and no clock: a change fails by what it does, not by luck or by a
# busy machine. HYPOTHESIS_PROFILE=explore looks for new examples, and for more of them.
settings.register_profile(
    "same",
    derandomize=True,
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "explore", parent=settings.get_profile("same"), derandomize=False, max_examples=400
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


def pytest_configure(config: pytest.Config) -> None:
    """Compile in one more process where nobody has, while the others collect the tests."""
    if not hasattr(config, "workerinput"):
        slic_apart.begin()


def pytest_collection_finish() -> None:
    """Wait until it is compiled, so that no test meets the makeshift of a first start."""
    slic_apart.wait(CancelToken())
    until = time.monotonic() + _COMPILING_SECONDS
    while not slic_apart.compiled_before() and time.monotonic() < until:  # by another's process
        time.sleep(0.1)


_numbers = itertools.count()


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("homes")


@pytest.fixture(autouse=True)
def own_home(homes: Path) -> Iterator[Path]:
    """Settings, caches and weights of each test live in a folder of its own."""
    # Numbered here: pytest looks through all folders that there are before it makes another.
    home = homes / str(next(_numbers))
    home.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGSTUDIO_HOME", str(home))
        patch.delenv("SEGSTUDIO_WEIGHTS", raising=False)
        yield home


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """Real images and labels that are not part of the project; the test skips without them."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SEGSTUDIO_TEST_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder}; name its folder in SEGSTUDIO_TEST_DATA")
    return folder
