"""Categories and their colours."""

from __future__ import annotations

import math
from dataclasses import dataclass

# Okabe & Ito (2008), "Color Universal Design": distinct under the common colour blindnesses.
# Black is left out, as it vanishes on a photo's shadows.
OKABE_ITO = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")


@dataclass(frozen=True)
class Category:
    """What a thing is. `colour` is "#rrggbb"; `key` is the digit 1-9 that chooses it, or ""."""

    id: int
    name: str
    colour: str
    supercategory: str = ""
    isthing: bool = True
    key: str = ""

    @property
    def rgb(self) -> tuple[int, int, int]:
        return parse_colour(self.colour)


def parse_colour(text: str) -> tuple[int, int, int]:
    """ "#rrggbb" to 0-255 values; raises ValueError for any other text."""
    if len(text) != 7 or not text.startswith("#"):
        raise ValueError(f"not a colour: {text!r}")
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def category_colour(index: int) -> str:
    """The colour that the `index`-th category (from 0) starts with.

    Okabe-Ito first, then hues a golden angle apart in OKLCH (Ottosson 2020) at three lightnesses.
    """
    if index < len(OKABE_ITO):
        return OKABE_ITO[index]
    step = index - len(OKABE_ITO)
    return _oklch_hex((0.62, 0.80, 0.71)[step % 3], 0.11, math.radians(step * 137.508 + 20.0))


def _oklch_hex(lightness: float, chroma: float, hue: float) -> str:
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    cone_l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    cone_m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    cone_s = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * cone_l - 3.3077115913 * cone_m + 0.2309699292 * cone_s,
        -1.2684380046 * cone_l + 2.6097574011 * cone_m - 0.3413193965 * cone_s,
        -0.0041960863 * cone_l - 0.7034186147 * cone_m + 1.7076147010 * cone_s,
    )
    return "#" + "".join(f"{_srgb_byte(value):02x}" for value in linear)


def _srgb_byte(linear: float) -> int:
    value = min(1.0, max(0.0, linear))
    encoded = 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
    return round(255 * encoded)
