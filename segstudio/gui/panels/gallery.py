"""The gallery: all images of the project, filtered and sorted, one of them open."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from PySide6.QtCore import QEvent, QModelIndex, QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import QAbstractItemView, QLabel, QListView, QVBoxLayout, QWidget

from segstudio.config.paths import cache_dir
from segstudio.core.image import ImageRecord, Rgb8
from segstudio.engine.jobs import JobRunner
from segstudio.gui.panels.gallery_delegate import GalleryDelegate
from segstudio.gui.panels.gallery_filter import GalleryFilter
from segstudio.gui.panels.gallery_model import Filter, GalleryModel, Order
from segstudio.gui.panels.thumbnails import Thumbnails
from segstudio.gui.theme import SPACING, numeric_font

_LOOK_MS = 30  # rows that only fly past are not worth a thumbnail


class GalleryPanel(QWidget):
    """`thumbnail_of` gives (h, w, 3) uint8 RGB of any small size; it is called on the io lane."""

    image_chosen = Signal(int)
    category_filter_cleared = Signal()

    def __init__(
        self,
        runner: JobRunner,
        thumbnail_of: Callable[[ImageRecord], Rgb8],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.thumbnails = Thumbnails(runner, thumbnail_of, cache_dir() / "thumbnails", self)
        self.model = GalleryModel(self)
        self.controls = GalleryFilter()
        self.view = QListView()
        self.footer = QLabel()
        self._current: int | None = None
        self._following = False
        self._look = QTimer(self)
        self._look.setSingleShot(True)
        self._look.setInterval(_LOOK_MS)
        self._look.timeout.connect(self._look_around)
        self._set_up_view()
        self._lay_out()
        self._connect()
        self._changed()

    def _set_up_view(self) -> None:
        self.view.setModel(self.model)
        self.view.setItemDelegate(GalleryDelegate(self.thumbnails, self.view))
        self.view.setUniformItemSizes(True)
        self.view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.view.setMouseTracking(True)
        self.view.setAccessibleName(self.tr("Images"))
        self.view.viewport().installEventFilter(self)

    def _lay_out(self) -> None:
        self.footer.setFont(numeric_font(self.font()))
        self.footer.setProperty("role", "dim")
        self.footer.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.footer.setContentsMargins(2 * SPACING, SPACING, 2 * SPACING, SPACING)
        self.footer.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.controls)
        layout.addWidget(self.view, 1)
        layout.addWidget(self.footer)

    def _connect(self) -> None:
        self.controls.changed.connect(self._use_filter)
        self.controls.order_changed.connect(self._use_order)
        self.controls.category_cleared.connect(self.category_filter_cleared)
        self.view.selectionModel().currentChanged.connect(self._moved)
        self.view.verticalScrollBar().valueChanged.connect(self._look_soon)
        self.thumbnails.arrived.connect(self.view.viewport().update)
        self.model.modelReset.connect(self._changed)
        self.model.rowsInserted.connect(self._changed)
        self.model.rowsRemoved.connect(self._changed)
        self.model.dataChanged.connect(self._changed)

    # -- told from outside ----------------------------------------------------------------------

    def set_images(self, records: Sequence[ImageRecord], counts: Mapping[int, int]) -> None:
        """Show another project's images; `counts`: annotations by image id (missing: 0)."""
        self._current = None
        self.model.keep(None)
        self.thumbnails.want(())
        self.thumbnails.forget_failures()
        self.model.set_images(records, counts)

    def update_image(self, record: ImageRecord, count: int) -> None:
        """Take an image's new state and number of annotations."""
        self.model.update_image(record, count)

    def set_embedding_ready(self, image_id: int, ready: bool) -> None:
        self.model.set_ready(image_id, ready)

    def set_current(self, image_id: int | None) -> None:
        """Mark the image that is open and bring it into sight; `image_chosen` is not emitted."""
        self._current = image_id
        self.model.keep(image_id)
        self._show_current()

    def set_category_filter(self, name: str, image_ids: Collection[int] | None) -> None:
        """Show only these images, which hold the category `name`; None: images of any."""
        self.controls.set_category(name, image_ids)

    def neighbours(self, image_id: int) -> tuple[int | None, int | None]:
        """The images before and after this one, as the list is filtered and sorted now."""
        return self.model.neighbours(image_id)

    def next_unlabelled(self, image_id: int | None) -> int | None:
        """The next image of the filtered list that is still to do; None: there is none."""
        return self.model.next_unlabelled(image_id)

    # -- own hands ------------------------------------------------------------------------------

    def _use_filter(self, wanted: Filter) -> None:
        self.model.set_filter(wanted)
        self._show_current()

    def _use_order(self, order: Order) -> None:
        self.model.set_order(order)
        self._show_current()

    def _show_current(self) -> None:
        row = self.model.row_of(self._current) if self._current is not None else -1
        self._following = True
        try:
            index = self.model.index(row) if row >= 0 else QModelIndex()
            # Where the list itself made it the current one, it knows what else stays selected.
            if index != self.view.currentIndex():
                self.view.setCurrentIndex(index)
            if index.isValid():
                self.view.scrollTo(index, QAbstractItemView.ScrollHint.EnsureVisible)
        finally:
            self._following = False

    def _moved(self, index: QModelIndex, _: QModelIndex) -> None:
        if index.isValid() and not self._following:
            record = self.model.record_at(index.row())
            if record.id != self._current:
                self.image_chosen.emit(record.id)

    # -- what is in sight -----------------------------------------------------------------------

    def visible_rows(self) -> range:
        """The rows that are in sight now."""
        area = self.view.viewport().rect()
        first = self.view.indexAt(area.topLeft())
        if not first.isValid() or not self.view.isVisible():
            return range(0)
        row_height = max(1, self.view.sizeHintForRow(first.row()))
        last = first.row() + area.height() // row_height + 2
        return range(first.row(), min(last, self.model.rowCount()))

    def _look_soon(self) -> None:
        self._look.start()

    def _look_around(self) -> None:
        self.thumbnails.want([self.model.record_at(row) for row in self.visible_rows()])

    def _changed(self) -> None:
        self._look_soon()
        totals = self.model.totals()
        if not totals.images:
            text = ""
        elif totals.shown != totals.images:
            text = self.tr("{shown} of {images} images, {labelled} labelled")
        elif totals.images == 1:
            text = self.tr("{images} image, {labelled} labelled")
        else:
            text = self.tr("{images} images, {labelled} labelled")
        locale = self.locale()
        self.footer.setText(
            text.format(
                shown=locale.toString(totals.shown),
                images=locale.toString(totals.images),
                labelled=locale.toString(totals.labelled),
            )
        )

    # -- events ---------------------------------------------------------------------------------

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: ARG002 - Qt's
        if event.type() in (QEvent.Type.Resize, QEvent.Type.Show):
            self._look_soon()
        return False
