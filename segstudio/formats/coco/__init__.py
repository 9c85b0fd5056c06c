"""COCO instances."""
