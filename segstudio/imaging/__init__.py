"""Pixels without learning."""
