"""Files that are there whole or not at all: see `segstudio.core.whole_files`."""

from __future__ import annotations

from segstudio.core.whole_files import disk_error, put

__all__ = ["disk_error", "put"]
