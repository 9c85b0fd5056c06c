"""Training of semantic models, in a process of its own; only some modules need torch."""
