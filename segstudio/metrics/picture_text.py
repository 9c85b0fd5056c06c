"""Text in pictures that are made for people: cut to a width, or reading upwards."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Rgb = tuple[int, int, int]


def cut(text: str, font: Font, width: float) -> str:
    """The text as far as it fits into `width` px, on one line."""
    shown = " ".join(text.split())
    while font.getlength(shown) > width and len(shown) > 2:
        shown = shown[:-2] + "…"
    return shown


def standing(text: str, font: Font, ink: Rgb, paper: Rgb, line: int) -> Image.Image:
    """Text that reads upwards, in a picture as wide as a `line` is high, in px."""
    row = Image.new("RGB", (round(font.getlength(text)) + 2, line), paper)
    ImageDraw.Draw(row).text((0, line / 2), text, ink, font, anchor="lm")
    return row.transpose(Image.Transpose.ROTATE_90)
