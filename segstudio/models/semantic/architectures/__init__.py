"""Networks that give a category for each pixel: one file for each family."""
