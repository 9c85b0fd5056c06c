"""How well label maps agree along contours: boundary IoU and trimap IoU.

Both look at a band of stated width in pixels, measured as the chessboard distance max(|dx|, |dy|):
a pixel is within `width` of another when it lies in the square of 2 * width + 1 pixels around it.
Pixels whose truth is `IGNORE` never count.

**Boundary IoU** (Cheng et al. 2021, "Boundary IoU: Improving Object-Centric Image Segmentation
Evaluation"): of category c, with G its true and P its predicted mask, both without the ignored
pixels,

    |(G_d and G) and (P_d and P)| / |(G_d and G) or (P_d and P)|

where G_d are the pixels within d of G's contour: a pixel of G is in the inner band when a pixel
outside G is within d of it. The image's border is contour, as in the paper's code, and so is the
border of an ignored region, in truth and prediction alike. The paper takes 2 % of the image's
diagonal for d (0.5 % for Cityscapes' large images). Intersections and unions are summed over the
data set before they are divided. NaN for a category that has no band in either (absent).

**Trimap IoU** (Kohli, Ladicky and Torr 2009; Kraehenbuehl and Koltun 2011): IoU over the pixels
that have a pixel of another truth within `width`, so the band is 2 * `width` pixels wide across a
contour. The border of an ignored region is a contour (Pascal VOC draws contours that way), the
border of the image is none. NaN for categories absent from the bands, and for all where no image
has a contour.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from segstudio.core.prediction import IGNORE, LabelMap
from segstudio.metrics.confusion import ConfusionMatrix, Floats, mean

BOUNDARY_SHARE = 0.02  # of the image's diagonal

Bools = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]


def boundary_width(size: tuple[int, int], share: float = BOUNDARY_SHARE) -> int:
    """d in pixels for an image of `size` (H, W): that share of its diagonal, at least 1."""
    return max(1, round(share * math.hypot(*size)))


def inner_band(labels: LabelMap, width: int) -> Bools:
    """(H, W) bool: the pixels from which another label, or the image's border, is within `width`.

    For each label these are the pixels of its mask that are near the mask's contour, so one pass
    serves all categories.
    """
    height, across = labels.shape
    band = _other_label_near(labels, width)
    band[:width] = True
    band[max(0, height - width) :] = True
    band[:, :width] = True
    band[:, max(0, across - width) :] = True
    return band


def trimap_band(truth: LabelMap, width: int) -> Bools:
    """(H, W) bool: the pixels that have a pixel of another truth (or an ignored one) near."""
    return _other_label_near(truth, width)


class BoundaryIou:
    """Boundary IoU of each of C categories, over images that are added one by one.

    `shared`, `true` and `said` are (C,) int64: pixels in both bands of the same category, in the
    truth's band, in the prediction's.
    """

    def __init__(self, categories: int) -> None:
        self.shared: Counts = np.zeros(categories, np.int64)
        self.true: Counts = np.zeros(categories, np.int64)
        self.said: Counts = np.zeros(categories, np.int64)

    def add(self, truth: LabelMap, predicted: LabelMap, width: int) -> None:
        """Count two (H, W) uint8 label maps, 0 to C - 1 or `IGNORE`, with d = `width` pixels."""
        there = truth != IGNORE
        shown = predicted if there.all() else np.where(there, predicted, np.uint8(IGNORE))
        true, said = inner_band(truth, width), inner_band(shown, width)
        both = true & said & (truth == shown)
        self.shared += self._count(truth[both])
        self.true += self._count(truth[true])
        self.said += self._count(shown[said])

    def iou(self) -> Floats:
        """(C,) float64, NaN for categories that have no band."""
        union = self.true + self.said - self.shared
        ratio: Floats = np.divide(
            self.shared, union, out=np.full(union.shape, np.nan), where=union > 0
        )
        return ratio

    def mean_iou(self) -> float:
        """The mean over the categories that have a boundary IoU; NaN if none has."""
        return mean(self.iou())

    def _count(self, labels: LabelMap) -> Counts:
        known = len(self.shared)
        return np.bincount(labels, minlength=256)[:known].astype(np.int64, copy=False)


class TrimapIou:
    """IoU of each of C categories near the truth's contours, over images added one by one."""

    def __init__(self, categories: int) -> None:
        self.matrix = ConfusionMatrix(categories)

    def add(self, truth: LabelMap, predicted: LabelMap, width: int) -> None:
        """Count two (H, W) uint8 label maps, 0 to C - 1 or `IGNORE`; see `trimap_band`."""
        band = trimap_band(truth, width)
        self.matrix.add(truth[band], predicted[band])

    def iou(self) -> Floats:
        """(C,) float64, NaN for categories that are absent from the bands."""
        return self.matrix.iou()

    def mean_iou(self) -> float:
        return self.matrix.mean_iou()


def _other_label_near(labels: LabelMap, width: int) -> Bools:
    """Whether the smallest or the largest label within `width` is another than the pixel's own.

    A label map that is smaller than the square is looked at whole: OpenCV leaves out what lies
    beyond the image.
    """
    if width < 1:
        raise ValueError(f"a band is at least 1 pixel wide, not {width}")
    if not labels.size:
        return np.zeros(labels.shape, np.bool_)
    # The window of a pass is rows, then columns: a square costs as much as its two sides.
    reach = [min(width, side) for side in labels.shape]
    column, row = (
        np.ones(shape, np.uint8) for shape in ((2 * reach[0] + 1, 1), (1, 2 * reach[1] + 1))
    )
    low = cv2.erode(cv2.erode(labels, column), row)
    high = cv2.dilate(cv2.dilate(labels, column), row)
    return np.asarray((low != labels) | (high != labels))
