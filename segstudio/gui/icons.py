"""Our line icons, drawn in the theme's colours at whatever size and pixel ratio is asked for."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QByteArray, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QIcon, QIconEngine, QImage, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from segstudio.config.paths import resources_dir
from segstudio.gui.theme import Tokens, current_tokens

SIZES = (16, 24)


def icon_names() -> tuple[str, ...]:
    """Every icon there is, sorted."""
    return tuple(sorted(path.stem for path in (resources_dir() / "icons").glob("*.svg")))


def icon(name: str) -> QIcon:
    """The icon of that name; it follows the theme by itself, as it is drawn when it is shown.

    Disabled it is pale, in a selection or switched on it takes the accent.
    Raises KeyError for an unknown name.
    """
    _drawing(name)
    return QIcon(_LineIcon(name))


def icon_image(name: str, side: int, colour: str, ratio: float = 1.0) -> QImage:
    """The icon on a transparent square of `side` logical pixels, in one "#rrggbb" colour."""
    pixels = round(side * ratio)
    image = QImage(pixels, pixels, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    paint_icon(painter, name, QRectF(0, 0, pixels, pixels), colour)
    painter.end()
    image.setDevicePixelRatio(ratio)
    return image


def paint_icon(painter: QPainter, name: str, where: QRectF, colour: str) -> None:
    """Draw the icon into the square `where`, in one "#rrggbb" colour."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    _renderer(name, colour).render(painter, where)
    painter.restore()


@lru_cache(maxsize=256)
def _drawing(name: str) -> bytes:
    path = resources_dir() / "icons" / f"{name}.svg"
    try:
        return path.read_bytes()
    except OSError:
        raise KeyError(f"there is no icon {name!r}") from None


@lru_cache(maxsize=256)
def _renderer(name: str, colour: str) -> QSvgRenderer:
    drawing = _drawing(name).replace(b"currentColor", colour.encode("ascii"))
    return QSvgRenderer(QByteArray(drawing))


@lru_cache(maxsize=1024)
def _drawn(name: str, width: int, height: int, colour: str) -> QImage:
    """The icon in the middle of a transparent picture: a tool bar asks for it at each painting."""
    image = QImage(width, height, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    paint_icon(painter, name, _square(QRect(0, 0, width, height)), colour)
    painter.end()
    return image


def _square(rect: QRect) -> QRectF:
    """The largest square in the middle."""
    side = min(rect.width(), rect.height())
    square = QRectF(0, 0, side, side)
    square.moveCenter(QRectF(rect).center())
    return square


def _colour(tokens: Tokens, mode: QIcon.Mode, state: QIcon.State) -> str:
    if mode is QIcon.Mode.Disabled:
        return tokens.disabled
    if mode is QIcon.Mode.Selected or state is QIcon.State.On:
        return tokens.accent
    return tokens.text


_cloned: list[QIconEngine] = []  # grows only when code alters an icon, which ours never does


class _LineIcon(QIconEngine):
    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def clone(self) -> QIconEngine:
        """Called when a shared icon is altered. Qt deletes the copy, Python must not do so too."""
        copy = _LineIcon(self._name)
        _cloned.append(copy)
        return copy

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        paint_icon(painter, self._name, _square(rect), _colour(current_tokens(), mode, state))

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        """`size` is in device pixels; Qt sets the ratio."""
        colour = _colour(current_tokens(), mode, state)
        return QPixmap.fromImage(_drawn(self._name, size.width(), size.height(), colour))

    def availableSizes(
        self,
        mode: QIcon.Mode = QIcon.Mode.Normal,  # noqa: ARG002 - Qt's signature
        state: QIcon.State = QIcon.State.Off,  # noqa: ARG002
    ) -> list[QSize]:
        return [QSize(side, side) for side in SIZES]

    def iconName(self) -> str:
        return self._name

    def isNull(self) -> bool:
        return False
