"""Networks that no library gives, as bare modules: shapes in docstrings, the paper named."""
