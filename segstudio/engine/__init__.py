"""The verbs, for the window and the command line alike."""
