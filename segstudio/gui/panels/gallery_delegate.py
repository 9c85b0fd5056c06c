"""Draws one row of the gallery: thumbnail, name, three dots, number of annotations."""

from __future__ import annotations

from PySide6.QtCore import (
    QObject,
    QPointF,
    QRect,
    QRectF,
    QSize,
    Qt,
)
from PySide6.QtGui import QFontMetrics, QPainter, QPainterPath, QPen, QPixmap
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from segstudio.core.image import ImageRecord, ImageState
from segstudio.gui.icons import paint_icon
from segstudio.gui.panels.gallery_model import COUNT, DONE, READY, RECORD, Index
from segstudio.gui.panels.thumbnails import Thumbnails
from segstudio.gui.theme import RADIUS, SPACING, Tokens, current_tokens, numeric_font

THUMBNAIL = 48  # px
ROW = THUMBNAIL + 2 * SPACING
_DOT = 7  # px across
_GAP = 2 * SPACING


class GalleryDelegate(QStyledItemDelegate):
    """All rows are equally high, so the list never has to measure them."""

    def __init__(self, thumbnails: Thumbnails, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thumbnails = thumbnails

    def sizeHint(
        self,
        option: QStyleOptionViewItem,  # noqa: ARG002 - Qt's signature
        index: Index,  # noqa: ARG002
    ) -> QSize:
        return QSize(THUMBNAIL * 3, ROW)

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: Index,
    ) -> None:
        tokens = current_tokens()
        record: ImageRecord = index.data(RECORD)
        area: QRect = option.rect
        state: QStyle.StateFlag = option.state
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        if state & QStyle.StateFlag.State_Selected:
            painter.fillRect(area, tokens.colour("selected"))
            painter.fillRect(area.x(), area.y(), 3, area.height(), tokens.colour("accent"))
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(area, tokens.colour("hover"))
        square = QRect(area.x() + _GAP, area.y() + SPACING, THUMBNAIL, THUMBNAIL)
        self._paint_thumbnail(painter, square, record, tokens)
        text = area.adjusted(2 * _GAP + THUMBNAIL, SPACING, -_GAP, -SPACING)
        _paint_name(painter, text, str(index.data()), record, tokens)
        _paint_facts(painter, text, index, tokens)
        painter.restore()

    def _paint_thumbnail(
        self, painter: QPainter, square: QRect, record: ImageRecord, tokens: Tokens
    ) -> None:
        outline = QPainterPath()
        outline.addRoundedRect(QRectF(square), RADIUS, RADIUS)
        painter.save()
        painter.setClipPath(outline)
        painter.fillRect(square, tokens.colour("line"))
        pixmap = self._thumbnails.get(record)
        if pixmap is not None:
            painter.drawPixmap(QRectF(square), pixmap, _middle_square(pixmap))
        elif self._thumbnails.failed(record):
            paint_icon(
                painter, "warning", QRectF(square.adjusted(14, 14, -14, -14)), tokens.warning
            )
        else:
            paint_icon(painter, "image", QRectF(square.adjusted(14, 14, -14, -14)), tokens.dim)
        painter.restore()


def _middle_square(pixmap: QPixmap) -> QRectF:
    side = min(pixmap.width(), pixmap.height())
    return QRectF((pixmap.width() - side) / 2, (pixmap.height() - side) / 2, side, side)


def _paint_name(
    painter: QPainter, area: QRect, name: str, record: ImageRecord, tokens: Tokens
) -> None:
    rejected = record.state is ImageState.REJECTED
    font = painter.font()
    font.setStrikeOut(rejected)
    painter.setFont(font)
    painter.setPen(tokens.colour("dim" if rejected else "text"))
    upper = QRect(area.x(), area.y(), area.width(), area.height() // 2)
    metrics = QFontMetrics(font)
    # The end of a file's name tells it apart from its neighbours, so the middle gives way.
    text = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, upper.width())
    painter.drawText(upper, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), text)


def _paint_facts(painter: QPainter, area: QRect, index: Index, tokens: Tokens) -> None:
    """Three dots (labelled, reviewed, embedding ready) and the number of annotations."""
    record: ImageRecord = index.data(RECORD)
    count, ready = int(index.data(COUNT)), bool(index.data(READY))
    lower = QRect(area.x(), area.y() + area.height() // 2, area.width(), area.height() // 2)
    if record.state is ImageState.REJECTED:
        side = _DOT * 2
        where = QRectF(lower.x(), lower.center().y() - side / 2, side, side)
        paint_icon(painter, "rejected", where, tokens.danger)
    else:
        dots = (
            (record.state in DONE, "accent"),
            (record.state is ImageState.REVIEWED, "good"),
            (ready, "warning"),
        )
        for number, (filled, role) in enumerate(dots):
            centre = QPointF(lower.x() + _DOT / 2 + number * (_DOT + 5), lower.center().y())
            painter.setPen(QPen(tokens.colour(role if filled else "dim"), 1.25))
            painter.setBrush(tokens.colour(role) if filled else Qt.BrushStyle.NoBrush)
            painter.drawEllipse(centre, _DOT / 2 - 0.5, _DOT / 2 - 0.5)
    font = numeric_font(painter.font())
    font.setStrikeOut(False)
    painter.setFont(font)
    painter.setPen(tokens.colour("dim"))
    if count:
        where_text = int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight)
        painter.drawText(lower, where_text, f"{count:,}".replace(",", "\u202f"))
