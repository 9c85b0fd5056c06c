"""SegStudio: point-and-click segmentation and dataset building on the desktop."""
