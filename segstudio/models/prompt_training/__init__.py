"""The data, the clicks and the loop that train segstudio_nano; torch is imported late."""
