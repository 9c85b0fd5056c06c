"""Desks: what the actions call. Each holds one part of the window's behaviour."""
