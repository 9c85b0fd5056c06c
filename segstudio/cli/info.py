"""`segstudio info PROJECT`: counts, categories, states, integrity."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from segstudio.cli.output import Output
from segstudio.core.image import ImageState
from segstudio.engine.project_session import project_path_for
from segstudio.store.project import ProjectStore


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("project", type=Path, help="the project file, or its folder of images")


def run(arguments: argparse.Namespace, output: Output) -> int:
    path: Path = arguments.project
    with ProjectStore.open(
        project_path_for(path) if path.is_dir() else path, read_only=True
    ) as store:
        data = _facts(store)
    output.result(data, _text(data))
    return 1 if data["integrity"] else 0


def _facts(store: ProjectStore) -> dict[str, Any]:
    images = store.images()
    states = Counter(image.state for image in images)
    used = store.category_counts()
    return {
        "name": store.name,
        "project": str(store.path),
        "images_dir": str(store.images_dir),
        "images": len(images),
        "annotations": sum(used.values()),
        "states": {str(state): states[state] for state in ImageState},
        "splits": dict(Counter(image.split for image in images if image.split)),
        "categories": [
            {
                "id": row.id,
                "name": row.name,
                "colour": row.colour,
                "supercategory": row.supercategory,
                "isthing": row.isthing,
                "annotations": used.get(row.id, 0),
            }
            for row in store.categories()
        ],
        "missing_files": [image.path for image in images if not store.image_path(image).is_file()],
        "last_edit": store.last_commit_at or None,
        "integrity": store.integrity(),
    }


def _text(data: dict[str, Any]) -> str:
    states = ", ".join(f"{count} {state}" for state, count in data["states"].items() if count)
    lines = [
        f"{data['name']} ({data['project']})",
        f"images       {data['images']} in {data['images_dir']}" + (f": {states}" * bool(states)),
        f"annotations  {data['annotations']}",
    ]
    lines += [f"  {row['name']}: {row['annotations']}" for row in data["categories"]]
    lines += [f"missing      {path}" for path in data["missing_files"]]
    lines += [f"damaged      {sentence}" for sentence in data["integrity"]]
    if not data["integrity"]:
        lines.append("integrity    good")
    return "\n".join(lines)
