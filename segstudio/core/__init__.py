"""The nouns, numpy only."""
