"""Semantic models: a category for each pixel of an image."""
