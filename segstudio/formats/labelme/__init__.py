"""labelme."""
