"""A process that speaks as a training does, without training: FOLDER, then what it is to do.

It reads the set as a training would, counts steps, heeds pause, resume and stop, keeps where it is
in checkpoint/step, and goes on from there. `TRAINING_STAND_IN` in the environment names mischief:
"garbage", "die" (kill -9 on itself), "crash", "oom", "slow" (waits for stop), "child".
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec

from segstudio.models.training.events import (
    Ended,
    Event,
    Example,
    Paused,
    Started,
    Stepped,
    Validated,
    encode,
)
from segstudio.models.training.settings import TrainingSet, TrainingSettings

COMMAND = (sys.executable, __file__)


class StandIn:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = msgspec.json.decode(
            (folder / "settings.json").read_bytes(), type=TrainingSettings
        )
        self.set = msgspec.json.decode((folder / "set.json").read_bytes(), type=TrainingSet)
        self.word = ""
        self.checkpoint = folder / "checkpoint" / "step"
        self.mischief = os.environ.get("TRAINING_STAND_IN", "")
        # Unbuffered both: the interpreter has nothing to flush, and nobody to wait for, as it ends.
        self.words = os.fdopen(0, "rb", buffering=0, closefd=False)
        self.out = os.fdopen(1, "wb", buffering=0, closefd=False)

    def tell(self, event: Event) -> None:
        line = encode(event) + b"\n"
        with (self.folder / "events.jsonl").open("ab") as file:
            file.write(line)
        try:
            self.out.write(line)
        except OSError:  # nobody listens any more, which may be known here before the words end
            self.word = "stop"

    def listen(self) -> None:
        for line in self.words:
            self.word = line.decode().strip()
        self.word = "stop"

    def run(self) -> int:
        threading.Thread(target=self.listen, daemon=True).start()
        step = int(self.checkpoint.read_text()) if self.checkpoint.exists() else 0
        epochs = self.settings.epochs
        self.tell(Started(step, epochs, epochs, "cpu", "32", 1234, time.time()))
        self.make_mischief()
        while step < epochs:
            if self.word == "pause":
                self.save(step)
                self.tell(Paused(step))
                while self.word == "pause":
                    time.sleep(0.005)
            if self.word == "stop":
                self.save(step)
                self.tell(Ended("stopped", step))
                return 0
            if self.mischief == "slow" and step >= 2:
                self.save(step)
                time.sleep(0.005)
                continue
            step += 1
            self.tell(Stepped(step, step, 1.0 / step, 1e-3, float(step), float(epochs - step)))
            self.validate(step)
            self.save(step)
            if self.mischief == "die" and step == 3:
                os.kill(os.getpid(), signal.SIGKILL)
        self.tell(Ended("done", step, miou=step / (step + 1)))
        return 0

    def validate(self, step: int) -> None:
        row = self.set.val[0]
        example = Example(row.name, row.image, row.labels, row.labels, 0.5, row.image_id)
        names = {category.name: 0.5 for category in self.set.categories}
        self.tell(
            Validated(step, step, 1.0 / step, step / (step + 1), 0.9, names, True, (example,))
        )

    def save(self, step: int) -> None:
        self.checkpoint.parent.mkdir(exist_ok=True)
        part = self.checkpoint.with_suffix(".part")
        part.write_text(str(step))
        part.replace(self.checkpoint)

    def make_mischief(self) -> None:
        if self.mischief == "garbage":
            self.out.write(b'\xff\xfe no event\n{"event": "unheard-of"}\n\n{"event":\n')
            self.out.write(b"x" * 100_000 + b"\n")
        elif self.mischief == "crash":
            raise RuntimeError("the network fell over")
        elif self.mischief == "child":
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            (self.folder / "child").write_text(str(child.pid))


if __name__ == "__main__":
    sys.exit(StandIn(Path(sys.argv[1])).run())
