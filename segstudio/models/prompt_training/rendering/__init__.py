"""Pictures of 3-D models with exact masks: what prompt models learn things and their parts from.

`python -m segstudio.models.prompt_training.rendering` makes folders of cut-outs and of scenes (see
`prompt_training.scene`) from a folder of OBJ models with furniture catalogues. World frame: metres,
x to the right, y up, z towards the viewer of a model's front; right-handed.
"""
