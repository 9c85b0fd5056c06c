"""Run by the tests in a process of its own: the official MobileSAM's predictor and generator.

Arguments: the checkpoint; a folder with image.npy and prompts.json, where the answers go.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import mobile_sam
import numpy as np
import torch


def main(checkpoint: Path, folder: Path) -> None:
    network = mobile_sam.sam_model_registry["vit_t"](checkpoint=str(checkpoint)).eval()
    shapes = {name: list(value.shape) for name, value in network.state_dict().items()}
    (folder / "shapes.json").write_text(json.dumps(shapes))
    image = np.load(folder / "image.npy")
    predictor = mobile_sam.SamPredictor(network)
    predictor.set_image(image)
    answers = {"image_embedding": predictor.get_image_embedding().numpy()}
    for name, prompt in json.loads((folder / "prompts.json").read_text()).items():
        points = np.array(prompt["points"]) if prompt["points"] else None
        single = len(prompt["points"]) == 1 and "box" not in prompt
        for kind in (True, False):
            logits, ious, _ = predictor.predict(
                points,
                np.array(prompt["labels"]) if prompt["points"] else None,
                np.array(prompt["box"]) if "box" in prompt else None,
                multimask_output=kind,
                return_logits=True,
            )
            if kind == single:
                answers[f"{name}: logits"], answers[f"{name}: ious"] = logits, ious
    np.savez(folder / "answers.npz", **answers)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
