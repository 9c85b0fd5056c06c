"""Where the image lies on the screen: zoom and pan as one immutable value. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

from segstudio.core.mask import Box

MIN_SCALE, MAX_SCALE = 0.01, 64.0
# So many logical pixels of the image always stay in sight, so that it cannot be lost.
KEEP_IN_SIGHT = 48.0
# A place that is shown covers at least so many logical pixels, at most that part of the viewport.
SPECK, FILLED = 24.0, 0.8


@dataclass(frozen=True)
class View:
    """screen = image * scale + offset, in logical screen pixels.

    `image_size` is (H, W); `viewport` is the canvas's (width, height) in logical pixels.
    """

    image_size: tuple[int, int] = (0, 0)
    viewport: tuple[float, float] = (1.0, 1.0)
    scale: float = 1.0
    x: float = 0.0
    y: float = 0.0

    def to_screen(self, x: float, y: float) -> tuple[float, float]:
        return x * self.scale + self.x, y * self.scale + self.y

    def to_image(self, x: float, y: float) -> tuple[float, float]:
        return (x - self.x) / self.scale, (y - self.y) / self.scale

    @property
    def visible(self) -> tuple[float, float, float, float]:
        """The part of the image in sight: half-open xyxy in image pixels; empty if none."""
        height, width = self.image_size
        x0, y0 = self.to_image(0, 0)
        x1, y1 = self.to_image(*self.viewport)
        return max(0.0, x0), max(0.0, y0), min(float(width), x1), min(float(height), y1)

    def fitted(self, margin: float = 16.0) -> View:
        """The whole image, centred; never enlarged beyond 1:1 for images smaller than that."""
        height, width = self.image_size
        if not (height and width):
            return self
        wide, high = self.viewport
        scale = min((wide - 2 * margin) / width, (high - 2 * margin) / height)
        return self._centred(min(MAX_SCALE, max(MIN_SCALE, scale)))

    def actual_size(self) -> View:
        """1:1, keeping the middle of the viewport in place."""
        return self.zoomed(1.0 / self.scale, self.viewport[0] / 2, self.viewport[1] / 2)

    def showing(self, box: Box) -> View:
        """The middle of an image box in the middle of the viewport, at a scale that suits both.

        The scale stays where the box then is neither a speck nor fills more than four fifths.
        """
        wide, high = max(1.0, box.x1 - box.x0), max(1.0, box.y1 - box.y0)
        most = min(FILLED * self.viewport[0] / wide, FILLED * self.viewport[1] / high)
        least = min(most, SPECK / max(wide, high))
        scale = min(MAX_SCALE, max(MIN_SCALE, min(max(self.scale, least), most)))
        x = self.viewport[0] / 2 - (box.x0 + box.x1) / 2 * scale
        y = self.viewport[1] / 2 - (box.y0 + box.y1) / 2 * scale
        return View(self.image_size, self.viewport, scale, x, y)._kept_in_sight()

    def _centred(self, scale: float) -> View:
        height, width = self.image_size
        x = (self.viewport[0] - width * scale) / 2
        y = (self.viewport[1] - height * scale) / 2
        return View(self.image_size, self.viewport, scale, x, y)

    def zoomed(self, factor: float, x: float, y: float) -> View:
        """Zoom so that the image position under screen (x, y) stays there."""
        scale = min(MAX_SCALE, max(MIN_SCALE, self.scale * factor))
        ratio = scale / self.scale
        moved_x, moved_y = x - (x - self.x) * ratio, y - (y - self.y) * ratio
        return View(self.image_size, self.viewport, scale, moved_x, moved_y)._kept_in_sight()

    def panned(self, dx: float, dy: float) -> View:
        """Move by whole logical pixels on the screen."""
        moved = View(self.image_size, self.viewport, self.scale, self.x + dx, self.y + dy)
        return moved._kept_in_sight()

    def resized(self, width: float, height: float) -> View:
        """Another viewport, the middle of the old one staying in the middle."""
        dx, dy = (width - self.viewport[0]) / 2, (height - self.viewport[1]) / 2
        moved = View(self.image_size, (width, height), self.scale, self.x + dx, self.y + dy)
        return moved._kept_in_sight()

    def _kept_in_sight(self) -> View:
        height, width = self.image_size
        keep = KEEP_IN_SIGHT
        x = min(max(self.x, keep - width * self.scale), self.viewport[0] - keep)
        y = min(max(self.y, keep - height * self.scale), self.viewport[1] - keep)
        return View(self.image_size, self.viewport, self.scale, x, y)
