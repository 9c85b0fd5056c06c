"""Weights of `prompt_evidence`; see there for the terms.

Fitted for soft IoU plus weighted cross-entropy on simulated clicks and boxes: 145 COCO 2017 train
objects and 110 train segments of BSDS500. No pixel of either is part of this file.
"""

from __future__ import annotations

import numpy as np

# Clicks, none of them negative.
CLICK_WEIGHTS = np.array(
    [
        -6.331,
        0.5473,
        -0.05233,
        -2.688,
        9.268,
        -1.688,
        -0.02892,
        -0.4604,
        -0.4957,
        0.1573,
        -0.6643,
        2.814,
        1.862,
    ]
)

# Clicks with a negative one among them.
CORRECTED_WEIGHTS = np.array(
    [
        -4.345,
        1.51,
        0.8843,
        -1.806,
        8.915,
        -0.4708,
        0.0217,
        -0.2258,
        -1.154,
        0.3389,
        0.1653,
        -0.7034,
        -7.982,
        -2.968,
        -1.747,
        -0.917,
        -1.043,
        1.081,
    ]
)

# A box.
BOX_WEIGHTS = np.array(
    [
        -0.2897,
        0.003064,
        0.002707,
        -0.477,
        0.2661,
        -0.04336,
        0.1174,
        0.057,
        -0.9304,
        -2.619,
        3.238,
        -7.568,
        3.423,
    ]
)
