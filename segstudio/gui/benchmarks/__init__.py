"""What the window costs, measured on this machine."""
