"""Prompt models: one contract, one file for each family, a registry beside them.

An image is encoded once; points, a box or a prior mask are then answered from the embedding.
"""
