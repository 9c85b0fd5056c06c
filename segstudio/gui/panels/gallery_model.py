"""The images of a project as a filtered, sorted list. 100,000 rows are nothing special."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from segstudio.core.image import ImageRecord, ImageState

RECORD = int(Qt.ItemDataRole.UserRole)
COUNT = RECORD + 1
READY = RECORD + 2

DONE = frozenset({ImageState.LABELLED, ImageState.REVIEWED})
Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()


class Order(StrEnum):
    """How the list is sorted."""

    ADDED = "added"
    NAME = "name"
    ANNOTATIONS = "annotations"


@dataclass(frozen=True)
class Filter:
    """Which images are shown: all that meet every part. None: that part does not matter."""

    text: str = ""
    states: Collection[ImageState] | None = None
    image_ids: Collection[int] | None = None


@dataclass(frozen=True)
class Totals:
    """Numbers of images: in the project, shown by the filter, labelled or reviewed."""

    images: int
    shown: int
    labelled: int


@dataclass
class _Row:
    record: ImageRecord
    count: int
    ready: bool = False
    lower: str = field(init=False)

    def __post_init__(self) -> None:
        self.lower = self.record.path.casefold()


class GalleryModel(QAbstractListModel):
    """All images in order (`_rows`), and the places in it that the filter shows (`_shown`)."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[_Row] = []
        self._places: dict[int, int] = {}
        self._shown: list[int] = []
        self._filter = Filter()
        self._order = Order.ADDED
        self._labelled = 0
        self._kept: int | None = None

    # -- changing -------------------------------------------------------------------------------

    def set_images(self, records: Sequence[ImageRecord], counts: Mapping[int, int]) -> None:
        """Show these; `counts` has the number of annotations by image id (missing: 0)."""
        self._labelled = sum(record.state in DONE for record in records)
        self._refill([_Row(record, counts.get(record.id, 0)) for record in records])

    def renew_images(self, records: Sequence[ImageRecord], counts: Mapping[int, int]) -> None:
        """Show these of the same project; what is known of their embeddings stays."""
        ready = {row.record.id for row in self._rows if row.ready}
        self._labelled = sum(record.state in DONE for record in records)
        self._refill(
            [_Row(record, counts.get(record.id, 0), record.id in ready) for record in records]
        )

    def set_filter(self, wanted: Filter) -> None:
        self._filter = wanted
        self.beginResetModel()
        self._shown = self._matching()
        self.endResetModel()

    def set_order(self, order: Order) -> None:
        """Sort once; later edits do not make rows jump."""
        self._order = order
        self._refill(self._rows)

    def update_image(self, record: ImageRecord, count: int) -> None:
        """Take an image's new state and number of annotations; unknown images are ignored."""
        place = self._places.get(record.id)
        if place is None:
            return
        row = self._rows[place]
        self._labelled += (record.state in DONE) - (row.record.state in DONE)
        self._rows[place] = _Row(record, count, row.ready)
        self._sort_in(place)

    def set_ready(self, image_id: int, ready: bool) -> None:
        place = self._places.get(image_id)
        if place is not None and self._rows[place].ready != ready:
            self._rows[place].ready = ready
            self._sort_in(place)

    def keep(self, image_id: int | None) -> None:
        """Never hide this image while it is open, even when it stops meeting the filter."""
        before, self._kept = self._kept, image_id
        if before is not None and before != image_id and before in self._places:
            self._sort_in(self._places[before])

    def _refill(self, rows: Sequence[_Row]) -> None:
        self.beginResetModel()
        self._rows = sorted(rows, key=_SORTING[self._order])
        self._places = {row.record.id: place for place, row in enumerate(self._rows)}
        self._shown = self._matching()
        self.endResetModel()

    def _sort_in(self, place: int) -> None:
        """Show, hide or redraw one image after it changed."""
        at = bisect_left(self._shown, place)
        shown = at < len(self._shown) and self._shown[at] == place
        row = self._rows[place]
        wanted = _matches(row, self._filter) or (shown and row.record.id == self._kept)
        if wanted and not shown:
            self.beginInsertRows(_ROOT, at, at)
            self._shown.insert(at, place)
            self.endInsertRows()
        elif shown and not wanted:
            self.beginRemoveRows(_ROOT, at, at)
            del self._shown[at]
            self.endRemoveRows()
        elif shown:
            index = self.index(at)
            self.dataChanged.emit(index, index)

    def _matching(self) -> list[int]:
        wanted = self._filter
        if wanted == Filter():
            return list(range(len(self._rows)))
        return [place for place, row in enumerate(self._rows) if _matches(row, wanted)]

    # -- reading --------------------------------------------------------------------------------

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._shown)

    def data(self, index: Index, role: int = int(Qt.ItemDataRole.DisplayRole)) -> Any:
        row = self._rows[self._shown[index.row()]]
        record = row.record
        if role == Qt.ItemDataRole.DisplayRole:
            return record.path.rpartition("/")[2]
        if role == RECORD:
            return record
        if role == COUNT:
            return row.count
        if role == READY:
            return row.ready
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            return self._description(row)
        return None

    def record_at(self, row: int) -> ImageRecord:
        return self._rows[self._shown[row]].record

    def row_of(self, image_id: int) -> int:
        """The row that shows the image, or -1."""
        place = self._places.get(image_id)
        if place is None:
            return -1
        at = bisect_left(self._shown, place)
        return at if at < len(self._shown) and self._shown[at] == place else -1

    def totals(self) -> Totals:
        return Totals(len(self._rows), len(self._shown), self._labelled)

    def neighbours(self, image_id: int) -> tuple[int | None, int | None]:
        """The shown images before and after this one, which itself may be hidden."""
        place = self._places.get(image_id)
        if place is None:
            return None, None
        at = bisect_left(self._shown, place)
        here = at < len(self._shown) and self._shown[at] == place
        after = at + 1 if here else at
        return (
            self.record_at(at - 1).id if at > 0 else None,
            self.record_at(after).id if after < len(self._shown) else None,
        )

    def next_unlabelled(self, image_id: int | None) -> int | None:
        """The next shown image that is still to do, going round at the end; None: there is none."""
        place = self._places.get(image_id, -1) if image_id is not None else -1
        start = bisect_left(self._shown, place + 1)
        for at in (*range(start, len(self._shown)), *range(start)):
            record = self.record_at(at)
            if record.state is ImageState.TODO and record.id != image_id:
                return record.id
        return None

    def _description(self, row: _Row) -> str:
        record = row.record
        states = {
            ImageState.TODO: self.tr("not labelled"),
            ImageState.LABELLED: self.tr("labelled"),
            ImageState.REVIEWED: self.tr("reviewed"),
            ImageState.REJECTED: self.tr("rejected"),
        }
        ready = self.tr("answers at once") if row.ready else self.tr("not prepared yet")
        return self.tr("{path}\n{width} × {height}, {state}, annotations: {count}, {ready}").format(
            path=record.path,
            width=record.width,
            height=record.height,
            state=states[record.state],
            count=row.count,
            ready=ready,
        )


def _matches(row: _Row, wanted: Filter) -> bool:
    return (
        (wanted.states is None or row.record.state in wanted.states)
        and (wanted.image_ids is None or row.record.id in wanted.image_ids)
        and all(word in row.lower for word in wanted.text.casefold().split())
    )


def _natural(row: _Row) -> tuple[Any, ...]:
    """File names as people count them: 2 before 10. Even parts are text, odd ones numbers."""
    parts = re.split(r"([0-9]+)", row.lower)
    return tuple(int(part) if at % 2 else part for at, part in enumerate(parts))


_SORTING: Mapping[Order, Any] = {
    Order.ADDED: lambda row: row.record.id,
    Order.NAME: _natural,
    Order.ANNOTATIONS: lambda row: (-row.count, row.record.id),
}
