"""`segstudio`: the window where nothing or a path is given, a command else.

A path that has the name of a command is written `./new`.
"""

from __future__ import annotations

import sys

try:
    import contextlib
    import os
    import time
    import traceback
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from segstudio.config.paths import cache_dir
    from segstudio.core.errors import BadInputError, Cancelled, SegStudioError
    from segstudio.engine.display import has_display
    from segstudio.engine.qt_libraries import (
        explain_import_error,
        install_sentence,
        missing_libraries,
        needed_libraries,
    )
except KeyboardInterrupt:  # before there is a `main` that could say it
    sys.stderr.write("Interrupted; nothing was begun.\n")
    sys.exit(130)

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run SegStudio; returns the exit status.

    0 done; 1 the input or the machine is at fault (one sentence on stderr); 2 wrong usage; 130
    interrupted. Imports the window or the commands, never both.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    # For numba, when superpixels are first asked for: the program's own folder may be read-only.
    os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_dir() / "compiled"))
    try:
        status = _start(arguments)
        sys.stdout.flush()
    except SystemExit as leaving:  # argparse: --help, wrong usage
        return leaving.code if isinstance(leaving.code, int) else 0
    except (KeyboardInterrupt, Cancelled):
        _say("Interrupted; what was finished is kept.")
        return INTERRUPTED
    except BrokenPipeError:  # `segstudio info | head`: the reader has had enough
        _mute_stdout()
        return 1
    except SegStudioError as error:
        _say(str(error))
        return 1
    except Exception as error:  # the last door: the user never meets a traceback
        _say(_explain(error))
        return 1
    return status


def _start(arguments: list[str]) -> int:
    if not arguments:
        return _open_window(lambda: _gui(None))
    first = arguments[0]
    if first == "demo":
        # The demo needs no eyes: it runs offscreen where the display, or what draws on it, lacks.
        if not has_display() or missing_libraries(needed_libraries()):
            os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        return _open_window(lambda: _demo(arguments[1:]))
    if arguments[:2] == ["bench", "canvas"]:  # draws, so it belongs to the window
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        return _open_window(lambda: _bench_canvas(arguments[2:]))
    if first.startswith("-") or first in _command_names():
        return _cli(arguments)
    path = Path(first)
    if not path.exists():
        if path.suffix or len(path.parts) > 1:
            raise BadInputError(f"There is no file or folder {first}.")
        return _cli(arguments)  # names the commands that are close, and refuses
    if len(arguments) > 1:
        _say(f"segstudio opens one path at a time; {arguments[1]!r} is one too many.")
        return 2
    return _open_window(lambda: _gui(path))


def _command_names() -> frozenset[str]:
    from segstudio.cli.registry import COMMANDS  # noqa: PLC0415

    return frozenset(command.name for command in COMMANDS)


def _cli(arguments: list[str]) -> int:
    from segstudio.cli import main as run_command  # noqa: PLC0415

    return run_command(arguments)


def _gui(path: Path | None) -> int:
    from segstudio.gui.app import run  # noqa: PLC0415

    return run(path)


def _demo(arguments: list[str]) -> int:
    from segstudio.gui.demo import run  # noqa: PLC0415

    return run(arguments)


def _bench_canvas(arguments: list[str]) -> int:
    from segstudio.gui.benchmarks.canvas import run  # noqa: PLC0415

    return run(arguments)


def _open_window(run: Callable[[], int]) -> int:
    """Run what imports Qt; a machine that lacks something is told what, in one sentence.

    Without its display's libraries Qt aborts the process, so they are looked for first.
    """
    if not has_display() and not os.environ.get("QT_QPA_PLATFORM"):
        raise SegStudioError(
            "There is no display to open the window on; log in to a desktop, or try the commands "
            "(segstudio --help), which need none."
        )
    missing = missing_libraries(needed_libraries())
    if missing:
        raise SegStudioError(install_sentence(missing))
    try:
        return run()
    except ImportError as error:
        sentence = explain_import_error(error)
        if sentence is None:
            raise
        raise SegStudioError(sentence) from error


def _say(sentence: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(sentence, file=sys.stderr, flush=True)


def _explain(error: Exception) -> str:
    """One sentence for an error nobody foresaw, and where its traceback is."""
    kind = type(error).__name__
    report = "".join(traceback.format_exception(error))
    path = cache_dir() / "tracebacks" / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(report, encoding="utf-8", errors="backslashreplace")
    except OSError:
        return f"{report}SegStudio met an error of its own ({kind})."
    text = " ".join(str(error).split())
    return f"SegStudio met an error of its own ({kind}: {text}); the traceback is in {path}."


def _mute_stdout() -> None:
    """Keep the interpreter from writing to the closed pipe once more when it ends."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
