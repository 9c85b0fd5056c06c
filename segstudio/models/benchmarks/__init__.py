"""Our models against the official package, in one process: how fast, and how equal."""
