"""The canvas: view, layers, pointer."""
