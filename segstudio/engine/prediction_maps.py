"""Predictions as label map files: palette PNGs with a table, as the label map import reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO

from PIL import Image

from segstudio.core.category import parse_colour
from segstudio.core.prediction import IGNORE, ModelCategory, SemanticPrediction
from segstudio.formats.category_table import TABLE, TableRow, table_text
from segstudio.formats.found import Place
from segstudio.formats.palette import voc_palette

__all__ = ["FOLDER", "TABLE", "map_png", "table_bytes"]

FOLDER = "labels"


def map_png(prediction: SemanticPrediction, thresholds: Mapping[str, float]) -> bytes:
    """A palette PNG whose indices are the model's categories and whose 255 is ignored.

    Pixels less probable than their category's threshold (0 to 1, by name) are 255.
    """
    used = any(value > 0 for value in thresholds.values())
    labels = prediction.above(thresholds) if used else prediction.labels
    palette = [(0, 0, 0)] * 256
    palette[IGNORE] = voc_palette()[IGNORE]
    for index, category in enumerate(prediction.categories):
        palette[index] = parse_colour(category.colour)
    picture = Image.fromarray(labels)
    picture.putpalette([value for colour in palette for value in colour])
    data = BytesIO()
    picture.save(data, format="PNG")
    return data.getvalue()


def table_bytes(categories: Sequence[ModelCategory]) -> bytes:
    """The table that says what the indices mean; background is ignored, as nothing is there."""
    return table_text(
        TableRow(
            id=index,
            name=category.name,
            place=Place("the model"),
            rgb=parse_colour(category.colour),
            isthing=category.isthing,
            ignore=category.background,
        )
        for index, category in enumerate(categories)
    )
