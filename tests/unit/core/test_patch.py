"""A patch knows its place and becomes a mask of the whole image."""

from __future__ import annotations

import numpy as np
import pytest

from segstudio.core.patch import Patch


def test_a_patch_is_a_mask_at_its_place() -> None:
    pixels = np.array([[True, False, True], [True, True, True]])
    patch = Patch(pixels, (4, 1))
    expected = np.zeros((5, 9), dtype=bool)
    expected[1:3, 4:7] = pixels
    assert patch.box == (4, 1, 7, 3)
    assert np.array_equal(patch.mask((5, 9)).to_array(), expected)


def test_a_patch_that_leaves_the_image_is_no_mask_of_it() -> None:
    with pytest.raises(ValueError, match="inside"):
        Patch(np.ones((2, 2), dtype=bool), (4, 4)).mask((5, 5))


def test_pixels_of_another_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="bool"):
        Patch(np.ones((2, 2), dtype=np.uint8), (0, 0))  # type: ignore[arg-type]
