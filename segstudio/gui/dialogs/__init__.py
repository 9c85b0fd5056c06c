"""Dialogs, none of which is in the way."""
