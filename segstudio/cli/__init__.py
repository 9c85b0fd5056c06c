"""Headless commands, one file each. Nothing here imports torch or PySide6 until a command runs."""

from segstudio.cli.command_line import main

__all__ = ["main"]
