"""Random projects: everything that a labelling project may hold and a format may stumble over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from memory_project import MemoryProject

from segstudio.core.annotation import Stage
from segstudio.core.category import Category
from segstudio.core.image import ImageRecord, ImageState

# Folders twice with the same file name, blanks, other scripts, an emoji, a leading dash, dots,
# names that differ by case or Unicode form only.
_PATHS = (
    "a.png",
    "one/a.png",
    "two/a.png",
    "two/A.png",
    "with blanks/a b c.png",
    "Straße/übermut.png",
    "日本/写真.png",
    "-x/..dots..png",
    "🐈/cat.png",
    "e\u0301/name.png",
    "\u00e9/name.png",
    "percent%20 #1 & 'q'.png",
)
_NAMES = (
    "cat",
    "Cat",
    "cat 2",
    "traffic light",
    'table <wood> & "cloth"',
    "стол",
    "犬",
    "a,b;c:d",
    "x: {y}",
    "🐈",
    "- dash",
    "yes",
    "007",
    "#hash",
    "'quoted'",
)
_SPLITS = ("", "train", "val", "test")
_SIDES = st.sampled_from((1, 2, 3, 5, 7, 8, 13, 16, 17, 31))


@st.composite
def masks(draw: st.DrawFn, size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool: empty, one pixel, all, a frame with a hole, stripes, noise, touching boxes."""
    height, width = size
    mask = np.zeros(size, dtype=bool)
    kind = draw(st.sampled_from(("empty", "pixel", "all", "frame", "box", "noise", "corners")))
    y, x = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    bottom, right = draw(st.integers(y + 1, height)), draw(st.integers(x + 1, width))
    if kind == "pixel":
        mask[y, x] = True
    elif kind == "all":
        mask[:] = True
    elif kind in {"box", "frame"}:
        mask[y:bottom, x:right] = True
        if kind == "frame":
            mask[y + 1 : bottom - 1, x + 1 : right - 1] = False
    elif kind == "corners":  # pixels that touch at corners only
        mask[y:bottom, x:right] = True
        mask[::2, 1::2] = False
        mask[1::2, ::2] = False
    elif kind == "noise":
        seed = draw(st.integers(0, 2**32 - 1))
        mask = np.random.default_rng(seed).random(size) < 0.4
    return mask


@st.composite
def projects(draw: st.DrawFn, folder: Path) -> MemoryProject:
    """A project of one to three small photos, some of them with annotations, in `folder`."""
    project = MemoryProject(folder, name=draw(st.sampled_from(("photos", "Bilder & mehr"))))
    names = draw(st.lists(st.sampled_from(_NAMES), min_size=1, max_size=4, unique=True))
    for name in names:
        isthing, group = draw(st.booleans()), draw(st.sampled_from(("", "animal")))
        project.add_category(name, isthing=isthing, supercategory=group)
    paths = draw(st.lists(st.sampled_from(_PATHS), min_size=1, max_size=3, unique=True))
    for path in paths:
        size = draw(_SIDES), draw(_SIDES)
        shade = draw(st.integers(0, 255))
        image = project.add_photo(
            path,
            np.full((*size, 3), shade, dtype=np.uint8),
            split=draw(st.sampled_from(_SPLITS)),
            state=draw(st.sampled_from((ImageState.LABELLED, ImageState.REVIEWED))),
        )
        for _ in range(draw(st.integers(0, 4))):
            _annotate(draw, project, image)
    return project


def _annotate(draw: st.DrawFn, project: MemoryProject, image: ImageRecord) -> None:
    category: Category = draw(st.sampled_from(project.all_categories))
    scores = st.none() | st.floats(0, 1, width=32)
    project.annotate(
        image,
        category,
        draw(masks(image.size)),
        z_order=draw(st.integers(-2, 3)),
        iscrowd=draw(st.booleans()),
        stage=draw(st.sampled_from(list(Stage))),
        predicted_iou=draw(scores),
        stability=draw(scores),
        attributes=draw(st.sampled_from(({}, {"truncated": True}, {"note": "né “x” <b>"}))),
    )
