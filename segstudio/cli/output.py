"""What a command prints: results on stdout, progress and sentences on stderr."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

from segstudio.core.progress import Progress

_LINE_EVERY_S = 10.0
_REDRAW_EVERY_S = 0.1


class Output:
    """Where a command writes. With `as_json`, stdout gets exactly one JSON object.

    `progress` is a ProgressSink: one line that redraws itself on a terminal, a line now and then
    elsewhere (log files).
    """

    def __init__(
        self, as_json: bool = False, out: TextIO | None = None, err: TextIO | None = None
    ) -> None:
        self.as_json = as_json
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self._terminal = self._err.isatty()
        self._last = 0.0 if self._terminal else time.monotonic()
        self._open_line = False

    def result(self, data: Mapping[str, Any], text: str) -> None:
        """Print the command's result, as data or as text for a person."""
        self._end_line()
        if self.as_json:
            text = json.dumps(data, indent=2, ensure_ascii=True)
        if text:
            print(text, file=self._out, flush=True)

    def say(self, sentence: str) -> None:
        """A sentence for the person, beside the result."""
        self._end_line()
        print(sentence, file=self._err, flush=True)

    def progress(self, progress: Progress) -> None:
        """Show how far the work is."""
        now = time.monotonic()
        if now - self._last < (_REDRAW_EVERY_S if self._terminal else _LINE_EVERY_S):
            return
        self._last = now
        line = _line(progress)
        if self._terminal:
            width = max(20, shutil.get_terminal_size().columns - 1)
            self._err.write(f"\r{line[:width]:<{width}}")
            self._err.flush()
            self._open_line = True
        else:
            print(line, file=self._err, flush=True)

    def _end_line(self) -> None:
        if self._open_line:
            width = max(20, shutil.get_terminal_size().columns - 1)
            self._err.write("\r" + " " * width + "\r")
            self._open_line = False


def _line(progress: Progress) -> str:
    if progress.fraction is None:
        return progress.text or "Working"
    return f"{progress.fraction:4.0%} {progress.text}".rstrip()
