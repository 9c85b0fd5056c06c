"""What is seen of masks over one another, beside the same painted pixel by pixel."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from segstudio.core.mask import Mask
from segstudio.formats.visible import visible_parts


@given(
    st.tuples(st.integers(0, 6), st.integers(1, 9), st.integers(1, 9)).flatmap(
        lambda shape: arrays.arrays(np.bool_, shape)
    )
)
def test_the_last_over_a_pixel_is_the_one_that_is_seen(layers: np.ndarray) -> None:
    owner = np.full(layers.shape[1:], -1)
    for number, layer in enumerate(layers):
        owner[layer] = number
    expected = [Mask.from_array(owner == number) for number in range(len(layers))]
    assert visible_parts([Mask.from_array(layer) for layer in layers]) == expected
