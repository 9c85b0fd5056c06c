"""Docked panels; each shows a part of the workspace."""
