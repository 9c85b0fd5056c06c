"""The point of a mask that is deepest inside it."""

from __future__ import annotations

import numpy as np
import pytest

from segstudio.core.mask import Mask
from segstudio.imaging.innermost import innermost_point


def test_the_innermost_point_is_inside_also_of_rings() -> None:
    y, x = np.mgrid[:60, :80]
    distance = np.hypot(x - 40, y - 30)
    ring = Mask.from_array((distance < 25) & (distance > 10))
    assert ring.contains(*innermost_point(ring))
    radius = np.hypot(*(np.subtract(innermost_point(ring), (40.5, 30.5))))
    assert 16 <= radius <= 19
    whole = Mask.from_array(np.ones((5, 9)))
    assert innermost_point(whole)[1] == 2.5
    assert innermost_point(Mask.from_array(x + y == 0)) == (0.5, 0.5)
    with pytest.raises(ValueError, match="no inside"):
        innermost_point(Mask.empty((3, 3)))
