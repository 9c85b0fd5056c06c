"""Start-up: from the command to a window that paints, beside a bare Qt window in the same run.

    python tests/benchmarks/startup.py [--repeats N] [--json]

Each repeat is a fresh process; medians of wall seconds. The baseline is a PySide6 QMainWindow
with nothing in it, which is what no PySide6 app can beat.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

OURS = """
import sys
from segstudio.config.settings import load_settings
from segstudio.gui.app import Studio, make_application
from segstudio.gui.theme import apply_theme
app = make_application(["segstudio"])
settings = load_settings()
apply_theme(app, settings.theme)
studio = Studio(settings)
studio.window.show()
while not studio.runner.wait_idle(5):
    pass
app.processEvents()
assert studio.window.isVisible() and "torch" not in sys.modules
print("shown", flush=True)
studio.close()
"""

BARE = """
from PySide6.QtWidgets import QApplication, QMainWindow
app = QApplication([])
window = QMainWindow()
window.show()
app.processEvents()
print("shown", flush=True)
"""


def seconds_until_shown(program: str) -> float:
    """Wall seconds until the program says that its window shows."""
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "SEGSTUDIO_HOME": home}
        environment.setdefault("QT_QPA_PLATFORM", "offscreen")
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        elapsed = time.perf_counter() - began
        if line.strip() != "shown" or process.wait() != 0:
            raise SystemExit("the window did not show")
    return elapsed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    ours, bare = [], []
    for _ in range(options.repeats):
        ours.append(seconds_until_shown(OURS))
        bare.append(seconds_until_shown(BARE))
    row = {
        "name": "start-up to a usable window",
        "ours_s": round(statistics.median(ours), 3),
        "baseline": "bare PySide6 QMainWindow",
        "baseline_s": round(statistics.median(bare), 3),
        "ratio": round(statistics.median(ours) / statistics.median(bare), 2),
    }
    print(json.dumps(row) if options.json else row)


if __name__ == "__main__":
    main()
