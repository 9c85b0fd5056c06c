"""Canvas tools as state machines without Qt."""
