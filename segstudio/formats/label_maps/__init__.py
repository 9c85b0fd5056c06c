"""Label maps: one number a pixel."""
