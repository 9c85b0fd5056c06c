"""The picture of a confusion matrix, of few categories and of many."""

from __future__ import annotations

import numpy as np
from pytestqt.qtbot import QtBot

from segstudio.gui.panels import quality_matrix
from segstudio.gui.panels.quality_matrix import MANY, Matrix, MatrixPicture


def test_cells_of_many_categories_have_the_colours_of_their_shares(qtbot: QtBot) -> None:
    count = MANY + 10
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 9, (count, count + 1)) * (rng.random((count, count + 1)) < 0.2)
    matrix = Matrix(tuple(f"c{at}" for at in range(count)), counts.astype(np.int64), "nothing")
    widget = MatrixPicture()
    qtbot.addWidget(widget)
    widget.resize(500, 500)
    widget.show_matrix(matrix)
    image = widget.grab().toImage()
    frame, tokens = widget._frame(matrix), quality_matrix.current_tokens()
    ends = tokens.colour("hover"), tokens.colour("accent")
    for (row, column), share in np.ndenumerate(matrix.shares):
        x, y = (frame.left + (column + 0.5) * frame.cell, frame.top + (row + 0.5) * frame.cell)
        seen = image.pixelColor(int(x), int(y)).getRgb()[:3]
        wanted = quality_matrix._between(*ends, float(share)).getRgb()[:3]
        assert np.abs(np.subtract(seen, wanted)).max() <= 1
