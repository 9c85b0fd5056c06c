"""The window: the only place for PySide6."""
