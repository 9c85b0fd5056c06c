"""Models: cards and weights (no torch needed), devices, prompt models, bare networks.

The only room that imports torch. Nothing outside it knows a model's frame.
"""
